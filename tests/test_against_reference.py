"""The float solver against 25-digit tables, and its kernels against the symbolic potential."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_saddle_point import random_equations

from asymptotics import PROBES, limit, make_problem, separability
from asymptotics.gauss import margin_moments
from asymptotics.losses import LOSSES
from asymptotics.symbolic.potential import eliminate_conjugates, spectral_potential
from asymptotics.thresholds import hinge_collapse

TABLES = Path(__file__).parent / "reference"
ORDER_PARAMETERS = {"gamma": "gamma", "m": "mean", "q": "variance"}


def table(name):
    return json.loads((TABLES / f"{name}.json").read_text())


def solve(row):
    """The float limit of a row of a table."""
    names = ("loss", "signal", "sampling_ratio", "ridge", "gain", "prior", "intercept")
    given = {name: row[name] for name in names if row.get(name) is not None}
    if PROBES[row["loss"]].ridge is not None:
        given.pop("ridge", None)
    if "eigenvalues" in row:
        keys = ("eigenvalues", "weights", "squared_means")
        given["spectrum"] = {key: row[key] for key in keys}
    return limit(make_problem(**given))


@pytest.mark.parametrize("name", ["ordinary", "spectra", "intercepts"])
def test_ordinary_points_agree_to_twelve_digits(name):
    for row in table(name):
        found = solve(row)
        assert found.converged, row
        assert float(found.accuracy) == pytest.approx(float(row["accuracy"]), abs=2e-13), row
        assert float(found.test_error) == pytest.approx(float(row["test_error"]), rel=1e-11), row
        for ours, theirs in ORDER_PARAMETERS.items():
            if row["loss"] != "bayes":
                value = float(getattr(found, ours))
                assert value == pytest.approx(float(row[theirs]), rel=1e-9, abs=1e-13), (row, ours)


def test_corners_of_the_box_agree_to_ten_digits_or_are_refused():
    failed = 0
    for row in table("corners"):
        found = solve(row)
        if not found.converged:
            failed += 1
            continue
        exact = float(row["accuracy"])
        assert abs(float(found.accuracy) - exact) < 1e-10, row
        assert abs(float(found.accuracy) - exact) <= float(found.error_estimate) + 4e-13, row
        # ten digits of a tiny error too
        assert float(found.test_error) == pytest.approx(float(row["test_error"]), rel=1e-9), row
    assert failed <= 1


def test_thresholds_agree_with_the_table():
    for row in table("thresholds"):
        prior = row["prior"] if row.get("intercept") else None
        found = float(separability(row["signal"], prior).threshold)
        assert found == pytest.approx(float(row["sampling_ratio"]), rel=1e-11), row


def test_collapse_of_the_hinge_agrees_with_the_table():
    for row in table("collapse"):
        expected = np.inf if row["sampling_ratio"] is None else float(row["sampling_ratio"])
        found = float(hinge_collapse(row["signal"], row["prior"]))
        assert found == pytest.approx(expected, rel=1e-11), row


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("name", list(LOSSES))
def test_kernels_are_the_potentials_derivatives_at_random_points(name, intercept):
    """At 1000 points the kernels' residual and Jacobian are those of sympy's equations.

    The kernels' residual is r = log of each side of probe.md's fixed point; the symbolic one is
    the difference of the sides in (gamma, m, q, b). Both are functions of the same moments, so the
    two Jacobians are related by the chain rule.
    """
    atoms, points = 3, 1000 // len(LOSSES) + 1
    rng = np.random.default_rng(7)
    equations, x = random_equations(LOSSES[name], points, rng, intercept, atoms)
    residual, jacobian = equations.residual(x, 200)
    gamma, m, q, b = equations.order_parameters(x)
    labels = (1.0, -1.0) if intercept else (1.0,)
    moments = [
        {
            key.upper() if key[-1] != "z" else "M" + key[1:]: value
            for key, value in vars(
                margin_moments(LOSSES[name], gamma, m + label * b, np.sqrt(q), 200)
            ).items()
        }
        for label in labels
    ]
    symbolic = eliminate_conjugates(spectral_potential(atoms, intercept))
    geometry = equations.geometry
    parameters = [
        equations.sampling_ratio,
        equations.ridge,
        *geometry.eigenvalues.T,
        *geometry.weights.T,
        *geometry.squared_means.T,
    ]
    unknowns = [gamma, m, q]
    if intercept:
        unknowns, parameters = [*unknowns, b], [*parameters, equations.prior]
    expected = symbolic.residual_function()(unknowns, parameters, moments)
    # a difference of sides, lhs - rhs, is lhs (1 - exp r)
    sides = np.stack([gamma, m, q])
    np.testing.assert_allclose(
        -sides * np.expm1(residual[:3]), expected[:3], rtol=1e-12, atol=1e-12 * np.max(sides)
    )
    hats, _ = equations.channel(x, 200)
    if intercept:
        np.testing.assert_allclose(residual[3] * np.sqrt(hats[2]), expected[3], atol=1e-13)
    # chain rule: d/d(unknowns of the kernel) of lhs (1 - exp r)
    by_unknown = symbolic.jacobian_function()(unknowns, parameters, moments)
    change = np.zeros((len(unknowns), len(unknowns), points))
    change[0, 0], change[1, 1], change[2, 2] = gamma, m, q
    if intercept:
        change[3, 1], change[3, 2], change[3, 3] = equations.intercept_slopes(x)
    chained = np.einsum("ijp,jkp->ikp", by_unknown, change)
    for i in range(3):
        for k in range(len(unknowns)):
            own = sides[i] if i == k else 0.0
            kernel = -own * np.expm1(residual[i]) - sides[i] * np.exp(residual[i]) * jacobian[i, k]
            scale = np.abs(sides[i] * np.exp(residual[i])) * (1 + np.abs(jacobian[i, k]))
            np.testing.assert_array_less(np.abs(kernel - chained[i, k]), 1e-12 * scale + 1e-300)
