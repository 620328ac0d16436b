"""Tables: named columns of equal length, one row a point, with the configuration that made them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS = 4096  # rows made at a time


@dataclass(frozen=True)
class Table:
    """Columns (one-dimensional arrays of one length) and the configuration that made them.

    A missing number is nan in the arrays and None in the rows. ``table["accuracy"]`` is a column.
    """

    columns: Mapping[str, NDArray[Any]]
    config: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def rows(self) -> list[dict[str, Any]]:
        """One dict a point, of Python numbers, strings and None: ready for JSON."""
        return list(self.iter_rows())

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        """The rows one after another, without a list of them all."""
        for first in range(0, len(self), _ROWS):
            part = {name: column[first : first + _ROWS] for name, column in self.columns.items()}
            lists = [[plain(x) for x in column.tolist()] for column in part.values()]
            for values in zip(*lists, strict=True):
                yield dict(zip(part, values, strict=True))

    def _repr_html_(self) -> str:
        """The first and last rows, for a notebook."""
        from asymptotics.display import shown_rows, to_html

        chosen = shown_rows(len(self))
        part = Table({name: column[chosen] for name, column in self.columns.items()})
        return to_html(list(self.columns), part.rows(), len(self))

    def to_latex(self, caption: str = "") -> str:
        """A booktabs table of every row; with a `caption` it floats."""
        from asymptotics.display import to_latex

        return to_latex(list(self.columns), self.rows(), caption)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The columns as a new dict of arrays."""
        return {name: np.array(column) for name, column in self.columns.items()}


def plain(value: Any) -> Any:
    """A number, string or container as JSON knows them; nan and infinity become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
