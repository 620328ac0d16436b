"""K Gaussian classes with means in a finite block, one covariance, and a bulk of pure noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]

MOST_CLASSES = 10


@dataclass(frozen=True)
class MulticlassMixture:
    """z | k ~ N(mu_k, S), P(k) = pi_k, S = block covariance + bulk (multiclass.md, setting).

    means: mu_k of order one, (K, r), in a block of r directions, 2 <= K <= 10.
    covariance: S on the block, (r, r), symmetric, positive semi-definite.
    priors: pi_k > 0, (K,), summing to 1.
    bulk_eigenvalues, bulk_weights: variances >= 0 outside the block and the fraction of the p
        dimensions that each takes; the block has weight zero.

    Raises InvalidInput.
    """

    means: Array
    covariance: Array
    priors: Array
    bulk_eigenvalues: Array
    bulk_weights: Array

    def __post_init__(self) -> None:
        if self.means.ndim != 2 or not (2 <= len(self.means) <= MOST_CLASSES and self.means.size):
            raise InvalidInput(
                f"means must be K rows of r numbers with K in 2..{MOST_CLASSES}, got the shape "
                f"{self.means.shape}"
            )
        r = self.means.shape[1]
        if self.covariance.shape != (r, r):
            raise InvalidInput(f"covariance must be {r} x {r}, got {self.covariance.shape}")
        for name in ("means", "covariance", "priors", "bulk_eigenvalues", "bulk_weights"):
            if not np.all(np.isfinite(getattr(self, name))):
                raise InvalidInput(f"{name} must be finite")
        if self.priors.shape != (self.classes,) or np.any(self.priors <= 0):
            raise InvalidInput(
                f"priors must be {self.classes} numbers > 0, got {self.priors.tolist()}"
            )
        if abs(self.priors.sum() - 1) > 1e-9 or abs(self.bulk_weights.sum() - 1) > 1e-9:
            raise InvalidInput("priors, and bulk_weights, must each sum to 1")
        if np.any(self.bulk_weights < 0) or np.any(self.bulk_eigenvalues < 0):
            raise InvalidInput("bulk_weights and bulk_eigenvalues must be >= 0")
        if not np.any(self.bulk_weights * self.bulk_eigenvalues > 0):
            raise InvalidInput("bulk_eigenvalues: at least one must be > 0 with a weight > 0")
        if not np.allclose(self.covariance, self.covariance.T, rtol=1e-10, atol=1e-14):
            raise InvalidInput("covariance must be symmetric")
        values = np.linalg.eigvalsh(self.covariance)
        if values[0] < -1e-10 * max(values[-1], 0.0):
            raise InvalidInput(f"covariance has the eigenvalue {values[0]:.6g}, must be >= 0")

    @property
    def classes(self) -> int:
        """K."""
        return len(self.means)

    def behind(self, head: Array) -> MulticlassMixture:
        """The mixture of W z: means W mu_k, block covariance W S W^T, the bulk as it is."""
        return MulticlassMixture(
            self.means @ head.T,
            head @ self.covariance @ head.T,
            self.priors,
            self.bulk_eigenvalues,
            self.bulk_weights,
        )

    def simplex_radius(self) -> float | None:
        """R if mu_k . mu_l = R^2 (K d_kl - 1)/(K-1), priors are equal and S = s I; else None."""
        k = self.classes
        gram = self.means @ self.means.T
        radius = float(np.sqrt(np.trace(gram) / k))
        target = radius**2 * (k * np.eye(k) - 1) / (k - 1)
        scale = self.covariance[0, 0]
        isotropic = np.allclose(self.covariance, scale * np.eye(len(self.covariance)), 1e-13, 1e-14)
        simple = np.allclose(gram, target, rtol=1e-12, atol=1e-13 * max(radius**2, 1e-300))
        return radius if isotropic and simple and np.ptp(self.priors) < 1e-14 else None


def multiclass_mixture(
    means: ArrayLike,
    priors: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    bulk_eigenvalues: ArrayLike = (1.0,),
    bulk_weights: ArrayLike = (1.0,),
) -> MulticlassMixture:
    """Means in any position (K, r); priors are equal and the block covariance I if absent."""
    mu = np.atleast_2d(np.asarray(means, dtype=float))
    count, r = mu.shape[0], mu.shape[-1]
    return MulticlassMixture(
        mu,
        np.eye(r) if covariance is None else np.asarray(covariance, dtype=float),
        np.full(count, 1 / count) if priors is None else np.asarray(priors, dtype=float),
        np.asarray(bulk_eigenvalues, dtype=float),
        np.asarray(bulk_weights, dtype=float),
    )


def simplex_means(classes: int, signal: float) -> Array:
    """K means at distance R = `signal` from 0 and from one another equally far, (K, K - 1)."""
    if not 2 <= classes <= MOST_CLASSES:
        raise InvalidInput(f"classes must lie in 2..{MOST_CLASSES}, got {classes}")
    if not (np.isfinite(signal) and signal >= 0):
        raise InvalidInput(f"signal must be finite and >= 0, got {signal}")
    return signal * np.sqrt(classes / (classes - 1)) * contrast_basis(classes)


def contrast_basis(classes: int) -> Array:
    """B, (K, K - 1): orthonormal columns that span the logits of sum zero, B B^T = I - 11^T/K."""
    return np.asarray(scipy.linalg.helmert(classes).T)
