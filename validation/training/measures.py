"""What a linear head W does to the signal direction: gain, expansion measure, alignment.

W is (S, k, d), S heads; muhat is (d,). All are invariant to rotations of the output of the head.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_gain(xp: ModuleType, weights: Any, direction: Any) -> Any:
    """log a, a^2 = |W muhat|^2 (d-1)/(|W|_F^2 - |W muhat|^2), shape (S,).

    The root mean square over the d - 1 noise directions is what the signal is compared with; a
    head with k < d outputs of equal weight, signal included, has a^2 larger than that among its
    own k - 1 noise directions by (d-1)/(k-1).
    """
    signal, total = _energies(xp, weights, direction)
    return 0.5 * xp.log(signal * (weights.shape[-1] - 1) / (total - signal))


def log_noise_scale(xp: ModuleType, weights: Any, direction: Any) -> Any:
    """log of the root mean square of |W v| over the d - 1 noise directions v, shape (S,)."""
    signal, total = _energies(xp, weights, direction)
    return 0.5 * xp.log((total - signal) / (weights.shape[-1] - 1))


def expansion_measure(xp: ModuleType, weights: Any, direction: Any) -> Any:
    """EM = d |W muhat|^2/|W|_F^2 of GMZ, shape (S,); in 0..d, 1 for an isotropic head."""
    signal, total = _energies(xp, weights, direction)
    return weights.shape[-1] * signal / total


def alignment(xp: ModuleType, weights: Any, direction: Any) -> Any:
    """cos(muhat, W^T W muhat), shape (S,): 1 just where muhat is an eigenvector of W^T W."""
    image = _column(weights, direction) @ weights  # muhat^T W^T W, (S, 1, d)
    along = (image @ direction)[:, 0]
    return along / xp.sqrt(xp.sum(image[:, 0] * image[:, 0], axis=-1))


def eigenvector_alignment(weights: Array, direction: Array) -> Array:
    """max over the eigenvectors v of W^T W of |v.muhat|, shape (S,), by full diagonalisation.

    Well defined only where the eigenvalue of v is simple: at a = 1 every direction is one.
    """
    _, vectors = np.linalg.eigh(weights.swapaxes(1, 2) @ weights)
    return np.max(np.abs(direction @ vectors), axis=-1)


def _energies(xp: ModuleType, weights: Any, direction: Any) -> tuple[Any, Any]:
    """|W muhat|^2 and |W|_F^2, (S,)."""
    column = _column(weights, direction)[:, 0]
    flat = weights.reshape(weights.shape[0], 1, -1)
    return xp.sum(column * column, axis=-1), (flat @ flat.swapaxes(1, 2))[:, 0, 0]


def _column(weights: Any, direction: Any) -> Any:
    """(W muhat)^T as a row, (S, 1, k)."""
    return (weights @ direction)[:, None, :]
