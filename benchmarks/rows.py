"""What a benchmark measures: rows of seconds, what was reached, and who else was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One way of doing one job.

    The first row of a `size` is ours; the others' ratios are their seconds over its. `reached` says
    how accurate the result is. `series` and `x` place a row in the figure of growth.
    """

    name: str
    size: str
    seconds: float
    reached: str = ""
    series: str = ""
    x: float = 0.0


def best_of(function: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """(least seconds of some calls, the last result): what a shared machine disturbs least."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        taken.append(time.perf_counter() - start)
    return min(taken), result


def ratios(rows: list[Row]) -> list[float | None]:
    """Seconds over those of the first row of the same size; None for that row itself."""
    first: dict[str, float] = {}
    found: list[float | None] = []
    for row in rows:
        found.append(row.seconds / first[row.size] if row.size in first else None)
        first.setdefault(row.size, row.seconds)
    return found
