"""`asymptotics layers`: feature weights before and after the head, and which layer to keep."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
import numpy as np

from cli.config import configurable
from cli.layer_options import (
    feature_options,
    network_options,
    probe_of_layers,
    read_features,
    read_network,
    read_probe,
)
from cli.output import configuration, json_option, output_option, print_json, print_table, write

# subcommand: (module of cli, one line of help)
COMMANDS = {
    "phase": ("layers_phase", "where the head hurts: a map of strength against disruption"),
    "flow": ("layers_flow", "the order in which features are learned"),
    "head": ("layers_head", "a fixed reweighting head, and the best one for a task"),
    "threshold": ("layers_threshold", "a symmetric-ReLU head: which features survive it"),
    "groups": (
        "layers_groups",
        "spurious features: worst-group accuracy before and after the head",
    ),
    "classes": ("layers_classes", "supervised positives: class collapse, coarse-to-fine transfer"),
}


class LayersGroup(click.Group):
    """Imports a subcommand when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"cli.{COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return configurable(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and one-line helps, without an import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in COMMANDS.items()])


@click.group("layers", cls=LayersGroup, invoke_without_command=True)
@feature_options
@network_options
@click.option(
    "--label",
    type=click.IntRange(1),
    help="Kind of feature, from 1, of which one feature carries the downstream label.",
)
@probe_of_layers
@click.option(
    "--target-accuracy",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    help="Also the smallest n/p at which each layer reaches this accuracy.",
)
@output_option()
@json_option
@click.pass_context
def command(
    ctx: click.Context, output: Any, as_json: bool, label: int | None, **options: Any
) -> int | None:
    """Weights of features at every layer of a linear net trained on the spectral loss.

    Kind i of feature, x = phi s + sigma xi, ends with the weight w^(l/L) after layer l of L. With
    a --label and a --loss: the limiting accuracy of that probe on every layer, each scaled to
    features of mean square 1; layer 0 is the input, layer L is after the head.

    Example: asymptotics layers --strength .2,.5,1,2,1,1 --noise .5
    --correlation .9,.9,.9,.9,.5,.2 --label 6 --loss logistic --ridge 0.1 --sampling-ratio 2
    """
    if ctx.invoked_subcommand is not None:
        return None
    from asymptotics.layers.table import accuracy_table, sample_size_table, weight_table

    features, network, probe = read_features(options), read_network(options), read_probe(options)
    _check(label, probe, options, features.dimension)
    weights = weight_table(features, network)
    extra: dict[str, Any] = {}
    failed = 0
    if label is not None and probe is not None:
        if options["sampling_ratio"] is not None:
            table = accuracy_table(features, label - 1, network, options["sampling_ratio"], probe)
            extra["layers"] = table
            failed = int(np.sum(~table["converged"]))
        if options["target_accuracy"] is not None:
            extra["sample_sizes"] = sample_size_table(
                features, label - 1, network, options["target_accuracy"], probe
            )
    rows = {name: table.rows() for name, table in extra.items()}
    config = configuration("layers", options | {"label": label})
    if output is not None:

        def draw() -> Any:
            from asymptotics.layers_plot import plot_layers

            return plot_layers(weights, extra.get("layers"))

        write(output, weights, config, draw, extra=rows)
    if as_json:
        print_json({"config": config, "rows": weights.rows(), **rows})
    elif output is None:
        print_table(weights.rows(), list(weights.columns))
        for table in rows.values():
            click.echo()
            print_table(table, list(table[0]))
    if failed:
        click.echo(f"asymptotics: {failed} accuracies have no value; see status", err=True)
    return 3 if failed else 0


def _check(
    label: int | None, probe: dict[str, Any] | None, options: dict[str, Any], kinds: int
) -> None:
    if (label is None) != (probe is None):
        raise click.UsageError("--label and --loss go together: the task, and what is fitted to it")
    if options["target_accuracy"] is not None and probe is None:
        raise click.UsageError("--target-accuracy needs a --label and a --loss")
    if probe is not None and options["sampling_ratio"] is options["target_accuracy"] is None:
        raise click.UsageError("--loss needs a --sampling-ratio or a --target-accuracy")
    if label is not None and label > kinds:
        raise click.UsageError(f"--label must be in 1..{kinds}, got {label}")
