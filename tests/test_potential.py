"""The symbolic potential: its stationarity is the published equations, its moments are right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from mpmath import mp

from asymptotics.reference.moments import logistic_prox, margin_moments
from asymptotics.symbolic.losses import LOSSES, loss_values
from asymptotics.symbolic.moments import M1, M2, M11, MOMENTS, F
from asymptotics.symbolic.potential import (
    eliminate_conjugates,
    isotropic_potential,
    spectral_potential,
)

REFERENCE = Path(__file__).parent / "reference"


def vanishes(expression: sp.Expr) -> bool:
    return sp.simplify(expression) == 0


def test_isotropic_stationarity_is_the_saddle_point_system():
    potential = isotropic_potential()
    (gamma, m, q), (signal, delta, ridge, gain) = potential.unknowns, potential.parameters
    margin = potential.margins[0]
    mean_square_step, mean_step = gamma**2 * M11(*margin), -gamma * M1(*margin)
    mean_contraction = gamma * M2(*margin)  # E[1 - prox']
    by_gamma, by_m, by_q = potential.equations().expressions
    assert vanishes(-2 * gamma**2 * by_gamma - (mean_square_step - q**2 / delta))
    assert vanishes(gamma / q * by_q - (mean_contraction - (1 / delta - ridge * gamma)))
    third = signal * mean_step / gamma - m / gamma * mean_contraction - ridge * m / gain**2
    assert vanishes(by_m + third)


def test_spectral_stationarity_is_geometry_and_channel():
    potential = spectral_potential(2)
    gamma, m, q, vhat, mhat, qhat = potential.unknowns
    delta, ridge, s1, s2, w1, w2, c1, c2 = potential.parameters
    t1, t2 = 1 / (ridge + vhat * s1), 1 / (ridge + vhat * s2)
    margin = (gamma, m, q)
    right = {
        gamma: (qhat - M11(*margin)) / 2,
        m: mhat + M1(*margin),
        q: (M2(*margin) - vhat) / 2,
        mhat: m - mhat * (c1 * t1 + c2 * t2),
        qhat: (gamma - (w1 * s1 * t1 + w2 * s2 * t2) / delta) / 2,
        vhat: (
            mhat**2 * (c1 * s1 * t1**2 + c2 * s2 * t2**2)
            + qhat / delta * (w1 * s1**2 * t1**2 + w2 * s2**2 * t2**2)
            - q
        )
        / 2,
    }
    for unknown, equation in zip(
        potential.unknowns, potential.equations().expressions, strict=True
    ):
        assert vanishes(equation - right[unknown]), unknown


def test_isotropic_potential_is_the_spectral_one_with_conjugates_eliminated():
    spectral, isotropic = spectral_potential(2), isotropic_potential()
    (gamma, m, q), (signal, delta, ridge, gain) = isotropic.unknowns, isotropic.parameters
    vhat, mhat, qhat = spectral.unknowns[3:]
    atoms = {"s1": 1, "s2": gain**2, "w1": 1, "w2": 0, "c1": 0, "c2": (gain * signal) ** 2}
    values = {symbol: atoms.get(symbol.name, symbol) for symbol in spectral.parameters}
    values |= {spectral.unknowns[1]: signal * m, spectral.unknowns[2]: m**2 + q**2}
    reduced = spectral.expression.subs(values, simultaneous=True)
    solution = {
        vhat: 1 / (delta * gamma) - ridge,
        mhat: sp.solve(sp.diff(reduced, mhat), mhat)[0].subs(vhat, 1 / (delta * gamma) - ridge),
    }
    assert vanishes(sp.diff(reduced, qhat).subs(solution))
    assert vanishes(reduced.subs(solution) - isotropic.expression)


def test_mixed_second_derivatives_of_the_mean_envelope_agree():
    arguments = sp.symbols("gamma q", positive=True)
    gamma, q, m = *arguments, sp.Symbol("m", real=True)
    envelope = F(gamma, m, q)
    for first, second in ((gamma, m), (gamma, q), (m, q)):
        assert vanishes(sp.diff(envelope, first, second) - sp.diff(envelope, second, first))


# M(w) written out for each loss: independent of every derivative above.
ENVELOPES = {
    "square": lambda g, w: (1 - w) ** 2 / (2 * (1 + g)),
    "squared-hinge": lambda g, w: max(1 - w, 0) ** 2 / (2 * (1 + g)),
    "hinge": lambda g, w: (
        mp.zero if w > 1 else (1 - w) ** 2 / (2 * g) if w > 1 - g else 1 - w - g / 2
    ),
    "max-margin": lambda g, w: max(1 - w, 0) ** 2 / (2 * g),
    "min-norm": lambda g, w: (1 - w) ** 2 / (2 * g),
    "averaging": lambda g, w: -w - g / 2,
    "logistic": lambda g, w: _logistic_envelope(g, w),
}


def _logistic_envelope(gamma, margin):
    u = logistic_prox(margin, gamma)
    return mp.log1p(mp.exp(-u)) + (u - margin) ** 2 / (2 * gamma)


def mean_envelope(loss, gamma, mean, variance):
    """E M by quadrature over z, split at the kinks."""
    s = mp.sqrt(variance)
    kinks = sorted({(1 - gamma - mean) / s, (1 - mean) / s})
    inner = [-9, *(z for z in kinks if abs(z) < 6), 9]
    return mp.quad(lambda z: ENVELOPES[loss](gamma, mean + s * z) * mp.npdf(z), inner)


@pytest.mark.parametrize("loss", ENVELOPES)
def test_moments_are_the_derivatives_of_the_mean_envelope(loss):
    gamma, m, q = sp.Symbol("gamma", positive=True), sp.Symbol("m"), sp.Symbol("q", positive=True)
    with mp.workdps(17):
        point = (mp.mpf("0.7"), mp.mpf("0.4"), mp.mpf("1.3"))
        at = dict(zip((gamma, m, q), point, strict=True))
        moments = margin_moments(loss, *point, refinement=1)
        values = {moment(gamma, m, q): moments[moment.__name__] for moment in MOMENTS}
        step = mp.mpf(10) ** -4
        weights = {-2: mp.mpf(1) / 12, -1: -mp.mpf(2) / 3, 1: mp.mpf(2) / 3, 2: -mp.mpf(1) / 12}
        for k, first in enumerate((gamma, m, q)):
            derivative = sp.diff(F(gamma, m, q), first).subs(values).subs(at)
            shifted = (
                weight * mean_envelope(loss, *_shift(point, k, j * step)) / step
                for j, weight in weights.items()
            )
            assert abs(derivative - mp.fsum(shifted)) < 1e-10
            for l, second in enumerate((gamma, m, q)):
                # the Hessian from the gradient of moments at shifted points
                hessian = sp.diff(F(gamma, m, q), first, second).subs(values).subs(at)
                gradient = mp.fsum(
                    weight * _gradient(loss, _shift(point, l, j * step))[k] / step
                    for j, weight in weights.items()
                )
                assert abs(hessian - gradient) < 1e-10


def _shift(point, index, amount):
    return tuple(value + amount * (k == index) for k, value in enumerate(point))


def _gradient(loss, point):
    moments = margin_moments(loss, *point, refinement=1)
    return (-moments["M11"] / 2, moments["M1"], moments["M2"] / 2)


def _moments(loss, gamma, mean, variance):
    with mp.workdps(25):
        arguments = (mp.mpf(gamma), mp.mpf(mean), mp.mpf(variance))
        return {name: float(value) for name, value in margin_moments(loss, *arguments).items()}


def _stored(table):
    records = json.loads((REFERENCE / f"{table}.json").read_text())
    return [record for record in records if record["gamma"] and record["ridge"]]


def test_numeric_residuals_vanish_at_the_reference_solutions():
    isotropic = isotropic_potential().equations().residual_function()
    for record in _stored("ordinary"):
        if record["signal"] == 0:
            continue
        gamma, mean, variance = (float(record[key]) for key in ("gamma", "mean", "variance"))
        m = mean / record["signal"]
        parameters = [record[k] for k in ("signal", "sampling_ratio", "ridge", "gain")]
        moments = _moments(record["loss"], record["gamma"], record["mean"], record["variance"])
        residual = isotropic((gamma, m, np.sqrt(variance - m**2)), parameters, [moments])
        assert np.abs(residual).max() < 1e-12, record["loss"]


@pytest.mark.parametrize("table", ["spectra", "intercepts"])
def test_eliminated_residuals_vanish_and_their_jacobian_is_their_derivative(table):
    intercept = table == "intercepts"
    equations = eliminate_conjugates(spectral_potential(2 if intercept else 4, intercept))
    residual, jacobian = equations.residual_function(), equations.jacobian_function()
    for record in _stored(table)[::2]:
        point = [mp.mpf(record[key]) for key in ("gamma", "mean", "variance", "intercept_value")]
        signs = (1, -1) if intercept else (0,)
        size = 4 if intercept else 3
        if intercept:
            gain, signal = record["gain"], record["signal"]
            atoms = [1, gain**2, 1, 0, 0, (gain * signal) ** 2]
        else:
            atoms = [*record["eigenvalues"], *record["weights"], *record["squared_means"]]
        prior = [record["prior"]] if intercept else []
        parameters = [record["sampling_ratio"], record["ridge"], *atoms, *prior]

        def at(values, loss=record["loss"], signs=signs, parameters=parameters, size=size):
            gamma, mean, variance, b = values
            laws = [_moments(loss, gamma, mean + sign * b, variance) for sign in signs]
            return [float(value) for value in values[:size]], parameters, laws

        assert np.abs(residual(*at(point))).max() < 1e-11 * max(1.0, *map(float, point))
        exact = jacobian(*at(point))
        for column in range(size):
            step = mp.mpf(10) ** -5 * max(abs(point[column]), mp.mpf("0.1"))
            ahead, behind = (residual(*at(_shift(point, column, way * step))) for way in (1, -1))
            slope = (ahead - behind) / float(2 * step)
            scale = np.abs(exact).max(axis=1)
            assert np.abs(slope - exact[:, column]).max() < 1e-6 * scale.max()


def test_numeric_functions_broadcast_over_a_batch_of_points():
    equations = eliminate_conjugates(spectral_potential(2, intercept=True))
    rng = np.random.default_rng(0)
    unknowns = rng.uniform(0.5, 1.5, (4, 3, 5))
    parameters = rng.uniform(0.5, 1.5, (9, 5))
    laws = [{moment.__name__: rng.uniform(size=(3, 5)) for moment in MOMENTS} for _ in range(2)]
    residual, jacobian = equations.residual_function(), equations.jacobian_function()
    assert residual(unknowns, parameters, laws).shape == (4, 3, 5)
    assert jacobian(unknowns, parameters, laws).shape == (4, 4, 3, 5)
    one = [{name: value[1, 2] for name, value in law.items()} for law in laws]
    np.testing.assert_allclose(
        jacobian(unknowns[:, 1, 2], parameters[:, 2], one),
        jacobian(unknowns, parameters, laws)[..., 1, 2],
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_symbolic_losses_are_finite_far_out_and_differentiate_into_each_other(loss):
    margins = np.array([-800.0, -3.0, 0.2, 0.9, 1.4, 5.0, 800.0])
    step = 1e-4
    for order in (1, 2):
        values = loss_values(loss, order, margins)
        assert np.isfinite(values).all()
        lower = loss_values(loss, order - 1, margins + step)
        upper = loss_values(loss, order - 1, margins - step)
        np.testing.assert_allclose(values, (lower - upper) / (2 * step), atol=2e-7, rtol=1e-6)
