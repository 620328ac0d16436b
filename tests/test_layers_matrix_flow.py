"""Flow for any second moments: the first layer's equation is the flow of all the layers."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from asymptotics.errors import InvalidInput
from asymptotics.layers.flow import feature_flow, final_weight
from asymptotics.layers.matrix_flow import layer_flow, train
from asymptotics.layers.optimum import layer_weights
from asymptotics.layers.second_moments import Features, SecondMoments

SPURIOUS = Features(
    [1.0, 1.0, 0.5, 2.0],
    0.5,
    [0.9, 0.8, 0.7, 0.3],
    spurious=np.array([[1, 0.6, 0, 0.3], [0.6, 1, 0, 0], [0, 0, 1, -0.4], [0.3, 0, -0.4, 1]]),
).second_moments()


def product_of(layers):
    product = np.eye(layers[0].shape[1])
    for w in layers:
        product = w @ product
    return product


def slopes(layers, moments, decay):
    """dloss/dW_l of the loss of the layers themselves."""
    sigma, cross = moments.one_view, moments.across
    z = product_of(layers)
    outer = 4 * (z @ sigma @ z.T @ z @ sigma - z @ cross)
    found = []
    for l, w in enumerate(layers):
        after = product_of([np.eye(w.shape[0]), *layers[l + 1 :]])
        before = product_of([np.eye(moments.dimension), *layers[:l]])
        found.append(after.T @ outer @ before.T + 2 * decay * w)
    return found


def actual_flow(layers, moments, decay, times):
    """[layers at t] by gradient flow of every matrix."""
    shapes = [w.shape for w in layers]
    cuts = np.cumsum([w.size for w in layers])[:-1]

    def unpack(flat):
        return [x.reshape(s) for x, s in zip(np.split(flat, cuts), shapes, strict=True)]

    def velocity(_, flat):
        return -np.concatenate([g.ravel() for g in slopes(unpack(flat), moments, decay)])

    first = np.concatenate([w.ravel() for w in layers])
    found = solve_ivp(velocity, (0, times[-1]), first, t_eval=times, rtol=1e-10, atol=1e-12)
    return [unpack(y) for y in found.y.T]


def imbalance(layers):
    return [b.T @ b - a @ a.T for a, b in pairwise(layers)]


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_all_layers_move_as_the_first_says_and_stay_balanced(depth, decay):
    times = np.array([0.3, 1.0, 4.0])
    path = layer_flow(SPURIOUS, times=times, start=0.2, depth=depth, decay=decay)
    layers = actual_flow([0.2 ** (1 / depth) * np.eye(4)] * depth, SPURIOUS, decay, times)
    for k in range(times.size):
        assert max([0.0, *(np.abs(x).max() for x in imbalance(layers[k]))]) < 1e-8
        for l in range(1, depth + 1):
            seen = product_of(layers[k][:l])
            np.testing.assert_allclose(path.gram(l)[k], seen.T @ seen, atol=1e-7)
    assert np.all(np.diff(path.loss) < 0)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_imbalance_of_any_start_is_conserved_and_decay_forgets_it(decay):
    rng = np.random.default_rng(3)
    layers = [0.5 * rng.normal(size=s) for s in ((5, 4), (3, 5), (2, 3))]
    times = np.array([0.5, 2.0])
    paths = actual_flow(layers, SPURIOUS, decay, times)
    for t, now in zip(times, paths, strict=True):
        for first, seen in zip(imbalance(layers), imbalance(now), strict=True):
            np.testing.assert_allclose(seen, np.exp(-4 * decay * t) * first, atol=1e-7)


def test_a_start_of_few_outputs_keeps_its_rank_and_moves_as_the_layers_do():
    rng = np.random.default_rng(4)
    w0 = 0.3 * rng.normal(size=(2, 4))
    left, values, right = np.linalg.svd(w0, full_matrices=False)
    layers = [np.sqrt(values)[:, None] * right, left * np.sqrt(values)]
    times = np.array([0.5, 3.0])
    path = layer_flow(SPURIOUS, times=times, start=w0, depth=2)
    for k, now in enumerate(actual_flow(layers, SPURIOUS, 0.0, times)):
        z = product_of(now)
        np.testing.assert_allclose(path.gram(2)[k], z.T @ z, atol=1e-7)
        assert np.linalg.matrix_rank(path.gram(1)[k], tol=1e-9) == 2


@pytest.mark.parametrize(("outputs", "depth"), [(4, 1), (4, 2), (4, 3), (2, 2)])
def test_without_decay_training_ends_at_the_optimum(outputs, depth):
    start = 0.3 * np.random.default_rng(0).normal(size=(outputs, 4)) if outputs < 4 else 0.3
    net = train(SPURIOUS, start=start, depth=depth)
    best = layer_weights(SPURIOUS, outputs=outputs, depth=depth)
    assert net.loss == pytest.approx(best.loss, rel=1e-8)
    for layer in range(1, depth + 1):
        np.testing.assert_allclose(net.gram(layer), best.gram(layer), atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_independent_features_end_and_move_as_one_by_one(depth):
    features = Features([0.2, 0.5, 1, 2, 1, 1], 0.5, [0.9, 0.9, 0.9, 0.9, 0.5, 0.2])
    moments, decay, start = features.second_moments(), 0.05, 0.1
    net = train(moments, start=start, depth=depth, decay=decay)
    ends = final_weight(features.variance, features.shared, start=start, depth=depth, decay=decay)
    np.testing.assert_allclose(net.weights[depth], ends, atol=1e-7)
    times = [0.5, 4.0]
    matrices = layer_flow(moments, times=times, start=start, depth=depth, decay=decay)
    singles = feature_flow(
        features.variance, features.shared, times=times, start=start, depth=depth, decay=decay
    )
    np.testing.assert_allclose(
        matrices.gram(depth), [np.diag(w**2) for w in singles.weight], atol=1e-7
    )


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("start", [0.05, 0.3])
def test_with_decay_training_ends_at_a_local_minimum_above_the_floor(depth, start):
    decay = 0.05
    net = train(SPURIOUS, start=start, depth=depth, decay=decay)
    assert net.residual < 1e-9
    assert net.floor < net.loss < 0
    # the layers themselves, from the singular values: their gradient vanishes
    _, values, right = np.linalg.svd(net.weight, full_matrices=False)
    root = values ** (1 / depth)
    layers = [root[:, None] * right] + [np.diag(root)] * (depth - 1)
    assert max(np.abs(g).max() for g in slopes(layers, SPURIOUS, decay)) < 1e-8
    # and no small change of A lowers the loss
    rng = np.random.default_rng(1)
    sigma, cross = SPURIOUS.one_view, SPURIOUS.across
    factor = np.vstack([net.weight, np.zeros((4 - net.weight.shape[0], 4))])
    for size in (1e-3, 1e-2):
        for _ in range(100):
            w = factor + size * rng.normal(size=(4, 4))
            penalty = decay * depth * np.sum(np.linalg.svd(w, compute_uv=False) ** (2 / depth))
            loss = -2 * np.trace(w @ cross @ w.T) + np.sum((w @ sigma @ w.T) ** 2) + penalty
            assert loss > net.loss


def test_what_training_finds_depends_on_its_start():
    found = {w0: train(SPURIOUS, start=w0, depth=3, decay=0.05) for w0 in (0.01, 0.05, 0.3)}
    assert [int(net.kept.sum()) for net in found.values()] == [0, 1, 3]
    assert found[0.01].loss == 0 > found[0.05].loss > found[0.3].loss
    assert found[0.01].residual == 0


@pytest.mark.parametrize(
    ("start", "message"),
    [(np.zeros((4, 4)), "zero"), (np.ones((5, 4)), "at most"), (np.ones(4), "at most")],
)
def test_values_outside_their_domain_are_refused(start, message):
    with pytest.raises(InvalidInput, match=message):
        layer_flow(SPURIOUS, times=[1.0], start=start)
    with pytest.raises(InvalidInput, match="nothing to learn"):
        train(SecondMoments(np.eye(2), np.zeros((2, 2))), start=0.1)
    with pytest.raises(InvalidInput, match="layer"):
        layer_flow(SPURIOUS, times=[1.0], start=0.1).gram(3)


def test_with_few_outputs_a_short_run_keeps_the_large_c_and_a_long_one_the_large_ratio():
    moments = SecondMoments(np.diag([2.0, 0.6]), np.diag([1.0, 0.5]))  # C/Sigma = 0.5, 0.83
    path = layer_flow(moments, times=[1.0, 30.0], start=np.full((1, 2), 1e-2), depth=1)
    early, late = (np.sqrt(np.diag(gram)) for gram in path.gram(1))
    assert early[0] > 5 * early[1]
    np.testing.assert_allclose(late, [0, np.sqrt(0.5) / 0.6], atol=1e-8)


@pytest.mark.parametrize("time", [0.0, 1e-300, 1e-8])
def test_the_shortest_times_leave_the_start(time):
    flow = layer_flow(Features([1.0, 0.5], [0.5, 0.5]).second_moments(), times=[time], start=0.25)
    np.testing.assert_allclose(flow.first_layer[0], np.sqrt(0.25) * np.eye(2), atol=1e-6)
