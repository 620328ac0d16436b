"""The figure of a remade result: theory as lines, simulated points, published squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from asymptotics.plots import LINES, STYLE
from asymptotics.table import Table


def plot_remade(points: Table, panels: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A panel side by side for each of `panels`, whose values are properties of its axes.

    points: columns ``panel``, ``series``, ``kind``, ``x``, ``y``, ``error``, ``value``. Kinds:
    theory (a line), boundary (a black one), simulation (bars of 1.96 ``error``), published (open
    squares, bars of ``error``), mark (a vertical line at x), cells (``value`` over x and y, a
    logarithmic scale). Series keep their colour through the kinds of a panel.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.2 + 3.4 * len(panels), 3.2), layout="constrained")
        for axes, (name, properties) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            _draw(axes, _only(points, "panel", name))
            axes.set(**properties)
            axes.title.set_size(9)
            if "xticks" in properties:
                axes.xaxis.set_minor_formatter(NullFormatter())
            if "yticks" in properties:
                axes.yaxis.set_minor_formatter(NullFormatter())
            if axes.get_legend_handles_labels()[1]:
                axes.legend(loc="best", fontsize=8)
    return figure


def _only(table: Table, column: str, value: str) -> Table:
    chosen = table[column] == value
    return Table({name: values[chosen] for name, values in table.columns.items()})


def _draw(axes: Axes, table: Table) -> None:
    kinds = table["kind"]
    lines = dict.fromkeys(table["series"][np.isin(kinds, ["theory", "simulation", "published"])])
    styles = {series: LINES[i % len(LINES)] for i, series in enumerate(lines)}
    drawers = {"cells": _cells, "boundary": _boundary, "mark": _mark}
    # a legend entry for each series, then one for each kind of point
    for kind in ("cells", "boundary", "theory", "mark", "simulation", "published"):
        of_kind = _only(table, "kind", kind)
        for series in dict.fromkeys(of_kind["series"].tolist()):
            one = _only(of_kind, "series", series)
            if kind in drawers:
                drawers[kind](axes, one, series)
            elif kind == "theory":
                _line(axes, one, series, styles[series])
            else:
                _points(axes, one, kind, styles[series][0])
        if len(of_kind) and kind in _MARKERS:
            axes.plot([], [], color="0.3", label=_MARKERS[kind][2], **_marker(kind, "0.3"))


def _line(axes: Axes, one: Table, series: str, style: tuple[Any, Any]) -> None:
    # a series may have several branches, each with a line of its own
    breaks = np.flatnonzero(np.diff(one["x"]) < 0) + 1
    for i, (x, y) in enumerate(
        zip(np.split(one["x"], breaks), np.split(one["y"], breaks), strict=True)
    ):
        axes.plot(x, y, color=style[0], linestyle=style[1], label=series if i == 0 else None)


def _boundary(axes: Axes, one: Table, series: str) -> None:
    axes.plot(one["x"], one["y"], color="white", linewidth=2.6, alpha=0.8)
    axes.plot(one["x"], one["y"], color="black", linewidth=1.3, label=series)


def _mark(axes: Axes, one: Table, series: str) -> None:
    for x in one["x"]:
        axes.axvline(x, color="0.5", linewidth=0.7, linestyle=":", zorder=0)
    axes.plot([], [], color="0.5", linewidth=0.7, linestyle=":", label=series)


def _cells(axes: Axes, one: Table, series: str) -> None:
    x, y = np.unique(one["x"]), np.unique(one["y"])
    value = one["value"].reshape(y.size, x.size)
    mesh = axes.pcolormesh(
        x, y, value, norm=LogNorm(), cmap="cividis", shading="nearest", rasterized=True
    )
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label(series)
    bar.outline.set_linewidth(0.5)


# kind: marker, size, label, multiple of the error that a bar shows
_MARKERS = {
    "simulation": ("o", 3.5, "simulation", 1.96),
    "published": ("s", 6.5, "published", 1.0),
}


def _marker(kind: str, colour: str) -> dict[str, Any]:
    marker, size, *_ = _MARKERS[kind]
    face = "none" if kind == "published" else colour
    return {"marker": marker, "markersize": size, "markerfacecolor": face, "linestyle": "none"}


def _points(axes: Axes, one: Table, kind: str, colour: str) -> None:
    axes.errorbar(
        one["x"],
        one["y"],
        _MARKERS[kind][3] * one["error"],
        color=colour,
        elinewidth=0.9,
        capsize=2,
        markeredgewidth=0.8,
        **_marker(kind, colour),
    )
