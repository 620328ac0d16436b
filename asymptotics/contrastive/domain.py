"""Domains of the numbers a user passes: one clear line for each value outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]


def at_least(name: str, value: ArrayLike, bound: float, *, strict: bool = False) -> Array:
    """`value` as a float array, every element finite and >= `bound` (> if `strict`)."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name}={value!r} is not a number or an array of numbers") from None
    good = np.isfinite(array) & ((array > bound) if strict else (array >= bound))
    if not np.all(good):
        worst = array[~good].ravel()[0]
        sign = ">" if strict else ">="
        raise InvalidInput(f"{name}={worst:g} must be a finite number {sign} {bound:g}")
    return array


def share(name: str, value: ArrayLike, *, below_one: bool = False) -> Array:
    """`value` as a float array, every element in [0, 1] (in [0, 1) if `below_one`)."""
    array = at_least(name, value, 0.0)
    good = array < 1 if below_one else array <= 1
    if not np.all(good):
        interval = "[0, 1)" if below_one else "[0, 1]"
        raise InvalidInput(f"{name}={array[~good].ravel()[0]:g} must be in {interval}")
    return array
