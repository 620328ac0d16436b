"""Step length along a descent direction of a convex function, from its slope alone."""

from __future__ import annotations

from collections.abc import Callable

from scipy.optimize import brentq


def step_length(slope: Callable[[float], float], enough: float = 0.5) -> float:
    """t > 0 with |slope(t)| <= enough |slope(0)|; t = 1 whenever it qualifies.

    `slope` is the derivative of t -> f(x + t s), increasing, negative at 0. Values of f are never
    compared, so the search stays sharp where f itself has lost its digits. Returns 0 when the
    slope at 0 is not negative: rounding has been reached.
    """
    start = slope(0.0)
    if start >= 0:
        return 0.0
    lower, upper = 0.0, 1.0
    while (end := slope(upper)) < enough * start:
        lower, upper = upper, 2 * upper
        if upper > 2.0**60:
            return lower
    if end <= -enough * start:
        return upper
    return float(brentq(slope, lower, upper, xtol=1e-12 * upper, rtol=1e-9))
