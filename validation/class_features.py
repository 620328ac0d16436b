"""Real features of K classes: predicted accuracy against fits on held-out data.

The design is that of `validation.features`, for the probes of `asymptotics.multiclass`: square on
one-hot labels, softmax, nearest-mean. Without an intercept features are centred at the mean of the
class means, each counted once. Theory and caveats: docs/theory/features.md, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.multiclass.problem import MULTICLASS_LOSSES
from asymptotics.multiclass.softmax import Orders
from validation.class_covariances import EstimatedCovariances, estimate_covariances
from validation.class_prediction import estimated_logits
from validation.feature_file import ClassedFeatures
from validation.feature_record import FeatureCurve, worst_status
from validation.held_out import (
    jackknife_interval,
    measured_accuracy,
    split_folds,
    training_sizes,
)
from validation.multiclass.fits import fit_multiclass
from validation.prediction import PREDICTED, UNRESOLVED

Array = NDArray[np.float64]
Points = NDArray[np.intp]


def class_feature_curve(
    data: ClassedFeatures,
    loss: str,
    rng: np.random.Generator,
    ridge: float | None = None,
    *,
    intercept: bool = False,
    class_covariances: bool = False,
    num_samples: Sequence[int] | None = None,
    num_folds: int = 5,
    num_subsets: int = 4,
    level: float = 0.95,
) -> FeatureCurve:
    """Predicted and measured accuracy of a K-class probe at a list of training sizes.

    loss: "square", "softmax" (need a ridge) or "nearest-mean". num_samples: from K up; the other
    arguments are those of `feature_curve`. class_covariances: not for softmax. The interval is
    the jackknife over the folds. Raises InvalidInput.
    """
    classes = len(data.classes)
    _check(loss, ridge, intercept, class_covariances)
    if num_subsets < 2:
        raise InvalidInput(f"num_subsets must be at least 2, got {num_subsets}")
    folds = split_folds(data.labels, num_folds, rng)
    training = min(len(data.labels) - len(fold) for fold in folds)
    sizes = training_sizes(num_samples, training, least=classes)
    priors = np.bincount(data.labels) / len(data.labels)
    parts = [np.setdiff1d(np.arange(len(data.labels)), fold) for fold in folds]
    with threadpool_limits(1):
        estimates = [
            estimate_covariances(
                data.features[part], data.labels[part], shared=not class_covariances
            )
            for part in parts
        ]
        accuracy = _predictions(estimates, loss, sizes, priors, ridge, intercept)
        scores = [
            _scores(data, part, fold, sizes, num_subsets, rng, loss, ridge, intercept)
            for part, fold in zip(parts, folds, strict=True)
        ]
    low, high = jackknife_interval(accuracy, level)
    measured, error, num_failed = measured_accuracy(scores, sizes / training)
    dimension = data.features.shape[1]
    return FeatureCurve(
        num_samples=sizes,
        sampling_ratio=sizes / dimension,
        predicted=accuracy.mean(axis=1),
        predicted_low=low,
        predicted_high=high,
        measured=measured,
        standard_error=error,
        num_failed=num_failed,
        status=worst_status(np.where(np.isnan(accuracy), UNRESOLVED, PREDICTED)),
        loss=loss,
        ridge=ridge,
        intercept=intercept,
        class_covariances=class_covariances,
        level=level,
        dimension=dimension,
        num_constant=data.num_constant,
        num_total=len(data.labels),
        num_training=training,
        num_folds=num_folds,
        num_subsets=num_subsets,
        priors=tuple(priors.tolist()),
        feature_variance=float(np.mean([x.feature_variance for x in estimates])),
        classes=data.classes,
    )


def _check(loss: str, ridge: float | None, intercept: bool, class_covariances: bool) -> None:
    if loss not in MULTICLASS_LOSSES:
        allowed = ", ".join(MULTICLASS_LOSSES)
        raise InvalidInput(f"loss for K classes must be one of {allowed}, got {loss!r}")
    needs_ridge, may_intercept, _ = MULTICLASS_LOSSES[loss]
    if needs_ridge and ridge is None:
        raise InvalidInput(f"ridge is required by the loss {loss}, a number > 0")
    if not needs_ridge and ridge is not None:
        raise InvalidInput(f"ridge is not a parameter of {loss}: leave it out")
    if ridge is not None and not (0 < ridge < np.inf):
        raise InvalidInput(f"ridge must be finite and > 0, got {ridge}")
    if intercept and not may_intercept:
        raise InvalidInput(f"intercept: {loss} has its own, leave it out")
    if class_covariances and loss == "softmax":
        raise InvalidInput("class covariances: softmax of K classes is predicted with a shared one")


def _predictions(
    estimates: Sequence[EstimatedCovariances],
    loss: str,
    sizes: Points,
    priors: Array,
    ridge: float | None,
    intercept: bool,
) -> Array:
    """Accuracy, (sizes, folds); nan where the equations of a fold have no solution."""
    accuracy = np.full((len(sizes), len(estimates)), np.nan)
    # a softmax starts from the fold before, and that from the size before
    orders: Orders | None = None
    for i, size in enumerate(sizes):
        for j, estimate in enumerate(estimates):
            for start in (orders, None):
                try:
                    found = estimated_logits(
                        estimate, loss, int(size), priors, ridge, intercept, start
                    )
                except (NotConverged, np.linalg.LinAlgError):
                    if start is None:
                        break
                    continue
                accuracy[i, j], orders = found.accuracy(priors), found.orders
                break
    return accuracy


def _scores(
    data: ClassedFeatures,
    part: Points,
    fold: Points,
    sizes: Points,
    num_subsets: int,
    rng: np.random.Generator,
    loss: str,
    ridge: float | None,
    intercept: bool,
) -> Array:
    """Right (1) or wrong (0) for each size, subset and held-out sample."""
    labels, classes = data.labels[part], len(data.classes)
    means = [data.features[part[labels == k]].mean(axis=0) for k in range(classes)]
    centre = np.mean(means, axis=0)
    z, held_out = data.features[part] - centre, data.features[fold] - centre
    scores = np.empty((len(sizes), num_subsets, len(fold)))
    for i, size in enumerate(sizes):
        for j in range(num_subsets):
            chosen = stratified(labels, int(size), rng)
            fit = fit_multiclass(loss, z[chosen], labels[chosen], classes, ridge, intercept)
            answers = np.argmax(held_out @ fit.theta + fit.offset, axis=1)
            scores[i, j] = answers == data.labels[fold]
    return scores


def stratified(labels: Points, size: int, rng: np.random.Generator) -> Points:
    """`size` >= K indices without replacement, the classes in proportion, each at least once."""
    counts = np.bincount(labels)
    quota = size * counts / len(labels)
    shares = np.maximum(np.floor(quota).astype(np.intp), 1)
    while shares.sum() < size:
        shares[np.argmax(np.where(shares < counts, quota - shares, -np.inf))] += 1
    while shares.sum() > size:
        shares[np.argmax(np.where(shares > 1, shares - quota, -np.inf))] -= 1
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(labels == k), share, replace=False)
            for k, share in enumerate(shares)
        ]
    )
