"""Truncated power series sum_k a_k h^k as arrays a of shape (terms, ...), for exact derivatives."""

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


def compose(a: Array, inner: Array) -> Array:
    """a(inner(h)) for a series with inner_0 = 0 (Horner)."""
    result = np.zeros_like(a)
    for coefficient in a[::-1]:
        result = multiply(result, inner)
        result[0] += coefficient
    return result


def revert(a: Array) -> Array:
    """The inverse series of a_1 h + a_2 h^2 + ... (a_0 is ignored), a_1 != 0, by Newton.

    Each pass of b <- b - (a(b) - h)/a_1 makes at least one more coefficient exact.
    """
    rising = a.copy()
    rising[0] = 0.0
    result = np.zeros_like(a)
    for _ in range(1, len(a)):
        error = -compose(rising, result) / a[1]
        error[1] += 1 / a[1]
        result = result + error
    return result
