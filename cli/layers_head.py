"""`asymptotics layers head`: a fixed reweighting head, and the best one for a downstream task."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.grids import grid_option
from cli.layer_options import feature_options, probe_of_layers, read_features, read_probe, single
from cli.output import configuration, json_option, output_option, print_json, print_table, write


@click.command("head")
@feature_options
@grid_option("--kappa", "kappa > 0 of z_i = h_i/kappa^(i-1).", required=True)
@click.option("--decay", type=click.FloatRange(0), help="Weight decay on the encoder: its optimum.")
@click.option(
    "--start",
    type=click.FloatRange(0, min_open=True),
    help="Instead: gradient flow from the encoder START times the identity.",
)
@grid_option("--time", "Length > 0 of the training with --start.  [default: without end]")
@click.option(
    "--label",
    type=click.IntRange(1),
    required=True,
    help="Kind of feature, from 1, of which one feature carries the downstream label.",
)
@probe_of_layers
@click.option(
    "--best",
    type=click.Choice(["before", "after"]),
    default="before",
    show_default=True,
    help="Which accuracy the best kappa is of.",
)
@output_option()
@json_option
def command(output: Any, as_json: bool, label: int, best: str, **options: Any) -> int:
    """Accuracy before and after a fixed head z_i = h_i/kappa^(i-1), and the best kappa.

    Without decay and after long training the encoder undoes the head; what remains of it is the
    encoder's own weights, kappa^(i-1) times those behind the head. From three values of kappa on
    the best one is searched for between them.

    Example: asymptotics layers head --strength 2,1,.5 --noise .5 --correlation 1,.8,.6 --label 3
    --start 0.1 --kappa 0.5:4:40:log --loss logistic --ridge 0.1 --sampling-ratio 2
    """
    probe = read_probe(options)
    if probe is None or options["sampling_ratio"] is None:
        raise click.UsageError("--loss and --sampling-ratio are required")
    probe["sampling_ratio"] = single(options["sampling_ratio"], "sampling-ratio")
    from asymptotics.layers.head_search import best_head, head_table

    features = read_features(options)
    if label > features.dimension:
        raise click.UsageError(f"--label must be in 1..{features.dimension}, got {label}")
    weights = _weights(options, features)
    kappa = options["kappa"]
    table = head_table(features, label - 1, weights, kappa, probe)
    extra: dict[str, Any] = {}
    if kappa.size > 2:
        found = best_head(features, label - 1, weights, kappa, probe, best)
        extra["best"] = {"place": best} | vars(found)
    config = configuration("layers head", options | {"label": label, "best": best})
    if output is not None:

        def draw() -> Any:
            from asymptotics.layers_plot import plot_heads

            return plot_heads(table)

        write(output, table, config, draw, extra=extra)
    if as_json:
        print_json({"config": config, "rows": table.rows(), **extra})
    elif output is None:
        names = ["kappa", "weight_before", "weight_after", "accuracy_before", "accuracy_after"]
        print_table(table.rows(), [*names, "status"])
    if extra and not as_json:
        click.echo(
            f"asymptotics: best accuracy {best} the head {extra['best']['accuracy']:.8g} at kappa "
            f"{extra['best']['kappa']:.6g} ({extra['best']['status']})",
            err=True,
        )
    failed = int(np.sum(~table["converged"]))
    return 3 if failed else 0


def _weights(options: dict[str, Any], features: Any) -> Any:
    from asymptotics.layers.head_search import trained_by_decay, trained_by_flow

    if (options["decay"] is None) == (options["start"] is None):
        raise click.UsageError("give either --decay or --start: how the encoder was trained")
    if options["decay"] is not None:
        if options["time"] is not None:
            raise click.UsageError("--time needs --start")
        return trained_by_decay(features, options["decay"])
    time = np.inf if options["time"] is None else single(options["time"], "time")
    return trained_by_flow(features, options["start"], time)
