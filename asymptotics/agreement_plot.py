"""The figure of a validation: theory as lines, simulation as points with error bars."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from asymptotics.plots import LABELS, LINES, SHORT, STYLE
from asymptotics.table import Table

_QUANTITIES = {
    "accuracy": "test accuracy",
    "accuracy_before": "test accuracy before the head",
    "accuracy_after": "test accuracy after the head",
    "log_gain": r"log gain  $\log a$",
}


def plot_agreement(simulated: Table, theory: Table, axis: str, lines: list[str]) -> Figure:
    """A panel for each quantity against the column `axis`, a line per combination of `lines`.

    simulated: columns ``quantity``, ``mean``, ``standard_error``, ``status`` and the parameters;
    bars are 1.96 standard errors. theory: ``quantity``, ``theory`` and the parameters. Points that
    do not agree are open; rows without an estimate are left out.
    """
    quantities = list(dict.fromkeys(simulated["quantity"].tolist()))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.8 + 3.4 * len(quantities), 3.0), layout="constrained")
        panels = figure.subplots(1, len(quantities), squeeze=False)[0]
        for axes, quantity in zip(panels, quantities, strict=True):
            _draw(axes, _only(simulated, quantity), _only(theory, quantity), axis, lines)
            axes.set_ylabel(_QUANTITIES.get(quantity, quantity))
        panels[-1].legend(loc="best")
    return figure


def _only(table: Table, quantity: str) -> Table:
    chosen = table["quantity"] == quantity
    return Table({name: column[chosen] for name, column in table.columns.items()})


def _draw(axes: Axes, simulated: Table, theory: Table, axis: str, lines: list[str]) -> None:
    for index, key in enumerate(_keys(theory, lines)):
        colour, dash = LINES[index % len(LINES)]
        line, points = _matching(theory, lines, key), _matching(simulated, lines, key)
        label = ", ".join(f"${SHORT[n]} = {v:.4g}$" for n, v in zip(lines, key, strict=True))
        axes.plot(
            theory[axis][line],
            theory["theory"][line],
            color=colour,
            linestyle=dash,
            label=label or "theory",
            marker="_" if np.unique(theory[axis]).size == 1 else None,
        )
        agrees = simulated["status"] == "agrees"
        for chosen, face in ((points & agrees, colour), (points & ~agrees, "white")):
            axes.errorbar(
                simulated[axis][chosen],
                simulated["mean"][chosen],
                1.96 * simulated["standard_error"][chosen],
                fmt="o",
                markersize=3.5,
                color=colour,
                markerfacecolor=face,
                elinewidth=0.9,
                capsize=2,
            )
    axes.plot([], [], "o", color="0.3", markersize=3.5, label="simulation")
    axes.set_xlabel(LABELS.get(axis, axis))
    values = np.unique(theory[axis])
    gaps = np.diff(values)
    if values.size > 2 and values[0] > 0 and gaps[-1] > 3 * gaps[0]:
        axes.set_xscale("log")


def _keys(table: Table, names: list[str]) -> NDArray[np.float64]:
    """The distinct combinations of the columns `names`; one empty one without names."""
    columns = [table[name] for name in names]
    return np.unique(np.stack(columns, axis=1), axis=0) if columns else np.zeros((1, 0))


def _matching(table: Table, names: list[str], key: NDArray[np.float64]) -> NDArray[np.bool_]:
    matches = [table[name] == value for name, value in zip(names, key, strict=True)]
    return np.logical_and.reduce([np.ones(len(table), dtype=bool), *matches])
