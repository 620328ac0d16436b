"""Newton's method for many decreasing functions at once, held inside a bracket each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SMALL = 1e-8  # the error after a step is of the order of its square
_MOST_STEPS = 80


def decreasing_root(
    excess: Callable[[Array], tuple[Array, Array]], low: Array, high: Array, start: Array
) -> Array:
    """The root of every entry of `excess`, from its (value, slope); bisects where Newton leaves.

    Wants well-scaled unknowns: it stops when no step is longer than 1e-8. nan where the last of 80
    steps still was.
    """
    x, step = start, np.zeros_like(start)
    for _ in range(_MOST_STEPS):
        value, slope = excess(x)
        low, high = np.where(value > 0, x, low), np.where(value < 0, x, high)
        step = -value / slope
        inside = (low <= x + step) & (x + step <= high)
        step = np.where(inside, step, 0.5 * (low + high) - x)
        x = x + step
        if np.all(np.abs(step) < _SMALL):
            break
    return np.where(np.abs(step) < _SMALL, x, np.nan)
