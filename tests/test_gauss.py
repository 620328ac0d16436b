"""The Gaussian means of the channel against scipy.quad and against one another."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from test_losses import ALL, KINKED

from asymptotics.gauss import margin_moments
from asymptotics.losses import LOSSES, prox

POINTS = [(0.3, 0.5, 1.0), (5.0, 2.0, 1.5), (0.01, -0.2, 0.3), (300.0, 4.0, 6.0)]
NAMES = ("m1", "m2", "m11", "m12", "m112", "m2z", "m2zz", "m12z")


def by_quad(loss, gamma, mean, deviation):
    """E M', E M'^2 and E M' z by adaptive quadrature over w, between the kinks of M'."""

    def slope(z):
        w = mean + deviation * z
        return float((w - prox(loss, w, gamma)) / gamma)

    kinks = []
    for piece in loss.pieces:
        for u in (piece.lower, piece.upper):
            if np.isfinite(u):
                kinks.append(u + gamma * float(piece.derivative(np.array([u]))[0]))
    cuts = sorted({-10.0, 10.0, *np.clip((np.array(kinks) - mean) / deviation, -10, 10).tolist()})

    def integral(f):
        density = lambda z: f(z) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)  # noqa: E731
        pairs = itertools.pairwise(cuts)
        return sum(quad(density, a, b, epsabs=1e-13, epsrel=1e-12, limit=200)[0] for a, b in pairs)

    return integral(slope), integral(lambda z: slope(z) ** 2), integral(lambda z: slope(z) * z)


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.name)
@pytest.mark.parametrize("point", POINTS)
def test_means_agree_with_adaptive_quadrature(loss, point):
    gamma, mean, deviation = (np.array([x]) for x in point)
    moments = margin_moments(loss, gamma, mean, deviation, nodes=400)
    first, second, with_z = by_quad(loss, *point)
    assert moments.m1[0] == pytest.approx(first, rel=1e-9, abs=1e-13)
    assert moments.m11[0] == pytest.approx(second, rel=1e-9, abs=1e-13)
    # Stein: E[M' z] = s E M''
    assert point[2] * moments.m2[0] == pytest.approx(with_z, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.name)
def test_means_are_derivatives_of_the_mean_slope(loss):
    """m12, m2z and their like against central differences of m1 and m11."""
    gamma, mean, deviation = (np.array(x) for x in zip(*POINTS, strict=True))
    step = 1e-5

    def moved(which, sign):
        x = [gamma, mean, deviation]
        x[which] = x[which] * (1 + sign * step)
        return margin_moments(loss, *x, nodes=600)

    def slope(which, name):
        scale = [gamma, mean, deviation][which]
        return (getattr(moved(which, 1), name) - getattr(moved(which, -1), name)) / (
            2 * step * scale
        )

    at = margin_moments(loss, gamma, mean, deviation, nodes=600)
    expected = {
        "m2": slope(1, "m1"),
        "m12": 0.5 * slope(1, "m11"),
        "m2z": slope(2, "m1"),
        "m12z": 0.5 * slope(2, "m11"),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(at, name), value, rtol=2e-6, atol=1e-8, err_msg=name)
    np.testing.assert_allclose(-at.m12, slope(0, "m1"), rtol=2e-6, atol=1e-8)
    np.testing.assert_allclose(-2 * at.m112, slope(0, "m11"), rtol=2e-6, atol=1e-8)
    curvature = (at.m2zz - at.m2) / deviation
    np.testing.assert_allclose(curvature, slope(2, "m2"), rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize("name", [n for n, loss in LOSSES.items() if loss.closed_form])
def test_closed_forms_agree_with_their_quadrature(name):
    gamma, mean, deviation = (np.array(x) for x in zip(*POINTS, strict=True))
    closed = margin_moments(LOSSES[name], gamma, mean, deviation, nodes=1)
    integrated = margin_moments(LOSSES[name], gamma, mean, deviation, nodes=1, quadrature=True)
    for moment in NAMES:
        np.testing.assert_allclose(
            getattr(closed, moment), getattr(integrated, moment), rtol=1e-11, atol=1e-13
        )


@pytest.mark.parametrize("loss", [LOSSES["logistic"], KINKED], ids=lambda loss: loss.name)
def test_the_prox_variable_rule_converges_geometrically(loss):
    gamma, mean, deviation = (np.array(x) for x in zip(*POINTS, strict=True))
    finest = margin_moments(loss, gamma, mean, deviation, nodes=600)
    errors = [
        np.max(np.abs(margin_moments(loss, gamma, mean, deviation, nodes=n).m1 / finest.m1 - 1))
        for n in (12, 48, 192)
    ]
    assert errors[1] < 1e-2 * errors[0]
    assert errors[2] < 1e-13
