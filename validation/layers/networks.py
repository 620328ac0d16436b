"""Linear networks z = W_L ... W_1 h with full weight matrices, S of them side by side.

W_l is (S, k_l, k_{l-1}), k_0 = d; views and embeddings are (S, n, k_l). P_l = W_l ... W_1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]


def balanced_start(
    depth: int,
    outputs: int,
    dimension: int,
    scale: float,
    replicas: int,
    rng: np.random.Generator,
) -> list[Array]:
    """W_1 = w_0 U, W_l = w_0 I for l > 1: W_{l+1}^T W_{l+1} = W_l W_l^T = w_0^2 I.

    U (k x d) has orthonormal rows: I for k = d, drawn at random for each replica for k < d.
    Raises InvalidInput for a depth below 2, k outside 1..d or a scale that is not positive.
    """
    if depth < 2:
        raise InvalidInput(f"depth must be at least 2 (an encoder and a head), got {depth}")
    if not 1 <= outputs <= dimension:
        raise InvalidInput(f"outputs must lie in 1..{dimension}, got {outputs}")
    if not (np.isfinite(scale) and scale > 0):
        raise InvalidInput(f"start must be finite and > 0, got {scale}")
    first = np.broadcast_to(np.eye(dimension), (replicas, dimension, dimension))
    if outputs < dimension:
        first = np.linalg.qr(rng.standard_normal((replicas, dimension, outputs)))[0]
        first = first.swapaxes(1, 2)
    later = np.broadcast_to(np.eye(outputs), (replicas, outputs, outputs))
    return [scale * first] + [scale * later for _ in range(depth - 1)]


def activations(weights: Sequence[Array], views: Array) -> list[Array]:
    """[h, P_1 h, ..., P_L h]."""
    layers = [views]
    for matrix in weights:
        layers.append(layers[-1] @ matrix.swapaxes(1, 2))
    return layers


def gradients(weights: Sequence[Array], layers: Sequence[Array], slope: Array) -> list[Array]:
    """dL/dW_l from dL/dZ = `slope`: with D_L = slope and D_{l-1} = D_l W_l, G_l = D_l^T X_{l-1}."""
    found = []
    for matrix, inputs in zip(reversed(weights), reversed(layers[:-1]), strict=True):
        found.append(slope.swapaxes(1, 2) @ inputs)
        slope = slope @ matrix
    return found[::-1]


def products(weights: Sequence[Array]) -> list[Array]:
    """[P_1, ..., P_L]."""
    found = [weights[0]]
    for matrix in weights[1:]:
        found.append(matrix @ found[-1])
    return found
