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
