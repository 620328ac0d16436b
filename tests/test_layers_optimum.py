"""The optimum of linear nets: minimisation over actual matrices finds it and nothing better."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import ortho_group

from asymptotics.contrastive.spectral import gram_matrix
from asymptotics.errors import InvalidInput
from asymptotics.layers.decay import jump_threshold
from asymptotics.layers.optimum import diagonal_optimum, layer_weights
from asymptotics.layers.second_moments import Features, SecondMoments

# theory.md, section 4: computed there by gradient descent
REFERENCE = Features([0.2, 0.5, 1, 2, 1, 1], 0.5, [0.9, 0.9, 0.9, 0.9, 0.5, 0.2])


def random_moments(seed, d):
    rng = np.random.default_rng(seed)
    shared, own = rng.normal(size=(2, d, d)) / np.sqrt(d)
    return SecondMoments(shared @ shared.T + own @ own.T + 0.1 * np.eye(d), shared @ shared.T)


def diagonal_moments(seed, d):
    rng = np.random.default_rng(seed)
    variance = np.exp(rng.normal(0, 0.7, d))
    return SecondMoments(np.diag(variance), np.diag(variance * rng.uniform(0.05, 1, d)))


def rotated(moments, frame):
    return SecondMoments(frame @ moments.one_view @ frame.T, frame @ moments.across @ frame.T)


def net_loss(flat, shapes, sigma, cross, decay):
    """The loss of the layers themselves, with its gradient: nothing of the theory enters."""
    layers, at = [], 0
    for shape in shapes:
        layers.append(flat[at : at + shape[0] * shape[1]].reshape(shape))
        at += shape[0] * shape[1]
    before = [np.eye(sigma.shape[0])]
    for w in layers:
        before.append(w @ before[-1])
    z = before[-1]
    inner = z @ sigma @ z.T
    value = -2 * np.trace(z @ cross @ z.T) + np.sum(inner**2) + decay * np.sum(flat**2)
    slope, after, slopes = 4 * (inner @ z @ sigma - z @ cross), np.eye(z.shape[0]), []
    for l in reversed(range(len(layers))):
        slopes.append((after.T @ slope @ before[l].T + 2 * decay * layers[l]).ravel())
        after = after @ layers[l]
    return value, np.concatenate(slopes[::-1])


def brute_minimum(moments, outputs, depth, decay, seed, starts):
    """(loss, Gram matrix after every layer) of the best of several random starts."""
    d, rng = moments.dimension, np.random.default_rng(seed)
    shapes = [(d, d)] * (depth - 1) + [(outputs, d)]
    best = (0.0, [np.zeros((d, d))] * depth)
    for _ in range(starts):
        found = minimize(
            net_loss,
            rng.normal(size=sum(a * b for a, b in shapes)) * 0.7,
            args=(shapes, moments.one_view, moments.across, decay),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 5000, "maxcor": 30, "ftol": 1e-16, "gtol": 1e-10},
        )
        if found.fun < best[0] - 1e-12:
            grams, product, at = [], np.eye(d), 0
            for a, b in shapes:
                product = found.x[at : at + a * b].reshape(a, b) @ product
                at += a * b
                grams.append(product.T @ product)
            best = (found.fun, grams)
    return best


def test_the_reference_values_come_out():
    net = layer_weights(REFERENCE.second_moments())
    after = [0.6543, 0.9487, 0.7589, 0.4464, 0.5657, 0.3578]
    np.testing.assert_allclose(net.weights[2], after, atol=5e-5)
    np.testing.assert_allclose(net.weights[1], np.sqrt(net.weights[2]), rtol=1e-14)
    np.testing.assert_array_equal(net.weights[0], 1)


@pytest.mark.parametrize(("outputs", "depth"), [(4, 1), (2, 1), (4, 2), (2, 3)])
def test_nothing_beats_the_optimum_of_general_moments_without_decay(outputs, depth):
    moments = random_moments(3, 4)
    net = layer_weights(moments, outputs=outputs, depth=depth)
    value, grams = brute_minimum(moments, outputs, depth, 0.0, seed=1, starts=6)
    assert value == pytest.approx(net.loss, rel=1e-9)
    np.testing.assert_allclose(net.gram(depth), grams[-1], atol=1e-4)


@pytest.mark.parametrize("outputs", [4, 2])
def test_nothing_beats_one_layer_with_decay_of_general_moments(outputs):
    moments = random_moments(4, 4)
    net = layer_weights(moments, outputs=outputs, depth=1, decay=0.2)
    value, grams = brute_minimum(moments, outputs, 1, 0.2, seed=1, starts=6)
    assert value == pytest.approx(net.loss, rel=1e-9)
    np.testing.assert_allclose(net.gram(1), grams[0], atol=1e-5)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("outputs", [4, 2])
@pytest.mark.parametrize("turned", [False, True])
def test_nothing_beats_the_optimum_with_decay_which_trains_balanced_layers(depth, outputs, turned):
    moments = diagonal_moments(8, 4)
    thresholds = jump_threshold(np.diag(moments.one_view), np.diag(moments.across), depth)
    decay = 0.5 * (np.sort(thresholds)[0] + np.sort(thresholds)[1])  # one feature is lost
    if turned:
        moments = rotated(moments, ortho_group.rvs(4, random_state=2))
    net = layer_weights(moments, outputs=outputs, depth=depth, decay=decay)
    assert net.kept.sum() == min(outputs, 3)
    value, grams = brute_minimum(moments, outputs, depth, decay, seed=5, starts=25)
    assert value == pytest.approx(net.loss, rel=1e-8)
    for layer in range(1, depth + 1):
        np.testing.assert_allclose(net.gram(layer), grams[layer - 1], atol=1e-4)


@pytest.mark.slow
def test_the_optimum_over_features_with_decay_is_never_beaten_in_a_wide_survey():
    rng = np.random.default_rng(11)
    for seed in range(150):
        d, depth = int(rng.integers(2, 6)), int(rng.integers(2, 4))
        moments = diagonal_moments(seed, d)
        thresholds = jump_threshold(np.diag(moments.one_view), np.diag(moments.across), depth)
        decay = float(np.quantile(thresholds, rng.uniform()) * rng.uniform(0.2, 1))
        net = layer_weights(moments, depth=depth, decay=decay)
        value, _ = brute_minimum(moments, d, depth, decay, seed=seed, starts=5)
        assert value >= net.loss - 1e-7 * abs(net.loss)


def test_the_loss_is_that_of_sampled_views():
    moments = random_moments(5, 3)
    net = layer_weights(moments, depth=2, outputs=2)
    joint = np.block([[moments.one_view, moments.across], [moments.across, moments.one_view]])
    rng, count = np.random.default_rng(0), 400_000
    views = rng.standard_normal((2, count, 6)) @ np.linalg.cholesky(joint + 1e-12 * np.eye(6)).T
    first, second, other = views[0, :, :3], views[0, :, 3:], views[1, :, :3]
    z, z1, z2 = (h @ net.weight.T for h in (first, second, other))
    sample = -2 * np.sum(z * z1, axis=1) + np.sum(z * z2, axis=1) ** 2
    error = sample.std() / np.sqrt(count)
    assert error < 0.01
    assert abs(sample.mean() - net.loss) < 4 * error


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 4), st.floats(0.2, 3))
@settings(max_examples=60, deadline=None)
def test_rotation_and_scale_covariance_stationarity_and_floor_without_decay(seed, d, depth, scale):
    moments = random_moments(seed, d)
    k = 1 + seed % d
    net = layer_weights(moments, depth=depth, outputs=k)
    frame = ortho_group.rvs(d, random_state=seed) if d > 1 else np.eye(1)
    turned = layer_weights(rotated(moments, frame), depth=depth, outputs=k)
    bigger = layer_weights(
        SecondMoments(scale**2 * moments.one_view, scale**2 * moments.across),
        depth=depth,
        outputs=k,
    )
    last = net.gram(depth)
    np.testing.assert_allclose(turned.gram(depth), frame @ last @ frame.T, atol=1e-8)
    np.testing.assert_allclose(bigger.gram(depth), last / scale**2, atol=1e-8 / scale**2)
    assert bigger.loss == pytest.approx(net.loss, abs=1e-9)
    assert net.residual < 1e-9
    assert net.floor == pytest.approx(net.loss, abs=1e-10)
    np.testing.assert_allclose(last, gram_matrix(moments.one_view, moments.across, k), atol=1e-8)
    np.testing.assert_allclose(
        np.linalg.matrix_power(net.gram(1), depth), last, atol=1e-9 * (1 + np.abs(last).max())
    )
    np.testing.assert_allclose(
        net.singular_values(1) ** depth, net.singular_values(depth), rtol=1e-10
    )


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 4), st.floats(1e-3, 1.5))
@settings(max_examples=60, deadline=None)
def test_symmetries_stationarity_and_floor_with_decay(seed, d, depth, strength):
    moments, rng = diagonal_moments(seed, d), np.random.default_rng(seed)
    variance, shared = np.diag(moments.one_view), np.diag(moments.across)
    decay = strength * float(np.median(jump_threshold(variance, shared, depth)))
    net = layer_weights(moments, depth=depth, decay=decay)
    assert net.residual < 1e-9
    assert net.floor <= net.loss + 1e-10
    # order of the features
    order = rng.permutation(d)
    shuffled = diagonal_optimum(variance[order], shared[order], depth=depth, decay=decay)
    np.testing.assert_allclose(shuffled.weight, net.weights[depth][order], rtol=1e-12)
    # units of h: w -> w/s needs lambda -> lambda s^{2/L}
    scaled = diagonal_optimum(4 * variance, 4 * shared, depth=depth, decay=decay * 2 ** (2 / depth))
    np.testing.assert_allclose(scaled.weight, net.weights[depth] / 2, rtol=1e-9)
    # more outputs never hurt, and the features kept are nested
    few = [layer_weights(moments, depth=depth, decay=decay, outputs=k) for k in range(1, d + 1)]
    losses = np.array([one.loss for one in few])
    assert np.all(np.diff(losses) <= 1e-12)
    assert all(np.all(a.kept <= b.kept) for a, b in pairwise(few))
    # more decay never keeps more
    more = diagonal_optimum(variance, shared, depth=depth, decay=1.1 * decay)
    assert np.all(more.kept <= net.kept)
    assert np.all(more.weight <= net.weights[depth])


def test_the_floor_is_reached_with_decay_where_the_orders_agree():
    moments = SecondMoments(np.diag([2.0, 1.0, 0.5]), np.diag([1.8, 0.7, 0.2]))
    for depth in (1, 2, 3):
        net = layer_weights(moments, depth=depth, decay=0.05)
        assert net.floor == pytest.approx(net.loss, abs=1e-13)


def test_a_batch_of_phases_is_that_of_its_points():
    rng = np.random.default_rng(0)
    variance = np.exp(rng.normal(size=(7, 5, 4)))
    shared = variance * rng.uniform(-0.5, 1, (7, 5, 4))
    batch = diagonal_optimum(variance, shared, outputs=2, depth=3, decay=0.05)
    for i in range(7):
        for j in range(5):
            one = diagonal_optimum(variance[i, j], shared[i, j], outputs=2, depth=3, decay=0.05)
            np.testing.assert_array_equal(batch.weight[i, j], one.weight)
            np.testing.assert_array_equal(batch.kept[i, j], one.kept)
    np.testing.assert_allclose(batch.layer(1) ** 3, batch.weight, atol=1e-15)


def test_ties_at_the_last_output_are_told():
    variance, shared = np.array([1.0, 2.0, 1.0, 1.0]), np.array([0.5, 1.0, 0.9, 0.1])
    cut = diagonal_optimum(variance, shared, outputs=2)
    np.testing.assert_array_equal(cut.kept, [True, False, True, False])
    np.testing.assert_array_equal(cut.tied, [True, True, False, False])
    assert not np.any(diagonal_optimum(variance, shared, outputs=3).tied)
    turned = SecondMoments(np.eye(3), np.diag([0.5, 0.5, 0.9]) + 0.0)
    assert layer_weights(turned, outputs=2).tied.sum() == 2


def test_ties_with_zero_at_the_jump_are_told():
    threshold = float(jump_threshold(1.5, 0.7)[0])
    at = diagonal_optimum([1.5], [0.7], decay=threshold)
    assert at.tied[0]
    assert not diagonal_optimum([1.5], [0.7], decay=0.99 * threshold).tied[0]
    assert at.attained[0] == 0


def test_directions_that_the_views_share_negatively_are_dropped():
    net = layer_weights(SecondMoments(np.eye(2), np.array([[0.0, 0.6], [0.6, 0.0]])), depth=1)
    np.testing.assert_allclose(net.gram(1), 0.3 * np.ones((2, 2)), atol=1e-12)
    assert net.kept.sum() == 1


def test_where_no_closed_form_is_known_it_says_so():
    spurious = Features([1.0, 2.0], 0.5, [0.9, 0.4], spurious=[[1, 0.6], [0.6, 1]])
    with pytest.raises(InvalidInput, match=r"common eigenvectors.*matrix_flow\.train"):
        layer_weights(spurious.second_moments(), depth=2, decay=0.1)
    with pytest.raises(InvalidInput, match="use gram"):
        _ = layer_weights(spurious.second_moments()).weights


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": 0}, "outputs"),
        ({"outputs": 7}, "outputs"),
        ({"depth": 0}, "depth"),
        ({"decay": -1.0}, "decay"),
        ({"decay": np.inf}, "decay"),
    ],
)
def test_values_outside_their_domain_are_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        layer_weights(REFERENCE.second_moments(), **arguments)
    with pytest.raises(InvalidInput, match="layer"):
        layer_weights(REFERENCE.second_moments()).gram(3)
