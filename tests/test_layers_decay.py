"""One feature under weight decay: minima, barrier, jump against mpmath and scalar minimisation."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from asymptotics.errors import InvalidInput
from asymptotics.layers.decay import (
    barrier_share,
    critical_decay,
    jump_threshold,
    reduced_decay,
    stable_share,
)

DEPTHS = [1, 2, 3, 5]


def loss(w, variance, shared, depth, decay):
    return -2 * w**2 * shared + w**4 * variance**2 + decay * depth * np.abs(w) ** (2 / depth)


def stationary_shares(ell, depth):
    """All roots in (0, 1) of 2 (1 - y) y^{1-1/L} = ell: a polynomial in y^{1/L}, at 40 digits."""
    with mpmath.workdps(40):
        coefficients = [mpmath.mpf(0)] * (2 * depth)  # of x^{2L-1}, ..., 1 with y = x^L
        coefficients[0], coefficients[depth], coefficients[-1] = -2, 2, -mpmath.mpf(ell)
        roots = mpmath.polyroots(coefficients, maxsteps=500, extraprec=200)
        real = [mpmath.re(r) for r in roots if abs(mpmath.im(r)) < 1e-25]
        return sorted(float(x**depth) for x in real if 0 < x < 1)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("ell", [1e-6, 1e-2, 0.3])
def test_barrier_and_minimum_are_the_roots_of_the_polynomial(depth, ell):
    barrier, minimum = stationary_shares(ell, depth)
    reduced = np.array([ell])
    assert barrier_share(reduced, depth)[0] == pytest.approx(barrier, rel=1e-11)
    assert stable_share(reduced, depth)[0] == pytest.approx(minimum, rel=1e-12)


def test_two_layers_have_the_jump_of_the_literature():
    variance, shared = np.array([1.3, 2.0]), np.array([0.5, 1.9])
    np.testing.assert_allclose(
        jump_threshold(variance, shared), (2 / 3) ** 1.5 * shared**1.5 / variance, rtol=1e-14
    )


@given(
    st.sampled_from(DEPTHS),
    st.floats(0.1, 10),
    st.floats(0.02, 1.0),
    st.floats(1e-3, 0.05),
)
@settings(max_examples=60, deadline=None)
def test_the_global_minimum_leaves_zero_below_the_jump_only(depth, variance, correlation, margin):
    shared = correlation * variance
    top = np.sqrt(shared) / variance
    threshold = float(jump_threshold(variance, shared, depth)[0])
    for decay, below in ((threshold * (1 - margin), True), (threshold * (1 + margin), False)):
        grid = np.linspace(0.0, 1.01 * top, 4001)[1:]
        values = loss(grid, variance, shared, depth, decay)
        at = np.argmin(values)
        edges = grid[max(at - 1, 0)], grid[min(at + 1, grid.size - 1)]
        best = minimize_scalar(
            loss,
            bounds=edges,
            args=(variance, shared, depth, decay),
            method="bounded",
            options={"xatol": 1e-12},
        )
        assert (best.fun < 0) == below
        if below:
            ell = reduced_decay(np.array([variance]), np.array([shared]), depth, decay)
            share = stable_share(ell, depth)[0]
            assert best.x**2 == pytest.approx(share * shared / variance**2, rel=2e-6)
            if depth > 1 and margin < 2e-3:
                assert share == pytest.approx((2 * depth - 2) / (2 * depth - 1), abs=0.02)


@pytest.mark.parametrize("depth", DEPTHS)
def test_limits_without_decay_and_beyond_the_last_minimum(depth):
    ell = np.array([0.0, 1e-9, 2.5, np.inf])
    stable, barrier = stable_share(ell, depth), barrier_share(ell, depth)
    assert stable[0] == 1
    assert stable[1] == pytest.approx(1 - 5e-10, abs=1e-14)
    assert np.all(np.isnan(stable[2:]))
    assert barrier[0] == 0
    assert np.all(np.isinf(barrier[2:]))


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_local_minimum_survives_the_jump_and_then_merges_with_the_barrier(depth):
    merging = (depth - 1) / (2 * depth - 1)
    last = 2 * (1 - merging) * merging ** (1 - 1 / depth)
    assert last > critical_decay(depth)
    ell = np.array([last * (1 - 1e-8)])
    assert 0 < stable_share(ell, depth)[0] - merging < 1e-3
    assert 0 < merging - barrier_share(ell, depth)[0] < 1e-3


def test_features_that_the_views_do_not_share_need_no_decay_to_be_lost():
    assert np.all(jump_threshold([1.0, 1.0], [0.0, -0.5], 3) == 0)
    assert np.all(np.isinf(reduced_decay(np.ones(2), np.array([0.0, -0.5]), 3, 0.0)))


@pytest.mark.parametrize(
    ("one_view", "across", "depth", "message"),
    [
        ([0.0], [0.0], 2, "one_view"),
        ([1.0], [1.5], 2, "across"),
        ([1.0], [0.5], 0, "depth"),
        ([1.0], [0.5], 1.5, "depth"),
        ([1.0, 2.0], [0.5, 0.5, 0.5], 2, "broadcast"),
    ],
)
def test_values_outside_their_domain_are_refused(one_view, across, depth, message):
    with pytest.raises(InvalidInput, match=message):
        jump_threshold(one_view, across, depth)
