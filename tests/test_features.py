"""Estimated geometries, predictions and their intervals, on known laws and on real digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from asymptotics.errors import InvalidInput
from asymptotics.geometry import Spectrum
from asymptotics.limits import limit
from asymptotics.mixture import explicit_mixture, isotropic_mixture
from asymptotics.problem import Problem
from validation.data import GaussianFeatures, at_dimension
from validation.estimated_geometry import EstimatedGeometry, estimate_geometry
from validation.feature_file import LabelledFeatures, load_features
from validation.features import feature_curve, stack_geometries
from validation.prediction import predict


def law(kind: str, dimension: int, prior: float = 0.5) -> GaussianFeatures:
    """A known law: isotropic, or a lognormal spectrum with the mean along its large directions."""
    rng = np.random.default_rng(20)
    scales = np.ones(dimension) if kind == "isotropic" else np.exp(rng.normal(0, 0.5, dimension))
    mean = rng.standard_normal(dimension) * scales
    return GaussianFeatures(1.5 * mean / np.linalg.norm(mean), np.zeros((0, 0)), scales, prior)


def spectrum(true: GaussianFeatures) -> Spectrum:
    p = true.dimension
    return Spectrum(true.scales**2, np.full(p, 1 / p), true.mean**2)


def estimates(true: GaussianFeatures, num_samples: int, replicates: int, seed: int):
    rng = np.random.default_rng(seed)
    shift = 3.0  # the estimate does not depend on the centre
    samples = [true.draw(num_samples, rng) for _ in range(replicates)]
    return stack_geometries([estimate_geometry(z + shift, y) for z, y in samples])


def naive(geometry: EstimatedGeometry) -> Spectrum:
    """The plug-in: the sample's covariance and mean taken for the truth."""
    weights = np.full(geometry.eigenvalues.shape, 1 / geometry.dimension)
    return Spectrum(geometry.eigenvalues, weights, geometry.squared_means)


def test_infinitely_many_samples_leave_the_spectrum_itself():
    true = spectrum(law("lognormal", 50))
    exact = EstimatedGeometry(
        true.eigenvalues[None], true.squared_means[None], np.array([1e300]), np.array([0.0])
    )
    for ridge, curvature in ((0.1, 2.0), (1.0, 0.0), (0.0, 0.7), (1e-8, 1.0), (1e6, 1e-3)):
        point = np.array([ridge]), np.array([curvature])
        if ridge == 0:
            point = point[0] * 0, point[1]
        for found, expected in zip(
            exact.resolvent_moments(*point),
            true.broadcast_to((1,)).resolvent_moments(*point),
            strict=True,
        ):
            assert np.allclose(found, expected, rtol=1e-11, atol=0)
    assert exact.separation()[0] == pytest.approx(true.separation(), rel=1e-12)


@pytest.mark.parametrize("num_samples", [60, 240])
def test_higher_moments_are_derivatives_of_the_first(num_samples):
    geometry = estimates(law("lognormal", 120), num_samples, 1, seed=1)
    ridge, curvature, step = np.array([0.7]), np.array([0.2]), 1e-5
    here = np.stack(geometry.resolvent_moments(ridge, curvature, terms=4))
    above = np.stack(geometry.resolvent_moments(ridge, curvature + step, terms=4))
    below = np.stack(geometry.resolvent_moments(ridge, curvature - step, terms=4))
    slope = (above - below) / (2 * step)
    for j in (1, 2, 3):
        assert np.allclose(slope[:, j - 1], -j * here[:, j], rtol=1e-7)


@pytest.mark.parametrize("kind", ["isotropic", "lognormal"])
@pytest.mark.parametrize(("num_samples", "curvature"), [(40, 0.15), (80, 0.6), (160, 2.0)])
def test_moments_are_unbiased_with_the_stated_covariance(kind, num_samples, curvature):
    true, replicates = law(kind, 80), 500
    geometry = estimates(true, num_samples, replicates, seed=2)
    ridge, v = np.full(replicates, 1.0), np.full(replicates, curvature)
    traces, overlaps = geometry.resolvent_moments(ridge, v)
    exact = spectrum(true).broadcast_to((1,)).resolvent_moments(ridge[:1], v[:1])
    for found, expected in zip((traces[:2], overlaps[:2]), exact, strict=True):
        error = found.std(axis=1, ddof=1) / np.sqrt(replicates)
        # beyond noise, the deterministic equivalents are off by O(1/p)
        bias = np.abs(found.mean(axis=1) - expected[:2, 0])
        assert np.all(bias < 3.5 * error + 2 / 80 * expected[:2, 0])
        assert error[0] < 0.03 * expected[0, 0]
    first, mixed, second = (np.mean(x) for x in geometry.overlap_covariance(ridge, v))
    stated = np.array([[first, mixed], [mixed, second]])
    scale = np.sqrt(np.outer(np.diag(stated), np.diag(stated)))
    assert np.all(np.abs(np.cov(overlaps[:2]) - stated) < 0.25 * scale)  # 3.5 standard errors


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("kind", ["isotropic", "lognormal"])
def test_corrected_prediction_beats_the_plug_in_and_its_interval_covers(kind, ratio):
    check_prediction(kind, ratio, "square", 0.1, dimension=80, replicates=250)


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [100, 200])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("kind", ["isotropic", "lognormal"])
@pytest.mark.parametrize(
    ("loss", "ridge"), [("square", 0.1), ("logistic", 1.0), ("hinge", 0.01), ("max-margin", None)]
)
def test_corrected_prediction_beats_the_plug_in_for_every_loss(kind, ratio, loss, ridge, dimension):
    check_prediction(kind, ratio, loss, ridge, dimension, replicates=400)


def check_prediction(kind, ratio, loss, ridge, dimension, replicates):
    true = law(kind, dimension)
    num_samples = int(ratio * dimension)
    geometry = estimates(true, num_samples, replicates, seed=3)
    for fraction in (0.3, 0.8):
        problem = Problem(
            isotropic_mixture(0.0), loss=loss, sampling_ratio=fraction * ratio, ridge=ridge
        )
        truth = limit(problem, spectrum(true)).raise_on_failure().accuracy
        plug_in = limit(problem, naive(geometry)).accuracy
        found = predict(geometry, loss, fraction * ratio, ridge)
        resolved = found.status == "predicted"
        error, naive_error = (
            np.sqrt(np.mean((x[resolved] - truth) ** 2)) for x in (found.accuracy, plug_in)
        )
        assert error < 0.85 * naive_error
        low, high = found.interval()  # nan, a miss, where the signal was not resolved
        assert 0.90 < np.mean((low <= truth) & (truth <= high)) < 0.99


def test_every_size_up_to_the_degrees_of_freedom_is_within_reach():
    true = law("lognormal", 300)
    geometry = estimates(true, 102, 1, seed=4)
    sizes = np.array([5, 50, 90, 99, 100])
    for loss, ridge in (("max-margin", None), ("logistic", 1e-3), ("min-norm", None)):
        found = predict(geometry, loss, sizes / 300, ridge)
        assert np.all(found.status[:4] == "predicted"), loss
    assert np.all(np.isnan(geometry.resolvent_moments(np.array([1e-3]), np.array([1.0]))[0]))


def test_limits_end_at_the_estimated_thresholds():
    true = law("isotropic", 60)
    geometry = estimates(true, 2000, 1, seed=5)
    ratios = np.array([0.5, 2.0, 15.0])
    threshold = 7.69749436  # of R = 1.5
    for loss, states in (
        ("max-margin", ["predicted", "predicted", "no limit"]),
        ("logistic-mle", ["no limit", "no limit", "predicted"]),
    ):
        found = predict(geometry, loss, ratios)
        assert found.status.tolist() == states
        assert found.threshold[0] == pytest.approx(threshold, rel=0.25)
    assert predict(geometry, "min-norm", ratios).status.tolist() == ["predicted"] + 2 * ["no limit"]


def test_no_signal_is_reported_and_never_drawn_as_a_number():
    true = replace(law("isotropic", 200), mean=np.zeros(200))
    found = predict(estimates(true, 100, 60, seed=6), "square", 0.3, 0.1)
    unresolved = found.status == "not resolved"
    assert 15 < np.sum(unresolved) < 45  # the estimated signal is negative half of the time
    assert np.all(np.isnan(found.accuracy[unresolved]))
    low, high = found.interval()
    assert np.mean((low < 0.5)[~unresolved] & (high > 0.5)[~unresolved]) > 0.7


@pytest.mark.parametrize(
    ("loss", "ridge", "prior", "intercept"),
    [
        ("square", 0.5, 0.5, False),
        ("max-margin", None, 0.5, False),
        ("logistic", 0.1, 0.25, False),
        ("logistic", 0.1, 0.25, True),
        ("averaging", None, 0.25, False),
    ],
)
def test_measured_accuracy_agrees_with_the_limit_at_the_known_law(loss, ridge, prior, intercept):
    true = law("lognormal", 60, prior)
    rng = np.random.default_rng(7)
    features, labels = true.draw(1500, rng)
    curve = feature_curve(
        LabelledFeatures.of(features + 5.0, labels), loss, rng, ridge, intercept=intercept,
        num_samples=[30, 60, 120, 240, 600], num_subsets=4,
    )  # fmt: skip
    problem = Problem(
        isotropic_mixture(0.0, prior=prior),
        loss=loss,
        sampling_ratio=curve.sampling_ratio,
        ridge=ridge,
        intercept=intercept,
    )
    exact = limit(problem, spectrum(true))
    here = exact.converged & ~np.isnan(curve.measured)
    assert np.sum(here) >= (2 if loss == "max-margin" else 5)
    truth = exact.accuracy[here]
    finite_size = 0.6 / curve.num_samples[here]
    gap = np.abs(curve.measured[here] - truth)
    assert np.all(gap < 3 * curve.standard_error[here] + finite_size)
    assert np.all(curve.standard_error[here] < 0.025)
    assert np.all(curve.predicted_low[here] < truth)
    assert np.all(truth < curve.predicted_high[here])


def test_standard_error_of_the_measured_accuracy_bounds_its_scatter():
    true, measured, stated = law("isotropic", 30), [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        curve = feature_curve(
            LabelledFeatures.of(*true.draw(200, rng)), "averaging", rng, num_samples=[20, 80],
            num_subsets=4,
        )  # fmt: skip
        measured.append(curve.measured)
        stated.append(curve.standard_error)
    scatter = np.std(measured, axis=0, ddof=1)
    stated = np.sqrt(np.mean(np.square(stated), axis=0))
    assert np.all(stated > 0.8 * scatter)  # the scatter itself is known to 11%
    assert np.all(stated < 2 * scatter)


def test_curves_are_invariant_to_units_centre_and_an_orthogonal_projector():
    true = law("lognormal", 20)
    features, labels = true.draw(200, np.random.default_rng(8))
    rotation, _ = np.linalg.qr(np.random.default_rng(9).standard_normal((20, 20)))

    def curve(data, ridge):
        return feature_curve(data, "logistic", np.random.default_rng(10), ridge, num_subsets=2)

    plain = curve(LabelledFeatures.of(features, labels), 0.1)
    changed = curve(LabelledFeatures.of(7 * features - 3, labels > 0, rotation), 4.9)
    for name in ("predicted", "predicted_low", "measured", "standard_error"):
        assert np.allclose(getattr(plain, name), getattr(changed, name), rtol=1e-8)
    assert changed.feature_variance == pytest.approx(49 * plain.feature_variance)
    assert plain.rows()[0]["num_samples"] == 16
    assert len(plain.rows()) >= 5


def test_probes_that_do_not_exist_leave_missing_values_and_a_reason():
    features, labels = law("isotropic", 30).draw(300, np.random.default_rng(11))
    curve = feature_curve(
        LabelledFeatures.of(features, labels), "min-norm", np.random.default_rng(12),
        num_samples=[15, 60], num_subsets=2,
    )  # fmt: skip
    first, second = curve.rows()
    assert first["status"] == "predicted"
    assert first["num_failed"] == 0
    assert second["status"] == "no limit"
    assert second["num_failed"] == 10
    assert second["predicted"] is None
    assert second["measured"] is None


def digits(first: int, second: int) -> LabelledFeatures:
    pixels, digit = load_digits(return_X_y=True)
    chosen = (digit == first) | (digit == second)
    return LabelledFeatures.of(pixels[chosen], digit[chosen])


@pytest.mark.parametrize(("loss", "ridge"), [("square", 10.0), ("logistic", 0.1)])
def test_handwritten_digits_are_predicted_within_two_and_a_half_points(loss, ridge):
    data = digits(3, 8)
    curve = feature_curve(data, loss, np.random.default_rng(0), ridge)
    assert (data.num_constant, curve.dimension, curve.classes) == (10, 54, (3, 8))
    assert np.all(np.abs(curve.predicted - curve.measured) < 0.025)
    assert np.all(curve.standard_error < 0.02)


def test_handwritten_digits_show_the_interpolation_peak_that_is_predicted():
    curve = feature_curve(
        digits(3, 8), "min-norm", np.random.default_rng(0), num_samples=[14, 28, 43]
    )
    assert np.all(np.abs(curve.predicted - curve.measured) < 3 * curve.standard_error)
    assert curve.measured[2] < curve.measured[1] - 0.05  # the peak of the error at n = p


GOOD = {"features": np.random.default_rng(13).standard_normal((40, 3)), "labels": np.arange(40) % 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": None}, "no array features"),
        ({"labels": None}, "no array labels"),
        ({"labels": np.arange(40) % 3}, "two values, got 3"),
        ({"labels": np.zeros(40)}, "two values, got 1"),
        ({"labels": np.arange(39) % 2}, "one per row"),
        ({"labels": np.where(np.arange(40) % 2, 1.0, np.nan)}, "labels must be finite"),
        ({"features": np.full((40, 3), np.nan)}, "features must be finite"),
        ({"features": np.ones((40, 3))}, "every column is constant"),
        ({"features": np.ones(40)}, "non-empty matrix"),
        ({"features": np.full((40, 3), "a")}, "real numbers"),
        ({"projector": np.ones((2, 4))}, "one column per feature"),
        ({"projector": np.full((2, 3), np.inf)}, "projector must be finite"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path, change, message):
    path = tmp_path / "file.npz"
    np.savez(path, **{k: v for k, v in (GOOD | change).items() if v is not None})
    with pytest.raises(InvalidInput, match=message) as error:
        load_features(str(path))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_an_archive_is_one_clear_line(tmp_path):
    for name, content in (("text.npz", b"hello"), ("empty.npz", b""), ("cut.npz", None)):
        path = tmp_path / name
        if content is None:
            np.savez(path, **GOOD)
            content = path.read_bytes()[:-200]
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match="not a readable"):
            load_features(str(path))
    np.save(tmp_path / "one.npy", GOOD["features"])
    with pytest.raises(InvalidInput, match="one bare array"):
        load_features(str(tmp_path / "one.npy"))
    with pytest.raises(InvalidInput, match="not a readable"):
        load_features(str(tmp_path / "absent.npz"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": [10, 5]}, "must increase"),
        ({"num_samples": [10, 31]}, "between 2 and 30"),
        ({"num_samples": [1]}, "between 2 and 30"),
        ({"num_samples": [2.5]}, "whole numbers"),
        ({"num_folds": 1}, "num_folds"),
        ({"num_folds": 25}, "each class needs 25"),
        ({"num_subsets": 1}, "num_subsets"),
        ({"ridge": -1.0}, "ridge"),
        ({"ridge": None}, "ridge"),
        ({"loss": "cubic"}, "cubic"),
    ],
)
def test_bad_options_are_one_clear_line(options, message):
    data = LabelledFeatures.of(**GOOD)
    arguments = {"loss": "square", "ridge": 0.1} | options
    with pytest.raises(InvalidInput, match=message) as error:
        feature_curve(data, rng=np.random.default_rng(0), **arguments)
    assert "\n" not in str(error.value)


def test_classes_that_a_single_feature_separates_exactly_are_refused():
    features = np.column_stack([GOOD["features"], GOOD["labels"]])
    data = LabelledFeatures.of(features, GOOD["labels"])
    with pytest.raises(InvalidInput, match="separates them exactly"):
        feature_curve(data, "square", np.random.default_rng(0), 0.1)


def test_sampled_features_have_the_moments_of_their_mixture():
    rng = np.random.default_rng(14)
    root = rng.standard_normal((3, 3))
    covariance, mean = root @ root.T, np.array([1.0, -0.5, 0.2])
    features = at_dimension(explicit_mixture(mean, covariance, prior=0.3), 3)
    z, y = features.draw(200_000, rng)
    assert np.mean(y > 0) == pytest.approx(0.3, abs=0.004)
    assert np.allclose((y[:, None] * z).mean(axis=0), mean, atol=0.02)
    assert np.allclose(np.cov((z - y[:, None] * mean).T), covariance, atol=0.05)
    theta = np.array([0.4, 0.1, -1.0])
    hits = y * (z @ theta + 0.3) > 0
    error = np.sqrt(0.25 / len(y))
    assert features.accuracy(theta, 0.3) == pytest.approx(np.mean(hits), abs=3.5 * error)
    padded = at_dimension(isotropic_mixture(2.0), 11)
    assert padded.dimension == 11
    assert padded.accuracy(np.eye(11)[0]) == pytest.approx(0.97724986805, abs=1e-11)
    with pytest.raises(InvalidInput, match="dimension must be 3"):
        at_dimension(explicit_mixture(mean, covariance), 5)
