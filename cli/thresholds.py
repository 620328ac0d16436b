"""`asymptotics thresholds`: where limits begin and cease to exist."""

from __future__ import annotations

from typing import Any

import click

from cli.options import grid_option
from cli.output import json_option, print_json, print_table


@click.command("thresholds")
@grid_option("--signal", "R >= 0, half the distance of the class means.", required=True)
@grid_option("--prior", "P(y = 1), between 0 and 1.", default="0.5", show_default=True)
@click.option("--intercept", is_flag=True, help="Separating hyperplanes may have an intercept.")
@json_option
def command(signal: Any, prior: Any, intercept: bool, as_json: bool) -> None:
    """Separability threshold with its maximiser, and the interpolation threshold.

    Below `separability` (in n/p) the classes are linearly separable: max-margin exists, the
    logistic MLE does not. Below `interpolation` the square loss fits every label.
    """
    import numpy as np

    from asymptotics.thresholds import separability

    radius, share = (np.ravel(x) for x in np.meshgrid(signal, prior, indexing="ij"))
    found = separability(radius, share if intercept else None)
    rows = [
        {
            "signal": radius[i],
            "prior": share[i],
            "separability": found.threshold[i],
            "cosine": found.cosine[i],
            "intercept": found.intercept[i],
            "interpolation": 1.0,
        }
        for i in range(radius.size)
    ]
    if as_json:
        print_json(rows[0] if len(rows) == 1 else {"rows": rows})
    else:
        print_table(rows, list(rows[0]))
