"""The curves that divide the plane of N/p and augmentation, for one signal.

    transition   the first output begins to learn the signal                  (closed form)
    full_rank    every output is used: no eigenvalue rho is negative          (closed form)
    em_one       the head's gain is 1: shrinkage meets expansion
    head         a probe is as accurate after the head as before it           (with a loss)

The last two are level sets: their topology is read off the table's cells, and every vertex is found
by root finding along its edge. A branch that fits between cells of one sign is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from scipy.optimize.elementwise import find_root

from asymptotics.phase import Boundary
from asymptotics.pretraining import transition
from asymptotics.pretraining.pairs import Pairs
from asymptotics.pretraining.table import columns_of, product
from asymptotics.table import Table

Array = NDArray[np.float64]
AXES = ("pretraining_ratio", "augmentation")

_VERTICES = 401
_TOLERANCE = 1e-9  # of a vertex, as a fraction of its edge


def is_map(parameters: Mapping[str, Any]) -> bool:
    """Whether the parameters are rising grids of both axes, and numbers otherwise."""
    points, _ = product(parameters)
    grids = [np.atleast_1d(np.asarray(parameters[name], dtype=float)) for name in AXES]
    rising = all(grid.size > 1 and np.all(np.diff(grid) > 0) for grid in grids)
    return rising and all(np.ptp(v) == 0 for name, v in points.items() if name not in AXES)


def boundaries(table: Table) -> tuple[Boundary, ...]:
    """Every boundary within the window of a map (`is_map`); x is N/p, y is sigma."""
    points, fixed = product(table.config)
    x, y = (np.unique(points[name]) for name in AXES)
    signal = float(points["signal"][0])
    found = [*_transition(signal, x, y), *_full_rank(x, y)]
    others = {name: values[:1] for name, values in points.items() if name not in AXES}
    for name, level in _LEVELS.items():
        if name == "head" and "accuracy_before" not in table.columns:
            continue

        def at(place: Array, level: Callable[..., Array] = level) -> Array:
            size = len(place)
            flat = {key: np.repeat(value, size) for key, value in others.items()}
            return level(columns_of(flat | dict(zip(AXES, place.T, strict=True)), fixed))

        order = np.lexsort([table[name] for name in AXES])
        found += _trace(name, level(table.columns)[order].reshape(y.size, x.size), x, y, at)
    return tuple(found)


_LEVELS: dict[str, Callable[[Mapping[str, Array]], Array]] = {
    "em_one": lambda columns: np.log(columns["gain"]),
    "head": lambda columns: columns["accuracy_after"] - columns["accuracy_before"],
}


def _transition(signal: float, x: Array, y: Array) -> list[Boundary]:
    """The curve at N > p, and the closed arc at N < p around N/p = 1/2."""
    sigma = np.linspace(y[0], y[-1], _VERTICES)
    found = _inside("transition", transition.critical_ratio(signal, sigma), sigma, x)
    top = np.sqrt(max(signal**2 - 2, 0.0))  # where ell = 2
    if top > y[0]:
        sigma = np.linspace(y[0], min(top, y[-1]), _VERTICES)
        spike = Pairs(np.asarray(signal), np.ones(()), sigma).spike
        reach = np.sqrt(np.maximum(1 - 4 / spike**2, 0.0))
        arc = np.concatenate([(1 - reach) / 2, (1 + reach[::-1]) / 2])
        found += _inside("transition", arc, np.concatenate([sigma, sigma[::-1]]), x)
    return found


def _full_rank(x: Array, y: Array) -> list[Boundary]:
    sigma = np.linspace(y[0], y[-1], _VERTICES)
    return _inside("full_rank", transition.full_rank_ratio(sigma), sigma, x)


def _inside(name: str, ratio: Array, sigma: Array, x: Array) -> list[Boundary]:
    """The stretches of a curve within the window of N/p."""
    inside = (ratio >= x[0]) & (ratio <= x[-1])
    starts = np.flatnonzero(np.diff(inside.astype(int))) + 1
    parts = np.split(np.arange(ratio.size), starts)
    return [Boundary(name, ratio[k], sigma[k]) for k in parts if inside[k[0]] and k.size > 1]


def _trace(
    name: str, values: Array, x: Array, y: Array, at: Callable[[Array], Array]
) -> list[Boundary]:
    """The zero set of a level given at the cells, (y, x), and anywhere by `at`."""
    if not (np.any(values > 0) and np.any(values < 0)):
        return []
    lines = contour_generator(z=np.ma.masked_invalid(np.sign(values))).lines(0.0)
    lines = [np.asarray(line) for line in lines]
    if not lines:
        return []
    vertices = np.concatenate(lines)
    ends = [
        np.stack([grid[whole(k).astype(int)] for grid, k in zip((x, y), vertices.T, strict=True)])
        for whole in (np.floor, np.ceil)
    ]
    edges = np.arange(len(vertices))

    def along(fraction: Array, edge: NDArray[np.intp]) -> Array:
        return at((ends[0][:, edge] + fraction * (ends[1] - ends[0])[:, edge]).T)

    found = find_root(
        along,
        (np.zeros(edges.size), np.ones(edges.size)),
        args=(edges,),
        tolerances={"xatol": _TOLERANCE},
    )
    place = (ends[0] + found.x * (ends[1] - ends[0])).T
    parts = np.split(place, np.cumsum([len(line) for line in lines])[:-1])
    known = [part[np.isfinite(part).all(axis=1)] for part in parts]
    return [Boundary(name, part[:, 0], part[:, 1]) for part in known if len(part) > 1]
