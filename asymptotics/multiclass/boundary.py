"""Where a head of K classes turns from shrinkage to expansion: augmentations of gain 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from asymptotics.errors import NoLimit, NotConverged
from asymptotics.multiclass.contrastive import trained_gains
from asymptotics.multiclass.sweep import multiclass_mixture_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GainBoundary:
    """Points (x, augmentation) where the gain along one mean direction is 1, in the order of x.

    direction: 1 for the one of most between-class variance; on the simplex all are alike.
    """

    direction: int
    x: Array
    augmentation: Array


def gain_boundaries(
    *, objective: str, augmentation: ArrayLike, x: str | None = None, **parameters: Any
) -> tuple[GainBoundary, ...]:
    """The boundaries of the map of `x` against augmentation; without `x`, at one point (x is nan).

    x: the name of the parameter that is a grid: temperature, dimension, signal or classes.

    Brackets are neighbours of the grid `augmentation` whose log gains differ in sign; each
    crossing is polished to rounding of the gain. Cells where the head collapses bound nothing.
    The other parameters are those of the mixture and the objective, one number each.
    """
    grid = np.sort(np.atleast_1d(np.asarray(augmentation, dtype=float)))
    found: dict[int, list[tuple[float, float]]] = {}
    values = [np.nan] if x is None else np.atleast_1d(np.asarray(parameters[x], dtype=float))
    for value in values:
        point = parameters if x is None else {**parameters, x: float(value)}
        rows = [_log_gains(objective, float(sigma), point) for sigma in grid]
        for i, (before, after) in enumerate(pairwise(rows)):
            if before is None or after is None:
                continue
            for k in np.flatnonzero((before < 0) != (after < 0)):
                sigma = _crossing(objective, point, int(k), (grid[i], grid[i + 1]))
                found.setdefault(int(k), []).append((float(value), sigma))
    simplex = "means" not in parameters
    kept: Sequence[int] = [0] if simplex and 0 in found else sorted(found)
    return tuple(
        GainBoundary(k + 1, *(np.array(column) for column in zip(*found[k], strict=True)))
        for k in kept
    )


def _log_gains(objective: str, sigma: float, point: dict[str, Any]) -> Array | None:
    """Log gains of the mean directions, None where the head collapses or is not found."""
    names = ("classes", "signal", "means", "priors", "covariance")
    mixture = multiclass_mixture_of(**{name: point.get(name) for name in names})
    try:
        head = trained_gains(
            mixture, objective, sigma, point.get("temperature"), point.get("dimension")
        )
    except (NoLimit, NotConverged):
        return None
    return np.asarray(np.log(head.gains))


def _crossing(
    objective: str, point: dict[str, Any], direction: int, ends: tuple[float, float]
) -> float:
    def log_gain(sigma: float) -> float:
        gains = _log_gains(objective, sigma, point)
        if gains is None:
            raise NotConverged(f"no head at augmentation {sigma:.6g}, between two that have one")
        return float(gains[direction])

    return float(brentq(log_gain, *ends, xtol=1e-12, rtol=1e-13))
