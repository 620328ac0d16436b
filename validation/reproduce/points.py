"""The points of a figure as a long table: a row a point, of a series in a panel.

kind: theory (a line), boundary (a black line), simulation (with standard errors), published (with
tolerances), mark (a vertical line at x) or cells (a map of `value` over x and y).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from asymptotics.table import Table
from validation.compare import Row
from validation.reproduce.target import Published

Part = dict[str, Any]

_NUMBERS = ("x", "y", "error", "value")


def points(*parts: Part) -> Table:
    """The table of all parts, in their order."""
    sizes = [np.size(part["x"]) for part in parts]
    columns: dict[str, Any] = {
        name: np.concatenate([np.full(n, part[name]) for part, n in zip(parts, sizes, strict=True)])
        for name in ("panel", "series", "kind")
    }
    for name in _NUMBERS:
        columns[name] = np.concatenate(
            [
                np.broadcast_to(np.asarray(part.get(name, np.nan), dtype=float).ravel(), n)
                for part, n in zip(parts, sizes, strict=True)
            ]
        )
    return Table(columns)


def line(panel: str, series: str, x: ArrayLike, y: ArrayLike, kind: str = "theory") -> Part:
    """A line of the theory, or a boundary."""
    return {"panel": panel, "series": series, "kind": kind, "x": x, "y": y}


def simulated(panel: str, series: str, x: Sequence[float], rows: Sequence[Row]) -> Part:
    """Estimates of the limit with their standard errors; rows without one are left out."""
    found = [(at, row.estimate) for at, row in zip(x, rows, strict=True) if row.estimate]
    return {
        "panel": panel,
        "series": series,
        "kind": "simulation",
        "x": [at for at, _ in found],
        "y": [estimate.value for _, estimate in found],
        "error": [estimate.standard_error for _, estimate in found],
    }


def published(panel: str, series: str, x: Sequence[float], numbers: Sequence[Published]) -> Part:
    """Published numbers with their tolerances."""
    return {
        "panel": panel,
        "series": series,
        "kind": "published",
        "x": x,
        "y": [number.value for number in numbers],
        "error": [number.tolerance for number in numbers],
    }


def mark(panel: str, series: str, x: ArrayLike) -> Part:
    """Vertical lines, named by the series."""
    return {"panel": panel, "series": series, "kind": "mark", "x": np.atleast_1d(x)}


def cells(panel: str, series: str, x: ArrayLike, y: ArrayLike, value: ArrayLike) -> Part:
    """A map; x, y and value flat, of one length, over a grid."""
    return {"panel": panel, "series": series, "kind": "cells", "x": x, "y": y, "value": value}
