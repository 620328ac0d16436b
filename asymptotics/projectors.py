"""Linear projection heads z = W h, and the geometry that they leave to the probe.

A projector acts on the block of a mixture, where the means live, and leaves the bulk as it is or
(explicit matrices) has no bulk to act on. Behind it, S = W Sigma W^T and nu = W mu.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput
from asymptotics.geometry import Spectrum
from asymptotics.mixture import Mixture

Array = NDArray[np.float64]


class Projector(Protocol):
    """A linear head."""

    def collapsed(self) -> NDArray[np.bool_]:
        """Where the head's gain along the mean is infinite."""
        ...

    def matrix(self, mean: Array) -> Array:
        """W on the block: (..., outputs, k), given the block mean (..., k) of the class +1."""
        ...


@dataclass(frozen=True)
class Gain:
    """W_a = I + (a - 1) muhat muhat^T: multiplies the signal direction by `gain` = a >= 0.

    1 is no projector, > 1 expansion, < 1 shrinkage, 0 removes the signal, and infinity is
    collapse: the limit a -> infinity after n, p -> infinity, in which the ridge no longer reaches
    the signal direction. Source: the expansion/shrinkage family of GMZ.
    """

    gain: ArrayLike = 1.0

    def __post_init__(self) -> None:
        a = np.asarray(self.gain, dtype=float)
        bad = a[~(a >= 0)]
        if bad.size:
            raise InvalidInput(f"gain must be >= 0, got {bad.flat[0]}")

    def collapsed(self) -> NDArray[np.bool_]:
        """Where a is infinite."""
        return np.isposinf(np.asarray(self.gain, dtype=float))

    def matrix(self, mean: Array) -> Array:
        """I + (a - 1) muhat muhat^T; the first direction stands for muhat where mu = 0.

        An infinite a counts as 0 here: `project` sets that direction apart.
        """
        a = np.where(self.collapsed(), 0.0, np.asarray(self.gain, dtype=float))
        try:
            np.broadcast_shapes(a.shape, mean.shape[:-1])
        except ValueError:
            raise InvalidInput(
                f"the shapes of gain {a.shape} and signal {mean.shape[:-1]} do not broadcast"
            ) from None
        a = a[..., None, None]
        size = np.linalg.norm(mean, axis=-1, keepdims=True)
        first = np.eye(mean.shape[-1])[0]
        direction = np.where(size > 0, mean / np.where(size > 0, size, 1.0), first)
        return np.eye(mean.shape[-1]) + (a - 1) * direction[..., :, None] * direction[..., None, :]


@dataclass(frozen=True)
class Directions:
    """W = I + sum_i (a_i - 1) v_i v_i^T: a gain of its own along each of several directions.

    directions: (r, k), orthonormal rows in the block of the mixture. gains: (..., r), a_i >= 0.
    """

    directions: ArrayLike
    gains: ArrayLike

    def __post_init__(self) -> None:
        v, a = np.asarray(self.directions, dtype=float), np.asarray(self.gains, dtype=float)
        if v.ndim != 2 or a.shape[-1:] != v.shape[:1]:
            raise InvalidInput(
                f"directions must be (r, k) with r gains, got the shapes {v.shape} and {a.shape}"
            )
        if not np.allclose(v @ v.T, np.eye(len(v)), atol=1e-12):
            raise InvalidInput("directions must be orthonormal")
        bad = a[~((a >= 0) & np.isfinite(a))]
        if bad.size:
            raise InvalidInput(f"gains must be finite and >= 0, got {bad.flat[0]}")

    def collapsed(self) -> NDArray[np.bool_]:
        """Nowhere."""
        return np.zeros((), dtype=bool)

    def matrix(self, mean: Array) -> Array:
        """I + sum_i (a_i - 1) v_i v_i^T."""
        v, a = np.asarray(self.directions, dtype=float), np.asarray(self.gains, dtype=float)
        if v.shape[1] != mean.shape[-1]:
            raise InvalidInput(
                f"directions must have {mean.shape[-1]} components like the means, got {v.shape[1]}"
            )
        return np.asarray(np.eye(v.shape[1]) + np.einsum("...r,ri,rj->...ij", a - 1, v, v))


def tilted(gain: ArrayLike, angle: float) -> Directions:
    """One gain along a direction at `angle` (degrees) to the mean, in a block of two directions."""
    radians = np.deg2rad(angle)
    return Directions(
        [[np.cos(radians), np.sin(radians)]], np.asarray(gain, dtype=float)[..., None]
    )


@dataclass(frozen=True)
class Matrix:
    """An explicit W, (outputs, k) on the block; it need not be invertible or square."""

    weights: Array

    def collapsed(self) -> NDArray[np.bool_]:
        """Nowhere."""
        return np.zeros((), dtype=bool)

    def matrix(self, mean: Array) -> Array:
        """W itself."""
        w = np.asarray(self.weights, dtype=float)
        if w.ndim != 2 or w.shape[1] != mean.shape[-1]:
            raise InvalidInput(
                f"projector must be a matrix of {mean.shape[-1]} columns, got the shape {w.shape}"
            )
        if not np.all(np.isfinite(w)):
            raise InvalidInput("projector must be finite")
        return w


def project(mixture: Mixture, projector: Projector) -> Spectrum:
    """The spectrum of S = W Sigma W^T with the squared components of nu = W mu.

    The block is diagonalised behind the head and its directions take the block's weight; the bulk
    follows with no mean. Eigenvalues below rounding of the largest count as zero, and so do the
    components of nu along them when they are below rounding of nu.
    """
    mean, covariance = mixture.symmetric_pair()
    head = projector.matrix(mean)
    sigma = head @ covariance @ np.swapaxes(head, -1, -2)
    nu = np.einsum("...ij,...j->...i", head, mean)
    values, vectors = np.linalg.eigh(sigma)
    components = np.einsum("...ij,...i->...j", vectors, nu)
    # a diagonal block is diagonalised exactly
    exact = np.array_equal(sigma, sigma * np.eye(sigma.shape[-1]))
    rounding = 0.0 if exact else 4 * mean.shape[-1] * np.finfo(float).eps
    null = values <= rounding * np.abs(values).max(axis=-1, keepdims=True)
    length = np.linalg.norm(nu, axis=-1, keepdims=True)
    lost = null & (np.abs(components) <= np.sqrt(rounding) * length)
    values = np.where(null, 0.0, values)
    squared = np.where(lost, 0.0, components**2)
    batch = values.shape[:-1]
    outputs, inputs = values.shape[-1], mean.shape[-1]
    # with explicit arrays the weights count the outputs: n/p is per output dimension
    block_weight = mixture.block_weight * inputs / outputs
    own = mixture.bulk_of(mixture.classes[0])
    bulk = np.broadcast_to(own, (*batch, own.shape[-1]))
    bulk_weights = np.broadcast_to(mixture.bulk_weights, bulk.shape)
    return Spectrum(
        np.concatenate([values, bulk], axis=-1),
        np.concatenate([np.full(values.shape, block_weight), bulk_weights], axis=-1),
        np.concatenate([squared, np.zeros_like(bulk)], axis=-1),
        _free_signal(mean, covariance, projector.collapsed()),
    )


def _free_signal(mean: Array, covariance: Array, collapsed: NDArray[np.bool_]) -> Array:
    """mu^T Sigma^{-1} mu where the gain along mu is infinite, else 0."""
    if not np.any(collapsed):
        return np.zeros(())
    if mean.shape[-1] > 1:
        raise InvalidInput("an infinite gain needs an isotropic mixture (--signal)")
    return np.where(collapsed, mean[..., 0] ** 2 / covariance[..., 0, 0], 0.0)
