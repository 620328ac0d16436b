"""Gaussian means of log cosh and of its slope against mpmath, over the whole plane of (k, m/sd)."""

import mpmath as mp
import numpy as np
import pytest

from asymptotics.contrastive.half_line import half_line_nodes
from asymptotics.contrastive.log_cosh import (
    LARGEST_POLE_SLOPE,
    log_cosh,
    mean_h_tanh,
    mean_log_cosh,
)


def oracle(function, k, mean, variance):
    with mp.workdps(25):
        k, mean, variance = map(mp.mpf, (k, mean, variance))
        spread = mp.sqrt(variance)

        def density(h):
            both = mp.exp(-((h - mean) ** 2) / 2 / variance) + mp.exp(
                -((h + mean) ** 2) / 2 / variance
            )
            return both / mp.sqrt(2 * mp.pi * variance)

        end = mean + 13 * spread
        cuts = [mean + c * spread for c in (-6, -2, 0, 2, 6)] + [c / k for c in (0.3, 1, 3, 10, 40)]
        points = sorted({mp.mpf(0), end, *(c for c in cuts if 0 < c < end)})
        return float(mp.quad(lambda h: density(h) * function(h, k), points))


def exact_h_tanh(h, k):
    return h * mp.tanh(k * h)


def exact_log_cosh(h, k):
    return mp.log(mp.cosh(k * h)) if k * h < 1000 else k * h - mp.log(2)


POINTS = [
    (k, mean, variance)
    for k in (1e-6, 0.05, 0.4, 1.0, 3.0, 6.1, 50.0, 1e6)
    for mean, variance in ((0.0, 1.0), (0.7, 1.0), (2.0, 2.0), (20.0, 1.0), (20.0, 101.0))
]


@pytest.mark.parametrize("point", POINTS)
def test_means_hold_to_thirteen_digits(point):
    k, mean, variance = (np.array([value]) for value in point)
    assert mean_h_tanh(k, mean, variance)[0] == pytest.approx(
        oracle(exact_h_tanh, *point), rel=1e-13
    )
    assert mean_log_cosh(k, mean, variance)[0] == pytest.approx(
        oracle(exact_log_cosh, *point), rel=1e-13
    )


def test_the_two_rules_agree_where_they_meet():
    k = LARGEST_POLE_SLOPE * np.array([1 - 1e-8, 1 + 1e-8])
    ones = np.ones(2)
    values = mean_h_tanh(k, 0.6 * ones, ones)
    assert values[1] - values[0] == pytest.approx(0.0, abs=1e-8)
    heights = mean_log_cosh(k, 0.6 * ones, ones)
    assert heights[1] - heights[0] == pytest.approx(values[0] * (k[1] - k[0]), rel=1e-6)
    refined = mean_h_tanh(k, 0.6 * ones, ones, refinement=1.5)
    np.testing.assert_allclose(values, refined, rtol=1e-14)


def test_three_quarters_of_the_nodes_leave_six_digits():
    k, r = (x.ravel() for x in np.meshgrid(np.geomspace(1e-4, 1e4, 200), np.linspace(0, 12, 40)))
    one = np.ones_like(k)
    rough, exact = mean_h_tanh(k, r, one, refinement=0.75), mean_h_tanh(k, r, one)
    apart = np.abs(rough / exact - 1)
    assert 1e-9 < apart.max() < 1e-6


def test_log_cosh_neither_cancels_nor_overflows():
    x = np.array([0.0, 1e-9, 1.0, 19.999, 20.001, 1e5])
    with mp.workdps(40):
        exact = [float(mp.log(mp.cosh(mp.mpf(v)))) for v in x]
    np.testing.assert_allclose(log_cosh(x), exact, rtol=1e-14)


def test_half_line_nodes_integrate_a_narrow_feature_under_a_wide_gaussian():
    narrow = np.array([1e-8, 1e-3, 0.5])
    nodes, weights = half_line_nodes(narrow, np.full(3, 0.3), np.full(3, 9.0), 0.25)
    value = np.sum(weights * np.exp(-(nodes**2) / 2) * narrow / (nodes**2 + narrow**2), axis=0)
    with mp.workdps(20):
        exact = [
            float(mp.pi / 2 * mp.erfc(mp.mpf(e) / mp.sqrt(2)) * mp.exp(mp.mpf(e) ** 2 / 2))
            for e in narrow
        ]
    np.testing.assert_allclose(value, exact, rtol=1e-12)
