"""Level sets of a function known on a grid: topology from the grid, places by root finding.

Marching squares on the signs gives the branches; every vertex lies on an edge of the grid and is
then found on it, so that a branch is as exact as the function. A branch that fits between
neighbouring points of one sign is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from scipy.optimize.elementwise import find_root

Array = NDArray[np.float64]
Points = Mapping[str, Array]

_TOLERANCE = 1e-9  # of a crossing, as a fraction of the segment that brackets it


def cross_segments(
    function: Callable[[Points], Array], left: Points, right: Points
) -> dict[str, Array]:
    """The points between `left` and `right` where `function` changes sign, one for each pair.

    `left` and `right` map parameter names to flat arrays: the ends of straight segments across
    which the function has two signs. A segment on which that fails gives nan.
    """
    segments = np.arange(next(iter(left.values())).size)

    def along(fraction: Array, segment: NDArray[np.intp]) -> Array:
        place = {
            name: left[name][segment] + fraction * (right[name] - left[name])[segment]
            for name in left
        }
        return function(place)

    found = find_root(
        along,
        (np.zeros(segments.size), np.ones(segments.size)),
        args=(segments,),
        tolerances={"xatol": _TOLERANCE},
    )
    return {name: left[name] + found.x * (right[name] - left[name]) for name in left}


def level_lines(
    values: Array,
    axes: Mapping[str, Array],
    cross: Callable[[Points, Points], dict[str, Array]],
) -> list[tuple[Array, Array]]:
    """The branches of {values = 0} as (x, y) vertices in order.

    values: (y, x), nan where unknown. axes: the two parameters, x first. cross: the exact crossings
    of segments, as `cross_segments`. A branch goes on past an edge whose end is unknown.
    """
    if not (np.any(values > 0) and np.any(values < 0)):
        return []
    # vertices in index space: each lies on an edge of the grid, one coordinate whole
    traced = contour_generator(z=np.ma.masked_invalid(np.sign(values))).lines(0.0)
    lines = [np.asarray(line) for line in traced]
    if not lines:
        return []
    vertices = np.concatenate(lines)
    left, right = (
        {
            name: axis[whole(vertices[:, i]).astype(int)]
            for i, (name, axis) in enumerate(axes.items())
        }
        for whole in (np.floor, np.ceil)
    )
    place = cross(left, right)
    exact = np.stack([place[name] for name in axes], axis=1)
    parts = np.split(exact, np.cumsum([len(line) for line in lines])[:-1])
    known = [part[np.isfinite(part).all(axis=1)] for part in parts]
    return [(part[:, 0], part[:, 1]) for part in known]
