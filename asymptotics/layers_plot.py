"""Figures of trained layers: weights of features, accuracies of layers, where the head hurts."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from asymptotics.layers.scenarios import ScenarioMap
from asymptotics.plots import LABELS, LINES, STYLE, is_log
from asymptotics.table import Table

Array = NDArray[np.float64]

_MARKERS = "os^Dv<>p"


def plot_layers(weights: Table, accuracies: Table | None = None) -> Figure:
    """Weight of every feature at every layer; beside it the accuracies of `accuracy_table`."""
    layers = [name for name in weights.columns if name.removeprefix("weight_").isdigit()]
    with mpl.rc_context(STYLE):
        width = 4.2 if accuracies is None else 7.4
        figure = Figure(figsize=(width, 3.0), layout="constrained")
        axes = figure.subplots(1, 1 if accuracies is None else 2, squeeze=False)[0]
        for index, name in enumerate(layers):
            colour, dash = LINES[index % len(LINES)]
            axes[0].plot(
                weights["feature"],
                weights[name],
                color=colour,
                linestyle=dash,
                marker=_MARKERS[index % len(_MARKERS)],
                markersize=4,
                label=_layer(index + 1, len(layers)),
            )
        axes[0].set_xlabel("kind of feature")
        axes[0].set_ylabel("weight")
        axes[0].set_ylim(bottom=0)
        axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0].legend(loc="best", fontsize=8)
        if accuracies is not None:
            _draw_accuracies(axes[1], accuracies, len(layers))
    return figure


def _layer(layer: int, depth: int) -> str:
    names = {0: "input", depth - 1: "before the head", depth: "after the head"}
    return names.get(layer, f"layer {layer}")


def _draw_accuracies(axes: Axes, table: Table, depth: int) -> None:
    ratios = np.unique(table["sampling_ratio"])
    axes.set_ylabel(LABELS["accuracy"])
    if ratios.size == 1:
        axes.plot(table["layer"], table["accuracy"], color="black", marker="o", markersize=4)
        axes.set_xlabel(f"layer  ($n/p = {ratios[0]:.4g}$)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return
    for layer in range(depth + 1):
        colour, dash = ("0.6", ":") if layer == 0 else LINES[(layer - 1) % len(LINES)]
        chosen = table["layer"] == layer
        axes.plot(
            table["sampling_ratio"][chosen],
            table["accuracy"][chosen],
            color=colour,
            linestyle=dash,
            label=_layer(layer, depth),
        )
    if is_log(ratios):
        axes.set_xscale("log")
    axes.set_xlabel(LABELS["sampling_ratio"])
    axes.legend(loc="best", fontsize=8)


def plot_scenarios(found: ScenarioMap, level: float | None = None) -> Figure:
    """Accuracy that the head gains over strength and correlation, the tie, and a cut at `level`.

    The cut (default: the middle row) shows both accuracies; scenario names stand in their regions.
    """
    gained = found.cells("accuracy_after") - found.cells("accuracy_before")
    largest = np.nanmax(np.abs(gained)) if np.any(np.isfinite(gained)) else 1.0
    wanted = np.median(found.correlation) if level is None else level
    row = int(np.argmin(np.abs(found.correlation - wanted)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        left.set_facecolor("0.85")
        mesh = left.pcolormesh(
            found.strength,
            found.correlation,
            np.ma.masked_invalid(gained),
            cmap="RdBu",
            norm=AsinhNorm(largest / 20, vmin=-largest, vmax=largest),
            shading="nearest",
            rasterized=True,
        )
        for branch in found.boundaries:
            left.plot(branch.x, branch.y, color="black", linewidth=1.3)
        _name_regions(left, found)
        bar = figure.colorbar(mesh, ax=left, pad=0.02)
        bar.set_label("accuracy gained by the head")
        bar.outline.set_linewidth(0.5)
        left.set_ylabel(r"correlation across the views  $\rho$")
        for name, (colour, dash) in zip(("after", "before"), LINES, strict=False):
            values = found.cells(f"accuracy_{name}")[row]
            right.plot(
                found.strength, values, color=colour, linestyle=dash, label=f"{name} the head"
            )
        right.set_ylabel(LABELS["accuracy"])
        right.set_title(rf"$\rho = {found.correlation[row]:.3g}$", fontsize=9)
        right.legend(loc="lower right", fontsize=8)
        left.plot(
            1.0,
            found.correlation[row],
            "<",
            color="0.2",
            clip_on=False,
            markersize=3,
            transform=left.get_yaxis_transform(),
        )
        for axes in (left, right):
            axes.set_xlabel(r"strength of the label's feature  $\phi$")
            if is_log(found.strength):
                axes.set_xscale("log")
            axes.set_xlim(found.strength[0], found.strength[-1])
    return figure


_REGIONS = {
    "after": "after is better",
    "disrupted": "disrupted",
    "too weak": "too weak",
    "too strong": "too strong",
}


def _name_regions(axes: Axes, found: ScenarioMap) -> None:
    """Each scenario's name at its cell that is farthest from the others; lines between them."""
    from scipy.ndimage import distance_transform_cdt

    scenario = found.cells("scenario")
    # what divides the scenarios is the verdict at rho = 1, one a column
    for column in np.flatnonzero(scenario[0, 1:] != scenario[0, :-1]):
        divide = np.sqrt(found.strength[column] * found.strength[column + 1])
        hurts = found.correlation[scenario[:, column] != "after"]
        axes.plot([divide] * 2, [hurts[0], hurts[-1]], color="0.3", linestyle=":", linewidth=0.8)
    for name, text in _REGIONS.items():
        inside = scenario == name
        if np.count_nonzero(inside) < 0.01 * inside.size:
            continue
        depth = distance_transform_cdt(np.pad(inside, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
        axes.text(found.strength[column], found.correlation[row], text, **style)


def plot_flow(table: Table) -> Figure:
    """Weight of every feature along training: after the head, and thin before it."""
    return _by_feature(table, "time", "time  $t$ of gradient flow")


def plot_survival(table: Table) -> Figure:
    """Weight of every feature against the threshold: after the head, and thin before it."""
    return _by_feature(table, "threshold", "threshold  $b$")


def _by_feature(table: Table, axis: str, label: str) -> Figure:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        for index, feature in enumerate(np.unique(table["feature"])):
            colour, dash = LINES[index % len(LINES)]
            chosen = table["feature"] == feature
            x = table[axis][chosen]
            for name, width in (("after", 1.5), ("before", 0.6)):
                axes.plot(
                    x,
                    table[f"weight_{name}"][chosen],
                    color=colour,
                    linestyle=dash,
                    linewidth=width,
                    label=f"feature {feature}" if name == "after" else None,
                )
        axes.plot([], [], color="0.4", linewidth=0.6, label="before the head")
        if is_log(np.unique(table[axis])):
            axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("weight")
        axes.set_ylim(bottom=0)
        axes.legend(loc="best", fontsize=8)
    return figure


def plot_groups(table: Table) -> Figure:
    """Worst-group accuracy and, thin, the average, against the correlation that the probe sees."""
    return _by_layer(
        table,
        "probe_correlation",
        ("worst_group_accuracy", "average_accuracy"),
        ("correlation of the spurious feature in the probe's samples", "accuracy of a group"),
        ("worst group", "average"),
    )


def plot_collapse(table: Table) -> Figure:
    """Sub-class accuracy at every layer against 1 - beta."""
    shifted = Table(dict(table.columns) | {"left": 1 - table["share"]})
    return _by_layer(
        shifted,
        "left",
        ("accuracy",),
        (r"share of positives of one sample  $1 - \beta$", LABELS["accuracy"]),
        ("sub-class",),
    )


def plot_heads(table: Table) -> Figure:
    """Accuracy before and after a fixed head against kappa."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        for name, (colour, dash) in zip(("after", "before"), LINES, strict=False):
            y = table[f"accuracy_{name}"]
            axes.plot(table["kappa"], y, color=colour, linestyle=dash, label=f"{name} the head")
        if is_log(table["kappa"]):
            axes.set_xscale("log")
        axes.set_xlabel(r"base  $\kappa$  of the head")
        axes.set_ylabel(LABELS["accuracy"])
        axes.legend(loc="best", fontsize=8)
    return figure


def _by_layer(
    table: Table,
    axis: str,
    quantities: tuple[str, ...],
    labels: tuple[str, str],
    names: tuple[str, ...],
) -> Figure:
    """A line a layer of every quantity, the first one thick."""
    layers = np.unique(table["layer"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        for index, layer in enumerate(layers):
            colour, dash = LINES[index % len(LINES)]
            chosen = table["layer"] == layer
            for quantity, width, marker in zip(quantities, (1.5, 0.6), ("o", ""), strict=False):
                axes.plot(
                    table[axis][chosen],
                    table[quantity][chosen],
                    color=colour,
                    linestyle=dash,
                    linewidth=width,
                    marker=marker,
                    markersize=3,
                    label=_layer(int(layer), int(layers[-1])) if width > 1 else None,
                )
        if len(names) > 1:
            axes.plot([], [], color="0.4", linewidth=0.6, label=names[1])
        if is_log(np.unique(table[axis])):
            axes.set_xscale("log")
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.legend(loc="best", fontsize=8)
    return figure
