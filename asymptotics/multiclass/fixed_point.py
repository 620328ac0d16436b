"""Anderson's acceleration of a fixed-point map, damped where the map overshoots.

scipy.optimize.anderson diverges on these maps, whose first sweeps overshoot by orders of magnitude;
here a step that makes the residual much worse goes back to the best point and halves the mixing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import NotConverged

Array = NDArray[np.float64]

_WINDOW = 8
_LEAST_MIXING = 0.02
# steps without a gain that count as a failure
_IDLE = 30


@dataclass(frozen=True)
class FixedPoint:
    """x; residual: max |image(x) - x|, undamped; distance: max |x* - x|.

    The root x* is estimated by one more accelerated step, which knows the slow directions that a
    residual does not show.
    """

    x: Array
    residual: float
    distance: float


def fixed_point(
    image: Callable[[Array], Array], start: Array, tolerance: float, most_sweeps: int = 300
) -> FixedPoint:
    """The point with a residual of at most `tolerance`, or the best that was found.

    With the move f(x) = image(x) - x, the next point is x + beta f of the combination of the last
    9 points, of sum 1, whose moves combine to the shortest (Anderson 1965); beta is 1 until a step
    fails, or many bring nothing. Coordinates are of order one. image may raise LinAlgError or
    NotConverged.
    """
    x, mixing, least, distance = start, 1.0, np.inf, np.inf
    best, best_move = start, np.zeros_like(start)
    idle = 0
    points: list[Array] = []
    moves: list[Array] = []
    for _ in range(most_sweeps):
        try:
            move = image(x) - x
            size = float(np.max(np.abs(move)))
        except (np.linalg.LinAlgError, NotConverged):
            if not moves:
                raise
            size = np.inf
        idle += 1
        if size < least:
            best, least, best_move, idle = x, size, move, 0
        elif not size <= 3 * least or idle > _IDLE:
            mixing = max(mixing / 2, _LEAST_MIXING)
            points, moves, idle = [best], [best_move], 0
            x = best + mixing * best_move
            continue
        points, moves = [*points[-_WINDOW:], x], [*moves[-_WINDOW:], move]
        after = _combined(points, moves, mixing)
        if size == least:
            distance = float(np.max(np.abs(after - x)))
        if least <= tolerance:
            break
        x = after
    return FixedPoint(best, least, distance)


def _combined(points: list[Array], moves: list[Array], mixing: float) -> Array:
    after = points[-1] + mixing * moves[-1]
    if len(points) == 1:
        return after
    steps = np.diff(np.array(points), axis=0)
    changes = np.diff(np.array(moves), axis=0)
    weights, *_ = np.linalg.lstsq(changes.T, moves[-1], rcond=1e-10)
    return np.asarray(after - weights @ (steps + mixing * changes))
