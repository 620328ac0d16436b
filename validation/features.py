"""Real features: the probe's accuracy predicted from a part of them, against fits on held-out data.

The samples are split into folds. Each fold is held out once: from the others, the training part,
come the centre (midpoint of the class means), the estimated geometry with its prediction, and the
subsets to which the real probe is fitted; the held-out fold only scores those fits. Theory and
caveats: docs/theory/features.md. More than two classes: `validation.class_features`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from asymptotics.errors import InvalidInput
from validation.class_covariances import estimate_covariances
from validation.covariance_prediction import predict_with_covariances
from validation.estimated_geometry import EstimatedGeometry, estimate_geometry
from validation.feature_file import LabelledFeatures
from validation.feature_record import FeatureCurve, worst_status
from validation.held_out import (
    jackknife_interval,
    measured_accuracy,
    split_folds,
    training_sizes,
)
from validation.prediction import predict
from validation.probes import NotSeparable, Separable, fit_probe

Array = NDArray[np.float64]


def feature_curve(
    data: LabelledFeatures,
    loss: str,
    rng: np.random.Generator,
    ridge: float | None = None,
    *,
    intercept: bool = False,
    class_covariances: bool = False,
    num_samples: Sequence[int] | None = None,
    num_folds: int = 5,
    num_subsets: int = 8,
    level: float = 0.95,
) -> FeatureCurve:
    """Predicted and measured accuracy of the probe `loss` at a list of training sizes.

    num_samples: sizes n, each at most the training part less 2 (default: six, geometric, from a
        tenth to two thirds of the training part).
    num_folds: each is held out once. num_subsets: fits per fold and size, on random subsets with
        the classes in their proportion.
    ridge: in the units of the features squared (see `feature_variance`).
    intercept: fit one and predict with it, at the measured class sizes. Without it the probe
        passes through the midpoint of the class means and class sizes do not matter.
    class_covariances: predict with a covariance for each class instead of a pooled one. The
        interval is then the jackknife over the folds.

    Raises InvalidInput for too few samples or sizes out of range.
    """
    folds = split_folds(data.labels, num_folds, rng)
    training = min(len(data.labels) - len(fold) for fold in folds)
    sizes = training_sizes(num_samples, training)
    if num_subsets < 2:
        raise InvalidInput(f"num_subsets must be at least 2, got {num_subsets}")
    parts = [np.setdiff1d(np.arange(len(data.labels)), fold) for fold in folds]
    prior = float(np.mean(data.labels > 0))
    geometry = stack_geometries(
        [estimate_geometry(data.features[part], data.labels[part]) for part in parts]
    )
    if class_covariances:
        accuracy, status = _with_covariances(data, parts, loss, sizes, ridge, intercept)
        low, high = jackknife_interval(accuracy, level)
    else:
        prediction = predict(
            geometry.broadcast_to((len(sizes), num_folds)),
            loss,
            sizes[:, None] / geometry.dimension,
            ridge,
            intercept,
            prior,
        )
        accuracy, status = prediction.accuracy, prediction.status
        low, high = (end.mean(axis=1) for end in prediction.interval(level))
    with threadpool_limits(1):
        scores = [
            _scores(data, part, fold, sizes, num_subsets, rng, loss, ridge, intercept)
            for part, fold in zip(parts, folds, strict=True)
        ]
    measured, error, num_failed = measured_accuracy(scores, sizes / training)
    return FeatureCurve(
        num_samples=sizes,
        sampling_ratio=sizes / geometry.dimension,
        predicted=accuracy.mean(axis=1),
        predicted_low=low,
        predicted_high=high,
        measured=measured,
        standard_error=error,
        num_failed=num_failed,
        status=worst_status(status),
        loss=loss,
        ridge=ridge,
        intercept=intercept,
        class_covariances=class_covariances,
        level=level,
        dimension=geometry.dimension,
        num_constant=data.num_constant,
        num_total=len(data.labels),
        num_training=training,
        num_folds=num_folds,
        num_subsets=num_subsets,
        priors=(1 - prior, prior),
        feature_variance=float(np.mean(geometry.eigenvalues)),
        classes=data.classes,
    )


def _with_covariances(
    data: LabelledFeatures,
    parts: Sequence[NDArray[np.intp]],
    loss: str,
    sizes: NDArray[np.intp],
    ridge: float | None,
    intercept: bool,
) -> tuple[Array, NDArray[np.str_]]:
    """(accuracy, status), (sizes, folds), from a covariance for each class.

    Class sizes matter even without an intercept: the larger class's covariance weighs more.
    """
    share, found = float(np.mean(data.labels > 0)), []
    priors = np.array([1 - share, share])
    for part in parts:
        second = (data.labels[part] > 0).astype(np.intp)
        estimate = estimate_covariances(data.features[part], second, shared=False)
        found.append(predict_with_covariances(estimate, loss, sizes, priors, ridge, intercept))
    return (
        np.stack([x.accuracy for x in found], axis=1),
        np.stack([x.status for x in found], axis=1),
    )


def stack_geometries(geometries: Sequence[EstimatedGeometry]) -> EstimatedGeometry:
    """A batch of estimates of equal dimension."""
    return EstimatedGeometry(
        *(
            np.stack([getattr(geometry, f.name) for geometry in geometries])
            for f in fields(EstimatedGeometry)
        )
    )


def _scores(
    data: LabelledFeatures,
    part: NDArray[np.intp],
    fold: NDArray[np.intp],
    sizes: NDArray[np.intp],
    num_subsets: int,
    rng: np.random.Generator,
    loss: str,
    ridge: float | None,
    intercept: bool,
) -> Array:
    """Correct (1) or not (0) for each size, subset and held-out sample; nan where no fit exists.

    A probe that does not exist on a subset (separable or not, too many or too few samples) is a
    failed fit; any other failure is raised.
    """
    labels = data.labels[part]
    means = [data.features[part[labels == sign]].mean(axis=0) for sign in (1.0, -1.0)]
    centre = 0.5 * (means[0] + means[1])
    z, held_out = data.features[part] - centre, data.features[fold] - centre
    scores = np.full((len(sizes), num_subsets, len(fold)), np.nan)
    for i, size in enumerate(sizes):
        for j in range(num_subsets):
            chosen = _stratified(labels, int(size), rng)
            try:
                fit = fit_probe(loss, z[chosen], labels[chosen], ridge, intercept)
            except (NotSeparable, Separable, InvalidInput):
                continue
            margins = data.labels[fold] * (held_out @ fit.theta + fit.intercept)
            scores[i, j] = (margins > 0) + 0.5 * (margins == 0)
    return scores


def _stratified(labels: Array, size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`size` indices without replacement, the classes in proportion and both present."""
    positive, negative = np.flatnonzero(labels > 0), np.flatnonzero(labels < 0)
    share = round(size * len(positive) / len(labels))
    share = min(max(share, 1, size - len(negative)), size - 1, len(positive))
    return np.concatenate(
        [
            rng.choice(positive, share, replace=False),
            rng.choice(negative, size - share, replace=False),
        ]
    )
