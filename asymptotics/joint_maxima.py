"""Local maxima over several parameters at once: a grid of starts, ascent, and a certificate.

Each local maximum of the grid starts L-BFGS-B on the exact gradient inside the box; the coordinates
that end inside it are polished by solving gradient = 0, and then judged: outward slopes at the ends
of the box, and inside it a negative definite Hessian (differences of exact gradients) that bounds
how far the maximum can be. Local: a maximum between the nodes of the grid of starts can be missed.
Derivation: optimal.md, two parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label, maximum_filter
from scipy.optimize import minimize, root

from asymptotics.local_maxima import (
    FLAT,
    INTERIOR,
    LOWER,
    NOT_CONVERGED,
    STEP,
    UPPER,
    Slopes,
)

Array = NDArray[np.float64]
Index = NDArray[np.intp]
# function(x, problem) with x (parameters, points): slopes and noise (parameters, points)
Function = Callable[[Array, Index], Slopes]

_SAFETY = 4.0
_LOCATED = 1e-5  # largest error of a log parameter
_FLATTER = 1e-3  # an eigenvalue that small beside the largest is a direction without curvature
_LEVEL = 1e-9  # heights that differ by less are level
_SAME = 1e-4  # distance of two ascents that found one maximum


@dataclass(frozen=True)
class JointMaximum:
    """One local maximum of one problem: its place, the evidence, and where each parameter is.

    x, slope, noise: (parameters,). curvature: largest eigenvalue of the Hessian of V over the
    parameters inside the box, nan if none is. location_error: of those, nan likewise. places: for
    each parameter "interior", "at the lower end", "at the upper end" or "flat".
    """

    problem: int
    x: Array
    height: float
    slope: Array
    noise: Array
    curvature: float
    location_error: float
    places: tuple[str, ...]
    status: str


def joint_maxima(function: Function, low: Array, high: Array, count: int) -> list[JointMaximum]:
    """The maxima of every problem in its box `low`..`high`, (parameters, problems) each.

    `count` nodes a parameter are scanned for starts. A problem without a known node has none.
    """
    parameters, problems = low.shape
    share = np.stack(np.meshgrid(*[np.linspace(0, 1, count)] * parameters, indexing="ij"))
    box = [bound.T.reshape(problems, parameters, *[1] * parameters) for bound in (low, high)]
    nodes = box[0] + share[None] * (box[1] - box[0])
    flat = np.moveaxis(nodes, 0, 1).reshape(parameters, -1)
    owner = np.repeat(np.arange(problems), count**parameters)
    heights = function(flat, owner).height.reshape(problems, *[count] * parameters)
    found = []
    for k in range(problems):
        bounds = np.stack([low[:, k], high[:, k]], axis=1)
        ascents = [
            _ascend(function, k, nodes[k][(slice(None), *start)], bounds)
            for start in _starts(heights[k])
        ]
        found += _distinct(ascents)
    return found


def _starts(heights: Array) -> list[tuple[int, ...]]:
    """Nodes no lower than their neighbours, one for each plateau that nothing beside it tops."""
    known = np.where(np.isnan(heights), -np.inf, heights)
    square = np.ones([3] * heights.ndim)
    top = (known >= maximum_filter(known, size=3, mode="nearest")) & np.isfinite(known)
    groups, number = label(top, square)
    starts = []
    for group in range(1, number + 1):
        plateau = groups == group
        level, grown = known[plateau].max(), 0
        while grown < plateau.sum() and known[plateau].max() <= level + _LEVEL:
            grown = plateau.sum()
            plateau = binary_dilation(plateau, square) & (known >= level - _LEVEL)
        if known[plateau].max() <= level + _LEVEL:
            members = np.argwhere(groups == group)
            # the middle: a plateau or a curve of maxima goes on to the ends of the box
            starts.append(tuple(members[len(members) // 2]))
    return starts


def _ascend(function: Function, problem: int, start: Array, bounds: Array) -> JointMaximum:
    def at(x: Array) -> Slopes:
        x = np.asarray(x, dtype=float).reshape(bounds.shape[0], -1)
        return function(x, np.full(x.shape[1], problem))

    def fall(x: Array) -> tuple[float, Array]:
        here = at(x)
        return -float(here.height[0]), -here.slope[:, 0]

    options = {"ftol": 0.0, "gtol": 1e-11, "maxiter": 200}
    x = minimize(fall, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    x = _polish(at, x, bounds)
    return _judge(at, problem, x, bounds)


def _inside(x: Array, bounds: Array) -> NDArray[np.bool_]:
    return (x > bounds[:, 0]) & (x < bounds[:, 1])


def _polish(at: Callable[[Array], Slopes], x: Array, bounds: Array) -> Array:
    """Solve gradient = 0 in the parameters inside the box; kept only if it stays near and there."""
    free, here = _inside(x, bounds), at(x)
    if not np.any(np.abs(here.slope[free]) > here.noise[free]):
        return x

    def gradient(part: Array) -> Array:
        moved = x.copy()
        moved[free] = part
        return at(moved).slope[free, 0]

    polished = x.copy()
    polished[free] = root(gradient, x[free], method="hybr", options={"xtol": 1e-13}).x
    near = np.all(np.abs(polished - x) < 0.5) and np.all(_inside(polished, bounds) == free)
    sizes = [np.linalg.norm(gradient(y[free])) for y in (polished, x)]
    return polished if near and sizes[0] <= sizes[1] else x


def _judge(at: Callable[[Array], Slopes], problem: int, x: Array, bounds: Array) -> JointMaximum:
    """The certificate: signs at the ends, the Hessian inside, no more slope than it can carry."""
    here = at(x)
    slope, noise = here.slope[:, 0], here.noise[:, 0]
    free = np.flatnonzero(_inside(x, bounds))
    hessian = _hessian(at, x, free, bounds)
    still = _SAFETY * noise[free]
    unmoved = (np.abs(slope[free]) <= still) & np.all(np.abs(hessian) * STEP <= still, axis=1)
    places = [UPPER if value == end else LOWER for value, end in zip(x, bounds[:, 1], strict=True)]
    for k, flat in zip(free, unmoved, strict=True):
        places[k] = FLAT if flat else INTERIOR
    outward = [
        slope[k] * (1 if place == UPPER else -1) >= -_SAFETY * noise[k]
        for k, place in enumerate(places)
        if place in (UPPER, LOWER)
    ]
    bent = free[~unmoved]
    curvature = error = np.nan
    status = INTERIOR if len(bent) == len(x) else FLAT if unmoved.any() else "at an end"
    if bent.size:
        part = hessian[np.ix_(~unmoved, ~unmoved)]
        values, vectors = np.linalg.eigh(part)
        curvature = float(values[-1])
        steep = values < -_FLATTER * np.abs(values).max()
        pull = np.abs(vectors.T @ slope[bent]) + np.abs(vectors.T) @ noise[bent]
        error = float(np.max(pull[steep] / -values[steep], initial=0.0))
        degenerate = ~steep & (np.abs(values) <= _FLATTER * np.abs(values).max())
        if degenerate.any():
            status = FLAT  # to second order: a curve of maxima, or one too blunt to place
        if not np.all(steep | degenerate) or not error < _LOCATED:
            status = NOT_CONVERGED
    if not all(outward) or np.isnan(slope).any():
        status = NOT_CONVERGED
    height = float(here.height[0])
    return JointMaximum(problem, x, height, slope, noise, curvature, error, tuple(places), status)


def _hessian(at: Callable[[Array], Slopes], x: Array, free: Index, bounds: Array) -> Array:
    """Central differences of the gradient in the free parameters, (free, free), symmetrised."""
    if free.size == 0:
        return np.zeros((0, 0))
    room = np.min([x - bounds[:, 0], bounds[:, 1] - x], axis=0)[free]
    step = np.minimum(STEP, room)
    shift = np.zeros((x.size, free.size))
    shift[free, np.arange(free.size)] = step
    around = at(np.concatenate([x[:, None] + shift, x[:, None] - shift], axis=1)).slope[free]
    difference = (around[:, : free.size] - around[:, free.size :]) / (2 * step)
    return 0.5 * (difference + difference.T)


def _distinct(found: list[JointMaximum]) -> list[JointMaximum]:
    """Without those at one place, or of one height on one flat piece."""
    kept: list[JointMaximum] = []
    for new in sorted(found, key=lambda maximum: -maximum.height):
        same = (
            np.all(np.abs(new.x - old.x) < _SAME)
            or (new.status == old.status == FLAT and abs(new.height - old.height) < _LEVEL)
            for old in kept
        )
        if not any(same):
            kept.append(new)
    return kept
