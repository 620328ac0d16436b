"""Labelled Gaussian features as the theory has them, and the exact accuracy of a linear rule.

    z = y nu + S^{1/2} g,   g ~ N(0, I),   P(y = 1) = prior,   nu = W mu,   S = W Sigma W^T

behind a projector W. A fitted rule is judged by a formula, never by a finite test set.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from asymptotics.errors import InvalidInput
from asymptotics.mixture import Mixture
from asymptotics.projectors import Gain, Projector

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianFeatures:
    """The law of p features: a block with a full covariance, then independent coordinates.

    mean: nu, p numbers, the mean of the class y = +1; the other class has -nu.
    root: k x r, any root of the block's covariance: the first k coordinates have S = root root^T.
    scales: standard deviations of the p - k other coordinates.
    prior: P(y = 1).
    """

    mean: Array = field(repr=False)
    root: Array = field(repr=False)
    scales: Array = field(repr=False)
    prior: float = 0.5

    def __post_init__(self) -> None:
        if self.mean.shape != (self.root.shape[0] + self.scales.size,):
            raise InvalidInput(
                f"a mean of {self.mean.shape} does not fit a block of {self.root.shape[0]} and "
                f"{self.scales.size} other coordinates"
            )
        if not all(np.all(np.isfinite(x)) for x in (self.mean, self.root, self.scales)):
            raise InvalidInput("mean and covariance must be finite")
        if not 0 < self.prior < 1:
            raise InvalidInput(f"prior must lie strictly between 0 and 1, got {self.prior}")

    @property
    def dimension(self) -> int:
        """p."""
        return self.mean.size

    def draw(self, num_samples: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """(features, labels): n x p and n values +-1, independent samples."""
        labels = np.where(rng.random(num_samples) < self.prior, 1.0, -1.0)
        block = rng.standard_normal((num_samples, self.root.shape[1])) @ self.root.T
        others = rng.standard_normal((num_samples, self.scales.size)) * self.scales
        return labels[:, None] * self.mean + np.concatenate([block, others], axis=1), labels

    def accuracy(self, theta: ArrayLike, intercept: float = 0.0) -> float:
        """P(y (z.theta + b) > 0) = pi Phi((m + b)/s) + (1 - pi) Phi((m - b)/s), exactly.

        m = nu.theta and s^2 = theta^T S theta.
        """
        direction = np.asarray(theta, dtype=float)
        if direction.shape != self.mean.shape:
            raise InvalidInput(f"theta must have {self.dimension} entries, got {direction.shape}")
        k = self.root.shape[0]
        spread = np.hypot(
            np.linalg.norm(direction[:k] @ self.root), np.linalg.norm(direction[k:] * self.scales)
        )
        if not spread > 0:
            raise InvalidInput("theta must have positive variance under the features")
        shift = float(direction @ self.mean)
        plus, minus = ndtr((shift + intercept) / spread), ndtr((shift - intercept) / spread)
        return float(self.prior * plus + (1 - self.prior) * minus)


def at_dimension(
    mixture: Mixture, dimension: int, projector: Projector | None = None
) -> GaussianFeatures:
    """The finite-dimensional version of a mixture behind a projector (default: no projector).

    The block keeps its directions; the p - k others are shared out among the bulk's eigenvalues
    by their weights, by largest remainder. A mixture of explicit arrays has no bulk: `dimension`
    must be the number of its outputs. Raises InvalidInput where p does not fit.
    """
    mean, covariance = mixture.symmetric_pair()
    if np.ndim(mean) != 1 or np.ndim(mixture.prior) != 0:
        raise InvalidInput("one mixture is sampled at a time, got a batch of them")
    head = (Gain() if projector is None else projector).matrix(mean)
    root = head @ matrix_root(covariance)
    others = dimension - root.shape[0]
    if others < 0 or (others > 0 and mixture.bulk_weights.size == 0):
        raise InvalidInput(
            f"dimension must be {'at least ' if others < 0 else ''}{root.shape[0]} for this "
            f"mixture, got {dimension}"
        )
    scales = np.sqrt(
        np.repeat(mixture.bulk_of(mixture.classes[0]), shares(mixture.bulk_weights, others))
    )
    nu = np.concatenate([head @ mean, np.zeros(others)])
    return GaussianFeatures(nu, root, scales, prior=float(mixture.prior))


def matrix_root(covariance: Array) -> Array:
    """A root of a positive semi-definite matrix, by eigenvalues: it may be singular."""
    values, vectors = scipy.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def shares(weights: Array, total: int) -> NDArray[np.intp]:
    """`total` split in proportion to `weights`, by largest remainder."""
    if weights.size == 0:
        return np.zeros(0, dtype=np.intp)
    exact = total * weights / np.sum(weights)
    counts = np.floor(exact).astype(np.intp)
    largest = np.argsort(counts - exact, kind="stable")[: total - int(np.sum(counts))]
    counts[largest] += 1
    return counts
