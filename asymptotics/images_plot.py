"""The figure of the experiment on images: probes before and after the head against disruption."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure

from asymptotics.plots import LINES, STYLE
from asymptotics.table import Table

_LAYERS = (("before", "o"), ("after", "s"))
_DIGITS = (("kept", "^"), ("disrupted", "D"))


def plot_images(table: Table, chance: float) -> Figure:
    """A panel for the accuracy of each digit's probe, and one for before minus after.

    table: columns ``drop``, ``digit``, ``accuracy_before``, ``accuracy_after``, ``difference``,
    each with its ``standard_error_...``; bars are two standard errors. chance: accuracy of a guess.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 2.9), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        for axes, digit in ((left, "kept"), (middle, "disrupted")):
            chosen = table["digit"] == digit
            for (name, marker), (colour, dash) in zip(_LAYERS, LINES, strict=False):
                axes.errorbar(
                    table["drop"][chosen],
                    table[f"accuracy_{name}"][chosen],
                    2 * table[f"standard_error_accuracy_{name}"][chosen],
                    color=colour,
                    marker=marker,
                    linestyle=dash,
                    markersize=4,
                    capsize=2,
                    label=f"{name} the head",
                )
            axes.axhline(chance, color="0.5", linewidth=0.7, linestyle=":")
            axes.annotate("chance", (0, chance), color="0.35", fontsize=8, va="bottom")
            axes.set_ylim(0, 1)
            axes.set_ylabel(f"test accuracy, {digit} digit")
        left.legend(loc="center right")
        for (digit, marker), (colour, dash) in zip(_DIGITS, LINES[2:], strict=False):
            chosen = table["digit"] == digit
            right.errorbar(
                table["drop"][chosen],
                table["difference"][chosen],
                2 * table["standard_error_difference"][chosen],
                color=colour,
                marker=marker,
                linestyle=dash,
                markersize=4,
                capsize=2,
                label=f"{digit} digit",
            )
        right.axhline(0, color="0.5", linewidth=0.7)
        right.set_ylabel("accuracy before $-$ after")
        low, high = right.get_ylim()
        right.set_ylim(low, high + 0.25 * (high - low))  # room for the legend
        right.legend(loc="upper left")
        for axes in (left, middle, right):
            axes.set_xlabel("probability of dropping the digit  $q$")
    return figure
