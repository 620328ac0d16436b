"""The figure of a table of claims: what the theory says as dashes, what was measured as points."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from asymptotics.plots import LINES, STYLE
from asymptotics.table import Table


def plot_claims(table: Table) -> Figure:
    """A panel for each quantity, its rows side by side.

    table: columns ``quantity``, ``theory``, ``mean``, ``standard_error``, ``status`` and perhaps
    ``feature``, which numbers the rows. Bars are 1.96 standard errors; rows that do not agree are
    open; rows without an estimate have their dash alone.
    """
    quantities = list(dict.fromkeys(table["quantity"].tolist()))
    colour, theory_colour = LINES[1][0], LINES[0][0]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.6 + 2.6 * len(quantities), 2.8), layout="constrained")
        panels = figure.subplots(1, len(quantities), squeeze=False)[0]
        for axes, quantity in zip(panels, quantities, strict=True):
            chosen = table["quantity"] == quantity
            place = np.arange(np.count_nonzero(chosen))
            axes.hlines(
                table["theory"][chosen], place - 0.3, place + 0.3, theory_colour, label="theory"
            )
            agrees = table["status"][chosen] == "agrees"
            for which, face in ((agrees, colour), (~agrees, "white")):
                axes.errorbar(
                    place[which],
                    table["mean"][chosen][which],
                    1.96 * table["standard_error"][chosen][which],
                    fmt="o",
                    markersize=3.5,
                    color=colour,
                    markerfacecolor=face,
                    elinewidth=0.9,
                    capsize=2,
                )
            axes.set_title(quantity.replace("_", " "), fontsize=9)
            axes.set_xlim(-0.7, place.size - 0.3)
            numbers = table.columns.get("feature", np.full(len(table), np.nan))[chosen]
            axes.set_xticks(place, ["" if np.isnan(x) else f"{x:.0f}" for x in numbers])
            if np.all(np.isfinite(numbers)):
                axes.set_xlabel("feature")
        panels[0].plot([], [], "o", color=colour, markersize=3.5, label="trained networks")
        panels[0].legend(loc="best")
    return figure
