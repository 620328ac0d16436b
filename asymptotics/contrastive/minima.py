"""All local minima of a function on an interval, for many functions at once.

A minimum is a change of sign of the slope from minus to plus. The slope is scanned on a grid; an
interval is cut in four, again and again, as long as the second differences of the slope
leave room for a change of sign that its end values do not show:

    suspicious while the slope may turn,          |s_r - s_l| <= 2 |second difference|,
    and, if its ends have one sign, reach zero,   min(|s_l|, |s_r|) <= |second difference|

(where the slope is quadratic, the exact bounds are 1 and 1/8 in the place of 2 and 1; the rest is
a margin for what is not quadratic). What this assumes is that the
scan sees the slope's shape: a dip narrower than one interval of the first grid can be missed,
a wider one is followed down to ``4**-levels`` of an interval. Where that is still not enough
to tell (a tangency to rounding, a flat function), the function is reported as unresolved, not as
having one minimum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import elementwise

Array = NDArray[np.float64]
Elementwise = Callable[..., Array]
MOST_DOUBTFUL = 100  # suspicious intervals of one function; more mean a flat or noisy slope


@dataclass(frozen=True)
class Minima:
    """Local minima of P functions, as flat lists: minimum k belongs to function ``point[k]``.

    ``point``, ``position``: shape (M,), sorted by point, then by position.
    ``falls_at_upper``, ``rises_at_lower``, ``unresolved``: shape (P,); the first two say that the
    function is still lower beyond that end of the interval.
    """

    point: NDArray[np.intp]
    position: Array
    falls_at_upper: NDArray[np.bool_]
    rises_at_lower: NDArray[np.bool_]
    unresolved: NDArray[np.bool_]


@dataclass(frozen=True)
class _Intervals:
    point: NDArray[np.intp]
    left: Array
    right: Array
    slope_left: Array
    slope_right: Array
    bend: Array

    def __getitem__(self, chosen: NDArray[np.bool_]) -> _Intervals:
        return _Intervals(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def scan_grid(lower: Array, upper: Array, spacing: float, reach: float) -> Array:
    """Uniform nodes at most `spacing` apart from `lower` to `upper`, and doubling steps beyond.

    The slope of a loss bends in the core [lower, upper] and tends to constants outside, where few
    nodes suffice to reach `reach` further on both sides. Shape (P, K), one row per function.
    """
    intervals = int(np.ceil(np.max(upper - lower, initial=spacing) / spacing))
    core = lower[:, None] + (upper - lower)[:, None] * np.linspace(0.0, 1.0, intervals + 1)
    steps = spacing * np.cumsum(2.0 ** np.arange(np.ceil(np.log2(1.0 + reach / spacing))))
    return np.concatenate([lower[:, None] - steps[::-1], core, upper[:, None] + steps], axis=1)


def local_minima(
    slope: Elementwise,
    grid: Array,
    parameters: tuple[Array, ...] = (),
    *,
    scan: Elementwise | None = None,
    levels: int = 8,
    tolerance: float = 1e-13,
) -> Minima:
    """Every x within each row of `grid` where ``slope(x, *parameters)`` goes from minus to plus.

    `slope` is elementwise: it is called with one-dimensional arrays of one length and may return
    any smooth positive multiple of the derivative. `grid` has shape (P, K), K >= 3, each parameter
    has shape (P,). `scan` is a cheaper function with the sign of `slope` and about its values, that
    brackets the roots in its place. `levels` is the number of times an interval may be cut in four,
    `tolerance` the absolute accuracy in x (besides 4 ulp relative).

    The bracketing is described at the top of this module; the roots are polished by Chandrupatla's
    method (``scipy.optimize.elementwise.find_root``), which cannot leave its bracket.
    """
    repeated = tuple(np.repeat(parameter, grid.shape[1]) for parameter in parameters)
    scan = slope if scan is None else scan
    slopes = scan(grid.ravel(), *repeated).reshape(grid.shape)
    brackets, unresolved = _brackets(scan, grid, slopes, parameters, levels)
    position = _polish(slope, brackets, parameters, tolerance)
    order = np.lexsort((position, brackets.point))
    return Minima(
        point=brackets.point[order],
        position=position[order],
        falls_at_upper=slopes[:, -1] < 0,
        rises_at_lower=slopes[:, 0] >= 0,
        unresolved=unresolved,
    )


def _cut(point: NDArray[np.intp], grid: Array, slopes: Array) -> _Intervals:
    """The intervals between neighbouring nodes of each row, each with the largest bend about it.

    Four second differences, so that an inflection next to the interval does not hide its bend.
    """
    second = np.pad(np.abs(np.diff(slopes, 2, axis=1)), ((0, 0), (2, 2)), mode="edge")
    pairs = np.maximum(second[:, 1:], second[:, :-1])
    bend = np.maximum(pairs[:, 2:], pairs[:, :-2])
    owner = np.repeat(point, bend.shape[1])
    ends = grid[:, :-1], grid[:, 1:], slopes[:, :-1], slopes[:, 1:], bend
    return _Intervals(owner, *(end.ravel() for end in ends))


def _crossing(pieces: _Intervals) -> NDArray[np.bool_]:
    return (pieces.slope_left < 0) != (pieces.slope_right < 0)


def _suspicious(pieces: _Intervals) -> NDArray[np.bool_]:
    smaller = np.minimum(np.abs(pieces.slope_left), np.abs(pieces.slope_right))
    change = np.abs(pieces.slope_right - pieces.slope_left)
    return (change <= 2 * pieces.bend) & (_crossing(pieces) | (smaller <= pieces.bend))


def _brackets(
    slope: Elementwise, grid: Array, slopes: Array, parameters: tuple[Array, ...], levels: int
) -> tuple[_Intervals, NDArray[np.bool_]]:
    """Intervals that hold exactly one rising zero each, and the rows where that stays open."""
    pieces = _cut(np.arange(grid.shape[0]), grid, slopes)
    found = []
    unresolved = np.zeros(grid.shape[0], dtype=bool)
    for _ in range(levels):
        doubtful = _suspicious(pieces)
        found.append(pieces[~doubtful & (pieces.slope_left < 0) & (pieces.slope_right >= 0)])
        pieces = pieces[doubtful]
        crowd = np.bincount(pieces.point, minlength=grid.shape[0])
        unresolved |= crowd > MOST_DOUBTFUL
        pieces = _divide(slope, pieces[~unresolved[pieces.point]], parameters)
    doubtful = _suspicious(pieces)
    found.append(pieces[(pieces.slope_left < 0) & (pieces.slope_right >= 0)])
    unresolved[pieces.point[doubtful]] = True
    names = _Intervals.__dataclass_fields__
    joined = (np.concatenate([getattr(part, name) for part in found]) for name in names)
    return _Intervals(*joined), unresolved


def _divide(slope: Elementwise, pieces: _Intervals, parameters: tuple[Array, ...]) -> _Intervals:
    """Each interval cut in four, with the slope evaluated at the three new nodes."""
    fractions = np.linspace(0.0, 1.0, 5)
    grid = pieces.left[:, None] + (pieces.right - pieces.left)[:, None] * fractions
    grid[:, -1] = pieces.right
    slopes = np.empty_like(grid)
    slopes[:, 0], slopes[:, -1] = pieces.slope_left, pieces.slope_right
    repeated = tuple(np.repeat(parameter[pieces.point], 3) for parameter in parameters)
    slopes[:, 1:-1] = slope(grid[:, 1:-1].ravel(), *repeated).reshape(-1, 3)
    return _cut(pieces.point, grid, slopes)


def _polish(
    slope: Elementwise, brackets: _Intervals, parameters: tuple[Array, ...], tolerance: float
) -> Array:
    if brackets.point.size == 0:
        return np.empty(0)
    result = elementwise.find_root(
        slope,
        (brackets.left, brackets.right),
        args=tuple(parameter[brackets.point] for parameter in parameters),
        tolerances={"xatol": tolerance, "xrtol": 4 * np.finfo(float).eps, "fatol": 0, "frtol": 0},
        maxiter=200,
    )
    return np.asarray(result.x)
