"""A damped Newton method for a batch of small systems, and its continuation in a parameter.

Knows nothing of the equations: a `System` has a residual with a Jacobian and can be restricted to
some of its points. Every accepted step reduces the largest residual of its point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Points = NDArray[np.intp]

# unknowns are logarithms or of order one: no step is longer than a factor of 20
_LONGEST_STEP = 3.0
_MOST_STEPS = 200


class System(Protocol):
    """A batch of square systems of equations."""

    def take(self, points: Points) -> Self:
        """The systems of the given points."""
        ...

    def residual(self, x: Array, nodes: int) -> tuple[Array, Array]:
        """(residual, Jacobian), shapes (unknowns, points) and (unknowns, unknowns, points)."""
        ...


def newton_step(residual: Array, jacobian: Array) -> Array:
    """-J^{-1} r per point; zero where either is not finite or J is singular.

    Gaussian elimination with partial pivoting over all points at once: for a few unknowns many
    times as fast as a call of LAPACK a point.
    """
    rows = np.concatenate([jacobian, residual[:, None]], axis=1)
    size = len(residual)
    with np.errstate(all="ignore"):
        for k in range(size):
            if k < size - 1:
                _swap_in_largest_pivot(rows, k)
            rows[k, k + 1 :] /= rows[k, k]
            for other in range(k + 1, size):
                rows[other, k + 1 :] -= rows[other, k] * rows[k, k + 1 :]
        step = -rows[:, -1]
        for k in reversed(range(size - 1)):
            step[k] -= np.einsum("ip,ip->p", rows[k, k + 1 : -1], step[k + 1 :])
    return np.where(np.isfinite(step).all(axis=0), step, 0.0)


def _swap_in_largest_pivot(rows: Array, k: int) -> None:
    """Exchange row k with the row below it whose entry in column k is largest, per point."""
    pivot = k + np.argmax(np.abs(rows[k:, k]), axis=0)
    points = np.flatnonzero(pivot != k)
    if points.size:
        kept = rows[k][:, points]
        rows[k][:, points] = rows[pivot[points], :, points].T
        rows[pivot[points], :, points] = kept.T


def largest(residual: Array) -> Array:
    """max_i |r_i| per point, infinite where anything is not finite."""
    size = np.abs(residual).max(axis=0)
    return np.where(np.isfinite(size), size, np.inf)


def newton(
    system: System, x: Array, nodes: int, tolerance: float, iterations: int = 60
) -> tuple[Array, Array]:
    """Solve residual(x) = 0 from `x` (unknowns, points); returns (x, largest residual).

    Steps are cut to length 3 and shortened until the residual falls; a point stops when its
    residual is below `tolerance` or no step reduces it.
    """
    x = x.copy()
    residual, jacobian = system.residual(x, nodes)
    size = largest(residual)
    active = np.flatnonzero(np.isfinite(size) & (size > tolerance))
    for _ in range(iterations):
        if not active.size:
            break
        step = newton_step(residual[:, active], jacobian[:, :, active])
        length = np.minimum(1.0, _LONGEST_STEP / np.maximum(np.abs(step).max(axis=0), 1e-300))
        moved = np.zeros(active.size, dtype=bool)
        for _ in range(10):
            trial = np.flatnonzero(~moved)
            points = active[trial]
            attempt = x[:, points] + length[trial] * step[:, trial]
            r, j = system.take(points).residual(attempt, nodes)
            better = largest(r) < size[points] * (1 - 1e-3 * length[trial])
            kept = points[better]
            x[:, kept], size[kept] = attempt[:, better], largest(r)[better]
            residual[:, kept], jacobian[:, :, kept] = r[:, better], j[:, :, better]
            moved[trial[better]] = True
            length[trial[~better]] *= 0.3
            if moved.all():
                break
        active = active[moved & (size[active] > tolerance)]
    return x, size


def continuation(
    at: Callable[[Points, Array], System],
    x: Array,
    start: Array,
    end: Array,
    nodes: int,
    tolerance: float,
    stride: float = 3.4,
) -> tuple[Array, Array]:
    """Follow a solution `x` at parameter `start` down to `end`, point by point adaptive.

    `at(points, parameter)` is the system of those points at those parameter values. Predicts
    along the secant, corrects by Newton, lengthens the step (first `stride`) after a success and
    cuts it after a failure. Returns (x, largest residual), infinite where the path was lost.
    """
    x, size = x.copy(), np.full(start.size, np.inf)
    here, slope, stride_of = start.copy(), np.zeros_like(x), np.full(start.size, stride)
    active = np.flatnonzero(here > end)
    for _ in range(_MOST_STEPS):
        if not active.size:
            break
        there = np.maximum(here[active] - stride_of[active], end[active])
        guess = x[:, active] + slope[:, active] * (there - here[active])
        found, left = newton(at(active, there), guess, nodes, tolerance, iterations=8)
        good = left <= tolerance
        kept = active[good]
        slope[:, kept] = (found[:, good] - x[:, kept]) / (there[good] - here[kept])
        x[:, kept], here[kept], size[kept] = found[:, good], there[good], left[good]
        stride_of[kept] *= 1.6
        stride_of[active[~good]] *= 0.3
        active = active[(here[active] > end[active]) & (stride_of[active] > 1e-4 * stride)]
    return x, np.where(here > end, np.inf, size)
