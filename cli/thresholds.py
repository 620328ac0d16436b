"""`asymptotics thresholds`: where limits begin and cease to exist, and where training turns."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.options import check_training, grid_option, training_options
from cli.output import json_option, print_json, print_table

# where a threshold of training is sought, if its parameter is not given as a grid
_RANGES = {"temperature": (1e-3, 1e3), "augmentation": (1e-2, 1e1)}


@click.command("thresholds")
@grid_option("--signal", "R >= 0, half the distance of the class means.", required=True)
@grid_option("--prior", "P(y = 1), between 0 and 1.", default="0.5", show_default=True)
@click.option("--intercept", is_flag=True, help="Separating hyperplanes may have an intercept.")
@training_options
@json_option
def command(signal: Any, prior: Any, intercept: bool, as_json: bool, **options: Any) -> None:
    """Separability threshold with its maximiser, and the interpolation threshold.

    Below `separability` (in n/p) the classes are linearly separable: max-margin exists, the
    logistic MLE does not. Below `interpolation` the square loss fits every label. With an
    --objective also `em_one` and `collapse`: the temperatures (augmentations, for objectives
    without temperature) at which training turns from shrinkage to expansion, and to collapse, in
    1e-3..1e3 (1e-2..10), or in the range of --temperature (--augmentation).
    """
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
            **_turns(options, float(radius[i])),
        }
        for i in range(radius.size)
    ]
    if as_json:
        print_json(rows[0] if len(rows) == 1 else {"rows": rows})
    else:
        print_table(rows, list(rows[0]))


def _turns(options: dict[str, Any], signal: float) -> dict[str, Any]:
    objective = options["objective"]
    if objective is None:
        check_training(options, None)
        return {}
    from asymptotics.contrastive.inputs import find_objective
    from asymptotics.crossings import Cells, crossings_along

    along = "temperature" if "temperature" in find_objective(objective).needs else "augmentation"
    values = options[along]
    if values is None or values.size == 1:
        low, high = _RANGES[along]
        values = np.geomspace(low, high, 121) if options[along] is None else options[along]
    check_training(options | {along: values}, objective)
    if values.size < 2:
        raise click.UsageError(f"--{along}: give a grid to search, or leave it out")
    fixed = {"objective": objective, "signal": signal, "views": options["views"]}
    for name in ("temperature", "augmentation", "augmentation_across", "redrawn", "dimension"):
        if name != along and options[name] is not None:
            if options[name].size != 1:
                raise click.UsageError(f"--{name}: only {along} may be a grid here")
            fixed[name] = float(options[name][0])
    found = crossings_along(Cells(fixed), along, values)
    return {"along": along, **{name: places.tolist() for name, places in found.items()}}
