"""Samples, certified fits and the comparison of K-class probes."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestCentroid

from asymptotics.errors import InvalidInput
from asymptotics.multiclass.mixture import multiclass_mixture, simplex_means
from validation.multiclass.check import multiclass_trial, validate_multiclass
from validation.multiclass.data import classes_at_dimension
from validation.multiclass.fits import fit_multiclass

MEANS = [[2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]
PRIORS = [0.5, 0.3, 0.2]


def sample(dimension, num_samples, seed=0):
    law = classes_at_dimension(multiclass_mixture(MEANS, PRIORS), dimension)
    return law, *law.draw(num_samples, np.random.default_rng(seed))


@pytest.mark.parametrize(("p", "n"), [(20, 60), (60, 40)])
@pytest.mark.parametrize("intercept", [False, True])
def test_the_softmax_fit_is_that_of_scikit_learn(p, n, intercept):
    _, z, y = sample(p, n)
    fit = fit_multiclass("softmax", z, y, 3, 0.05, intercept)
    other = LogisticRegression(
        C=1 / (n * 0.05), fit_intercept=intercept, tol=1e-10, max_iter=10_000
    ).fit(z, y)
    np.testing.assert_allclose(fit.theta, other.coef_.T, atol=1e-5)
    if intercept:
        np.testing.assert_allclose(
            fit.offset - fit.offset.mean(), other.intercept_ - other.intercept_.mean(), atol=1e-5
        )
    assert fit.gradient < 1e-12


@pytest.mark.parametrize(("p", "n"), [(20, 60), (60, 40)])
@pytest.mark.parametrize("intercept", [False, True])
def test_the_square_fit_is_that_of_scikit_learn(p, n, intercept):
    _, z, y = sample(p, n)
    fit = fit_multiclass("square", z, y, 3, 0.2, intercept)
    other = Ridge(alpha=n * 0.2, fit_intercept=intercept).fit(z, np.eye(3)[y] - 1 / 3)
    np.testing.assert_allclose(fit.theta, other.coef_.T, atol=1e-10)
    assert fit.gradient < 1e-12


def test_the_nearest_mean_answers_like_scikit_learn():
    law, z, y = sample(20, 60)
    fit = fit_multiclass("nearest-mean", z, y, 3, None, False)
    fresh, _ = law.draw(500, np.random.default_rng(1))
    answers = np.argmax(fresh @ fit.theta + fit.offset, axis=1)
    np.testing.assert_array_equal(answers, NearestCentroid().fit(z, y).predict(fresh))


def test_the_confusion_of_a_rule_is_what_fresh_samples_show():
    law, z, y = sample(15, 60)
    fit = fit_multiclass("softmax", z, y, 3, 0.05, True)
    rng = np.random.default_rng(3)
    exact = law.confusion(fit.theta, fit.offset, rng)
    fresh, truth = law.draw(40_000, rng)
    answers = np.argmax(fresh @ fit.theta + fit.offset, axis=1)
    for j in range(3):
        counted = np.bincount(answers[truth == j], minlength=3) / np.sum(truth == j)
        error = np.sqrt(exact[j] * (1 - exact[j]) / np.sum(truth == j))
        assert np.all(np.abs(counted - exact[j]) < 4 * error)


def test_samples_have_the_moments_of_the_mixture():
    mixture = multiclass_mixture(MEANS, PRIORS, [[1.0, 0.5], [0.5, 2.0]], [1.0, 4.0], [0.5, 0.5])
    law = classes_at_dimension(mixture, 6)
    z, y = law.draw(40_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(y) / 40_000, PRIORS, atol=0.01)
    within = z - law.means[y]
    expected = np.zeros((6, 6))
    expected[:2, :2] = mixture.covariance
    expected[range(2, 6), range(2, 6)] = [1, 1, 4, 4]
    np.testing.assert_allclose(within.T @ within / 40_000, expected, atol=0.12)
    with pytest.raises(InvalidInput, match="at least 2"):
        classes_at_dimension(mixture, 1)


def test_a_sample_without_one_of_the_classes_is_refused_where_no_fit_exists():
    z, y = np.eye(4), np.array([0, 1, 0, 1])
    assert fit_multiclass("square", z, y, 3, 1.0, False).gradient < 1e-12
    assert fit_multiclass("softmax", z, y, 3, 1.0, False).gradient < 1e-12
    for loss, ridge, intercept in (("nearest-mean", None, False), ("softmax", 1.0, True)):
        with pytest.raises(InvalidInput, match="class 2 has no sample"):
            fit_multiclass(loss, z, y, 3, ridge, intercept)


def test_a_row_without_fits_says_why():
    found = validate_multiclass(
        classes=10,
        signal=2.0,
        loss="nearest-mean",
        sampling_ratio=0.5,
        probe_dimensions=(10, 20, 40),
        trials=8,
    )
    assert found.agreement is None
    assert list(found.table["status"]) == ["a class has no sample"]


@pytest.mark.parametrize(
    ("loss", "extra"),
    [("softmax", {"ridge": 0.1}), ("square", {"ridge": 0.1}), ("nearest-mean", {})],
)
def test_theory_and_simulation_agree_at_three_unequal_classes(loss, extra):
    found = validate_multiclass(
        means=MEANS,
        priors=PRIORS,
        loss=loss,
        sampling_ratio=2.0,
        intercept=loss != "nearest-mean",
        probe_dimensions=(30, 60, 120),
        trials=60,
        accuracy_error=0.02,
        confusion=True,
        **extra,
    )
    assert found.agreement, str(found)
    errors = found.table["standard_error"][found.table["quantity"] == "accuracy"]
    assert errors[0] < 0.003


def test_a_wrong_theory_is_found_out(monkeypatch):
    from dataclasses import replace

    from validation.multiclass import check

    true_limit = check.multiclass_limit

    def without_gain(problem, **options):
        return true_limit(replace(problem, head=None), **options)

    point = {"classes": 3, "signal": 1.5, "loss": "square", "ridge": 0.1, "sampling_ratio": 2.0}
    settings = {"probe_dimensions": (30, 60, 120), "trials": 60, "accuracy_error": 0.005}
    assert validate_multiclass(gain=3.0, **settings, **point).agreement
    monkeypatch.setattr(check, "multiclass_limit", without_gain)
    assert validate_multiclass(gain=3.0, **settings, **point).agreement is False


def test_trials_are_made_of_their_generator_alone():
    mixture = multiclass_mixture(simplex_means(6, 2.0))
    names = ("means", "covariance", "priors", "bulk_eigenvalues", "bulk_weights")
    task = {
        "mixture": {name: getattr(mixture, name).tolist() for name in names},
        "loss": "square",
        "ridge": 0.1,
        "intercept": False,
        "sampling_ratio": 2.0,
        "dimensions": [30],
        "trial": 0,
    }
    first, again, other = (multiclass_trial(np.random.default_rng(s), **task) for s in (1, 1, 2))
    assert first == again
    assert first != other
    np.testing.assert_allclose(np.sum(first, axis=-1), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    [
        {"classes": 3, "signal": 2.0, "loss": "softmax", "ridge": 0.01, "gain": 2.0},
        {"classes": 5, "signal": 2.0, "loss": "softmax", "ridge": 0.05},
        {"classes": 10, "signal": 3.0, "loss": "square", "ridge": 0.1},
        {"classes": 4, "signal": 2.0, "loss": "nearest-mean"},
        {
            "means": MEANS,
            "loss": "softmax",
            "ridge": 0.05,
            "objective": "spectral",
            "augmentation": 2.0,
        },
    ],
)
def test_theory_and_simulation_agree_widely(point):
    found = validate_multiclass(
        sampling_ratio=2.0, probe_dimensions=(40, 80, 160), trials=80, **point
    )
    assert found.agreement, str(found)
