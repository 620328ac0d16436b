"""Groups at every layer, against ridge theory, fitted probes and proofs for solvable cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import expit, ndtr
from test_layers_spurious import FEATURES, NETWORK, spurious_features

from asymptotics import InvalidInput
from asymptotics.layers.groups import Groups, group_accuracies, group_mixture, pair_groups
from asymptotics.layers.second_moments import Features
from asymptotics.layers.spurious import supervised_network
from asymptotics.probes import PROBES
from validation.probes import fit_probe

NAMES = ("++", "+-", "-+", "--")
PENALISED = ("square", "logistic", "hinge", "squared-hinge")


def ridge_groups(mixture, ratio, ridge):
    """Group accuracies of ridge regression of 1 on y z, from the theory of ridge regression.

    With T the second moment of y z, a its mean, w = T^{-1} a the best weights and kappa the
    effective ridge, theta = (T + kappa)^{-1} a on average and the risk is
    [(theta - w).T(theta - w) + 1 - a.w]/(1 - df2/n). What it leaves after the squared errors of
    the group means is the variance of a margin.
    """
    prior = np.array([float(c.prior) for c in mixture.classes])
    signed = np.stack([c.label * c.mean for c in mixture.classes])
    covariance = mixture.classes[0].covariance
    second = covariance + signed.T * prior @ signed
    mean = prior @ signed
    bulk, weight = mixture.bulk_eigenvalues, mixture.bulk_weights

    def excess(kappa):
        return kappa * (1 - weight @ (bulk / (bulk + kappa)) / ratio) - ridge

    # the effective ridge is above the one that ridge 0 has
    least = excess(1e-12) + ridge
    lowest = 0.0 if least >= 0 else brentq(lambda k: excess(k) + ridge, 1e-12, 1e6)
    kappa = brentq(excess, lowest, 1e6, xtol=1e-15, rtol=1e-14)
    target = np.linalg.solve(second, mean)
    theta = np.linalg.solve(second + kappa * np.eye(mean.size), mean)
    bias = (theta - target) @ second @ (theta - target)
    noise = 1 - mean @ target
    risk = (bias + noise) / (1 - weight @ (bulk / (bulk + kappa)) ** 2 / ratio)
    variance = risk - prior @ (1 - signed @ theta) ** 2
    return ndtr(signed @ theta / np.sqrt(variance))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.05, 1), min_size=4, max_size=4),
    st.sampled_from([0.4, 1.5, 6.0]),
    st.floats(0.01, 3),
    st.integers(0, 1),
)
def test_groups_of_the_square_loss_follow_from_ridge_regression(shares, ratio, ridge, layer):
    groups = pair_groups(np.array(shares) / np.sum(shares))
    mixture = group_mixture(FEATURES, NETWORK.gram(layer), groups, 0.1)
    found = group_accuracies(
        {layer: mixture}, groups, loss="square", sampling_ratio=ratio, ridge=ridge
    )
    expected = ridge_groups(mixture, ratio, ridge)
    got = [float(found[f"accuracy[{name}]"][0]) for name in NAMES]
    np.testing.assert_allclose(got, expected, atol=1e-8)
    assert found["worst_group_accuracy"][0] == min(got)
    assert found["worst_group"][0] == NAMES[int(np.argmin(got))]
    assert found["average_accuracy"][0] == pytest.approx(groups.proportions @ got)


def fitted_groups(rng, loss, proportions, dimension, ratio, ridge, intercept):
    """Group accuracies of one probe fitted to samples of the layer before the head."""
    n = int(ratio * dimension)
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    drawn = signs[rng.choice(4, n, p=proportions)]
    h = rng.standard_normal((n, dimension)) * np.sqrt(0.7**2 + 0.5**2)
    h[:, :2] = drawn * [1.0, 1.5] + 0.5 * rng.standard_normal((n, 2))
    values, vectors = np.linalg.eigh(NETWORK.gram(1)[:2, :2])
    root = vectors * np.sqrt(values) @ vectors.T
    size = 0.5 * np.sqrt(0.7**2 + 0.5**2)
    h[:, :2] = h[:, :2] @ root / size
    h[:, 2:] *= 0.5 / size
    fit = fit_probe(loss, h, drawn[:, 0], ridge, intercept)
    theta = fit.theta
    block = root @ theta[:2] / size
    variance = 0.25 * block @ block + theta[2:] @ theta[2:]
    margins = (signs * [1.0, 1.5]) @ block + fit.intercept
    return ndtr(signs[:, 0] * margins / np.sqrt(variance))


@pytest.mark.parametrize(
    ("loss", "ratio", "ridge", "intercept"),
    [("logistic", 2.0, 0.05, True), ("max-margin", 1.2, None, False), ("hinge", 2.0, 0.1, True)],
)
def test_probes_fitted_before_the_head_have_the_predicted_group_accuracies(
    loss, ratio, ridge, intercept
):
    rng = np.random.default_rng(7)
    proportions = np.array([0.35, 0.15, 0.1, 0.4])
    groups = pair_groups(proportions)
    layers = {1: group_mixture(FEATURES, NETWORK.gram(1), groups)}
    probe = {"sampling_ratio": ratio, "ridge": ridge, "intercept": intercept}
    found = group_accuracies(layers, groups, loss=loss, **probe)
    theory = np.array([found[f"accuracy[{name}]"][0] for name in NAMES])
    means, errors = [], []
    for dimension, trials in ((60, 150), (120, 75)):
        sample = np.array(
            [
                fitted_groups(rng, loss, proportions, dimension, ratio, ridge, intercept)
                for _ in range(trials)
            ]
        )
        means.append(sample.mean(axis=0))
        errors.append(sample.std(axis=0, ddof=1) / np.sqrt(trials))
    extrapolated = 2 * means[1] - means[0]  # the bias is linear in 1/p
    standard_error = np.hypot(2 * errors[1], errors[0])
    assert np.all(np.abs(extrapolated - theory) < 4 * standard_error)
    assert np.all(standard_error < 0.015)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(-0.95, 0.95), st.floats(0.3, 3), st.floats(0.3, 1.0))
def test_with_many_samples_the_layer_before_the_head_wins_exactly_for_a_weaker_correlation(
    trained, probed, strength, noise
):
    if abs(abs(probed) - trained) < 0.01:
        return
    features, c = spurious_features(1.0, strength, trained, noise=(0.5, noise, 0.5))
    network = supervised_network(features, c, initial_scale=0.5)
    groups = pair_groups(correlation=probed)
    # many samples: least squares with the layer's bulk left out is the population's fit
    before = Features([1.0, strength], [0.5, noise], fraction=[0.5, 0.5])
    worst = []
    for layer in (1, 2):
        gram = network.gram(layer)[:2, :2]
        mixture = group_mixture(_without_bulk(before), np.pad(gram, (0, 1)), groups)
        table = group_accuracies({layer: mixture}, groups, loss="least-squares", sampling_ratio=1)
        worst.append(table["worst_group_accuracy"][0])
    sign = 1 if network.score[0] + probed * network.score[1] * strength > 0 else -1
    if abs(probed) < trained:
        assert worst[0] > worst[1]
    elif sign > 0:
        assert worst[0] < worst[1]


def _without_bulk(features):
    """The same two features over a third kind that the gram matrix silences."""
    strength = np.append(features.strength, 1.0)
    return Features(strength, np.append(features.noise, 1.0), fraction=[0, 0, 1])


def test_the_high_dimensional_limit_tends_to_the_population_as_samples_grow():
    groups = pair_groups([0.4, 0.1, 0.2, 0.3])
    whole = {1: group_mixture(FEATURES, NETWORK.gram(1), groups)}
    silent = {1: group_mixture(FEATURES, np.pad(NETWORK.gram(1)[:2, :2], (0, 1)), groups)}
    options = {"loss": "least-squares", "intercept": True}
    large = group_accuracies(whole, groups, sampling_ratio=[1e3, 1e4, 1e5], **options)
    limit = group_accuracies(silent, groups, sampling_ratio=1, **options)
    gap = np.abs(large["accuracy[+-]"] - limit["accuracy[+-]"][0])
    assert gap[-1] < 1e-4
    np.testing.assert_allclose(gap[:-1] / gap[1:], 10, rtol=0.05)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_averaging_before_the_head_ties_at_the_predicted_number_of_samples(layer):
    noise = np.array([0.6, 0.5])
    features, c = spurious_features(1.0, 0.8, 0.6, noise=(*noise, 0.5))
    network = supervised_network(features, c, initial_scale=0.6, depth=2)
    shifted, strength = 0.1, np.array([1.0, 0.8])
    u, gram = network.score[:2], network.gram(layer)[:2, :2]
    worst = np.array([1.0, -1.0]) * strength
    mu = strength * [1, shifted]
    after = worst @ u / np.sqrt(noise**2 @ u**2)
    assert after > 0
    bulk = network.gram(layer)[2, 2] ** 2 * (0.7**2 + 0.5**2) ** 2
    pulled = gram @ mu
    tie = bulk / ((worst @ pulled / after) ** 2 - noise**2 @ pulled**2)
    assert tie > 0
    groups = pair_groups(correlation=shifted)
    layers = {k: group_mixture(features, network.gram(k), groups) for k in (layer, 3)}
    ratios = tie * np.array([0.9, 1.0, 1.1])
    found = group_accuracies(layers, groups, loss="averaging", sampling_ratio=ratios)
    gap = np.diff(found["worst_group_accuracy"].reshape(2, 3), axis=0)[0]
    assert gap[0] > 0 > gap[2]
    assert gap[1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("strength", "trained", "tie"), [(1.5, 0.8, 0.9469), (0.5, 0.8, 0.8427), (1.5, 0.3, 0.3149)]
)
def test_a_logistic_probe_ties_at_a_larger_correlation_than_the_training_set_has(
    strength, trained, tie
):
    features, c = spurious_features(1.0, strength, trained)
    u = supervised_network(features, c, initial_scale=1.0).score[:2]
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    means = np.array([1.0, -1.0]) * strength

    def worst_before(correlation):
        share = np.array([1 + correlation, 1 - correlation]) / 2

        def objective(theta):
            margin = theta[0] + theta[1] * means
            s = 0.5 * np.linalg.norm(theta)
            at = margin[:, None] + s * nodes
            slope, curve = -expit(-at) @ weights, (expit(-at) * expit(at)) @ weights
            gradient = [share @ slope, share @ (slope * means)]
            gradient = np.array(gradient) + 0.25 * theta * (share @ curve)
            return share @ (np.logaddexp(0, -at) @ weights), gradient

        theta = minimize(objective, [1.0, 0.5], jac=True, method="BFGS", options={"gtol": 1e-9}).x
        return (theta[0] - theta[1] * strength) / np.linalg.norm(theta)

    after = (u[0] - u[1] * strength) / np.linalg.norm(u)
    assert brentq(lambda x: worst_before(x) - after, 0.01, 0.99) == pytest.approx(tie, abs=1e-4)
    groups = pair_groups(correlation=tie)
    gram = supervised_network(features, c, initial_scale=1.0).gram(1)
    layers = {1: group_mixture(features, np.pad(gram[:2, :2], (0, 1)), groups)}
    layers[2] = group_mixture(features, np.pad(np.outer(u, u), (0, 1)), groups)
    found = group_accuracies(layers, groups, loss="logistic-mle", sampling_ratio=1)
    gap = np.diff(found["worst_group_accuracy"])[0]
    assert abs(gap) < 2e-4


def test_groups_may_be_renamed_and_reflected():
    groups = pair_groups([0.35, 0.15, 0.1, 0.4])
    probe = {"loss": "logistic", "sampling_ratio": 1.0, "ridge": 0.1, "intercept": True}
    gram = NETWORK.gram(1)
    plain = group_accuracies({1: group_mixture(FEATURES, gram, groups)}, groups, **probe)
    order = [3, 2, 1, 0]  # y -> -y, s -> -s
    mirrored = Groups(
        groups.names,
        groups.proportions[order],
        groups.labels,
        groups.signs,
    )
    other = group_accuracies({1: group_mixture(FEATURES, gram, mirrored)}, mirrored, **probe)
    for name, image in zip(NAMES, reversed(NAMES), strict=True):
        assert plain[f"accuracy[{name}]"][0] == pytest.approx(
            other[f"accuracy[{image}]"][0], abs=1e-9
        )


@pytest.mark.parametrize("loss", [name for name in PROBES if name != "bayes"])
def test_every_probe_has_a_row_for_every_layer(loss):
    groups = pair_groups(correlation=0.2)
    layers = {k: group_mixture(FEATURES, NETWORK.gram(k), groups) for k in range(3)}
    ridge = 0.1 if loss in PENALISED else None
    found = group_accuracies(layers, groups, loss=loss, sampling_ratio=[0.5, 400], ridge=ridge)
    assert list(found["layer"]) == [0, 0, 1, 1, 2, 2]
    known = found["status"] == "converged"
    assert np.any(known)
    np.testing.assert_array_equal(known, np.isfinite(found["worst_group_accuracy"]))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: pair_groups(), "groups"),
        (lambda: pair_groups(correlation=1.2), "correlation"),
        (lambda: pair_groups([0.5, 0.5, 0.5, 0.5]), "proportions"),
        (lambda: Groups(("a",), [1.0], [2], [[1]]), "labels"),
        (lambda: group_mixture(FEATURES, np.eye(2), pair_groups(correlation=0)), "gram"),
        (lambda: group_mixture(FEATURES, np.zeros((3, 3)), pair_groups(correlation=0)), "gram"),
        (
            lambda: group_mixture(FEATURES, np.ones((3, 3)), pair_groups(correlation=0)),
            "must not be mixed",
        ),
        (
            lambda: group_accuracies(
                {}, pair_groups(correlation=0), loss="bayes", sampling_ratio=1
            ),
            "bayes",
        ),
    ],
)
def test_bad_values_are_refused_by_name(call, word):
    with pytest.raises(InvalidInput, match=word):
        call()


@pytest.mark.parametrize("proportions", [(1, 0, 0, 0), (0.5, 0.5, 0, 0), (0, 0, 0.3, 0.7)])
def test_samples_of_one_label_are_refused(proportions):
    groups = pair_groups(proportions)
    mixture = group_mixture(FEATURES, NETWORK.gram(0), groups)
    with pytest.raises(InvalidInput, match="both labels"):
        group_accuracies({0: mixture}, groups, loss="logistic", sampling_ratio=2.0, ridge=0.1)


@pytest.mark.parametrize("correlation", [1.0, -1.0])
def test_groups_without_samples_are_the_limit_of_groups_with_few(correlation):
    rows = []
    for c in (correlation, correlation * (1 - 1e-9)):
        groups = pair_groups(correlation=c)
        mixture = group_mixture(FEATURES, NETWORK.gram(1), groups)
        table = group_accuracies(
            {1: mixture}, groups, loss="logistic", sampling_ratio=2.0, ridge=0.1
        )
        assert np.all(table["status"] == "converged")
        rows.append([table[f"accuracy[{name}]"][0] for name in groups.names])
    np.testing.assert_allclose(*rows, atol=1e-8)
