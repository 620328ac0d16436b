"""`asymptotics layers threshold`: what a symmetric-ReLU head leaves of each feature."""

from __future__ import annotations

from typing import Any

import click

from cli.grids import grid_option
from cli.layer_options import feature_options, read_features, single
from cli.output import configuration, json_option, output_option, print_json, print_table, write


@click.command("threshold")
@feature_options
@grid_option("--threshold", "b >= 0 of relu(x - b) - relu(-x - b).", required=True)
@grid_option(
    "--start", "Weights v1,v2 >= 0 of encoder and head at time 0.", default="1,1", show_default=True
)
@grid_option("--time", "Length > 0 of the training; needed with noise.  [default: without end]")
@click.option(
    "--head",
    type=click.Choice(["hidden", "output"]),
    default="hidden",
    show_default=True,
    help="The activation stands between encoder and head, or behind the head.",
)
@output_option()
@json_option
def command(output: Any, as_json: bool, head: str, **options: Any) -> int:
    """Weights of features before and after a symmetric-ReLU head, against its threshold.

    A feature below the threshold is absent after the head and present before it.

    Example: asymptotics layers threshold --strength .5,1,2 --noise 0 --threshold 0:3:31 -o relu.png
    """
    if options["start"].size != 2:
        raise click.UsageError("--start needs two weights, of the encoder and of the head")
    from asymptotics.layers.table import survival_table

    time = None if options["time"] is None else single(options["time"], "time")
    table = survival_table(
        read_features(options), options["threshold"], tuple(options["start"]), time, head
    )
    config = configuration("layers threshold", options | {"head": head})
    if output is not None:

        def draw() -> Any:
            from asymptotics.layers_plot import plot_survival

            return plot_survival(table)

        write(output, table, config, draw)
    if as_json:
        print_json({"config": config, "rows": table.rows()})
    elif output is None:
        names = ["threshold", "feature", "weight_before", "weight_after", "survives", "escapes"]
        print_table(table.rows(), [*names, "log_escape_time"])
    return 0
