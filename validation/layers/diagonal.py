"""The diagonal two-layer network with a symmetric ReLU, trained by gradient descent on batches.

    h_i = v_1i x_i,   hidden: z_i = v_2i S(h_i; b),   output: z_i = S(v_2i h_i; b),
    S(x; b) = relu(x - b) - relu(-x - b),   dS/dx = 1 for |x| > b, else 0.

Arrays: v_l (S, d), views and embeddings (S, n, d).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput, NotConverged
from validation.layers.training import Descent, draw_batches
from validation.layers.views import Views
from validation.training.objectives import Spectral
from validation.training.sampling import Stream

Array = NDArray[np.float64]


def diagonal_embeddings(
    first: Array, second: Array, views: Array, threshold: float, head: str
) -> Array:
    """z."""
    hidden = first[:, None] * views
    if head == "hidden":
        return second[:, None] * _shrink(hidden, threshold)
    return _shrink(second[:, None] * hidden, threshold)


def diagonal_gradients(
    first: Array, second: Array, views: Array, slope: Array, threshold: float, head: str
) -> tuple[Array, Array]:
    """(dL/dv_1, dL/dv_2) from dL/dz = `slope`."""
    hidden = first[:, None] * views
    if head == "hidden":
        passed = np.abs(hidden) > threshold
        outer = slope * _shrink(hidden, threshold)
    else:
        passed = np.abs(second[:, None] * hidden) > threshold
        outer = slope * passed * hidden
    inner = slope * passed * second[:, None] * views
    return inner.sum(axis=1), outer.sum(axis=1)


def train_diagonal(
    views: Views,
    threshold: float,
    head: str,
    start: tuple[float, float],
    descent: Descent,
    replicas: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """(v_1, v_2), each (S, d), at the end: spectral loss, v_l = start_l at the beginning.

    Raises InvalidInput for an unknown head, NotConverged where a weight is no longer finite.
    """
    if head not in ("hidden", "output"):
        raise InvalidInput(f"head must be hidden or output, got {head!r}")
    first, second = (np.full((replicas, views.dimension), float(value)) for value in start)
    stream, objective, n = Stream.of(rng), Spectral(), 2 * descent.batch_size
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(descent.steps):
            batch = draw_batches(views, replicas, descent.batch_size, stream)
            embeddings = diagonal_embeddings(first, second, batch, threshold, head)
            slope = objective.gradient(np, embeddings, slice(0, n))[1]
            pulls = diagonal_gradients(first, second, batch, slope, threshold, head)
            for weight, pull in zip((first, second), pulls, strict=True):
                weight -= descent.step * (pull + 2 * descent.decay * weight)
    if not (np.all(np.isfinite(first)) and np.all(np.isfinite(second))):
        raise NotConverged(f"training diverged at the step {descent.step:.3g}: take a smaller one")
    return first, second


def _shrink(x: Array, threshold: float) -> Array:
    """S(x; b)."""
    return np.maximum(x - threshold, 0.0) - np.maximum(-x - threshold, 0.0)
