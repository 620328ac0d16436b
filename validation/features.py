"""Real features: the probe's accuracy predicted from a part of them, against fits on held-out data.

The samples are split into folds. Each fold is held out once: from the others, the training part,
come the centre (midpoint of the class means), the estimated geometry with its prediction, and the
subsets to which the real probe is fitted; the held-out fold only scores those fits. Theory and
caveats: docs/theory/features.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from asymptotics.errors import InvalidInput
from validation.estimated_geometry import EstimatedGeometry, estimate_geometry
from validation.feature_file import LabelledFeatures
from validation.prediction import PREDICTED, predict
from validation.probes import NotSeparable, Separable, fit_probe

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureCurve:
    """Predicted against measured accuracy over training sizes; arrays have one entry a size.

    predicted, predicted_low, predicted_high: mean over the folds of the prediction and of the
        ends of its interval (the folds share samples, so averaging does not shorten it); nan
        where some fold has no prediction, see `status`.
    measured: mean held-out accuracy of the fitted probe; nan where a fit does not exist
        (`num_failed` counts them).
    standard_error: of `measured`, bounded from above (features.md, equation 11).
    status: "predicted", "no limit", "not resolved" (`validation.prediction`).
    dimension: p, without the `num_constant` dropped columns; sampling_ratio = num_samples/p.
    feature_variance: tr(Shat)/p, the natural unit of the ridge.
    prior: fraction of the label +1, `classes[1]`.
    """

    num_samples: NDArray[np.intp]
    sampling_ratio: Array
    predicted: Array
    predicted_low: Array
    predicted_high: Array
    measured: Array
    standard_error: Array
    num_failed: NDArray[np.intp]
    status: NDArray[np.str_]
    loss: str
    ridge: float | None
    intercept: bool
    level: float
    dimension: int
    num_constant: int
    num_total: int
    num_training: int
    num_folds: int
    num_subsets: int
    prior: float
    feature_variance: float
    classes: tuple[object, object]

    def rows(self) -> list[dict[str, object]]:
        """One flat dictionary a size, None for what is missing."""
        columns = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if isinstance(getattr(self, f.name), np.ndarray)
        }
        return [
            {name: _plain(column[i]) for name, column in columns.items()}
            for i in range(self.num_samples.size)
        ]


def feature_curve(
    data: LabelledFeatures,
    loss: str,
    rng: np.random.Generator,
    ridge: float | None = None,
    *,
    intercept: bool = False,
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

    Raises InvalidInput for too few samples or sizes out of range.
    """
    folds = _split(data.labels, num_folds, rng)
    training = min(len(data.labels) - len(fold) for fold in folds)
    sizes = _sizes(num_samples, training)
    if num_subsets < 2:
        raise InvalidInput(f"num_subsets must be at least 2, got {num_subsets}")
    parts = [np.setdiff1d(np.arange(len(data.labels)), fold) for fold in folds]
    prior = float(np.mean(data.labels > 0))
    p = data.features.shape[1]
    geometry = stack_geometries(
        [estimate_geometry(data.features[part], data.labels[part]) for part in parts]
    )
    prediction = predict(
        geometry.broadcast_to((len(sizes), num_folds)),
        loss,
        sizes[:, None] / p,
        ridge,
        intercept,
        prior,
    )
    low, high = prediction.interval(level)
    failed = prediction.status != PREDICTED
    first_failed = prediction.status[np.arange(len(sizes)), np.argmax(failed, axis=1)]
    with threadpool_limits(1):
        scores = [
            _scores(data, part, fold, sizes, num_subsets, rng, loss, ridge, intercept)
            for part, fold in zip(parts, folds, strict=True)
        ]
    measured, error, num_failed = _measured(scores, sizes / training)
    return FeatureCurve(
        num_samples=sizes,
        sampling_ratio=sizes / p,
        predicted=prediction.accuracy.mean(axis=1),
        predicted_low=low.mean(axis=1),
        predicted_high=high.mean(axis=1),
        measured=measured,
        standard_error=error,
        num_failed=num_failed,
        status=np.where(failed.any(axis=1), first_failed, PREDICTED),
        loss=loss,
        ridge=ridge,
        intercept=intercept,
        level=level,
        dimension=p,
        num_constant=data.num_constant,
        num_total=len(data.labels),
        num_training=training,
        num_folds=num_folds,
        num_subsets=num_subsets,
        prior=prior,
        feature_variance=float(np.mean(geometry.eigenvalues)),
        classes=data.classes,
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


def _measured(scores: list[Array], share: Array) -> tuple[Array, Array, NDArray[np.intp]]:
    """(mean accuracy, its standard error, failed fits) per size (features.md, equation 11).

    Test samples: the scatter of each one's mean score. Training sets, with `share` = n/N_train:
    subsets of one pool vary by s^2 >= sigma^2 (1 - share), and the finite pool adds
    sigma^2 n/N <= sigma^2 share (K - 1)/K.
    """
    accuracy = np.stack([fold.mean(axis=2) for fold in scores], axis=1)  # sizes, folds, subsets
    by_sample = np.concatenate([fold.mean(axis=1) for fold in scores], axis=1)
    _, num_folds, num_subsets = accuracy.shape
    within = np.mean(np.var(accuracy, axis=2, ddof=1), axis=1)
    variance = (
        np.var(by_sample, axis=1, ddof=1) / by_sample.shape[1]
        + within / (num_folds * num_subsets)
        + within * share * (1 - 1 / num_folds) / (1 - share)
    )
    failed = np.sum(np.isnan(accuracy), axis=(1, 2))
    return by_sample.mean(axis=1), np.sqrt(variance), failed


def _split(labels: Array, num_folds: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Random folds with the classes in proportion."""
    counts = [int(np.sum(labels == sign)) for sign in (1.0, -1.0)]
    if num_folds < 2:
        raise InvalidInput(f"num_folds must be at least 2, got {num_folds}")
    if min(counts) < max(num_folds, 10):
        raise InvalidInput(
            f"each class needs {max(num_folds, 10)} samples or more, got {counts[1]} and "
            f"{counts[0]}"
        )
    order = [rng.permutation(np.flatnonzero(labels == sign)) for sign in (1.0, -1.0)]
    # the classes are dealt in one round, so that folds differ by one sample at most
    dealt = np.concatenate(order)
    return [np.sort(dealt[k::num_folds]) for k in range(num_folds)]


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


def _sizes(requested: Sequence[int] | None, training: int) -> NDArray[np.intp]:
    """The training sizes, increasing."""
    if requested is None:
        lowest, highest = max(4, training // 10), 2 * training // 3
        return np.unique(np.geomspace(lowest, highest, 6).round().astype(np.intp))
    sizes = np.asarray(requested)
    if sizes.ndim != 1 or sizes.size == 0 or sizes.dtype.kind not in "iu":
        raise InvalidInput("num_samples must be a list of whole numbers")
    if np.any(np.diff(sizes) <= 0):
        raise InvalidInput(f"num_samples must increase, got {sizes.tolist()}")
    if sizes[0] < 2 or sizes[-1] > training - 2:
        raise InvalidInput(
            f"num_samples must lie between 2 and {training - 2} (the training part less 2), got "
            f"{sizes[0]} to {sizes[-1]}"
        )
    return sizes.astype(np.intp)


def _plain(value: object) -> object:
    """A Python number or string; None for nan."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and np.isnan(plain) else plain
