"""All local maxima along one parameter: scan, cut at jumps, roots of the exact slope.

The function is known through its height V and slope V'(x), x the log of a parameter, for a batch of
problems. A maximum is a sign change of V' from + to - inside an interval, an end of the range
towards which V rises, a plateau on which V' is zero to rounding, or the upper side of a jump.
Two maxima between neighbouring nodes of the scan are found only if they spoil the trapezoidal rule
there: V(right) - V(left) = h (V'(left) + V'(right))/2 to a tenth, else the interval is halved.
Derivation: optimal.md, local maxima.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize.elementwise import find_root

Array = NDArray[np.float64]
Index = NDArray[np.intp]

INTERIOR = "interior"
LOWER, UPPER = "at the lower end", "at the upper end"
FLAT = "flat"
JUMP = "at a jump"
BESIDE_UNSOLVED = "beside unsolved points"
NOT_CONVERGED = "not converged"

STEP = 5e-3  # of the differences of exact slopes that give a curvature
_SAFETY = 4.0  # a slope below this multiple of its error bound has no sign
_TRAPEZOID = 0.1
_HEIGHT_ROUNDING = 1e-10
_JUMP_WIDTH = 1e-9
_MOST_HALVINGS = 40
_LOCATED = 1e-6  # largest error of x at an interior maximum


@dataclass(frozen=True)
class Slopes:
    """Height V, slope V' and a bound on the slope's error, flat; nan where V is not known."""

    height: Array
    slope: Array
    noise: Array


@dataclass(frozen=True)
class Nodes(Slopes):
    """Slopes at places x of problems, sorted by problem and x."""

    problem: Index
    x: Array

    def merged(self, other: Nodes) -> Nodes:
        """Both, sorted."""
        names = [field.name for field in fields(self)]
        joined = [np.concatenate([getattr(self, n), getattr(other, n)]) for n in names]
        order = np.lexsort([joined[names.index("x")], joined[names.index("problem")]])
        return Nodes(*(values[order] for values in joined))


@dataclass(frozen=True)
class Maxima:
    """Local maxima, flat: the problem of each, its place x, and the evidence.

    slope, noise: V' at x and the bound on its error. curvature: V'', nan unless interior.
    location_error: (|V'| + noise)/|V''|, of an interior x; nan elsewhere. plateau_low, _high:
    ends of the nodes on which V' is zero to rounding, nan where there is no such piece.
    """

    problem: Index
    x: Array
    height: Array
    slope: Array
    noise: Array
    curvature: Array
    location_error: Array
    plateau_low: Array
    plateau_high: Array
    status: NDArray[np.str_]


Function = Callable[[Array, Index], Slopes]


def local_maxima(function: Function, low: Array, high: Array, count: int) -> Maxima:
    """The maxima of function(x, problem) for x between `low` and `high`, (problems,) each.

    `count` nodes are scanned a problem. A problem with no known node has no entry.
    """
    x = np.linspace(low, high, count, axis=1)
    problem = np.broadcast_to(np.arange(low.size)[:, None], x.shape)
    nodes = _refine(function, _evaluate(function, x.ravel(), problem.ravel()))
    found = list(_candidates(nodes))
    status = np.array([c.status for c in found], dtype="<U32")
    left, right = (np.array([getattr(c, n) for c in found], dtype=np.intp) for n in ("a", "b"))
    owner = nodes.problem[left]
    place = np.array([c.x for c in found], dtype=float)
    inside = np.flatnonzero(status == INTERIOR)
    if inside.size:
        root = find_root(
            lambda at, k: function(at, k).slope,
            (nodes.x[left[inside]], nodes.x[right[inside]]),
            args=(owner[inside],),
            tolerances={"xatol": 1e-12},
        )
        place[inside] = root.x
    at = function(place, owner)
    curvature, error = np.full(owner.size, np.nan), np.full(owner.size, np.nan)
    if inside.size:
        ends = low[owner[inside]], high[owner[inside]]
        curvature[inside], sound = _bend(function, place[inside], owner[inside], *ends)
        size = np.abs(at.slope[inside]) + at.noise[inside]
        error[inside] = size / np.abs(curvature[inside])
        status[inside[~(sound & (error[inside] < _LOCATED))]] = NOT_CONVERGED
    # the middle of a plateau can be unsolved between nodes that are
    status[~np.isfinite(at.height)] = NOT_CONVERGED
    level = (right > left) & np.isnan(curvature)
    start, stop = (np.where(level, nodes.x[node], np.nan) for node in (left, right))
    return Maxima(
        *(owner, place, at.height, at.slope, at.noise),
        *(curvature, error, start, stop, status),
    )


def _bend(
    function: Function, x: Array, problem: Index, low: Array, high: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """V'' by differences of the exact slope, and whether the slope falls through zero there."""
    step = np.minimum(STEP, np.minimum(x - low, high - x) / 2)
    stencil = np.array([-2, -1, 1, 2])[:, None] * step
    slope = function((x + stencil).ravel(), np.tile(problem, 4)).slope.reshape(4, -1)
    curvature = (8 * (slope[2] - slope[1]) - (slope[3] - slope[0])) / (12 * step)
    return curvature, (slope[1] > 0) & (slope[2] < 0) & (curvature < 0)


def _evaluate(function: Function, x: Array, problem: Index) -> Nodes:
    at = function(x, problem)
    return Nodes(at.height, at.slope, at.noise, problem, x)


def _refine(function: Function, nodes: Nodes) -> Nodes:
    """Halve the intervals on which heights and slopes disagree, down to a jump."""
    for _ in range(_MOST_HALVINGS):
        rough = np.flatnonzero(_disagrees(nodes) & (np.diff(nodes.x) > _JUMP_WIDTH))
        if rough.size == 0:
            break
        middle = 0.5 * (nodes.x[rough] + nodes.x[rough + 1])
        nodes = nodes.merged(_evaluate(function, middle, nodes.problem[rough]))
    return nodes


def _disagrees(nodes: Nodes) -> NDArray[np.bool_]:
    """Where neighbouring nodes of one problem break the trapezoidal rule; nan does not."""
    step = np.diff(nodes.x)
    slope, noise = nodes.slope, nodes.noise
    rise = np.diff(nodes.height)
    missed = np.abs(rise - 0.5 * step * (slope[1:] + slope[:-1]))
    steepest = np.maximum(np.abs(slope[1:]), np.abs(slope[:-1]))
    allowed = step * (_TRAPEZOID * steepest + _SAFETY * (noise[1:] + noise[:-1]))
    return (np.diff(nodes.problem) == 0) & (missed > allowed + _HEIGHT_ROUNDING)


@dataclass(frozen=True)
class _Candidate:
    """A maximum between the nodes a and b: to be found there, or at x."""

    a: int
    b: int
    status: str
    x: float = np.nan


def _candidates(nodes: Nodes) -> Iterator[_Candidate]:
    """From the runs of one sign of the slope within stretches of known, connected nodes."""
    known = np.isfinite(nodes.slope)
    sign = np.where(np.abs(nodes.slope) <= _SAFETY * nodes.noise, 0, np.sign(nodes.slope))
    jump = _disagrees(nodes) & (np.abs(np.diff(nodes.height)) > 10 * _HEIGHT_ROUNDING)
    jump &= np.diff(nodes.x) <= _JUMP_WIDTH
    linked = (np.diff(nodes.problem) == 0) & known[1:] & known[:-1] & ~jump
    places = np.flatnonzero(known)
    for stretch in (
        np.split(places, np.flatnonzero(~linked[places[:-1]]) + 1) if places.size else ()
    ):
        cuts = np.flatnonzero(np.diff(sign[stretch])) + 1
        runs = [(sign[run[0]], int(run[0]), int(run[-1])) for run in np.split(stretch, cuts)]
        lower = _edge(nodes, int(stretch[0]), -1)
        upper = _edge(nodes, int(stretch[-1]), 1)
        yield from _of_stretch(nodes.x, runs, lower, upper)


def _edge(nodes: Nodes, node: int, way: int) -> str | None:
    """What ends a stretch at `node`; None where a jump leads up, so that it is no maximum."""
    beyond = node + way
    if not 0 <= beyond < nodes.x.size or nodes.problem[beyond] != nodes.problem[node]:
        return UPPER if way > 0 else LOWER
    if not np.isfinite(nodes.slope[beyond]):
        return BESIDE_UNSOLVED
    return JUMP if nodes.height[node] > nodes.height[beyond] else None


def _of_stretch(
    x: Array, runs: list[tuple[float, int, int]], lower: str | None, upper: str | None
) -> Iterator[_Candidate]:
    """The maxima of one stretch from its runs (sign, first node, last node)."""
    last_run = len(runs) - 1
    for k, (sign, first, last) in enumerate(runs):
        starts, ends = k == 0, k == last_run
        if sign < 0:
            if starts and lower:
                yield _Candidate(first, first, lower, x[first])
        elif sign > 0:
            if ends and upper:
                yield _Candidate(last, last, upper, x[last])
            elif not ends and runs[k + 1][0] < 0:
                yield _Candidate(last, runs[k + 1][1], INTERIOR)
        else:
            before = lower if starts else (INTERIOR if runs[k - 1][0] > 0 else None)
            after = upper if ends else (INTERIOR if runs[k + 1][0] < 0 else None)
            if before is None or after is None:
                continue
            if not starts and not ends and first == last:
                yield _Candidate(runs[k - 1][2], runs[k + 1][1], INTERIOR)
            elif starts == ends:
                yield _Candidate(first, last, FLAT, 0.5 * (x[first] + x[last]))
            else:
                status, at = (before, first) if starts else (after, last)
                yield _Candidate(first, last, status, x[at])
