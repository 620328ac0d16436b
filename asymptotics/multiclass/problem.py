"""A K-class problem: mixture, head and probe. What theory and simulation share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput, did_you_mean
from asymptotics.multiclass.geometry import BlockGeometry
from asymptotics.multiclass.mixture import MulticlassMixture

Array = NDArray[np.float64]

# name: (whether a ridge must be given, whether an intercept may be, one line)
MULTICLASS_LOSSES = {
    "square": (True, True, "least squares on one-hot labels, |z theta - e_y|^2/2"),
    "softmax": (True, True, "multinomial logistic regression, log sum e^u - u_y"),
    "nearest-mean": (False, False, "the nearest of the estimated class means"),
}


@dataclass(frozen=True)
class MulticlassProblem:
    """Features z = W h of K classes, and the probe fitted to n = `sampling_ratio` p of them.

    Theta = argmin (1/n) sum_i loss(Theta^T z_i + b; y_i) + (ridge/2)|Theta|^2, Theta (p, K).

    head: W on the block of the mixture, (outputs, r); None is no head. loss: a name of
    `MULTICLASS_LOSSES`. ridge: > 0, None for nearest-mean. intercept: whether b is fitted.
    Raises InvalidInput.
    """

    mixture: MulticlassMixture
    loss: str
    sampling_ratio: float
    ridge: float | None = None
    head: Array | None = None
    intercept: bool = False

    def __post_init__(self) -> None:
        if self.loss not in MULTICLASS_LOSSES:
            allowed = ", ".join(MULTICLASS_LOSSES)
            hint = did_you_mean(self.loss, MULTICLASS_LOSSES)
            raise InvalidInput(
                f"loss for K classes must be one of {allowed}, got {self.loss!r}{hint}"
            )
        needs_ridge, may_intercept, _ = MULTICLASS_LOSSES[self.loss]
        if needs_ridge and self.ridge is None:
            raise InvalidInput(f"ridge is required by the loss {self.loss}, a number > 0")
        if not needs_ridge and self.ridge is not None:
            raise InvalidInput(f"ridge is not a parameter of {self.loss}: leave it out")
        if self.intercept and not may_intercept:
            raise InvalidInput(f"intercept: {self.loss} has its own, leave it out")
        for name in ("sampling_ratio", "ridge"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise InvalidInput(f"{name} must be finite and > 0, got {value}")
        r = self.mixture.means.shape[1]
        if self.head is not None and (
            self.head.ndim != 2 or self.head.shape[1] != r or not np.all(np.isfinite(self.head))
        ):
            raise InvalidInput(f"head must be finite with {r} columns, got {self.head.shape}")

    @property
    def behind(self) -> MulticlassMixture:
        """The mixture that the probe sees."""
        return self.mixture if self.head is None else self.mixture.behind(self.head)

    def geometry(self) -> BlockGeometry:
        """Its spectrum and means; a probe without a ridge has 1 there and never looks."""
        ridge = 1.0 if self.ridge is None else float(self.ridge)
        return BlockGeometry.of(self.behind, ridge, float(self.sampling_ratio))


def gain_head(mixture: MulticlassMixture, gain: ArrayLike) -> Array:
    """W = V diag(a) V^T: a gain for each direction of the class means, 1 across them.

    V diagonalises the between-class second moment sum_k pi_k mu_k mu_k^T; a number is one gain for
    all its directions, a list has one for each in the order of falling eigenvalues. Equal
    eigenvalues have no order of their own: give one gain there. Raises InvalidInput.
    """
    between = (mixture.means.T * mixture.priors) @ mixture.means
    values, vectors = np.linalg.eigh(between)
    values, vectors = values[::-1], vectors[:, ::-1]
    rank = int(np.sum(values > 1e-12 * max(values[0], 0.0))) if values[0] > 0 else values.size
    a = np.atleast_1d(np.asarray(gain, dtype=float))
    if a.ndim != 1 or a.size not in (1, rank):
        raise InvalidInput(f"gain must be one number or {rank}, one a mean direction, got {a.size}")
    if not np.all(np.isfinite(a) & (a >= 0)):
        raise InvalidInput(f"gain must be finite and >= 0, got {a.tolist()}")
    if a.size > 1 and np.ptp(a) > 0 and np.any(np.diff(values[:rank]) > -1e-9 * values[0]):
        raise InvalidInput("gain: the means have equal directions, give one number for all")
    full = np.ones(values.size)
    full[:rank] = a
    return np.asarray((vectors * full) @ vectors.T)
