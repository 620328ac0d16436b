"""Levels of a trained head, and the exact places along a line where they change sign.

    em_one      a = 1 is stationary             shrinkage meets expansion, for flow from W = I
    collapse    a finite | a infinite           the head keeps the signal alone
    head        error before = error after      the head neither helps nor hurts (with a probe)

At a = 1 the head does nothing, so em_one is part of the level `head`; the entry of that name is
the rest of it, where helping and expanding part ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.columns import Columns, Progress, columns_in_parts, columns_of
from asymptotics.level_sets import cross_segments
from asymptotics.training import fall_at_identity

Array = NDArray[np.float64]
Points = Mapping[str, Array]


@dataclass(frozen=True)
class Cells:
    """Columns of cells at flat points, all else fixed; with accuracies if there is a loss."""

    fixed: Mapping[str, Any]
    executor: Executor | None = None

    @property
    def has_probe(self) -> bool:
        """Whether the cells have accuracies."""
        return self.fixed.get("loss") is not None

    def __call__(self, points: Points, progress: Progress | None = None) -> dict[str, Array]:
        """The columns of `asymptotics.columns.columns_of`."""
        return columns_of(points, self.fixed, progress, self.executor)

    def in_parts(
        self, parts: Iterable[dict[str, Array]], progress: Progress | None = None
    ) -> Iterator[tuple[dict[str, Array], Columns]]:
        """The points of each part with their columns."""
        return columns_in_parts(parts, self.fixed, progress, self.executor)

    def gains(self, points: Points) -> dict[str, Array]:
        """The columns of the gain alone."""
        gain_only = {name: value for name, value in self.fixed.items() if name != "loss"}
        return columns_of(points, gain_only, None, self.executor)


@dataclass(frozen=True)
class Level:
    """A function of the parameters whose sign is the phase.

    of_columns: its sign from the columns of solved cells, nan where a cell failed.
    at: its value at flat points, by whatever is cheapest.
    """

    of_columns: Callable[[Mapping[str, Array]], Array]
    at: Callable[[Cells, Points], Array]
    needs_probe: bool = False


def _direction(columns: Mapping[str, Array]) -> Array:
    return np.sign(np.log(columns["gain_from_identity"]))


def _collapsed(columns: Mapping[str, Array]) -> Array:
    phase = np.where(np.isposinf(columns["log_gain"]), 1.0, -1.0)
    return np.where(np.isnan(columns["log_gain"]), np.nan, phase)


def _help_by_expanding(columns: Mapping[str, Array]) -> Array:
    helped = np.log(columns["test_error_before"]) - np.log(columns["test_error_after"])
    return helped * np.sign(columns["log_gain"])


LEVELS = {
    "em_one": Level(_direction, lambda cells, points: fall_at_identity(points, cells.fixed)),
    "collapse": Level(_collapsed, lambda cells, points: _collapsed(cells.gains(points))),
    "head": Level(
        _help_by_expanding,
        lambda cells, points: _help_by_expanding(cells(points)),
        needs_probe=True,
    ),
}


def crossings(cells: Cells, level: Level, left: Points, right: Points) -> dict[str, Array]:
    """The points between `left` and `right` where `level` changes sign, one for each pair.

    Arguments as in `asymptotics.level_sets.cross_segments`.
    """
    return cross_segments(partial(level.at, cells), left, right)


def crossings_along(cells: Cells, name: str, values: Array) -> dict[str, Array]:
    """Every place along the parameter `name`, scanned at `values`, where a level changes sign.

    Returns level name -> places, in rising order. Two crossings between neighbouring values are
    missed.
    """
    columns = cells({name: values})
    found = {}
    for key, level in LEVELS.items():
        if level.needs_probe and not cells.has_probe:
            continue
        sign = np.sign(level.of_columns(columns))
        at = np.flatnonzero(sign[:-1] * sign[1:] < 0)
        ends = {name: values[at]}, {name: values[at + 1]}
        found[key] = crossings(cells, level, *ends)[name] if at.size else np.empty(0)
    return found
