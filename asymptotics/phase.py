"""Phase diagrams: what training and the probe do over two parameters, and where they change.

A diagram is a grid of cells and its boundaries, the level sets of `crossings.LEVELS`, which are as
exact as the solver and can have any number of branches (`level_sets`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.columns import Progress, constant_columns
from asymptotics.crossings import LEVELS, Cells, crossings
from asymptotics.errors import InvalidInput, did_you_mean
from asymptotics.level_sets import level_lines
from asymptotics.sweep import grids_of, parts_of_product
from asymptotics.table import Table

Array = NDArray[np.float64]

_UNKNOWN = 2  # the phase of a cell that failed

# columns that can be drawn, each from the columns of a cell
QUANTITIES: dict[str, Callable[[Mapping[str, Array]], Array]] = {
    "expansion-measure": lambda c: c["expansion_measure"],
    "log-gain": lambda c: c["log_gain"],
    "accuracy-after": lambda c: c["accuracy_after"],
    "accuracy-before": lambda c: c["accuracy_before"],
    "accuracy-gained": lambda c: c["accuracy_after"] - c["accuracy_before"],
}


@dataclass(frozen=True)
class Boundary:
    """One branch of a level set: its name and the coordinates of its vertices, in order."""

    name: str
    x: Array
    y: Array


@dataclass(frozen=True)
class PhaseDiagram:
    """Cells (rows of `table`, y slowest) over the axes `x` and `y`, and the boundary curves."""

    x_name: str
    y_name: str
    x: Array
    y: Array
    table: Table
    boundaries: tuple[Boundary, ...]

    def cells(self, quantity: str) -> Array:
        """The quantity as an array (y, x); nan where a cell failed, inf at collapse (log-gain)."""
        check_quantity(quantity, "accuracy" in self.table.columns)
        return QUANTITIES[quantity](self.table.columns).reshape(self.y.size, self.x.size)

    def figure(self, quantity: str | None = None) -> Any:
        """A matplotlib figure: the map of `quantity` with its boundaries, and cuts.

        By default of the accuracy that the head gains, without a probe of the expansion measure.
        """
        from asymptotics.phase_plot import plot_phase

        known = "accuracy" in self.table.columns
        return plot_phase(self, quantity or ("accuracy-gained" if known else "expansion-measure"))

    def _repr_svg_(self) -> str:
        """The figure, for a notebook."""
        file = StringIO()
        self.figure().savefig(file, format="svg")
        return file.getvalue()


def check_quantity(quantity: str, has_probe: bool) -> None:
    """InvalidInput if there is no such quantity, or none without a probe."""
    if quantity not in QUANTITIES:
        allowed = ", ".join(QUANTITIES)
        hint = did_you_mean(quantity, QUANTITIES)
        raise InvalidInput(f"quantity must be one of {allowed}, got {quantity!r}{hint}")
    if quantity.startswith("accuracy") and not has_probe:
        raise InvalidInput(f"quantity {quantity} needs a probe: give a loss")


def phase_diagram(
    *,
    x: str = "temperature",
    y: str = "augmentation",
    progress: Progress | None = None,
    executor: Executor | None = None,
    **parameters: Any,
) -> PhaseDiagram:
    """The phase diagram over the parameters named `x` and `y`, whose values are the grids.

    Parameters are those of `make_problem` (none of them needed without a `loss`), and objective,
    signal, dimension, temperature, augmentation, views, encoder, depth. All but `x` and `y` are
    numbers.
    Failed cells keep a status and are nan. Raises InvalidInput.
    """
    return PhaseGrid(parameters, x, y, executor).diagram(progress)


class PhaseGrid:
    """The cells of a phase diagram, solved in parts of which only the phases are kept.

    Arguments as in `phase_diagram`. Boundaries are there once all `tables` have been read.
    """

    def __init__(
        self, parameters: Mapping[str, Any], x: str, y: str, executor: Executor | None = None
    ) -> None:
        self._given = {name: value for name, value in parameters.items() if value is not None}
        self.axes: dict[str, Array] = {}
        for name in (x, y):
            axis = np.atleast_1d(np.asarray(self._given.get(name, np.nan), dtype=float))
            if axis.size < 2 or not np.all(np.diff(axis) > 0):
                raise InvalidInput(
                    f"{name}: an axis of a phase diagram needs 2 or more rising values"
                )
            self.axes[name] = axis
        grids, self._fixed = grids_of(self._given)
        others = {name: grid for name, grid in grids.items() if name not in self.axes}
        for name, values in others.items():
            if np.ptp(values) > 0:
                raise InvalidInput(f"{name}: only the two axes {x} and {y} may be grids")
        self._others = {name: float(values[0]) for name, values in others.items()}
        self._names = list(grids)
        self._cells = Cells(self._fixed | self._others, executor)
        known = [n for n, level in LEVELS.items() if self._cells.has_probe or not level.needs_probe]
        # the phase of every cell: a sign, and _UNKNOWN where the cell failed
        self._phases = {name: np.empty(self.size, np.int8) for name in known}

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod([axis.size for axis in self.axes.values()]))

    def tables(self, progress: Progress | None = None, part: int | None = None) -> Iterator[Table]:
        """The cells, y slowest, in tables of at most `part` rows, by default `sweep.PART`."""
        x, y = self.axes
        first = 0
        points = parts_of_product({y: self.axes[y], x: self.axes[x]}, part)
        for axes, columns in self._cells.in_parts(points, progress):
            place = slice(first, first + axes[x].size)
            for name, phases in self._phases.items():
                sign = np.sign(LEVELS[name].of_columns(columns))
                phases[place] = np.where(np.isnan(sign), _UNKNOWN, sign)
            first = place.stop
            every = {
                name: axes[name] if name in axes else np.full(axes[x].size, self._others[name])
                for name in self._names
            }
            yield Table(constant_columns(every, self._fixed) | every | columns, self._given)

    def diagram(self, progress: Progress | None = None) -> PhaseDiagram:
        """All of it, held in memory."""
        (x, along), (y, up) = self.axes.items()
        (table,) = self.tables(progress, self.size)
        return PhaseDiagram(x, y, along, up, table, self.boundaries())

    def boundaries(self) -> tuple[Boundary, ...]:
        """The level sets between the cells, traced and found."""
        x, y = self.axes
        found = []
        for name, phases in self._phases.items():
            values = np.where(phases == _UNKNOWN, np.nan, phases)
            lines = level_lines(
                values.reshape(self.axes[y].size, self.axes[x].size),
                self.axes,
                partial(crossings, self._cells, LEVELS[name]),
            )
            found += [Boundary(name, *line) for line in lines]
        if self._cells.has_probe:
            # a = 1 is where the head does nothing
            found += [replace(branch, name="head") for branch in found if branch.name == "em_one"]
        return tuple(found)
