"""The law of a test margin, component by component: all that an observable of a probe needs.

A fresh sample of component c has the margin y_c (z.theta + b) ~ N(mean_c, deviation_c^2), so that

    accuracy_c = Phi(mean_c/deviation_c),      accuracy = sum_c weight_c accuracy_c.

The margin of a training sample is the proximal map of such a Gaussian: prox_step(margin), the
Gaussian being what it would have been without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MarginLaws:
    """Margins of the C components of a mixture, every array (C, ...).

    weight: probability of the component, summing to 1. label: its class, +1 or -1, (C,).
    mean, deviation: of the margin y (z.theta + b), intercept included.
    step: gamma of the component, nan for a rule that is not fitted.
    """

    weight: Array
    label: NDArray[np.intp]
    mean: Array
    deviation: Array
    step: Array

    @property
    def ratio(self) -> Array:
        """mean/deviation, (C, ...)."""
        return self.mean / self.deviation

    def accuracies(self) -> Array:
        """Phi(mean/deviation) of each component, (C, ...)."""
        return np.asarray(ndtr(self.ratio))

    def log_errors(self) -> Array:
        """log(1 - accuracy) of each component, from the tail, (C, ...)."""
        return np.asarray(log_ndtr(-self.ratio))

    def accuracy(self) -> Array:
        """Average over the components."""
        return np.sum(self.weight * self.accuracies(), axis=0)

    def test_error(self) -> Array:
        """1 - accuracy, its relative accuracy kept."""
        with np.errstate(divide="ignore"):
            return np.exp(np.logaddexp.reduce(np.log(self.weight) + self.log_errors(), axis=0))

    def reshape(self, shape: tuple[int, ...]) -> MarginLaws:
        """The same laws over a grid of the given shape."""
        arrays = (self.weight, self.mean, self.deviation, self.step)
        weight, mean, deviation, step = (x.reshape(-1, *shape) for x in arrays)
        return MarginLaws(weight, self.label, mean, deviation, step)

    def take(self, points: NDArray[np.intp]) -> MarginLaws:
        """The laws of some points of a flat batch."""
        arrays = (self.weight, self.mean, self.deviation, self.step)
        weight, mean, deviation, step = (x[:, points] for x in arrays)
        return MarginLaws(weight, self.label, mean, deviation, step)

    def at_points(self, points: NDArray[np.intp], size: int) -> MarginLaws:
        """Laws of a flat batch at its `points` among `size`, nan at the others."""
        arrays = []
        for values in (self.weight, self.mean, self.deviation, self.step):
            spread = np.full((len(values), size), np.nan)
            spread[:, points] = values
            arrays.append(spread)
        return MarginLaws(arrays[0], self.label, *arrays[1:])

    def moved(self, shift: Array) -> MarginLaws:
        """The laws when the intercept moves by `shift`, a number a point."""
        along = self.label.reshape(-1, *[1] * (self.mean.ndim - 1)) * shift
        return replace(self, mean=self.mean + along)


def best_shift(laws: MarginLaws) -> Array:
    """The shift of the intercept that makes the balanced error least, of a flat batch (points,).

    It is stationary where the densities of the two classes' scores cross. With several components
    or deviations there can be several such places: all mean scores and six deviations beyond are
    scanned at 257 shifts, and the best is refined by a root of the slope.
    """
    # scipy.optimize takes as long to import as everything else together
    from scipy.optimize.elementwise import find_root

    share, label = np.empty_like(laws.weight), laws.label[:, None]
    for side in (1, -1):
        chosen = laws.label == side
        share[chosen] = laws.weight[chosen] / laws.weight[chosen].sum(axis=0)

    def slope(shift: Array, points: NDArray[np.intp]) -> Array:
        deviation = laws.deviation[:, points]
        t = (laws.mean[:, points] + label * shift) / deviation
        return np.asarray(
            np.sum(share[:, points] * label * np.exp(-0.5 * t * t) / deviation, axis=0)
        )

    points = np.arange(laws.mean.shape[1])
    scores, reach = label * laws.mean, 6 * laws.deviation.max(axis=0)
    low, high = -scores.max(axis=0) - reach, -scores.min(axis=0) + reach
    scan = low + (high - low) * np.linspace(0, 1, 257)[:, None]
    accuracy = [np.sum(share * laws.moved(x).accuracies(), axis=0) for x in scan]
    best = np.clip(np.argmax(accuracy, axis=0), 1, len(scan) - 2)
    found = find_root(slope, (scan[best - 1, points], scan[best + 1, points]), args=(points,))
    return np.where(found.success, found.x, scan[best, points])
