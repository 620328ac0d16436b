"""The figure of a phase diagram: cells with boundary curves, and cuts through them."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from asymptotics.phase import PhaseDiagram
from asymptotics.plots import LABELS, LINES, SHORT, STYLE, is_log

Array = NDArray[np.float64]

_BAR_LABELS = {
    "expansion-measure": r"expansion measure  $\mathrm{EM}$",
    "log-gain": r"log gain  $\log a$",
    "accuracy-after": "accuracy after the head",
    "accuracy-before": "accuracy before the head",
    "accuracy-gained": "accuracy gained by the head",
}
# boundary -> (dash, legend); white under-strokes keep them legible on any cell
_BOUNDARIES: dict[str, tuple[Any, str]] = {
    "em_one": ("-", r"$\mathrm{EM} = 1$"),
    "collapse": ((0, (4, 2)), "collapse"),
    "head": ((0, (1, 1.2)), "head helps = hurts"),
}
# the level that a cut is compared with
_TURNING = {"log-gain": 0.0, "accuracy-gained": 0.0}


def plot_phase(diagram: PhaseDiagram, quantity: str, cuts: Array | None = None) -> Figure:
    """The heat map of `quantity` with its boundaries, and a panel of cuts at values of y.

    `cuts` defaults to four values spread over the axis; each is drawn at the nearest row. Failed
    cells are hatched. Cells are rasterised, everything else is vector.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        values = diagram.cells(quantity)
        _draw_cells(figure, left, diagram, quantity, values)
        _draw_boundaries(left, diagram)
        rows = _rows_of(diagram, cuts)
        _draw_cuts(right, diagram, quantity, values, rows)
        for row in rows:
            left.plot(
                1.0,
                diagram.y[row],
                "<",
                color="0.2",
                clip_on=False,
                markersize=3,
                transform=left.get_yaxis_transform(),
            )
    return figure


def _draw_cells(
    figure: Figure, axes: Axes, diagram: PhaseDiagram, quantity: str, values: Array
) -> None:
    finite = np.ma.masked_invalid(np.where(np.isposinf(values), np.nanmax(_finite(values)), values))
    norm, colours = _scale(quantity, _finite(values))
    axes.set_facecolor("0.85")
    mesh = axes.pcolormesh(
        diagram.x, diagram.y, finite, norm=norm, cmap=colours, shading="nearest", rasterized=True
    )
    for setter, grid in ((axes.set_xscale, diagram.x), (axes.set_yscale, diagram.y)):
        if is_log(grid):
            setter("log")
    if np.any(np.isnan(values)):
        row, column = np.nonzero(np.isnan(values))
        axes.plot(diagram.x[column], diagram.y[row], "x", color="0.3", markersize=3, label="failed")
    axes.set_xlabel(LABELS.get(diagram.x_name, diagram.x_name))
    axes.set_ylabel(LABELS.get(diagram.y_name, diagram.y_name))
    axes.set_xlim(diagram.x[0], diagram.x[-1])
    axes.set_ylim(diagram.y[0], diagram.y[-1])
    bar = figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label(_BAR_LABELS[quantity])
    bar.outline.set_linewidth(0.5)


def _finite(values: Array) -> Array:
    inside = values[np.isfinite(values)]
    return inside if inside.size else np.zeros(1)


def _scale(quantity: str, values: Array) -> tuple[Normalize, Colormap]:
    """A perceptually uniform map, its lightness monotone so that it reads in grey."""
    low, high = float(values.min()), float(values.max())
    if quantity == "expansion-measure" and low > 0 and high > 10 * low:
        return LogNorm(low, high), mpl.colormaps["cividis"]
    return Normalize(low, high if high > low else low + 1e-12), mpl.colormaps["cividis"]


def _draw_boundaries(axes: Axes, diagram: PhaseDiagram) -> None:
    # EM = 1 is always a boundary of the head too: drawn once, under both names
    traced = {name: [b for b in diagram.boundaries if b.name == name] for name in _BOUNDARIES}
    at_one = {(b.x.tobytes(), b.y.tobytes()) for b in traced["em_one"]}
    traced["head"] = [b for b in traced["head"] if (b.x.tobytes(), b.y.tobytes()) not in at_one]
    for name, branches in traced.items():
        dash, label = _BOUNDARIES[name]
        if name == "em_one" and "accuracy" in diagram.table.columns:
            label = f"{label}, {_BOUNDARIES['head'][1]}"
        for branch in branches:
            axes.plot(branch.x, branch.y, color="white", linewidth=2.6, alpha=0.8)
            axes.plot(branch.x, branch.y, color="black", linestyle=dash, linewidth=1.3, label=label)
            label = "_once"
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="best", fontsize=7, frameon=True, framealpha=0.85, edgecolor="none")


def _rows_of(diagram: PhaseDiagram, cuts: Array | None) -> list[int]:
    if cuts is None:
        wanted = np.quantile(diagram.y, [0.1, 0.37, 0.63, 0.9])
    else:
        wanted = np.asarray(cuts, dtype=float)
    nearest = np.argmin(np.abs(diagram.y[:, None] - wanted), axis=0)
    return list(dict.fromkeys(int(row) for row in nearest))


def _draw_cuts(
    axes: Axes, diagram: PhaseDiagram, quantity: str, values: Array, rows: list[int]
) -> None:
    for index, row in enumerate(rows):
        colour, dash = LINES[index % len(LINES)]
        label = f"${SHORT.get(diagram.y_name, diagram.y_name)} = {diagram.y[row]:.3g}$"
        line = np.where(np.isfinite(values[row]), values[row], np.nan)
        axes.plot(diagram.x, line, color=colour, linestyle=dash, label=label)
    if quantity == "expansion-measure":
        axes.axhline(1.0, color="0.5", linewidth=0.7, linestyle=":")
        axes.set_yscale("log")
    elif quantity in _TURNING:
        axes.axhline(_TURNING[quantity], color="0.5", linewidth=0.7, linestyle=":")
    if is_log(diagram.x):
        axes.set_xscale("log")
    axes.set_xlim(diagram.x[0], diagram.x[-1])
    axes.set_xlabel(LABELS.get(diagram.x_name, diagram.x_name))
    axes.legend(loc="best", fontsize=8)
