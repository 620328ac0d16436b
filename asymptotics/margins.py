"""The law of a test margin, component by component: all that an observable of a probe needs.

A fresh sample of component c has the margin y_c (z.theta + b) ~ N(mean_c, deviation_c^2), so that

    accuracy_c = Phi(mean_c/deviation_c),      accuracy = sum_c weight_c accuracy_c.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MarginLaws:
    """Margins of the C components of a mixture, every array (C, ...).

    weight: probability of the component, summing to 1. label: its class, +1 or -1, (C,).
    mean, deviation: of the margin y (z.theta + b), intercept included.
    """

    weight: Array
    label: NDArray[np.intp]
    mean: Array
    deviation: Array

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
        parts = (x.reshape(-1, *shape) for x in (self.weight, self.mean, self.deviation))
        weight, mean, deviation = parts
        return MarginLaws(weight, self.label, mean, deviation)
