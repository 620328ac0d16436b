"""All local minima are found: planted ones, close ones, none, and those only just there."""

import numpy as np
import pytest

from asymptotics.contrastive.minima import local_minima, scan_grid


def grid(count, lower=-5.0, upper=15.0, reach=10.0):
    return scan_grid(np.full(count, lower), np.full(count, upper), 0.4, reach)


def counts(minima, size):
    return np.bincount(minima.point, minlength=size)


def test_two_planted_minima_are_both_found_however_close():
    rng = np.random.default_rng(0)
    size = 1500
    first = rng.uniform(-4, 9, size)
    gap = 10 ** rng.uniform(-4, 0.5, size)
    between = first + gap * rng.uniform(0.1, 0.9, size)

    def slope(x, a, b, c):
        return (x - a) * (x - b) * (x - c) / (1 + x**2)

    found = local_minima(slope, grid(size), (first, between, first + gap))
    assert np.all(counts(found, size) == 2)
    planted = np.stack([first, first + gap], axis=1).ravel()
    np.testing.assert_allclose(found.position, planted, rtol=1e-12, atol=1e-12)


def test_a_narrow_second_well_in_a_wide_one_is_found():
    width = np.array([0.5, 0.8, 1.0])
    centre = np.array([2.0, 3.3, 4.7])

    def slope(x, w, c):  # of x^2/2 - 5 exp(-(x-c)^2/(2 w^2)) w^2 c
        return x + 5 * c * (x - c) * np.exp(-((x - c) ** 2) / (2 * w**2))

    found = local_minima(slope, grid(3), (width, centre))
    fine = np.linspace(-5, 15, 400_001)
    for k in range(3):
        values = slope(fine, width[k], centre[k])
        rising = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
        np.testing.assert_allclose(found.position[found.point == k], fine[rising], atol=1e-4)
    assert np.all(counts(found, 3) == 2)


def test_a_dip_that_misses_zero_by_a_millionth_adds_no_minimum():
    shift = np.array([-1e-6, 1e-6, 1e-3])

    def slope(x, b):  # a minimum at -3; two more roots around 2.37 iff b < 0
        return (x + 3) * ((x - 2.37) ** 2 + b) / (1 + np.abs(x)) ** 3

    found = local_minima(slope, grid(3), (shift,))
    assert counts(found, 3).tolist() == [2, 1, 1]


def test_an_exact_tangency_is_reported_as_unresolved():
    found = local_minima(lambda x: (x - 2.0 / 3.0) ** 2 / (1 + x**2), grid(1))
    assert found.unresolved.tolist() == [True]


def test_a_flat_function_is_unresolved_and_costs_no_search():
    calls = []

    def slope(x):
        calls.append(x.size)
        return 1e-16 * np.cos(1e9 * x)

    assert local_minima(slope, grid(1)).unresolved.tolist() == [True]
    assert sum(calls) < 2000


def test_ends_of_the_range_are_reported():
    sign = np.array([1.0, -1.0, 1.0])
    offset = np.array([100.0, 100.0, 0.0])

    def slope(x, s, o):
        return s * np.tanh(x + o)

    found = local_minima(slope, grid(3, reach=1.0), (sign, offset))
    assert found.falls_at_upper.tolist() == [False, True, False]
    assert found.rises_at_lower.tolist() == [True, False, False]
    assert counts(found, 3).tolist() == [0, 0, 1]


@pytest.mark.parametrize("root", [-4.6, 0.0, 1e-9, 3.0, 17.0])
def test_a_simple_root_is_exact_to_rounding(root):
    found = local_minima(lambda x: np.tanh(x - root), grid(1))
    assert found.position == pytest.approx([root], rel=1e-14, abs=2e-13)


def test_scan_grid_covers_core_and_reach():
    nodes = scan_grid(np.array([0.0, -2.0]), np.array([3.0, 5.0]), 0.5, 7.0)
    assert np.all(np.diff(nodes, axis=1) > 0)
    assert np.all(nodes[:, 0] <= np.array([0.0, -2.0]) - 7.0)
    assert np.all(nodes[:, -1] >= np.array([3.0, 5.0]) + 7.0)
