"""Folds, training sizes and the measured accuracy with its standard error (features.md).

Labels are any numbers, a value a class; scores are 1 for a right answer and 0 for a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]
Points = NDArray[np.intp]


def split_folds(
    labels: NDArray[np.generic], num_folds: int, rng: np.random.Generator
) -> list[Points]:
    """Random folds with the classes in proportion. Raises InvalidInput for too few samples."""
    if num_folds < 2:
        raise InvalidInput(f"num_folds must be at least 2, got {num_folds}")
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < max(num_folds, 10):
        got = " and ".join(str(count) for count in counts)
        raise InvalidInput(f"each class needs {max(num_folds, 10)} samples or more, got {got}")
    order = [rng.permutation(np.flatnonzero(labels == value)) for value in classes[::-1]]
    # the classes are dealt in one round, so that folds differ by one sample at most
    dealt = np.concatenate(order)
    return [np.sort(dealt[k::num_folds]) for k in range(num_folds)]


def training_sizes(requested: Sequence[int] | None, training: int, least: int = 2) -> Points:
    """The training sizes, increasing, from `least` to `training` - 2. Raises InvalidInput."""
    if requested is None:
        lowest, highest = max(4, 2 * least, training // 10), 2 * training // 3
        return np.unique(np.geomspace(lowest, highest, 6).round().astype(np.intp))
    sizes = np.asarray(requested)
    if sizes.ndim != 1 or sizes.size == 0 or sizes.dtype.kind not in "iu":
        raise InvalidInput("num_samples must be a list of whole numbers")
    if np.any(np.diff(sizes) <= 0):
        raise InvalidInput(f"num_samples must increase, got {sizes.tolist()}")
    if sizes[0] < least or sizes[-1] > training - 2:
        raise InvalidInput(
            f"num_samples must lie between {least} and {training - 2} (the training part less 2), "
            f"got {sizes[0]} to {sizes[-1]}"
        )
    return sizes.astype(np.intp)


def measured_accuracy(scores: list[Array], share: Array) -> tuple[Array, Array, Points]:
    """(mean accuracy, its standard error, failed fits) per size (features.md, equation 11).

    scores: for each fold (sizes, subsets, held-out samples), nan where a fit does not exist. Test
    samples: the scatter of each one's mean score. Training sets, with `share` = n/N_train: subsets
    of one pool vary by s^2 >= sigma^2 (1 - share), and the finite pool adds
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


def jackknife_interval(accuracy: Array, level: float) -> tuple[Array, Array]:
    """(low, high) per size from predictions (sizes, folds), each made without one fold.

    With x = Phi^{-1}(accuracy), SE^2 = (F-1)/F sum_f (x_f - mean x)^2 and Student's quantile t of
    F - 1 degrees of freedom: Phi(mean x -+ t SE) (features.md, equation 15). nan where a fold has
    no prediction.
    """
    folds = accuracy.shape[1]
    x = ndtri(accuracy)
    centre = x.mean(axis=1)
    error = np.sqrt((folds - 1) / folds * np.sum((x - centre[:, None]) ** 2, axis=1))
    reach = stdtrit(folds - 1, 0.5 + level / 2) * error
    return ndtr(centre - reach), ndtr(centre + reach)
