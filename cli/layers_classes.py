"""`asymptotics layers classes`: supervised positives, class collapse, coarse-to-fine transfer."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.grids import grid_option
from cli.layer_options import (
    feature_options,
    network_options,
    probe_of_layers,
    read_features,
    read_network,
    read_probe,
    single,
    with_free_pair,
)
from cli.output import configuration, json_option, output_option, print_json, print_table, write


@click.command("classes")
@feature_options
@grid_option("--class-share", "beta in [0, 1): positives that are other samples of the class.")
@grid_option("--samples-per-class", "Instead: samples of a class in a batch of SupCon, >= 1.")
@network_options
@click.option(
    "--readout-noise",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Variance of independent noise in every output of a layer.",
)
@probe_of_layers
@output_option()
@json_option
def command(output: Any, as_json: bool, **options: Any) -> int:
    """Accuracy of a probe for a sub-class, on the layers of a net trained on the classes.

    The first two features are the class and its sub-class; the others are the bulk. As the share
    of supervised positives grows the weight of the sub-class collapses, fast after the head and
    slowly before; with a --readout-noise so does the accuracy.

    Example: asymptotics layers classes --strength 2,1.5,1 --noise 1 --correlation 0.8
    --class-share 0,0.9,0.99,0.999 --readout-noise 0.01 --loss logistic --ridge 0.1
    --sampling-ratio 4
    """
    probe = read_probe(options)
    if probe is None or options["sampling_ratio"] is None:
        raise click.UsageError("--loss and --sampling-ratio are required")
    if (options["class_share"] is None) == (options["samples_per_class"] is None):
        raise click.UsageError("give either --class-share or --samples-per-class")
    from asymptotics.layers.supervised import class_positive_share, coarse_to_fine

    share = options["class_share"]
    if share is None:
        share = class_positive_share(options["samples_per_class"])
    table = coarse_to_fine(
        read_features(with_free_pair(options, "a class, a sub-class")),
        share,
        read_network(options),
        sampling_ratio=single(options["sampling_ratio"], "sampling-ratio"),
        readout_noise=options["readout_noise"],
        **probe,
    )
    config = configuration("layers classes", options)
    if output is not None:

        def draw() -> Any:
            from asymptotics.layers_plot import plot_collapse

            return plot_collapse(table)

        write(output, table, config, draw)
    if as_json:
        print_json({"config": config, "rows": table.rows()})
    elif output is None:
        names = ["share", "layer", "weight", "class_weight", "accuracy", "error_estimate", "status"]
        print_table(table.rows(), names)
    failed = int(np.sum(~table["converged"]))
    if failed:
        click.echo(f"asymptotics: {failed} of {len(table)} rows have no value", err=True)
    return 3 if failed else 0
