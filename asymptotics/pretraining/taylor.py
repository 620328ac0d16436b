"""Arithmetic of truncated Taylor series: arrays of coefficients along the first axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def multiply(a: Array, b: Array) -> Array:
    """The product of two series (Cauchy)."""
    return np.stack([sum(a[i] * b[k - i] for i in range(k + 1)) for k in range(len(a))])


def reciprocal(a: Array) -> Array:
    """1/a for a_0 != 0."""
    result = [1 / a[0]]
    for k in range(1, len(a)):
        result.append(-sum(a[i] * result[k - i] for i in range(1, k + 1)) / a[0])
    return np.stack(result)
