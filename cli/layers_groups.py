"""`asymptotics layers groups`: worst-group accuracy of a probe before and after the head."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.grids import grid_option
from cli.layer_options import (
    feature_options,
    probe_of_layers,
    read_features,
    read_probe,
    single,
    with_free_pair,
)
from cli.output import configuration, json_option, output_option, print_json, print_table, write


@click.command("groups")
@feature_options
@click.option(
    "--training",
    type=click.Choice(["supervised", "contrastive"]),
    default="supervised",
    show_default=True,
    help="Squares on the label, or the spectral loss with positives of one class.",
)
@click.option(
    "--spurious-correlation",
    type=click.FloatRange(-1, 1),
    required=True,
    help="c of the spurious feature and the label while the net is trained.",
)
@grid_option("--probe-correlation", "c in [-1, 1] among the samples of the probe.  [default: 0]")
@grid_option("--proportions", "Instead: shares in [0, 1] of the groups ++,+-,-+,-- among them.")
@click.option(
    "--depth",
    type=click.IntRange(2),
    default=2,
    show_default=True,
    help="Linear layers L; the last is the head.",
)
@click.option(
    "--initial-scale",
    type=click.FloatRange(0, min_open=True),
    help="Weight of every layer at time 0 (supervised).  [default: 1]",
)
@click.option(
    "--class-share",
    type=click.FloatRange(0, 1),
    help="Share of positives that are other samples of the class (contrastive).  [default: 0]",
)
@probe_of_layers
@click.option("--intercept", is_flag=True, help="Fit an unpenalised intercept.")
@output_option()
@json_option
def command(output: Any, as_json: bool, **options: Any) -> int:
    """Accuracies of a probe in the groups (label, spurious feature), layer by layer.

    The first two features are the core, which is the label, and the spurious one; the others are
    the bulk. The last layer is after the head; the probe is fitted to new samples, in which the
    spurious feature may go with the label more, less or not at all.

    Example: asymptotics layers groups --strength 1,2,1 --noise 1 --spurious-correlation 0.9
    --probe-correlation 0,0.5,0.9 --loss logistic --ridge 0.1 --sampling-ratio 4
    """
    probe = read_probe(options)
    if probe is None or options["sampling_ratio"] is None:
        raise click.UsageError("--loss and --sampling-ratio are required")
    if options["proportions"] is not None and options["probe_correlation"] is not None:
        raise click.UsageError("--proportions and --probe-correlation exclude one another")
    from asymptotics.layers.robustness import worst_group_table

    features = read_features(with_free_pair(options, "a core, a spurious"))
    table = worst_group_table(
        features,
        _grams(options, features),
        options["probe_correlation"],
        options["proportions"],
        sampling_ratio=single(options["sampling_ratio"], "sampling-ratio"),
        intercept=options["intercept"],
        **probe,
    )
    config = configuration("layers groups", options)
    if output is not None:

        def draw() -> Any:
            from asymptotics.layers_plot import plot_groups

            return plot_groups(table)

        write(output, table, config, draw)
    if as_json:
        print_json({"config": config, "rows": table.rows()})
    elif output is None:
        accuracies = [name for name in table.columns if name.startswith("accuracy[")]
        names = ["probe_correlation", "layer", *accuracies, "worst_group_accuracy"]
        print_table(table.rows(), [*names, "average_accuracy", "status"])
    failed = int(np.sum(table["status"] != "converged"))
    if failed:
        click.echo(f"asymptotics: {failed} of {len(table)} rows have no value", err=True)
    return 3 if failed else 0


def _grams(options: dict[str, Any], features: Any) -> Any:
    from asymptotics.layers.robustness import contrastive_grams, supervised_grams

    own = {"supervised": "initial_scale", "contrastive": "class_share"}
    for training, name in own.items():
        if training != options["training"] and options[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --training {training}")
    depth, c = options["depth"], options["spurious_correlation"]
    if options["training"] == "supervised":
        scale = options["initial_scale"] or 1.0
        return supervised_grams(features, c, initial_scale=scale, depth=depth - 1)
    share = options["class_share"] or 0.0
    return contrastive_grams(features, c, share=share, depth=depth)
