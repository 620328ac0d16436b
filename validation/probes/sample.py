"""A labelled sample as margins, rotated into the smaller of sample space and feature space."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Features z (n x p) with labels y = +-1.

    The margin of sample i is u_i = y_i (z_i.theta + b) = (A theta + y b)_i, with the signed rows
    A = diag(y) z. Every optimum lies in the row space of A, so with p > n the problem is solved in
    the n coordinates c of theta = rotation c (thin QR of A^T; no Gram matrix, whose condition
    number is the square).
    """

    features: Array = field(repr=False)
    labels: Array = field(repr=False)

    @classmethod
    def of(cls, features: ArrayLike, labels: ArrayLike) -> Sample:
        """Validate `features` (n x p, finite) and `labels` (n values +-1, both present)."""
        z, y = np.asarray(features, dtype=float), np.asarray(labels, dtype=float)
        if z.ndim != 2 or z.shape[0] < 2 or z.shape[1] < 1:
            raise InvalidInput(f"features must be an n x p array with n >= 2, got shape {z.shape}")
        if y.shape != z.shape[:1]:
            raise InvalidInput(f"{z.shape[0]} rows of features but labels of shape {y.shape}")
        sample = cls(z, y)
        # lengths overflow, and are not numbers, only where features are extreme or not finite
        if not np.all(np.isfinite(sample.lengths)) and not np.all(np.isfinite(z)):
            raise InvalidInput("features must be finite, got nan or infinity")
        if set(np.unique(y)) != {-1.0, 1.0}:
            raise InvalidInput(f"labels must be -1 and +1, both present, got {np.unique(y)[:5]}")
        return sample

    @cached_property
    def lengths(self) -> Array:
        """|z_i| of every sample, without an array of squares."""
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", self.features, self.features)))

    @cached_property
    def signed(self) -> Array:
        """A, made when first asked for."""
        return self.labels[:, None] * self.features

    @cached_property
    def _rotated(self) -> tuple[Array, Array | None]:
        if self.features.shape[0] >= self.features.shape[1]:
            return self.signed, None
        rotation, triangle = scipy.linalg.qr(self.signed.T, mode="economic")
        return np.ascontiguousarray(triangle.T), rotation

    @property
    def coordinates(self) -> Array:
        """A in the coordinates c, min(n, p) of them; found when first asked for."""
        return self._rotated[0]

    @property
    def rotation(self) -> Array | None:
        """theta = rotation c; None where theta itself is c."""
        return self._rotated[1]

    @property
    def num_samples(self) -> int:
        """n."""
        return self.features.shape[0]

    def theta(self, coordinates: Array) -> Array:
        """The p-vector with these coordinates."""
        return coordinates if self.rotation is None else self.rotation @ coordinates

    def margins(self, theta: Array, intercept: float) -> Array:
        """u_i = y_i (z_i.theta + intercept), from the original features."""
        return self.labels * (self.features @ theta + intercept)

    def relative_balance(self, weights: Array, pull: Array, intercept: bool) -> float:
        """|A^T weights - pull| / (sum_i |weights_i| |A_i| + |pull|), and the same for y if asked.

        Zero at a stationary point whose multipliers are `weights` and whose penalty has the
        gradient `pull`.
        """
        size = np.abs(weights) @ self.lengths + np.linalg.norm(pull)
        signed = weights * self.labels
        balance = np.linalg.norm(signed @ self.features - pull) / size if size > 0 else 0.0
        if intercept and np.any(weights):
            balance = max(balance, abs(weights @ self.labels) / np.sum(np.abs(weights)))
        return float(balance)


def contrasts(columns: Array) -> Array:
    """n - 1 orthonormal contrasts of the rows (Householder): their span, without the mean row.

    Fitting y = z.theta + b by squares is fitting the contrasts of y by those of z, without b.
    """
    n = columns.shape[0]
    mirror = np.full(n, 1 / np.sqrt(n))
    mirror[0] += 1.0
    mirror /= np.linalg.norm(mirror)
    reflected = columns - 2 * np.multiply.outer(mirror, mirror @ columns)
    return reflected[1:]
