"""Probes on finitely many features and infinitely many samples, against direct minimisation."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import ndtr
from test_layers_spurious import FEATURES, NETWORK, spurious_features

from asymptotics.layers.groups import group_accuracies, group_mixture, pair_groups
from asymptotics.layers.population import population_accuracies
from asymptotics.layers.spurious import supervised_network
from asymptotics.mixture import Class, Mixture
from asymptotics.probes import PROBES

NAMES = ("++", "+-", "-+", "--")
PENALISED = ("square", "logistic", "hinge", "squared-hinge")


PENALISED = ("square", "logistic", "hinge", "squared-hinge")


@pytest.mark.parametrize("loss", [*PENALISED, "averaging", "least-squares", "logistic-mle"])
def test_after_a_head_of_one_output_every_probe_reads_the_sign_of_the_score(loss):
    groups = pair_groups([0.4, 0.05, 0.25, 0.3])
    ridge = 0.3 if loss in PENALISED else None
    layers = {2: group_mixture(FEATURES, NETWORK.gram(2), groups)}
    found = group_accuracies(layers, groups, loss=loss, sampling_ratio=0.7, ridge=ridge)
    u = NETWORK.score[:2]
    signs = np.asarray(groups.signs)
    margins = signs[:, 0] * (signs * [1.0, 1.5] @ u) / (0.5 * np.linalg.norm(u))
    got = [found[f"accuracy[{name}]"][0] for name in NAMES]
    np.testing.assert_allclose(got, ndtr(margins), atol=1e-12)


def test_a_reversed_correlation_can_turn_the_sign_of_the_score_around():
    features, c = spurious_features(spurious=3.0, correlation=0.95)
    network = supervised_network(features, c, initial_scale=0.5)
    accuracies = {}
    for shifted in (0.9, -0.9):
        groups = pair_groups(correlation=shifted)
        layers = {2: group_mixture(features, network.gram(2), groups)}
        found = group_accuracies(layers, groups, loss="averaging", sampling_ratio=1)
        accuracies[shifted] = np.array([found[f"accuracy[{name}]"][0] for name in NAMES])
    np.testing.assert_allclose(accuracies[-0.9], 1 - accuracies[0.9], atol=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "hinge", "square"])
def test_the_threshold_on_the_score_is_that_of_the_population(loss):
    groups = pair_groups([0.5, 0.05, 0.25, 0.2])
    layers = {2: group_mixture(FEATURES, NETWORK.gram(2), groups)}
    ridge = 0.2
    found = group_accuracies(
        layers, groups, loss=loss, sampling_ratio=1, ridge=ridge, intercept=True
    )
    classes = layers[2].classes
    value = {
        "logistic": lambda u: np.logaddexp(0, -u),
        "hinge": lambda u: max(0.0, 1 - u),
        "square": lambda u: 0.5 * (1 - u) ** 2,
    }[loss]

    def objective(x):
        total = 0.5 * ridge * x[0] ** 2
        for c in classes:
            mean, s = c.label * (x[0] * c.mean[0] + x[1]), abs(x[0]) * np.sqrt(c.covariance[0, 0])

            def integrand(z, mean=mean, s=s):
                return value(mean + s * z) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

            kink = [np.clip((1 - mean) / s, -9, 9)]
            total += float(c.prior) * quad(integrand, -9, 9, points=kink, epsabs=1e-13)[0]
        return total

    options = {"xatol": 1e-9, "fatol": 1e-15}
    best = minimize(objective, [1.0, 0.1], method="Nelder-Mead", options=options).x
    margins = [
        c.label * (best[0] * c.mean[0] + best[1]) / abs(best[0]) / np.sqrt(c.covariance[0, 0])
        for c in classes
    ]
    got = [found[f"accuracy[{name}]"][0] for name in NAMES]
    np.testing.assert_allclose(got, ndtr(margins), atol=2e-6)
    assert found["status"][0] == "converged"


@pytest.mark.parametrize("loss", ["max-margin", "min-norm"])
def test_a_probe_that_must_fit_every_sample_has_no_limit_on_one_score(loss):
    groups = pair_groups(correlation=0.0)
    layers = {k: group_mixture(FEATURES, NETWORK.gram(k), groups) for k in (1, 2)}
    found = group_accuracies(layers, groups, loss=loss, sampling_ratio=0.5)
    assert list(found["status"]) == ["converged", "no limit"]
    assert np.isnan(found["worst_group_accuracy"][1])
    assert found.rows()[1]["worst_group_accuracy"] is None


def test_a_strong_ridge_does_not_lose_the_hinge_probe_with_an_intercept():
    groups = pair_groups([0.287, 0.145, 0.015, 0.553])
    mixture = group_mixture(FEATURES, NETWORK.gram(2), groups)
    ridges = np.array([0.1, 3.0, 30.0])
    found, status = population_accuracies(mixture, PROBES["hinge"], ridges, intercept=True)
    assert set(status) == {"converged"}
    prior = np.asarray(groups.proportions)
    labels = np.array([c.label for c in mixture.classes])
    means = np.array([c.label * c.mean[0] for c in mixture.classes])
    s = np.sqrt(mixture.classes[0].covariance[0, 0])
    for column, ridge in zip(found.T, ridges, strict=True):

        def objective(x, ridge=ridge):
            deviation = abs(x[0]) * s + 1e-300
            gap = 1 - means * x[0] - labels * x[1]
            z = gap / deviation
            positive = gap * ndtr(z) + deviation * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
            return prior @ positive + 0.5 * ridge * x[0] ** 2

        options = {"xatol": 1e-11, "fatol": 1e-16, "maxiter": 4000}
        best = minimize(objective, [0.05, 0.5], method="Nelder-Mead", options=options).x
        margins = (means * best[0] + labels * best[1]) / (abs(best[0]) * s)
        np.testing.assert_allclose(column, ndtr(margins), atol=1e-5)


def test_a_hinge_probe_that_is_zero_is_no_classifier():
    # 6% of one label, a weak feature: no direction is worth leaving margin 1 for
    weak, c = spurious_features(0.2, 0.2, 0.5)
    network = supervised_network(weak, c, initial_scale=1.0)
    groups = pair_groups([0.03, 0.03, 0.47, 0.47])
    mixture = group_mixture(weak, network.gram(2), groups)
    found, status = population_accuracies(mixture, PROBES["hinge"], [0.01, 1.0], intercept=True)
    assert not np.any(status == "converged")
    assert np.all(np.isnan(found))


def silent_mixture(means, prior):
    """Components of labels +, +, -, - at scores y_g means_g, without any noise and bulk."""
    labels = (1, 1, -1, -1)
    classes = tuple(
        Class(share, np.array([y * mean]), np.zeros((1, 1)), y)
        for share, mean, y in zip(prior, means, labels, strict=True)
    )
    return Mixture(classes, np.array([0.0]), np.array([1.0]))


@pytest.mark.parametrize("loss", ["square", "logistic", "hinge"])
@pytest.mark.parametrize(
    ("means", "expected"),
    [((3, -1, -1, 3), (1, 0, 0, 1)), ((2, 0, 0, 2), (1, 0.5, 0.5, 1)), ((1, 3, 3, 1), (1,) * 4)],
)
def test_without_noise_a_group_is_right_wrong_or_a_coin_toss(loss, means, expected):
    mixture = silent_mixture(means, [0.25] * 4)
    found, status = population_accuracies(mixture, PROBES[loss], [0.1])
    np.testing.assert_array_equal(found[:, 0], expected)
    assert status[0] == "converged"


@pytest.mark.parametrize(
    ("loss", "means", "exists"),
    [
        ("max-margin", (1, 3, 3, 1), True),
        ("max-margin", (3, -1, -1, 3), False),
        ("min-norm", (2, 2, 2, 2), True),
        ("min-norm", (1, 3, 3, 1), False),
        ("logistic-mle", (1, 3, 3, 1), False),
        ("logistic-mle", (3, -1, -1, 3), True),
    ],
)
def test_without_noise_the_probes_that_exist_are_those_of_four_points(loss, means, exists):
    mixture = silent_mixture(means, [0.25] * 4)
    found, status = population_accuracies(mixture, PROBES[loss], [0.0])
    assert status[0] == ("converged" if exists else "no limit")
    if exists:
        np.testing.assert_array_equal(found[:, 0], 1.0 * (np.array(means) > 0))


def test_without_noise_the_threshold_of_the_square_loss_is_that_of_four_points():
    """Least squares of the four points, weighted, by the normal equations."""
    means, prior, ridge = np.array([0.2, 2.0, 1.0, 1.0]), np.array([0.1, 0.6, 0.1, 0.2]), 0.1
    labels = np.array([1, 1, -1, -1])
    design = np.column_stack([labels * means, np.ones(4)])
    gram = design.T @ (prior[:, None] * design) + np.diag([ridge, 0.0])
    theta = np.linalg.solve(gram, design.T @ (prior * labels))
    found, status = population_accuracies(
        silent_mixture(means, prior), PROBES["square"], [ridge], intercept=True
    )
    assert status[0] == "converged"
    np.testing.assert_array_equal(found[:, 0], 1.0 * (labels * (design @ theta) > 0))
