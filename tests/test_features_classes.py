"""Features with class covariances or many classes: estimates, predictions, intervals, digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import root
from sklearn.datasets import load_digits

from asymptotics.errors import InvalidInput
from asymptotics.limits import limit
from asymptotics.mixture import component_mixture
from asymptotics.multiclass.limits import multiclass_limit
from asymptotics.multiclass.mixture import MulticlassMixture
from asymptotics.multiclass.problem import MulticlassProblem
from asymptotics.problem import Problem
from validation.class_covariances import EstimatedCovariances, estimate_covariances
from validation.class_features import class_feature_curve, stratified
from validation.class_prediction import estimated_logits
from validation.covariance_prediction import predict_with_covariances
from validation.feature_file import ClassedFeatures, LabelledFeatures, load_classes
from validation.features import feature_curve
from validation.held_out import jackknife_interval, split_folds
from validation.multiclass.fits import fit_multiclass

EQUAL = np.array([0.5, 0.5])


def law(classes: int, dimension: int, radius: float = 1.5, spread: float = 0.5):
    """(means, covariances): centred means of that root mean square length, own covariances."""
    rng = np.random.default_rng(30)
    means = rng.standard_normal((classes, dimension))
    means -= means.mean(axis=0)
    means *= radius / np.sqrt(np.mean(np.sum(means**2, axis=1)))
    covariances = []
    for k in range(classes):
        basis, _ = np.linalg.qr(rng.standard_normal((dimension, dimension)))
        variances = (0.6 + 0.4 * k) * np.exp(rng.normal(0, spread, dimension))
        covariances.append((basis * variances) @ basis.T)
    return means, np.array(covariances)


def draw(means, covariances, counts, rng):
    """(features, labels) with `counts` samples of each class; one covariance serves all."""
    labels = np.repeat(np.arange(len(means)), counts)
    z = means[labels] + 0.0
    for k in range(len(means)):
        root_of = np.linalg.cholesky(covariances[k % len(covariances)])
        noise = rng.standard_normal((np.sum(labels == k), means.shape[1]))
        z[labels == k] += noise @ root_of.T
    return z, labels


def exactly(means, covariances) -> EstimatedCovariances:
    """The estimate that infinitely many samples would give."""
    many, classes = len(covariances), len(means)
    of = np.arange(classes) if many > 1 else np.zeros(classes, dtype=np.intp)
    centred = means - means.mean(axis=0)
    return EstimatedCovariances(
        covariances, np.full(many, 1e150), of, centred, np.zeros((classes, classes, many))
    )


def explicit_limit(means, variances, priors, loss, ratio, ridge, intercept=False):
    """The K-class limit at means and a diagonal covariance taken for the truth."""
    size = means.shape[1]
    mixture = MulticlassMixture(
        means, np.diag(variances), priors, variances, np.full(size, 1 / size)
    )
    problem = MulticlassProblem(mixture, loss, ratio, ridge, None, intercept)
    return multiclass_limit(problem, tolerance=1e-2).accuracy


def at_curvature(estimate, ridge, curvature):
    """The moments at V = `curvature`, by a root search over the weights."""

    def residual(x):
        m = estimate.moments(ridge, np.exp(x))
        slopes = m.curvature_slopes * np.exp(x) / m.curvature[:, None]
        return np.log(m.curvature / curvature), slopes

    found = root(residual, np.log(curvature), jac=True)
    assert np.abs(found.fun).max() < 1e-10
    return estimate.moments(ridge, np.exp(found.x))


def test_moments_of_several_covariances_are_unbiased_below_and_above_the_dimension():
    p, counts, ridge, curvature = 40, [30, 50, 80], 0.7, np.array([0.5, 0.2, 0.8])
    means, covariances = law(3, p)
    g = np.linalg.inv(ridge * np.eye(p) + np.tensordot(curvature, covariances, 1))
    expected = [
        np.array([np.trace(s @ g) for s in covariances]),
        np.array([[np.trace(s @ g @ u @ g) for u in covariances] for s in covariances]),
        means @ g @ means.T,
        np.array([means @ g @ s @ g @ means.T for s in covariances]),
    ]
    rng, found = np.random.default_rng(31), []
    for _ in range(150):
        z, labels = draw(means, covariances, counts, rng)
        m = at_curvature(estimate_covariances(z + 3, labels, shared=False), ridge, curvature)
        assert np.allclose(m.pair_traces, m.pair_traces.T, rtol=1e-10)
        found.append([m.traces, m.pair_traces, m.overlaps, m.pair_overlaps])
    for i, truth in enumerate(expected):
        values = np.array([x[i] for x in found])
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        # beyond noise, the deterministic equivalents are off by O(1/p)
        bias = np.abs(values.mean(axis=0) - truth)
        assert np.all(bias < 3.7 * error + 1.2 / p * np.abs(truth).max())


def test_slopes_in_the_weights_are_derivatives():
    z, labels = draw(*law(3, 30), [25, 40, 60], np.random.default_rng(32))
    estimate, w, step = estimate_covariances(z, labels, shared=False), np.array([0.3, 1, 2]), 1e-6
    here = estimate.moments(0.5, w)
    for u in range(3):
        above, below = (estimate.moments(0.5, w + sign * step * np.eye(3)[u]) for sign in (1, -1))
        for value, slope in (("traces", "trace_slopes"), ("curvature", "curvature_slopes")):
            change = (getattr(above, value) - getattr(below, value)) / (2 * step)
            assert np.allclose(change, getattr(here, slope)[:, u], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("loss", "ridge", "prior", "intercept"),
    [
        ("square", 0.1, 0.5, False),
        ("logistic", 0.1, 0.3, True),
        ("hinge", 0.05, 0.4, True),
        ("max-margin", None, 0.5, False),
        ("min-norm", None, 0.5, False),
        ("averaging", None, 0.3, False),
    ],
)
def test_infinitely_many_samples_leave_the_limit_of_the_two_components(
    loss, ridge, prior, intercept
):
    means, covariances = law(2, 30)
    priors, sizes = np.array([1 - prior, prior]), np.array([12, 24])
    problem = Problem(
        component_mixture(means, [-1, 1], priors, covariances),
        loss=loss, sampling_ratio=sizes / 30, ridge=ridge, intercept=intercept,
    )  # fmt: skip
    found = predict_with_covariances(
        exactly(means, covariances), loss, sizes, priors, ridge, intercept
    )
    assert found.status.tolist() == 2 * ["predicted"]
    assert np.allclose(found.accuracy, limit(problem).accuracy, rtol=0, atol=2e-7)


@pytest.mark.parametrize(
    ("loss", "ridge", "ratio", "replicates"),
    [
        ("square", 0.1, 1, 10),
        pytest.param("square", 0.1, 4, 40, marks=pytest.mark.slow),
        pytest.param("logistic", 0.05, 2, 20, marks=pytest.mark.slow),
        pytest.param("max-margin", None, 2, 20, marks=pytest.mark.slow),
    ],
)
def test_corrected_covariances_beat_the_plug_in_and_the_jackknife_covers(
    loss, ridge, ratio, replicates
):
    p = 40
    means, covariances = law(2, p)
    num_samples, rng = ratio * p, np.random.default_rng(33)
    size = np.array([num_samples // 2])

    def plug_in(mu, sigma):
        mixture = component_mixture(mu, [-1, 1], EQUAL, sigma)
        return limit(
            Problem(mixture, loss=loss, sampling_ratio=size / p, ridge=ridge)
        ).accuracy.item()

    truth, corrected, naive, covered = plug_in(means, covariances), [], [], 0
    for _ in range(replicates):
        z, labels = draw(means, covariances, 2 * [num_samples // 2], rng)
        whole = estimate_covariances(z, labels, shared=False)
        naive.append(plug_in(whole.means, whole.covariances))
        folds = []
        for fold in split_folds(labels, 4, rng):
            kept = np.setdiff1d(np.arange(num_samples), fold)
            part = estimate_covariances(z[kept], labels[kept], shared=False)
            folds.append(predict_with_covariances(part, loss, size, EQUAL, ridge).accuracy[0])
        corrected.append(np.mean(folds))
        low, high = jackknife_interval(np.array([folds]), 0.95)
        covered += low[0] <= truth <= high[0]
    error, naive_error = (np.sqrt(np.mean((np.array(x) - truth) ** 2)) for x in (corrected, naive))
    assert error < (0.75 if loss == "square" else 0.95) * naive_error
    assert abs(np.mean(corrected) - truth) < 0.35 * abs(np.mean(naive) - truth)
    assert covered >= 0.8 * replicates


def test_covariances_of_their_own_predict_fits_better_where_they_differ():
    """A pooled covariance misses the intercept: the wide class is the one in doubt."""
    p, rng = 25, np.random.default_rng(34)
    mu = np.zeros((2, p))
    mu[:, 0] = -0.8, 0.8
    wide = np.array([0.2 * np.eye(p), 3.0 * np.eye(p)])
    z, labels = draw(mu, wide, [750, 750], rng)
    data = LabelledFeatures.of(z, labels)
    curves = [
        feature_curve(
            data, "logistic", np.random.default_rng(0), 0.5, intercept=True,
            class_covariances=own, num_samples=[50, 200, 600], num_subsets=4,
        )
        for own in (False, True)
    ]  # fmt: skip
    pooled, own = (np.abs(c.predicted - c.measured) / c.standard_error for c in curves)
    assert np.all(curves[1].standard_error < 0.02)
    assert np.all(own < 3)
    assert np.max(pooled) > 3
    assert np.array_equal(curves[0].measured, curves[1].measured)


@pytest.mark.parametrize(
    ("loss", "classes", "intercept"),
    [
        ("square", 3, True),
        ("square", 6, False),
        ("softmax", 3, True),
        ("softmax", 3, False),
        ("nearest-mean", 3, False),
        ("nearest-mean", 6, False),
    ],
)
def test_infinitely_many_samples_leave_the_k_class_limit(loss, classes, intercept):
    p, ridge = 24, None if loss == "nearest-mean" else 0.2
    rng = np.random.default_rng(35)
    variances = np.exp(rng.normal(0, 0.5, p))
    means = law(classes, p, 2.0)[0]
    priors = np.arange(2.0, classes + 2) / np.sum(np.arange(2.0, classes + 2))
    truth = explicit_limit(means, variances, priors, loss, 36 / p, ridge, intercept)
    for covariances in (np.diag(variances)[None], np.stack(classes * [np.diag(variances)])):
        if loss == "softmax" and len(covariances) > 1:
            continue
        found = estimated_logits(exactly(means, covariances), loss, 36, priors, ridge, intercept)
        precision = 1e-8 if classes < 6 and loss != "softmax" else 4e-4
        assert found.accuracy(priors) == pytest.approx(truth, abs=precision)


def test_softmax_above_five_classes_agrees_with_a_finer_rule(monkeypatch):
    from validation import class_prediction

    means = law(8, 20, 2.0)[0]
    estimate, priors = exactly(means, np.eye(20)[None]), np.full(8, 1 / 8)
    values = []
    for log2_points, residual in ((6, 1e-4), (8, 1e-6)):
        monkeypatch.setitem(class_prediction._LOG2_SOFTMAX, 8, log2_points)
        monkeypatch.setattr(class_prediction, "_RESIDUAL", residual)
        found = estimated_logits(estimate, "softmax", 40, priors, 0.1, False)
        values.append(found.accuracy(priors))
    assert values[0] == pytest.approx(values[1], abs=4e-4)


@pytest.mark.parametrize("loss", ["square", "nearest-mean"])
def test_covariances_of_their_own_predict_fits_of_three_classes(loss):
    p, n, trials, ridge = 120, 240, 50, 0.3 if loss == "square" else None
    means, covariances = law(3, p, 1.5)
    covariances[0] *= 0.2
    rng, found = np.random.default_rng(36), []
    for _ in range(trials):
        z, labels = draw(means, covariances, [n // 3] * 3, rng)
        fit = fit_multiclass(loss, z, labels, 3, ridge, False)
        fresh, truth = draw(means, covariances, [1000] * 3, rng)
        found.append(np.mean(np.argmax(fresh @ fit.theta + fit.offset, axis=1) == truth))
    error = np.std(found, ddof=1) / np.sqrt(trials)
    priors = np.full(3, 1 / 3)
    own = estimated_logits(exactly(means, covariances), loss, n, priors, ridge, False)
    pooled = exactly(means, covariances.mean(axis=0)[None])
    shared = estimated_logits(pooled, loss, n, priors, ridge, False)
    gap = np.mean(found) - own.accuracy(priors)
    assert error < 2e-3
    assert abs(gap) < 3.5 * error + 0.3 / p
    assert abs(np.mean(found) - shared.accuracy(priors)) > 3 * abs(gap)


@pytest.mark.parametrize(
    ("loss", "ridge"),
    [
        ("square", 0.1),
        ("nearest-mean", None),
        pytest.param("softmax", 0.1, marks=pytest.mark.slow),
    ],
)
def test_corrected_k_class_prediction_beats_the_plug_in_and_the_jackknife_covers(loss, ridge):
    p, classes, num_samples, size = 40, 3, 81, 42
    replicates = 20 if loss == "softmax" else 40
    rng = np.random.default_rng(37)
    deviations = np.exp(rng.normal(0, 0.4, p))
    means, priors = law(classes, p, 2.0)[0], np.full(classes, 1 / classes)
    truth = explicit_limit(means, deviations**2, priors, loss, size / p, ridge)
    corrected, naive, covered = [], [], 0
    for _ in range(replicates):
        z, labels = draw(means, np.diag(deviations**2)[None], [27] * 3, rng)
        whole = estimate_covariances(z, labels, shared=True)
        values, vectors = np.linalg.eigh(whole.covariances[0])
        plug_in = exactly(whole.means @ vectors, np.diag(values)[None])
        naive.append(estimated_logits(plug_in, loss, size, priors, ridge, False).accuracy(priors))
        folds, orders = [], None
        for fold in split_folds(labels, 4, rng):
            kept = np.setdiff1d(np.arange(num_samples), fold)
            part = estimate_covariances(z[kept], labels[kept], shared=True)
            logits = estimated_logits(part, loss, size, priors, ridge, False, orders)
            folds.append(logits.accuracy(priors))
            orders = logits.orders
        corrected.append(np.mean(folds))
        low, high = jackknife_interval(np.array([folds]), 0.95)
        covered += low[0] <= truth <= high[0]
    error, naive_error = (np.sqrt(np.mean((np.array(x) - truth) ** 2)) for x in (corrected, naive))
    assert error < 0.75 * naive_error
    assert covered >= 0.8 * replicates


def test_two_classes_take_the_same_prediction_on_either_path():
    z, labels = draw(*law(2, 30), [100, 140], np.random.default_rng(38))
    sizes = [20, 60, 120]
    for intercept in (False, True):
        for loss, ridge, binary, half in (
            ("square", 0.3, "square", 0.3),
            ("softmax", 0.4, "logistic", 0.2),
        ):
            many = class_feature_curve(
                ClassedFeatures.of(z, labels), loss, np.random.default_rng(1), ridge,
                intercept=intercept, num_samples=sizes, num_subsets=2,
            )  # fmt: skip
            pair = feature_curve(
                LabelledFeatures.of(z, labels), binary, np.random.default_rng(1), half,
                intercept=intercept, num_samples=sizes, num_subsets=2,
            )  # fmt: skip
            assert many.status.tolist() == 3 * ["predicted"]
            precision = 1e-8 if loss == "square" else 1e-5
            assert np.allclose(many.predicted, pair.predicted, rtol=0, atol=precision)
            assert many.feature_variance == pytest.approx(pair.feature_variance)
            assert many.priors == pytest.approx(pair.priors)


@pytest.mark.parametrize("loss", ["square", "softmax", "nearest-mean"])
def test_the_order_of_the_classes_and_the_units_do_not_matter(loss):
    means, covariances = law(4, 25, 2.0)
    z, labels = draw(means, covariances, [20, 30, 40, 50], np.random.default_rng(39))
    priors, order = np.array([2, 3, 4, 5]) / 14, np.array([2, 0, 3, 1])
    ridge = None if loss == "nearest-mean" else 0.2
    for shared in (True,) if loss == "softmax" else (True, False):
        plain = estimate_covariances(z, labels, shared=shared)
        changed = estimate_covariances(7 * z - 3, order[labels], shared=shared)
        shuffled = np.empty(4)
        shuffled[order] = priors
        values = [
            estimated_logits(plain, loss, 50, priors, ridge, False).accuracy(priors),
            estimated_logits(
                changed, loss, 50, shuffled, None if ridge is None else 49 * ridge, False
            ).accuracy(shuffled),
        ]
        assert values[0] == pytest.approx(values[1], abs=2e-4 if loss == "softmax" else 1e-9)


@pytest.mark.parametrize(
    ("loss", "ridge", "classes"),
    [("square", 0.3, 4), ("nearest-mean", None, 4), ("softmax", 0.1, 3)],
)
def test_measured_accuracy_agrees_with_the_limit_at_the_known_law(loss, ridge, classes):
    p, rng = 40, np.random.default_rng(40)
    variances = np.exp(rng.normal(0, 0.5, p))
    means, counts = law(classes, p, 2.0)[0], [300, 350, 400, 450][:classes]
    z, labels = draw(means, np.diag(variances)[None], counts, rng)
    curve = class_feature_curve(
        ClassedFeatures.of(z + 5, labels + 3), loss, rng, ridge,
        num_samples=[100, 500], num_subsets=3,
    )  # fmt: skip
    priors = np.array(counts) / sum(counts)
    truth = np.array(
        [explicit_limit(means, variances, priors, loss, x, ridge) for x in curve.sampling_ratio]
    )
    finite_size = 0.6 / curve.num_samples
    assert np.all(np.abs(curve.measured - truth) < 3 * curve.standard_error + finite_size)
    assert np.all(curve.standard_error < 0.025)
    assert np.all((curve.predicted_low < truth) & (truth < curve.predicted_high))
    assert curve.classes == (3, 4, 5, 6)[:classes]


def test_classes_without_a_signal_are_reported_and_never_drawn_as_a_number():
    rng, unresolved = np.random.default_rng(41), 0
    for _ in range(6):
        data = ClassedFeatures.of(rng.standard_normal((90, 30)), np.arange(90) % 3)
        curve = class_feature_curve(
            data, "square", rng, 0.1, num_samples=[30], num_subsets=2, num_folds=2
        )
        (row,) = curve.rows()
        assert (row["predicted"] is None) == (row["status"] == "not resolved")
        unresolved += row["predicted"] is None
    assert unresolved >= 3  # a fold's estimated signal is negative half of the time


def test_more_dimensions_than_samples_are_within_reach():
    means = law(3, 80, 3.0)[0]
    z, labels = draw(means, np.eye(80)[None], [25] * 3, np.random.default_rng(42))
    for loss, ridge in (("square", 0.01), ("softmax", 0.05), ("nearest-mean", None)):
        curve = class_feature_curve(
            ClassedFeatures.of(z, labels), loss, np.random.default_rng(2), ridge,
            num_samples=[12, 40], num_subsets=2,
        )  # fmt: skip
        assert curve.status.tolist() == 2 * ["predicted"]


def test_training_subsets_keep_proportions_and_every_class():
    labels = np.repeat(np.arange(4), [100, 50, 49, 2])
    rng = np.random.default_rng(43)
    for size in (4, 5, 40, 150, 199):
        chosen = stratified(labels, size, rng)
        counts = np.bincount(labels[chosen], minlength=4)
        assert np.unique(chosen).size == size
        assert counts.min() >= 1
        assert np.all(counts <= [100, 50, 49, 2])
    assert np.abs(counts - 199 * np.array([100, 50, 49, 2]) / 201).max() < 1.5


def digits() -> ClassedFeatures:
    return ClassedFeatures.of(*load_digits(return_X_y=True))


def test_ten_digits_are_predicted_better_with_class_covariances():
    data = digits()
    assert (data.features.shape, data.num_constant, len(data.classes)) == ((1797, 61), 3, 10)
    for loss, ridge in (("square", 10.0), ("nearest-mean", None)):
        pooled, own = (
            class_feature_curve(
                data, loss, np.random.default_rng(0), ridge, class_covariances=separate,
                num_samples=[600], num_subsets=2, num_folds=2,
            )
            for separate in (False, True)
        )  # fmt: skip
        gap, closer = (c.predicted - c.measured for c in (pooled, own))
        assert np.all(pooled.standard_error < 0.015)
        # digits are no Gaussians: the theory is too hopeful, the less so with class covariances
        assert np.all((gap > 0.02) & (gap < 0.065))
        assert np.all((closer > 0.005) & (closer < 0.75 * gap))


def test_softmax_of_ten_digits_is_predicted_within_four_points():
    curve = class_feature_curve(
        digits(), "softmax", np.random.default_rng(0), 1.0, num_samples=[200], num_subsets=2,
        num_folds=2,
    )  # fmt: skip
    assert curve.status.tolist() == ["predicted"]
    assert 0.01 < (curve.predicted - curve.measured).item() < 0.04


GOOD = {"features": np.random.default_rng(13).standard_normal((60, 3)), "labels": np.arange(60) % 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.arange(60) % 11}, "2 to 10 values, got 11"),
        ({"labels": np.zeros(60)}, "2 to 10 values, got 1"),
        ({"labels": np.arange(59) % 3}, "one per row"),
        ({"features": None}, "no array features"),
    ],
)
def test_a_bad_file_of_classes_is_one_clear_line(tmp_path, change, message):
    path = tmp_path / "file.npz"
    np.savez(path, **{k: v for k, v in (GOOD | change).items() if v is not None})
    with pytest.raises(InvalidInput, match=message) as error:
        load_classes(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "logistic"}, "square, softmax, nearest-mean"),
        ({"ridge": None}, "ridge is required"),
        ({"ridge": -1.0}, "ridge must be finite"),
        ({"loss": "nearest-mean"}, "leave it out"),
        ({"loss": "nearest-mean", "ridge": None, "intercept": True}, "has its own"),
        ({"loss": "softmax", "class_covariances": True}, "shared one"),
        ({"num_samples": [2]}, "between 3 and 46"),
        ({"num_folds": 25}, "each class needs 25"),
        ({"num_subsets": 1}, "num_subsets"),
    ],
)
def test_bad_options_are_one_clear_line(options, message):
    arguments = {"loss": "square", "ridge": 0.1} | options
    with pytest.raises(InvalidInput, match=message) as error:
        class_feature_curve(ClassedFeatures.of(**GOOD), rng=np.random.default_rng(0), **arguments)
    assert "\n" not in str(error.value)


def test_estimates_refuse_what_they_cannot_use():
    z, labels = draw(*law(3, 5), [10, 10, 1], np.random.default_rng(44))
    with pytest.raises(InvalidInput, match="two samples or more"):
        estimate_covariances(z, labels, shared=True)
    three = estimate_covariances(z[:20], labels[:20], shared=False)
    with pytest.raises(InvalidInput, match="two covariances are needed, got 1"):
        predict_with_covariances(
            replace(three, freedom=three.freedom[:1]), "square", np.array([5]), EQUAL, 0.1
        )
    with pytest.raises(InvalidInput, match="one covariance for all"):
        estimated_logits(three, "softmax", 10, EQUAL, 0.1, False)
    with pytest.raises(InvalidInput, match="ridge must be finite"):
        predict_with_covariances(three, "square", np.array([5]), EQUAL, -1.0)
