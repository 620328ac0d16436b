"""Where two minima coexist in a grid, and where the gain jumps between neighbouring points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.projector import Projection
from asymptotics.errors import InvalidInput


@dataclass(frozen=True)
class Jump:
    """The answer changes from one well to another between `index` and its next along `axis`.

    ``before``, ``after``: log gains of the two points' answers (inf: collapse).
    """

    index: tuple[int, ...]
    axis: int
    before: float
    after: float


@dataclass(frozen=True)
class Coexistence:
    """What a grid shows: masks of its shape, and a list of jumps.

    ``coexisting``     two wells or more
    ``history``        gradient flow from W = I ends in another well than the lowest
    ``jumps``          neighbours whose answers lie in different wells
    """

    coexisting: NDArray[np.bool_]
    history: NDArray[np.bool_]
    jumps: tuple[Jump, ...]


def coexistence(found: Projection) -> Coexistence:
    """Scan a grid that ``projector`` has solved for coexistence and jumps.

    Two neighbours lie in different wells if each has a well nearer to the other's answer than its
    own answer is, or if exactly one of them is collapsed while the other has a second well. Between
    points with one well each the branch is taken to be continuous, however steep. `found` must be
    a grid of one axis or more.
    """
    if found.gain.ndim == 0:
        raise InvalidInput("coexistence needs a grid of points, not a single one")
    reached = np.log(found.from_identity)
    with np.errstate(invalid="ignore"):
        apart = ~np.isclose(reached, found.log_gain, rtol=1e-9, atol=1e-9)
    several = found.num_minima > 1
    jumps = [jump for axis in range(found.gain.ndim) for jump in _jumps(found, several, axis)]
    return Coexistence(several, several & apart, tuple(jumps))


def _jumps(found: Projection, several: NDArray[np.bool_], axis: int) -> list[Jump]:
    """Only pairs with a second well on one side can jump; those are examined one by one."""
    count = found.gain.shape[axis]
    here = np.take(several, np.arange(count - 1), axis)
    there = np.take(several, np.arange(1, count), axis)
    out = []
    for index in map(tuple, np.argwhere(here | there)):
        following = tuple(i + (k == axis) for k, i in enumerate(index))
        before, after = float(found.log_gain[index]), float(found.log_gain[following])
        if _switches(found, index, before, after) or _switches(found, following, after, before):
            out.append(Jump(tuple(int(i) for i in index), axis, before, after))
    return out


def _switches(found: Projection, index: tuple[int, ...], answer: float, other: float) -> bool:
    """Has `index` a well nearer to `other` than its own `answer` is?"""
    wells = np.array([well.log_gain for well in found.minima_at(*index)])
    if np.isinf(other):
        return bool(np.isinf(wells).any() and not np.isinf(answer))
    gaps = np.abs(wells - other)
    return bool(wells.size > 1 and np.min(gaps) < abs(answer - other) - 1e-9)
