"""`asymptotics layers flow`: gradient flow, and the order in which features are learned."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.grids import grid_option
from cli.layer_options import feature_options, read_features
from cli.output import configuration, json_option, output_option, print_json, print_table, write


@click.command("flow")
@feature_options
@click.option("--depth", type=click.IntRange(1), default=2, show_default=True, help="Layers L.")
@click.option(
    "--decay", type=click.FloatRange(0), default=0.0, show_default=True, help="Weight decay."
)
@click.option(
    "--start",
    type=click.FloatRange(0, min_open=True),
    default=0.01,
    show_default=True,
    help="Weight w0 of every feature at time 0, w0^(1/L) in each layer.",
)
@grid_option("--times", "Times > 0, rising.  [default: around the learning times]")
@output_option()
@json_option
def command(
    output: Any, as_json: bool, depth: int, decay: float, start: float, times: Any, **options: Any
) -> int:
    """Weights before and after the head along gradient flow of the spectral loss.

    Prints when each feature reaches half of its final weight; a run that ends earlier misses it.

    Example: asymptotics layers flow --strength .2,.5,1,2 --noise .5 --start 0.01 -o flow.png
    """
    from asymptotics.layers.table import flow_table, learning_table

    features = read_features(options)
    learning = learning_table(features, start=start, depth=depth, decay=decay)
    table = flow_table(features, times, start=start, depth=depth, decay=decay)
    config = configuration(
        "layers flow", options | {"depth": depth, "decay": decay, "start": start, "times": times}
    )
    if output is not None:

        def draw() -> Any:
            from asymptotics.layers_plot import plot_flow

            return plot_flow(table)

        write(output, table, config, draw, extra={"learning": learning.rows()})
    if as_json:
        print_json({"config": config, "rows": table.rows(), "learning": learning.rows()})
    elif output is None:
        print_table(learning.rows(), list(learning.columns))
        lost = int(np.sum(np.isinf(learning["learning_time"])))
        if lost:
            click.echo(f"asymptotics: {lost} features are never learned from this start", err=True)
    return 0
