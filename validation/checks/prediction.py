"""What the theory says of one row, before anything is simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from asymptotics.table import Table

Array = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Prediction:
    """A quantity at a point.

    point: the swept parameters. value: of the theory, nan where there is none and `fault` says why.
    gain: what the features to simulate are multiplied by along the signal; nan for a gain itself.
    """

    point: Mapping[str, Any]
    quantity: str
    value: float
    gain: float
    fault: str | None


def point_at(points: Mapping[str, Array], index: int) -> dict[str, float]:
    """The swept parameters at one of the flat points."""
    return {name: float(values[index]) for name, values in points.items()}


def by_point(rows: Sequence[T], num_points: int) -> list[T]:
    """Rows listed quantity by quantity, as rows listed point by point."""
    return [rows[i] for first in range(num_points) for i in range(first, len(rows), num_points)]


def theory_table(predictions: Sequence[Prediction]) -> Table:
    """The predictions as columns: the point, ``quantity`` and ``theory``."""
    names = predictions[0].point
    columns = {name: np.array([p.point[name] for p in predictions]) for name in names}
    columns["quantity"] = np.array([p.quantity for p in predictions])
    columns["theory"] = np.array([p.value for p in predictions])
    return Table(columns)
