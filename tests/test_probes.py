"""Finite-sample probes against scikit-learn, linear programming, and their own optimality."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC, LinearSVC

from asymptotics.errors import InvalidInput
from asymptotics.mixture import isotropic_mixture
from asymptotics.projectors import Gain
from validation.checks.probe_trial import features_at
from validation.data import at_dimension
from validation.probes import PROBES, NotSeparable, Separable, fit_probe

PENALISED = [name for name, probe in PROBES.items() if probe.penalised]
SHAPES = [(120, 40), (40, 120)]


def sample(num_samples, dimension, rng, signal=1.5, offset=0.3):
    """Two balanced-ish classes with an offset, so that the intercept matters."""
    labels = np.where(rng.random(num_samples) < 0.5, 1.0, -1.0)
    features = rng.standard_normal((num_samples, dimension)) + offset
    features[:, 0] += signal * labels
    return features, labels


def objective(loss, features, labels, ridge, theta, intercept):
    margins = labels * (features @ theta + intercept)
    value = {
        "square": lambda u: 0.5 * (1 - u) ** 2,
        "logistic": lambda u: np.logaddexp(0, -u),
        "hinge": lambda u: np.maximum(1 - u, 0),
        "squared-hinge": lambda u: 0.5 * np.maximum(1 - u, 0) ** 2,
    }[loss](margins)
    return np.mean(value) + 0.5 * ridge * theta @ theta


def oracle(loss, features, labels, ridge, intercept):
    """scikit-learn's solution of the same problem, at its tightest tolerance."""
    n = len(labels)
    tight = {"fit_intercept": intercept, "tol": 1e-10, "max_iter": 100_000}
    if loss == "square":
        model = Ridge(alpha=n * ridge, fit_intercept=intercept, solver="svd")
    elif loss == "logistic":
        model = LogisticRegression(C=1 / (n * ridge), **tight)
    elif loss == "squared-hinge":
        model = LinearSVC(C=0.5 / (n * ridge), intercept_scaling=1e4, dual=False, **tight)
    else:
        model = SVC(kernel="linear", C=1 / (n * ridge), tol=1e-10)
    model.fit(features, labels)
    return np.ravel(model.coef_), float(np.ravel(model.intercept_)[0]) if intercept else 0.0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ridge", [10.0, 0.1, 1e-3])
@pytest.mark.parametrize(
    ("loss", "intercept"),
    [(x, i) for x in PENALISED for i in (False, True) if (x, i) != ("hinge", False)],
)
def test_penalised_probes_agree_with_scikit_learn(loss, intercept, ridge, shape):
    features, labels = sample(*shape, np.random.default_rng(1))
    fit = fit_probe(loss, features, labels, ridge, intercept)
    theta, offset = oracle(loss, features, labels, ridge, intercept)
    scale = np.linalg.norm(theta)
    # squared hinge: liblinear penalises the intercept a little, SVC stops at a gap of 1e-10
    tolerance = {"squared-hinge": 2e-4 if intercept else 1e-6}.get(loss, 3e-6)
    assert np.linalg.norm(fit.theta - theta) < tolerance * scale
    interval = loss == "hinge" and ridge == 10.0  # the optimal intercept is not unique
    assert interval or abs(fit.intercept - offset) < max(tolerance, 1e-5) * max(scale, 1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("loss", PENALISED)
@pytest.mark.parametrize("ridge", [1e3, 1.0, 1e-4, 1e-10])
def test_no_neighbour_has_a_lower_objective(loss, ridge, intercept, shape):
    rng = np.random.default_rng(2)
    features, labels = sample(*shape, rng)
    fit = fit_probe(loss, features, labels, ridge, intercept)
    assert fit.certificate.worst < 1e-10
    best = objective(loss, features, labels, ridge, fit.theta, fit.intercept)
    for size in (1e-1, 1e-3, 1e-5):
        for _ in range(5):
            shift = size * np.linalg.norm(fit.theta) * rng.standard_normal(shape[1])
            move = size * rng.standard_normal() if intercept else 0.0
            near = objective(loss, features, labels, ridge, fit.theta + shift, fit.intercept + move)
            assert near >= best * (1 - 1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_max_margin_agrees_with_scikit_learn_and_touches_margin_one(shape):
    features, labels = sample(*shape, np.random.default_rng(3), signal=3)
    fit = fit_probe("max-margin", features, labels, intercept=True)
    model = SVC(kernel="linear", C=1e10, tol=1e-10).fit(features, labels)
    assert np.allclose(fit.theta, model.coef_[0], rtol=1e-6, atol=1e-8)
    assert fit.intercept == pytest.approx(model.intercept_[0], rel=1e-6)
    margins = labels * (features @ fit.theta + fit.intercept)
    assert np.min(margins) == pytest.approx(1, abs=1e-12)
    assert np.sum(np.abs(margins - 1) < 1e-9) == fit.certificate.support == len(model.support_)


@pytest.mark.parametrize("loss", ["hinge", "squared-hinge", "logistic"])
def test_a_vanishing_ridge_leads_to_max_margin_at_the_rate_of_each_loss(loss):
    features, labels = sample(60, 40, np.random.default_rng(4), signal=3)
    hard = fit_probe("max-margin", features, labels).theta
    hard = hard / np.linalg.norm(hard)
    distance = []
    for ridge in (1e-6, 1e-8):
        theta = fit_probe(loss, features, labels, ridge).theta
        distance.append(np.linalg.norm(theta / np.linalg.norm(theta) - hard))
    if loss == "hinge":  # exact at a positive ridge
        assert max(distance) < 1e-12
    elif loss == "squared-hinge":  # linear in the ridge
        assert distance[0] / distance[1] == pytest.approx(100, rel=0.05)
    else:  # logarithmic
        assert 1e-3 < distance[1] < distance[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 30), st.integers(1, 12), st.booleans())
def test_separability_is_decided_as_by_linear_programming(seed, num_samples, dimension, intercept):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((num_samples, dimension))
    labels = np.where(np.arange(num_samples) % 2, 1.0, -1.0)
    rows = labels[:, None] * np.column_stack([features, np.ones(num_samples)])
    rows = rows if intercept else rows[:, :-1]
    program = linprog(np.zeros(rows.shape[1]), -rows, -np.ones(num_samples), bounds=(None, None))
    if program.status == 0:
        fit = fit_probe("max-margin", features, labels, intercept=intercept)
        assert np.min(labels * (features @ fit.theta + fit.intercept)) > 1 - 1e-9
        return
    with pytest.raises(NotSeparable) as refusal:
        fit_probe("max-margin", features, labels, intercept=intercept)
    weights = refusal.value.weights
    assert np.all(weights >= 0)
    lengths = np.linalg.norm(rows, axis=1)
    assert np.linalg.norm(weights @ rows) < 1e-11 * (weights @ lengths)


def test_logistic_mle_agrees_with_newton_of_scikit_learn_and_refuses_separable_samples():
    features, labels = sample(400, 20, np.random.default_rng(5))
    fit = fit_probe("logistic-mle", features, labels, intercept=True)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12)
    model.fit(features, labels)
    assert np.allclose(fit.theta, model.coef_[0], rtol=1e-8, atol=1e-10)
    few, few_labels = features[:15], labels[:15]
    with pytest.raises(Separable, match="separable with margin") as refusal:
        fit_probe("logistic-mle", few, few_labels)
    margins = few_labels * (few @ refusal.value.separator.theta)
    assert np.min(margins) > 1 - 1e-9


@pytest.mark.parametrize("intercept", [False, True])
def test_linear_solves_agree_with_the_pseudo_inverse(intercept):
    for loss, shape in (("min-norm", (30, 50)), ("least-squares", (50, 30))):
        features, labels = sample(*shape, np.random.default_rng(6))
        fit = fit_probe(loss, features, labels, intercept=intercept)
        centre = np.mean(features, axis=0) if intercept else 0.0
        mean = np.mean(labels) if intercept else 0.0
        theta = np.linalg.pinv(features - centre) @ (labels - mean)
        assert np.allclose(fit.theta, theta, rtol=1e-9, atol=1e-12)
        assert fit.intercept == pytest.approx(np.mean(mean - centre @ theta) if intercept else 0)


def test_every_probe_is_deterministic_and_equivariant_under_rotation():
    rng = np.random.default_rng(7)
    rotation, _ = np.linalg.qr(rng.standard_normal((20, 20)))
    for name, probe in PROBES.items():
        n = 15 if name in ("max-margin", "min-norm") else 200
        features, labels = sample(n, 20, rng)
        ridge = 0.1 if probe.penalised else None
        plain = fit_probe(name, features, labels, ridge)
        turned = fit_probe(name, features @ rotation, labels, ridge)
        assert np.allclose(turned.theta, rotation.T @ plain.theta, rtol=1e-9, atol=1e-11)
        assert np.array_equal(fit_probe(name, features, labels, ridge).theta, plain.theta)


def test_duplicated_samples_and_constant_features_still_have_certified_optima():
    features, labels = sample(30, 20, np.random.default_rng(8), signal=3)
    features[:, -3:] = 0.0
    doubled = np.vstack([features, features]), np.concatenate([labels, labels])
    for loss, ridge in (("hinge", 0.1), ("max-margin", None), ("squared-hinge", 0.1)):
        once = fit_probe(loss, features, labels, ridge, intercept=True)
        twice = fit_probe(loss, *doubled, ridge, intercept=True)
        assert np.allclose(once.theta, twice.theta, atol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("square", np.ones((4, 2)), [1, -1, 1, -1], None), "positive finite ridge"),
        (("hinge", np.ones((4, 2)), [1, -1, 1, -1], -1.0), "positive finite ridge"),
        (("max-margin", np.ones((4, 2)), [1, -1, 1, -1], 0.1), "takes no ridge"),
        (("cubic", np.ones((4, 2)), [1, -1, 1, -1], 0.1), "unknown probe"),
        (("square", np.ones((4, 2)), [1, 1, 1, 1], 0.1), "both present"),
        (("square", np.ones((4, 2)), [1, -1, 0, 1], 0.1), r"-1 and \+1"),
        (("square", np.ones((4, 2)), [1, -1, 1], 0.1), "4 rows"),
        (("square", np.full((4, 2), np.nan), [1, -1, 1, -1], 0.1), "finite"),
        (("square", np.ones(4), [1, -1, 1, -1], 0.1), "n x p"),
        (("min-norm", np.eye(4)[:, :2], [1, -1, 1, -1], None), "cannot be interpolated"),
        (("least-squares", np.eye(2, 4), [1, -1], None), "more samples than features"),
        (("least-squares", np.ones((4, 2)), [1, -1, 1, -1], None), "linearly dependent"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    loss, features, labels, ridge = arguments
    with pytest.raises(InvalidInput, match=message) as error:
        fit_probe(loss, features, labels, ridge)
    assert "\n" not in str(error.value)


def test_square_loss_carries_the_factor_one_half_of_the_theory():
    """R = 1.5, n/p = 1.5, ridge 0.1, gain 0.5: 0.80343515 with 1/2, 0.7980 without."""
    rng = np.random.default_rng(9)
    mixture = at_dimension(isotropic_mixture(1.5), 200, Gain(0.5))
    accuracies = []
    for _ in range(40):
        features, labels = mixture.draw(300, rng)
        fit = fit_probe("square", features, labels, 0.1)
        accuracies.append(mixture.accuracy(fit.theta))
    error = np.std(accuracies, ddof=1) / np.sqrt(40)
    assert error < 0.002
    assert abs(np.mean(accuracies) - 0.80343515) < 2 * error


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["hinge", "max-margin", "squared-hinge", "logistic", "square"])
@pytest.mark.parametrize("shape", [(2000, 1000), (1000, 2000)])
def test_large_samples_are_certified(loss, shape):
    features, labels = sample(*shape, np.random.default_rng(10))
    for ridge in (0.1, 1e-6) if PROBES[loss].penalised else (None,):
        for intercept in (False, True):
            fit = fit_probe(loss, features, labels, ridge, intercept)
            assert fit.certificate.worst < 1e-10


@pytest.mark.parametrize("seed", range(12))
def test_random_samples_of_any_shape_and_scale_are_certified(seed):
    """Whatever way was taken to it, a fit is refused or exact."""
    rng = np.random.default_rng(60 + seed)
    n, p, signal = int(rng.integers(10, 300)), int(rng.integers(5, 300)), rng.uniform(0, 4)
    labels = rng.choice([-1.0, 1.0], n)
    features = rng.normal(size=(n, p))
    features[:, 0] += signal * labels
    features *= 10 ** rng.uniform(-3, 3)
    ridge = 10 ** rng.uniform(-6, 2) * np.mean(features**2)
    for loss in PROBES:
        given = ridge if PROBES[loss].penalised else None
        for intercept in (False, True)[: 1 + PROBES[loss].intercept]:
            if (loss == "min-norm" and n > p) or (loss == "least-squares" and n <= p + 1):
                continue
            try:
                fit = fit_probe(loss, features, labels, given, intercept)
            except (NotSeparable, Separable):
                continue
            assert fit.certificate.worst < 1e-9


@pytest.mark.parametrize("seed", [153, 313])
def test_a_max_margin_fit_does_not_end_on_a_step_in_single_precision(seed):
    rng = np.random.default_rng(seed)
    features, labels = features_at({"signal": 1.0}, 50, 1.0, 0.5).draw(50, rng)
    assert fit_probe("max-margin", features, labels).certificate.worst < 1e-10
