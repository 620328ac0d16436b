"""Flow of independent features: the actual layers move so, and learn in the order of C."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.layers.decay import jump_threshold
from asymptotics.layers.flow import (
    basin_boundary,
    feature_flow,
    final_weight,
    learning_delay,
    learning_time,
)
from asymptotics.layers.optimum import diagonal_optimum
from asymptotics.layers.second_moments import Features

FEATURES = Features([0.2, 0.5, 1, 2, 1, 1], 0.5, [0.9, 0.9, 0.9, 0.9, 0.5, 0.2])
VARIANCE, SHARED = FEATURES.variance, FEATURES.shared


def layers_over_time(variance, shared, start, depth, decay, times):
    """The L matrices themselves by gradient flow, (T, L, d, d)."""
    d = variance.size
    sigma, cross = np.diag(variance), np.diag(shared)

    def velocity(_, flat):
        layers = flat.reshape(depth, d, d)
        before = [np.eye(d)]
        for w in layers:
            before.append(w @ before[-1])
        z = before[-1]
        slope, after = 4 * (z @ sigma @ z.T @ z @ sigma - z @ cross), np.eye(d)
        speed = np.empty_like(layers)
        for l in reversed(range(depth)):
            speed[l] = -after.T @ slope @ before[l].T - 2 * decay * layers[l]
            after = after @ layers[l]
        return speed.ravel()

    first = np.tile(start ** (1 / depth) * np.eye(d), (depth, 1, 1)).ravel()
    found = solve_ivp(velocity, (0, times[-1]), first, t_eval=times, rtol=1e-10, atol=1e-13)
    return found.y.T.reshape(-1, depth, d, d)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_every_layer_moves_as_the_matrices_do(depth, decay):
    times = np.array([0.5, 2.0, 6.0])
    path = feature_flow(VARIANCE, SHARED, times=times, start=0.1, depth=depth, decay=decay)
    layers = layers_over_time(VARIANCE, SHARED, 0.1, depth, decay, times)
    product = np.tile(np.eye(VARIANCE.size), (3, 1, 1))
    for l in range(depth):
        product = layers[:, l] @ product
        expected = np.stack([np.diag(w) for w in path.layer(l + 1)])
        np.testing.assert_allclose(product, expected, atol=1e-7)
    np.testing.assert_array_equal(path.layer(0), 1)
    assert path.error_estimate < 1e-7


def clock(y, depth):
    """The implicit solution without decay, layers.md, equation 20, in mpmath."""
    y = mpmath.mpf(y)
    tail = y * mpmath.hyp2f1(1, mpmath.mpf(1) / depth, 1 + mpmath.mpf(1) / depth, y**depth)
    return tail - y ** (1 - depth) / (depth - 1)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_without_decay_time_is_the_implicit_closed_form(depth):
    start, scale = 1e-2, np.sqrt(SHARED) / VARIANCE
    seen = learning_time(VARIANCE, SHARED, start=start, depth=depth)
    times = np.unique(seen)
    path = feature_flow(VARIANCE, SHARED, times=times, start=start, depth=depth)
    for i in range(VARIANCE.size):
        half, first = 4 ** (-1 / depth), (start / scale[i]) ** (2 / depth)
        unit = 8 * SHARED[i] * scale[i] ** (2 - 2 / depth)
        assert seen[i] == pytest.approx(float(clock(half, depth) - clock(first, depth)) / unit)
        weight = path.weight[np.searchsorted(times, seen[i]), i]
        assert weight == pytest.approx(scale[i] / 2, rel=1e-5)
        for t, w in zip(times, path.weight[:, i], strict=True):
            y = (w / scale[i]) ** (2 / depth)
            if y < 0.999:  # beyond, time says little of the weight and the weight little of time
                assert float(clock(y, depth) - clock(first, depth)) == pytest.approx(
                    t * unit, rel=1e-6
                )


def test_two_layers_have_an_artanh_clock():
    y, first = 0.3, 0.01
    exact = np.arctanh(y) - 1 / y - (np.arctanh(first) - 1 / first)
    assert float(clock(y, 2) - clock(first, 2)) == pytest.approx(exact, rel=1e-13)


def test_one_layer_is_logistic():
    times, w0 = np.array([0.1, 1.0, 5.0]), 0.02
    path = feature_flow(VARIANCE, SHARED, times=times, start=w0, depth=1)
    top = SHARED / VARIANCE**2
    exact = top / (1 + (top / w0**2 - 1) * np.exp(-8 * np.outer(times, SHARED)))
    np.testing.assert_allclose(path.weight**2, exact, rtol=1e-8)
    np.testing.assert_allclose(
        learning_time(VARIANCE, SHARED, start=w0, depth=1),
        np.log((top / w0**2 - 1) / 3) / (8 * SHARED),
        rtol=1e-10,
    )


@pytest.mark.parametrize("depth", [2, 3])
def test_features_are_learned_in_the_order_of_c_with_the_delay_of_the_law(depth):
    starts = np.array([1e-2, 1e-4])
    times = np.array([learning_time(VARIANCE, SHARED, start=w, depth=depth) for w in starts])
    laws = np.array([learning_delay(SHARED, start=w, depth=depth) for w in starts])
    np.testing.assert_array_equal(np.argsort(times[1]), np.argsort(-SHARED, kind="stable"))
    errors = np.abs(times / laws - 1)
    assert np.all(errors[1] < 0.1 * errors[0])
    assert np.all(errors[1] < 0.03)


def test_a_finite_run_misses_the_weak_features():
    times = learning_time(VARIANCE, SHARED, start=1e-3)
    halfway = np.sqrt(np.sort(times)[3] * np.sort(times)[4])
    path = feature_flow(VARIANCE, SHARED, times=[halfway], start=1e-3)
    np.testing.assert_array_equal(path.learned()[0], times < halfway)
    assert path.learned().sum() == 4
    # a missed feature is nearly at its start, though its final weight may be among the largest
    missed = ~path.learned()[0]
    assert np.all(path.weight[0, missed] < 0.05 * path.final[missed])


@given(st.integers(0, 10**6), st.integers(2, 4), st.floats(0.05, 1.2))
@settings(max_examples=15, deadline=None)
def test_starts_on_the_two_sides_of_the_boundary_end_apart(seed, depth, strength):
    rng = np.random.default_rng(seed)
    variance = np.exp(rng.normal(size=1))
    shared = variance * rng.uniform(0.1, 1, 1)
    decay = strength * float(jump_threshold(variance, shared, depth)[0])
    boundary = float(basin_boundary(variance, shared, depth=depth, decay=decay)[0])
    top = final_weight(variance, shared, start=2 * boundary, depth=depth, decay=decay)
    assert top[0] > boundary
    for factor, end in ((1.05, top), (0.95, np.zeros(1))):
        path = feature_flow(
            variance, shared, times=[400 / decay], start=factor * boundary, depth=depth, decay=decay
        )
        np.testing.assert_allclose(path.weight[0], end, atol=1e-7)
        np.testing.assert_allclose(path.final, end, rtol=1e-9)
    # between the jump and the end of the local minimum training keeps what the optimum drops
    assert diagonal_optimum(variance, shared, depth=depth, decay=decay).kept[0] == (strength < 1)


@pytest.mark.parametrize("depth", [2, 3])
def test_the_boundary_of_weak_decay_is_its_law(depth):
    decay = 1e-5
    law = (decay / (2 * SHARED)) ** (depth / (2 * depth - 2))
    seen = basin_boundary(VARIANCE, SHARED, depth=depth, decay=decay)
    np.testing.assert_allclose(seen, law, rtol=2e-3)


def test_one_layer_has_no_boundary():
    assert np.all(basin_boundary(VARIANCE, SHARED, depth=1, decay=0.05) == 0)
    lost = basin_boundary(VARIANCE, SHARED, depth=1, decay=0.1)
    np.testing.assert_array_equal(np.isinf(lost), 2 * SHARED < 0.1)


def test_learning_time_with_decay_is_when_the_flow_is_half_way():
    decay, start = 0.02, 0.3
    times = learning_time(VARIANCE, SHARED, start=start, depth=2, decay=decay)
    rising = np.isfinite(times) & (times > 0)
    assert rising.sum() >= 2
    when = np.unique(times[rising])
    path = feature_flow(VARIANCE, SHARED, times=when, start=start, decay=decay)
    for i in np.flatnonzero(rising):
        weight = path.weight[np.searchsorted(when, times[i]), i]
        assert weight == pytest.approx(path.final[i] / 2, rel=1e-6)
    np.testing.assert_array_equal(np.isinf(times), path.final == 0)


def test_batches_are_their_points():
    rng = np.random.default_rng(1)
    variance = np.exp(rng.normal(size=(3, 2, 4)))
    shared = variance * rng.uniform(-0.2, 1, (3, 2, 4))
    flow = feature_flow(variance, shared, times=[1.0, 3.0], start=0.05)
    assert flow.weight.shape == (2, 3, 2, 4)
    one = feature_flow(variance[1, 1], shared[1, 1], times=[1.0, 3.0], start=0.05)
    np.testing.assert_allclose(flow.weight[:, 1, 1], one.weight, rtol=1e-7)
    times = learning_time(variance, shared, start=0.05)
    np.testing.assert_allclose(
        times[2, 0], learning_time(variance[2, 0], shared[2, 0], start=0.05), rtol=1e-8
    )
    np.testing.assert_array_equal(np.isinf(times), shared <= 0)


def test_a_flow_that_cannot_be_trusted_is_refused():
    with pytest.raises(NotConverged, match="larger start"):
        feature_flow([1.0], [0.5], times=[0.99 / (8 * 0.5 * 1e-7)], start=1e-7, tolerance=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": [], "start": 0.1}, "times"),
        ({"times": [2.0, 1.0], "start": 0.1}, "times"),
        ({"times": [1.0], "start": 0.0}, "start"),
        ({"times": [1.0], "start": 0.1, "depth": 0}, "depth"),
        ({"times": [1.0], "start": 0.1, "decay": -0.1}, "decay"),
    ],
)
def test_values_outside_their_domain_are_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        feature_flow(VARIANCE, SHARED, **arguments)
    with pytest.raises(InvalidInput, match="share"):
        learning_time(VARIANCE, SHARED, start=0.1, share=1.0)
    with pytest.raises(InvalidInput, match="depth"):
        learning_delay(SHARED, start=0.1, depth=1)


@pytest.mark.parametrize("time", [1e-300, 1e-30, 1e-3])
def test_a_short_time_moves_weights_by_their_first_slope(time):
    """dw/dt = L w^{1 - 1/L} dv/dt = 8 w (C - w^2 Sigma^2) at L = 2, w = 1/100."""
    flow = feature_flow([1.25], [1.0], times=[0.0, time], start=0.01)
    slope = 8 * 0.01**2 * (1 - 0.01**2 * 1.25**2)
    assert flow.weight[0, 0] == pytest.approx(0.01, rel=1e-14)
    assert flow.weight[1, 0] - 0.01 == pytest.approx(slope * time, rel=1e-2, abs=1e-16)


def test_no_time_at_all_is_the_start():
    assert feature_flow([1.25], [1.0], times=[0.0], start=0.3).weight[0, 0] == pytest.approx(0.3)


@pytest.mark.parametrize("start", [1e3, 1e20])
def test_a_start_far_above_the_optimum_falls_as_a_power_of_time(start):
    """Without C, w^{-3} grows as 24 Sigma^2 t at L = 2: dw/dt = -8 w^4 Sigma^2."""
    time = 1e-9
    flow = feature_flow([1.0], [1e-12], times=[time], start=start)
    assert flow.weight[0, 0] == pytest.approx((start**-3 + 24 * time) ** (-1 / 3), rel=1e-6)


@pytest.mark.parametrize("start", [1e300, 1e100, 1e-300, 0.0, np.nan])
def test_a_start_out_of_range_is_named(start):
    with pytest.raises(InvalidInput, match=r"start must lie in \[1e-100, 1e\+20\], got"):
        feature_flow([1.0], [0.5], times=[1.0], start=start)
