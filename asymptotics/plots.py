"""Figures for print: matplotlib objects, legible without colour, no global state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from asymptotics.table import Table

# Okabe-Ito colours, ordered by lightness, each with a dash pattern of its own
LINES = [
    ("#000000", "-"),
    ("#0072B2", "--"),
    ("#D55E00", "-."),
    ("#009E73", (0, (1, 1))),
    ("#CC79A7", (0, (5, 1, 1, 1, 1, 1))),
    ("#E69F00", (0, (7, 3))),
    ("#56B4E9", (0, (3, 1, 1, 1))),
]

LABELS = {
    "sampling_ratio": r"samples per dimension  $n/p$",
    "signal": r"signal  $R$",
    "ridge": r"ridge  $\lambda$",
    "gain": r"gain  $a$",
    "prior": r"class prior  $P(y=1)$",
    "temperature": r"temperature  $\tau$",
    "augmentation": r"augmentation  $\sigma$",
    "dimension": r"dimension  $d$",
    "num_samples": r"samples  $n$",
    "classes": r"classes  $K$",
    "label_noise": r"label noise  $P(\mathrm{wrong})$",
    "accuracy": "limiting test accuracy",
}

SHORT = {
    "sampling_ratio": "n/p",
    "signal": "R",
    "ridge": r"\lambda",
    "gain": "a",
    "prior": r"\pi",
    "temperature": r"\tau",
    "augmentation": r"\sigma",
    "dimension": "d",
    "num_samples": "n",
    "classes": "K",
    "label_noise": "f",
    "accuracy_after": "after the head",
    "accuracy_before": "before the head",
}

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "asymptotics",
}


def plot_curve(
    table: Table, axis: str, lines: list[str], quantities: tuple[str, ...] = ("accuracy",)
) -> Figure:
    """The first of `quantities` against the column `axis`, a line per combination of `lines`.

    Further quantities are drawn thin in the same colour (accuracy before the head, say).

    Points without a limit are marked by open crosses at the foot of the figure, at their place
    on the axis; along n/p the threshold itself is a thin vertical line with its value.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        groups = list(_groups(table, lines))
        for index, (label, chosen) in enumerate(groups):
            colour, dash = _line(index, len(groups))
            x = table[axis][chosen]
            for quantity, width in zip(quantities, (1.5, 0.7), strict=False):
                y = table[quantity][chosen]
                common = width < 1 and np.array_equal(y, table[quantity][groups[0][1]])
                if common and index > 0:
                    continue  # the same line for every group
                parts = (label if not common or len(groups) == 1 else "", SHORT.get(quantity, ""))
                name = ", ".join(filter(None, parts))
                axes.plot(x, y, color=colour, linestyle=dash, linewidth=width, label=name)
        _style_axis(axes, table, axis)
        axes.set_ylabel(LABELS["accuracy"])
        _mark_missing(axes, table, axis)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="best")
    return figure


def plot_measured(table: Table, title: str) -> Figure:
    """Predicted accuracy as a line in its interval, measured accuracy with two standard errors."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        n = table["num_samples"]
        axes.fill_between(
            n,
            table["predicted_low"],
            table["predicted_high"],
            color="0.85",
            label="95% interval",
        )
        axes.plot(n, table["predicted"], color=LINES[0][0], label="predicted")
        axes.errorbar(
            n,
            table["measured"],
            2 * table["standard_error"],
            fmt="o",
            color=LINES[1][0],
            markersize=3.5,
            linewidth=0.9,
            label="measured (2 s.e.)",
        )
        axes.set_xscale("log")
        axes.set_xticks(n, [str(size) for size in n])
        axes.minorticks_off()
        axes.set_ylim(top=min(axes.get_ylim()[1], 1.002))
        axes.set_xlabel(LABELS["num_samples"])
        axes.set_ylabel("test accuracy")
        axes.set_title(title, fontsize=9)
        axes.legend(loc="lower right")
    return figure


def _line(index: int, count: int) -> tuple[Any, Any]:
    """Colour and dash of a line: the palette, or beyond its length a scale of lightness."""
    colour, dash = LINES[index % len(LINES)]
    if count <= len(LINES):
        return colour, dash
    return mpl.colormaps["cividis"](0.92 * index / (count - 1)), dash


def _groups(table: Table, names: list[str]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    if not names:
        yield "", np.ones(len(table), dtype=bool)
        return
    keys = np.stack([table[name] for name in names], axis=1)
    for key in np.unique(keys, axis=0):
        label = ", ".join(f"${SHORT[n]} = {v:.4g}$" for n, v in zip(names, key, strict=True))
        yield label, np.all(keys == key, axis=1)


def is_log(grid: NDArray[np.float64]) -> bool:
    """Whether rising values are spaced as on a logarithmic axis: their steps grow threefold."""
    steps = np.diff(grid)
    return bool(grid.size > 2 and grid[0] > 0 and steps[-1] > 3 * steps[0])


def _style_axis(axes: Axes, table: Table, axis: str) -> None:
    values = np.unique(table[axis])
    axes.set_xlabel(LABELS.get(axis, axis.replace("_", " ")))
    axes.set_xlim(values[0], values[-1]) if values.size > 1 else None
    if is_log(values):
        axes.set_xscale("log")


def _mark_missing(axes: Axes, table: Table, axis: str) -> None:
    missing = table["status"] == "no limit"
    failed = table["status"] == "not converged"
    floor = axes.get_xaxis_transform()
    for chosen, marker, text in ((missing, "x", "no limit"), (failed, "+", "not converged")):
        if np.any(chosen):
            axes.plot(
                np.unique(table[axis][chosen]),
                np.full(np.unique(table[axis][chosen]).size, 0.03),
                marker,
                transform=floor,
                color="0.35",
                markersize=4,
                label=text,
                clip_on=False,
            )
    if axis == "sampling_ratio" and np.any(np.isfinite(table["threshold"])):
        left, right = axes.get_xlim()
        for value in np.unique(np.round(table["threshold"][np.isfinite(table["threshold"])], 10)):
            if left < value < right:
                axes.axvline(value, color="0.5", linewidth=0.7, linestyle=":")
                axes.annotate(
                    rf"$\delta^* = {value:.4g}$",
                    (value, 1.0),
                    xycoords=floor,
                    xytext=(3, -2),
                    textcoords="offset points",
                    va="top",
                    color="0.35",
                    fontsize=8,
                )
