"""What a fitted probe carries: the optimum, and the numbers that prove it is one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import AsymptoticsError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Certificate:
    """Evidence of optimality, recomputed from the data at the returned point. All relative.

    `gradient` is |sum of the terms| / (sum of |terms|) of the stationarity condition, so rounding
    alone leaves about 1e-16. `violation` is the largest broken inequality or equality of the
    margins (hinge, hard margin, interpolation), in units of the margin 1. `duality_gap` is primal
    minus dual over primal, from the explicit multipliers. None where the notion does not apply.
    `support` counts the samples with a non-zero multiplier.
    """

    gradient: float
    violation: float | None = None
    duality_gap: float | None = None
    support: int | None = None

    @property
    def worst(self) -> float:
        """The largest of the numbers above; the fit is refused when it exceeds the tolerance."""
        return max(x for x in (self.gradient, self.violation, self.duality_gap) if x is not None)


@dataclass(frozen=True)
class ProbeFit:
    """A fitted linear probe: predict the sign of z.theta + intercept."""

    theta: Array = field(repr=False)
    intercept: float
    certificate: Certificate
    iterations: int


class NotSeparable(AsymptoticsError):
    """No hyperplane separates the sample, proved by `weights` (Gordan's alternative).

    weights >= 0, not all zero, and sum_i weights_i y_i (z_i, 1) = 0 up to `residual`, relative to
    the sum of the lengths of the terms (the 1 only where an intercept is fitted): then no theta
    has y_i (z_i.theta + b) > 0 for all i.
    """

    def __init__(self, weights: Array, residual: float) -> None:
        super().__init__(
            f"the sample is not linearly separable ({np.count_nonzero(weights)} of {len(weights)} "
            f"weights balance to {residual:.1e}): fewer samples, more features or a penalised loss"
        )
        self.weights = weights
        self.residual = residual


class Separable(AsymptoticsError):
    """A hyperplane separates the sample, so the unregularised optimum is at infinity."""

    def __init__(self, separator: ProbeFit, margin: float) -> None:
        super().__init__(
            f"the sample is linearly separable with margin {margin:.3g}, so the unregularised "
            "fit does not exist: more samples, a ridge, or max-margin"
        )
        self.separator = separator
        self.margin = margin
