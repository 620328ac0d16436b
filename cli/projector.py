"""`asymptotics projector`: the gain that a contrastive objective trains."""

from __future__ import annotations

import math
from typing import Any

import click

from cli.options import check_training, grid_option, single_values, training_options
from cli.output import json_option, print_json


@click.command("projector")
@grid_option("--signal", "R >= 0, half the distance of the class means.", required=True)
@training_options
@click.option(
    "--negatives",
    type=float,
    default=math.inf,
    show_default=True,
    help="N >= 1 negatives a batch holds: says whether infinitely many describe it.",
)
@json_option
def command(as_json: bool, negatives: float, **options: Any) -> None:
    """Gain of the linear head at the minimum of a contrastive loss: shrinkage or expansion.

    All local minima are listed; `from_identity` is the one that gradient flow from W = I reaches.
    Expansion measure d a^2/(a^2 + d - 1): 1 is isotropic, d collapse onto the signal.

    Example: asymptotics projector --objective cosine --signal 5 --dimension 50 --augmentation 0.7
    --temperature 1.871
    """
    if options["objective"] is None:
        raise click.UsageError("--objective is required")
    check_training(options, options["objective"])
    parameters = {k: v for k, v in single_values(options).items() if v is not None}
    from asymptotics.training import trained_projection

    found = trained_projection(negatives=negatives, **parameters)
    row = {
        **parameters,
        "gain": found.gain,
        "log_gain": found.log_gain,
        "expansion_measure": found.expansion_measure,
        "signal_energy_fraction": found.signal_energy_fraction,
        "regime": str(found.regime),
        "loss": found.loss,
        "from_identity": found.from_identity,
        "residual": found.residual,
        "error_estimate": found.error_estimate,
        "converged": bool(found.converged),
        "status": str(found.status),
        "required_log_negatives": found.required_log_negatives,
        "enough_negatives": bool(found.enough_negatives),
        "minima": [
            {"gain": math.exp(well.log_gain), "log_gain": well.log_gain, "loss": well.loss}
            for well in found.minima_at()
        ],
    }
    if as_json:
        print_json(row)
        return
    for name in ("gain", "expansion_measure", "signal_energy_fraction", "regime", "loss"):
        value = row[name]
        shown = value if isinstance(value, str) else f"{float(value):.12g}"
        click.echo(f"{name.replace('_', ' '):<24}{shown}")
    click.echo(f"{'error of log gain':<24}{float(found.error_estimate):.1e}")
    click.echo(
        f"{'local minima':<24}"
        + ", ".join(f"{math.exp(w.log_gain):.8g}" for w in found.minima_at())
    )
    if not found.enough_negatives:
        click.echo(
            f"asymptotics: log N = {math.log(negatives):.3g} negatives are too few for this limit, "
            f"which needs about {float(found.required_log_negatives):.3g}",
            err=True,
        )
