"""The figure of optimal choices: the best value and its accuracy along a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from asymptotics.local_maxima import LOWER, UPPER
from asymptotics.plots import LABELS, LINES, SHORT, STYLE, is_log
from asymptotics.table import Table

# markers of best values that are an end of the range
_ENDS = ((UPPER, "^"), (LOWER, "v"))


def plot_optimal(table: Table, over: Sequence[str], axis: str, lines: Sequence[str]) -> Figure:
    """A panel for each parameter of `over` and one for the accuracy, along the column `axis`.

    A line for each combination of `lines` through the best maxima, in one colour of its own and
    marked where the best is an end of the range; local maxima that are not best are dots. Beside
    the accuracy, thin, that of Bayes.
    """
    best = table["rank"] == 1
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.1 + 2.7 * len(over), 3.1), layout="constrained")
        panels = figure.subplots(1, len(over) + 1)
        for axes, name in zip(panels, over, strict=False):
            axes.set_yscale("log")
            values = np.unique(table[name][np.isfinite(table[name])])
            if values.size == 1:
                axes.set_ylim(values[0] / 2, 2 * values[0])
        for index, (label, chosen) in enumerate(_groups(table, lines)):
            colour, dash = LINES[index % len(LINES)]
            for axes, name in zip(panels, over, strict=False):
                _values(axes, table, axis, name, chosen, colour, dash)
            x, top = table[axis][chosen & best], panels[-1]
            top.plot(x, table["accuracy"][chosen & best], color=colour, ls=dash, label=label)
            name = "Bayes" if index == 0 else ""
            top.plot(x, table["bayes_accuracy"][chosen & best], color="0.5", lw=0.7, label=name)
        for axes, name in zip(panels, (*over, "accuracy"), strict=True):
            values = np.unique(table[axis])
            axes.set_xlabel(LABELS.get(axis, axis))
            axes.set_ylabel(LABELS[name] if name == "accuracy" else f"best {LABELS[name]}")
            if is_log(values):
                axes.set_xscale("log")
        panels[-1].legend(loc="best", fontsize=8)
        if panels[0].get_legend_handles_labels()[1]:
            panels[0].legend(loc="best", fontsize=8)
    return figure


def _values(
    axes: Axes,
    table: Table,
    axis: str,
    name: str,
    chosen: NDArray[np.bool_],
    colour: str,
    dash: Any,
) -> None:
    best = chosen & (table["rank"] == 1)
    place = table[f"place_{name}" if f"place_{name}" in table.columns else "status"]
    # no line from an end of the range to a maximum inside
    cuts = np.flatnonzero(place[best][1:] != place[best][:-1]) + 1
    x, y = (np.insert(table[column][best], cuts, np.nan) for column in (axis, name))
    axes.plot(x, y, color=colour, ls=dash, marker=".", ms=3)
    other = chosen & (table["rank"] > 1)
    axes.plot(table[axis][other], table[name][other], "o", color=colour, ms=1.5)
    for end, marker in _ENDS:
        here = best & (place == end)
        if np.any(here):
            known = axes.get_legend_handles_labels()[1]
            style: dict[str, Any] = {
                "marker": marker,
                "ms": 4,
                "mfc": "none",
                "color": colour,
                "ls": "none",
            }
            label = "" if end in known else end
            axes.plot(table[axis][here], table[name][here], label=label, **style)


def _groups(table: Table, names: Sequence[str]) -> list[tuple[str, NDArray[np.bool_]]]:
    if not names:
        return [("best", np.ones(len(table), dtype=bool))]
    keys = np.stack([table[name] for name in names], axis=1)
    groups = []
    for key in np.unique(keys, axis=0):
        label = ", ".join(f"${SHORT[n]} = {v:.4g}$" for n, v in zip(names, key, strict=True))
        groups.append((label, np.all(keys == key, axis=1)))
    return groups
