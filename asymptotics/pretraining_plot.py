"""The figures of a pretrained head: a map over N/p and augmentation, or curves along one grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.phase import Boundary
from asymptotics.plots import LABELS, LINES, STYLE, is_log
from asymptotics.table import Table

Array = NDArray[np.float64]

AXIS_LABELS = LABELS | {
    "pretraining_ratio": r"pairs per dimension  $N/p$",
    "output_fraction": r"outputs kept  $k/p$",
}
_SHORT = {
    "pretraining_ratio": "N/p",
    "augmentation": r"\sigma",
    "signal": "R",
    "sampling_ratio": "n/p",
    "ridge": r"\lambda",
    "output_fraction": "k/p",
    "prior": r"\pi",
}
QUANTITIES = {
    "overlap": r"overlap of the first output with $\hat\mu$",
    "eigenvalue": r"largest eigenvalue $\rho$",
    "expansion-measure": r"expansion measure  $\mathrm{EM}$",
    "accuracy-few-outputs": "accuracy on finitely many outputs",
    "accuracy-after": "accuracy after the head",
    "accuracy-gained": "accuracy gained by the head",
}
# boundary -> (dash, legend)
_BOUNDARIES: dict[str, tuple[Any, str]] = {
    "transition": ("-", "signal learned"),
    "full_rank": ((0, (1, 1.2)), "all outputs used"),
    "em_one": ((0, (4, 2)), r"$\mathrm{EM} = 1$"),
    "head": ((0, (5, 1, 1, 1)), "head helps = hurts"),
}


def check_quantity(quantity: str, has_probe: bool) -> None:
    """InvalidInput if there is no such quantity, or none without a probe."""
    if quantity not in QUANTITIES:
        raise InvalidInput(f"quantity must be one of {', '.join(QUANTITIES)}, got {quantity!r}")
    if quantity in ("accuracy-after", "accuracy-gained") and not has_probe:
        raise InvalidInput(f"quantity {quantity} needs a probe: give a loss")


def values_of(table: Table, quantity: str) -> Array:
    """The column that is drawn."""
    if quantity == "accuracy-gained":
        return np.asarray(table["accuracy_after"] - table["accuracy_before"])
    return np.asarray(table[quantity.replace("-", "_")])


def plot_pretraining_map(
    table: Table, quantity: str, boundaries: Sequence[Boundary], cuts: Array | None = None
) -> Figure:
    """Heat map of `quantity` over (N/p, sigma) with its boundaries, and cuts at values of sigma.

    `cuts` defaults to four values spread over the axis; cells without a value are grey.
    """
    x, y = np.unique(table["pretraining_ratio"]), np.unique(table["augmentation"])
    order = np.lexsort([table["pretraining_ratio"], table["augmentation"]])
    values = values_of(table, quantity)[order].reshape(y.size, x.size)
    wanted = np.quantile(y, [0.1, 0.37, 0.63, 0.9]) if cuts is None else np.asarray(cuts)
    rows = list(dict.fromkeys(int(np.argmin(np.abs(y - value))) for value in wanted))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        left.set_facecolor("0.85")
        mesh = left.pcolormesh(
            x,
            y,
            np.ma.masked_invalid(values),
            cmap=mpl.colormaps["cividis"],
            shading="nearest",
            rasterized=True,
        )
        figure.colorbar(mesh, ax=left, pad=0.02).set_label(QUANTITIES[quantity])
        _draw_boundaries(left, boundaries)
        left.set_ylabel(AXIS_LABELS["augmentation"])
        left.set_ylim(y[0], y[-1])
        for index, row in enumerate(rows):
            colour, dash = LINES[index % len(LINES)]
            label = rf"$\sigma = {y[row]:.3g}$"
            right.plot(x, values[row], color=colour, linestyle=dash, label=label)
        right.legend(loc="best", fontsize=8)
        for axes in (left, right):
            _style_x(axes, x, "pretraining_ratio")
    return figure


def _draw_boundaries(axes: Axes, boundaries: Sequence[Boundary]) -> None:
    for name, (dash, label) in _BOUNDARIES.items():
        for branch in (b for b in boundaries if b.name == name):
            axes.plot(branch.x, branch.y, color="white", linewidth=2.6, alpha=0.8)
            axes.plot(branch.x, branch.y, color="black", linestyle=dash, linewidth=1.3, label=label)
            label = "_once"
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="best", fontsize=7, frameon=True, framealpha=0.85, edgecolor="none")


def plot_pretraining(table: Table, axis: str, lines: Sequence[str]) -> Figure:
    """Two panels along `axis`: what the head learned, and what that is worth.

    Left the overlap and, thin, the gain; right the accuracy after the head, and thin that before it
    (with a probe), and dotted that on finitely many outputs. A line per combination of `lines`.
    """
    groups = _groups(table, lines)
    has_probe = "accuracy_after" in table.columns
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2)
        for index, (label, chosen) in enumerate(groups):
            x = table[axis][chosen]
            colour, dash = LINES[index % len(LINES)]
            left.plot(x, table["overlap"][chosen], color=colour, linestyle=dash, label=label)
            left.plot(x, table["gain"][chosen], color=colour, linestyle=dash, linewidth=0.6)
            few = table["accuracy_few_outputs"][chosen]
            names = ["few outputs", "after the head", "before the head"] if index == 0 else [""] * 3
            right.plot(x, few, ":", color=colour, label=names[0])
            if has_probe:
                after, before = (table[f"accuracy_{k}"][chosen] for k in ("after", "before"))
                right.plot(x, after, color=colour, linestyle=dash, label=names[1])
                shade = colour if table.config.get("encoder") == "balanced" else "0.5"
                right.plot(x, before, color=shade, linewidth=0.6, label=names[2])
        left.set_ylabel("overlap (thick), gain (thin)")
        right.set_ylabel(LABELS["accuracy"])
        for axes in (left, right):
            _style_x(axes, np.unique(table[axis]), axis)
            if axes.get_legend_handles_labels()[1]:
                axes.legend(loc="best", fontsize=8)
    return figure


def _groups(table: Table, names: Sequence[str]) -> list[tuple[str, NDArray[np.bool_]]]:
    if not names:
        return [("", np.ones(len(table), dtype=bool))]
    keys = np.stack([table[name] for name in names], axis=1)
    groups = []
    for key in np.unique(keys, axis=0):
        label = ", ".join(f"${_SHORT[n]} = {v:.4g}$" for n, v in zip(names, key, strict=True))
        groups.append((label, np.all(keys == key, axis=1)))
    return groups


def _style_x(axes: Axes, values: Array, name: str) -> None:
    if is_log(values):
        axes.set_xscale("log")
    if values.size > 1:
        axes.set_xlim(values[0], values[-1])
    axes.set_xlabel(AXIS_LABELS.get(name, name.replace("_", " ")))
