"""Phase diagrams: what training and the probe do over two parameters, and where they change.

A diagram is a grid of cells and its boundaries, the level sets of `crossings.LEVELS`, which are as
exact as the solver and can have any number of branches (`level_sets`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.crossings import LEVELS, Cells, crossings
from asymptotics.errors import InvalidInput, did_you_mean
from asymptotics.level_sets import level_lines
from asymptotics.sweep import Progress, constant_columns, product_of_grids
from asymptotics.table import Table

Array = NDArray[np.float64]

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
    given = {name: value for name, value in parameters.items() if value is not None}
    axes = []
    for name in (x, y):
        grid = np.atleast_1d(np.asarray(given.get(name, np.nan), dtype=float))
        if grid.size < 2 or not np.all(np.diff(grid) > 0):
            raise InvalidInput(f"{name}: an axis of a phase diagram needs 2 or more rising values")
        axes.append(grid)
    points, fixed = product_of_grids(given)
    extra = [name for name, values in points.items() if np.ptp(values) > 0 and name not in (x, y)]
    if extra:
        raise InvalidInput(f"{extra[0]}: only the two axes {x} and {y} may be grids")
    mesh_y, mesh_x = np.meshgrid(axes[1], axes[0], indexing="ij")
    points[x], points[y] = mesh_x.ravel(), mesh_y.ravel()
    others = {name: float(v[0]) for name, v in points.items() if name not in (x, y)}
    cells = Cells(fixed | others, executor)
    columns = cells({x: points[x], y: points[y]}, progress)
    table = Table(constant_columns(points, fixed) | points | columns, given)
    boundaries = _boundaries(cells, (x, y), axes, columns)
    return PhaseDiagram(x, y, axes[0], axes[1], table, boundaries)


def _boundaries(
    cells: Cells, names: tuple[str, str], axes: list[Array], columns: Mapping[str, Array]
) -> tuple[Boundary, ...]:
    found = []
    for name, level in LEVELS.items():
        if level.needs_probe and not cells.has_probe:
            continue
        values = level.of_columns(columns).reshape(axes[1].size, axes[0].size)
        lines = level_lines(
            values, dict(zip(names, axes, strict=True)), partial(crossings, cells, level)
        )
        found += [Boundary(name, x, y) for x, y in lines]
    if cells.has_probe:
        # a = 1 is where the head does nothing
        found += [replace(branch, name="head") for branch in found if branch.name == "em_one"]
    return tuple(found)
