"""Supervised contrastive training against networks, batches and machines that know no formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import ndtr

from asymptotics import InvalidInput
from asymptotics.layers.groups import group_accuracies, group_mixture, pair_groups
from asymptotics.layers.optimum import layer_weights
from asymptotics.layers.second_moments import Features, SecondMoments
from asymptotics.layers.supervised import (
    class_mean,
    class_positive_share,
    coarse_to_fine,
    collapse_share,
    forgotten_weight,
    mixed_positives,
    supervised_moments,
    with_class_positives,
)
from asymptotics.layers.verdict import Network, layer_limits

# class, sub-class, nuisances
FEATURES = Features([1.0, 0.9, 0.7, 1.3], 0.5, [0.9, 0.8, 0.7, 0.5], fraction=[0, 0, 0.5, 0.5])
CLASS = [1, 0, 0, 0]
NET = Network(depth=2)


def flow_of_network(moments, start, time):
    """Gram matrices of layers 0..L after gradient flow of all matrices on the spectral loss."""
    depth, d = start.shape[:2]
    sigma, c = moments.one_view, moments.across

    def velocity(_, x):
        layers = x.reshape(depth, d, d)
        below = [np.eye(d)]
        for w in layers:
            below.append(w @ below[-1])
        product = below[-1]
        # d/dW of -2 tr(W C W^T) + tr (W Sigma W^T)^2
        above = -4 * product @ c + 4 * product @ sigma @ product.T @ product @ sigma
        slopes = []
        for index in range(depth - 1, -1, -1):
            slopes.append(-above @ below[index].T)
            above = layers[index].T @ above
        return np.ravel(slopes[::-1])

    final = solve_ivp(velocity, (0, time), np.ravel(start), "DOP853", rtol=1e-9, atol=1e-13)
    product, grams = np.eye(d), [np.eye(d)]
    for w in final.y[:, -1].reshape(depth, d, d):
        product = w @ product
        grams.append(product.T @ product)
    return grams


def balanced_start(rng, depth, d, scale):
    return scale * np.stack([np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(depth)])


@pytest.mark.parametrize(("samples", "views"), [(1, 2), (2, 2), (5, 2), (3, 4)])
def test_the_share_of_class_positives_is_that_of_the_pairs_in_a_batch(samples, views):
    owner = np.repeat(np.arange(samples), views)
    pairs = ~np.eye(owner.size, dtype=bool)
    other = owner[:, None] != owner
    expected = np.sum(pairs & other) / np.sum(pairs)
    assert float(class_positive_share(samples, views)) == pytest.approx(expected, abs=1e-15)


def test_positives_of_a_simulated_batch_have_the_second_moments_of_the_mixture():
    rng = np.random.default_rng(0)
    samples, batches = 3, 40_000
    correlation, kept = 0.8, 0.9
    c = np.array([1.0, 0.0, correlation])
    joint = np.array([[1, 0, correlation], [0, 1, 0], [correlation, 0, 1]])
    strength, noise = np.array([1.0, 0.8, 1.2]), 0.5
    features = Features(strength, noise, kept**2, kept, spurious=joint)
    y = rng.choice([-1.0, 1.0], batches)
    shape = (batches, samples)
    agrees = np.where(rng.random(shape) < (1 + correlation) / 2, 1.0, -1.0)
    fine = rng.choice([-1.0, 1.0], shape)
    signs = np.stack([np.broadcast_to(y[:, None], shape), fine, y[:, None] * agrees], -1)

    def view():
        mask = rng.random(signs.shape) < kept
        return strength * signs * mask + noise * rng.standard_normal(signs.shape)

    views = np.concatenate([view(), view()], axis=1)
    owner = np.tile(np.arange(samples), 2)
    total = views.sum(axis=1)
    # every ordered pair of different views of a class is a positive
    outer = np.einsum("bi,bj->bij", total, total) - np.einsum("bvi,bvj->bij", views, views)
    measured = outer / (owner.size * (owner.size - 1))
    standard_error = measured.std(axis=0) / np.sqrt(batches)
    share = float(class_positive_share(samples))
    predicted = supervised_moments(features, c, share).across
    assert np.all(np.abs(measured.mean(axis=0) - predicted) < 4 * standard_error)
    assert np.max(standard_error) < 0.01


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_networks_trained_on_class_positives_have_the_predicted_weights_in_every_layer(depth):
    rng = np.random.default_rng(depth)
    start = balanced_start(rng, depth, 4, 0.7)
    decades = {}
    for share in (0.0, 0.75):
        moments = supervised_moments(FEATURES, CLASS, share)
        grams = flow_of_network(moments, start, 400.0)
        class_free = 1 - np.array(CLASS)
        weights = np.sqrt(FEATURES.shared * (1 - share) ** class_free) / FEATURES.variance
        for layer in range(depth + 1):
            expected = np.diag(weights ** (2 * layer / depth))
            np.testing.assert_allclose(grams[layer], expected, atol=2e-7)
        decades[share] = np.sqrt(np.array([np.diag(g) for g in grams]))
    faded = decades[0.75] / decades[0.0]
    for layer in range(depth + 1):
        np.testing.assert_allclose(faded[layer, 1:], 0.25 ** (layer / (2 * depth)), rtol=1e-5)
        assert faded[layer, 0] == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("depth", [1, 2])
def test_networks_trained_on_a_spurious_feature_and_class_positives_reach_the_optimum(depth):
    joint = np.array([[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]])
    features = Features([1.0, 1.5, 0.7], 0.5, [0.7, 0.9, 0.6], spurious=joint)
    moments = supervised_moments(features, joint[0], 0.6)
    start = balanced_start(np.random.default_rng(depth), depth, 3, 0.7)
    grams = flow_of_network(moments, start, 300.0)
    trained = layer_weights(moments, depth=depth)
    for layer in range(depth + 1):
        np.testing.assert_allclose(grams[layer], trained.gram(layer), atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_at_full_share_class_free_features_fade_by_the_power_law(depth):
    start = balanced_start(np.random.default_rng(depth), depth, 4, 0.9)
    moments = supervised_moments(FEATURES, CLASS, 1.0)
    for time in (0.3, 30.0):
        grams = flow_of_network(moments, start, time)
        for layer in range(1, depth + 1):
            weights = forgotten_weight(FEATURES.variance[1:], 0.9, time, depth, layer)
            expected = np.diag(weights**2)
            np.testing.assert_allclose(grams[layer][1:, 1:], expected, atol=1e-7)
    before, after = (forgotten_weight(1.06, 0.9, [1e9, 1e15], 2, layer) for layer in (1, 2))
    assert before[1] / before[0] == pytest.approx(0.1, rel=1e-6)
    assert after[1] / after[0] == pytest.approx(0.01, rel=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_weight_decay_drops_a_feature_exactly_above_its_share(depth):
    decay = 0.02
    edges, w = collapse_share(FEATURES, depth, decay), np.geomspace(1e-5, 5, 100_000)
    assert np.all((edges > 0) & (edges < 1))
    for i in range(1, 4):
        shared, variance = FEATURES.shared[i], FEATURES.variance[i]
        for share, dropped in ((edges[i] + 1e-3, True), (edges[i] - 1e-3, False)):
            c = (1 - share) * shared
            penalty = decay * depth * w ** (2 / depth)
            attained = -2 * w**2 * c + w**4 * variance**2 + penalty
            assert np.all(attained > 0) == dropped


@pytest.mark.parametrize("loss", ["square", "logistic", "max-margin"])
def test_the_class_direction_drops_out_of_the_probe_for_the_sub_class(loss):
    share, network = 0.8, Network(depth=2)
    probe = {"loss": loss, "sampling_ratio": 1.2, "ridge": None if loss == "max-margin" else 0.05}
    found = coarse_to_fine(FEATURES, share, network, readout_noise=0.02, **probe)
    trained = layer_weights(supervised_moments(FEATURES, CLASS, share), depth=2)
    groups = pair_groups(correlation=0.0, labelled_by=1)
    layers = {k: group_mixture(FEATURES, trained.gram(k), groups, 0.02) for k in range(3)}
    by_group = group_accuracies(layers, groups, **probe)
    np.testing.assert_allclose(by_group["average_accuracy"], found["accuracy"], atol=1e-8)
    np.testing.assert_allclose(by_group["worst_group_accuracy"], found["accuracy"], atol=1e-8)
    np.testing.assert_allclose(trained.weights[:, 1], found["weight"], atol=1e-12)
    np.testing.assert_allclose(trained.weights[:, 0], found["class_weight"], atol=1e-12)


def simulated_accuracy(rng, weights, dimension, ratio, ridge, noise):
    """Accuracy of a ridge machine for the sub-class, fitted to samples of four groups."""
    kinds = np.r_[0, 1, np.resize([2, 3], dimension - 2)]
    n, (strength, scale) = int(ratio * dimension), (np.asarray(FEATURES.strength), weights)
    bulk = scale[2:] ** 2 * (strength[2:] ** 2 + 0.25) + noise
    size = np.sqrt(bulk.mean())
    strength, scale, noise = strength[kinds], scale[kinds] / size, noise / size**2
    signs = rng.choice([-1.0, 1.0], (n, dimension))
    h = strength * signs + 0.5 * rng.standard_normal((n, dimension))
    z = scale * h + np.sqrt(noise) * rng.standard_normal((n, dimension))
    gram = z.T @ z / n + ridge * np.eye(dimension)
    theta = np.linalg.solve(gram, z.T @ signs[:, 1] / n)
    variance = scale**2 * (strength**2 + 0.25) + noise
    variance[:2] -= (scale * strength)[:2] ** 2  # the group fixes the first two signs
    means = theta[:2] * (scale * strength)[:2]
    margins = (means[1] + means[0] * np.array([1.0, -1.0])) / np.sqrt(theta**2 @ variance)
    return ndtr(margins).mean()


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_ridge_machines_find_the_sub_class_as_often_as_predicted(layer):
    rng = np.random.default_rng(layer)
    share, ratio, ridge, noise = 0.9, 1.5, 0.05, 0.01
    probe = {"loss": "square", "sampling_ratio": ratio, "ridge": ridge}
    found = coarse_to_fine(FEATURES, share, Network(depth=2), readout_noise=noise, **probe)
    factor = np.array([1, 1 - share, 1 - share, 1 - share])
    weights = (np.sqrt(FEATURES.shared * factor) / FEATURES.variance) ** (layer / 2)
    mean, error = {}, {}
    for dimension, trials in ((150, 200), (300, 100)):
        sample = [
            simulated_accuracy(rng, weights, dimension, ratio, ridge, noise) for _ in range(trials)
        ]
        mean[dimension], error[dimension] = np.mean(sample), np.std(sample) / np.sqrt(trials)
    # the bias is linear in 1/p
    extrapolated = 2 * mean[300] - mean[150]
    standard_error = np.hypot(2 * error[300], error[150])
    assert abs(extrapolated - found["accuracy"][layer]) < 4 * standard_error
    assert standard_error < 5e-3


def test_class_positives_act_on_independent_features_as_disruption_of_all_but_the_class():
    for share in (0.0, 0.6, 1.0):
        disrupted = with_class_positives(FEATURES, share).second_moments()
        mixed = supervised_moments(FEATURES, CLASS, share)
        np.testing.assert_allclose(disrupted.across, mixed.across, atol=1e-15)
        np.testing.assert_allclose(disrupted.one_view, mixed.one_view, atol=1e-15)


def test_without_readout_noise_the_verdict_on_the_layers_is_that_of_disrupted_features():
    probe = {"loss": "logistic", "sampling_ratio": 0.7, "ridge": 0.1}
    network = Network(depth=3)
    found = coarse_to_fine(FEATURES, [0.0, 0.5], network, **probe)
    for row, share in zip(found["accuracy"].reshape(2, 4), (0.0, 0.5), strict=True):
        limits = layer_limits(with_class_positives(FEATURES, share), 1, network, **probe)
        np.testing.assert_allclose(row, [float(x.accuracy) for x in limits], atol=1e-10)


def test_a_share_of_class_positives_acts_on_the_probe_as_a_larger_readout_noise():
    share, network, noise = 0.97, Network(depth=3), 0.003
    probe = {"loss": "logistic", "sampling_ratio": 0.8, "ridge": 0.01}
    supervised = coarse_to_fine(FEATURES, share, network, readout_noise=noise, **probe)
    for layer in range(4):
        grown = noise * (1 - share) ** (-layer / 3)
        plain = coarse_to_fine(FEATURES, 0.0, network, readout_noise=grown, **probe)
        assert supervised["accuracy"][layer] == pytest.approx(plain["accuracy"][layer], abs=1e-9)


def test_weights_collapse_but_only_a_noisy_readout_loses_the_sub_class():
    probe = {"loss": "max-margin", "sampling_ratio": 1.0}
    network = NET
    table = coarse_to_fine(FEATURES, [0.0, 0.999999], network, **probe)
    first, second = table["accuracy"].reshape(2, 3)
    np.testing.assert_allclose(first, second, atol=1e-9)
    assert table["weight"][-1] < 2e-3 * table["class_weight"][-1]
    noisy = coarse_to_fine(FEATURES, 0.999999, network, readout_noise=0.01, **probe)
    assert noisy["accuracy"][0] > 0.77
    assert noisy["accuracy"][2] < 0.501


def test_a_sub_class_that_decay_has_dropped_is_guessed_after_the_head():
    decay, depth = 0.02, 2
    weak = Features([1.0, 0.4, 0.9], 0.5, 0.9, fraction=[0, 0, 1])
    edge = float(collapse_share(weak, depth, decay)[1])
    shares = [edge - 0.02, edge + 0.02]
    probe = {"loss": "square", "sampling_ratio": 2.0, "ridge": 0.1}
    table = coarse_to_fine(weak, shares, Network(depth=depth, decay=decay), **probe)
    kept, dropped = table["accuracy"].reshape(2, 3)
    assert dropped[0] > 0.6
    assert np.all(kept > 0.55)
    np.testing.assert_allclose(dropped[1:], 0.5, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0, 1),
    st.lists(st.floats(0.1, 3), min_size=3, max_size=3),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.floats(-1, 1),
)
def test_every_share_is_a_legal_pair_of_views_and_leaves_the_class_alone(
    share, strength, correlation, spurious
):
    joint = np.array([[1, spurious, 0], [spurious, 1, 0], [0, 0, 1.0]])
    features = Features(strength, 0.6, correlation, spurious=joint)
    moments = supervised_moments(features, joint[0], share)
    v = class_mean(features, joint[0])
    shared_by_all = features.second_moments()
    np.testing.assert_allclose(moments.one_view, shared_by_all.one_view)
    assert moments.across[0, 0] == pytest.approx(v[0] ** 2, abs=1e-12)
    # what is lost is the covariance within a class
    within = shared_by_all.across - moments.across
    assert np.linalg.eigvalsh(within)[0] > -1e-9
    np.testing.assert_allclose(within, share * (shared_by_all.across - np.outer(v, v)), atol=1e-12)


def test_classes_on_a_simplex_keep_their_eigenvalue_in_every_direction():
    classes, radius = 4, 1.5
    corners = radius * np.linalg.qr(np.eye(classes) - 1 / classes)[0][:, : classes - 1]
    corners = radius * corners / np.linalg.norm(corners, axis=1, keepdims=True)
    between = corners.T @ corners / classes
    moments = SecondMoments(between + np.eye(3), between)
    mixed = mixed_positives(moments, between, 0.7)
    np.testing.assert_allclose(mixed.across, np.eye(3) * radius**2 / (classes - 1), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: class_positive_share(0.5), "samples_per_class"),
        (lambda: class_positive_share(2, 1), "num_views"),
        (lambda: class_mean(FEATURES, [1, 0]), "class_correlation"),
        (lambda: supervised_moments(FEATURES, [1, 0.5, 0, 0], 0.5), "class_correlation"),
        (lambda: supervised_moments(FEATURES, CLASS, 1.5), "share"),
        (lambda: forgotten_weight(1.0, 1.0, 1.0, 2, 3), "layer"),
        (lambda: forgotten_weight(1.0, 0.0, 1.0, 2, 1), "initial"),
        (lambda: collapse_share(FEATURES, 2, 0.0), "decay"),
        (lambda: coarse_to_fine(FEATURES, 1.0, NET, loss="averaging", sampling_ratio=1), "share"),
        (
            lambda: coarse_to_fine(
                Features([1, 1, 1], 1), 0, NET, loss="averaging", sampling_ratio=1
            ),
            "fraction",
        ),
    ],
)
def test_bad_values_are_refused_by_name(call, word):
    with pytest.raises(InvalidInput, match=word):
        call()
