"""`asymptotics layers phase`: where the head hurts, over strength and disruption of a feature."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.grids import grid_option
from cli.layer_options import (
    network_options,
    probe_of_layers,
    read_network,
    read_probe,
    single,
)
from cli.output import (
    configuration,
    json_option,
    output_option,
    print_json,
    print_table,
    progress_bar,
    write,
)


@click.command("phase")
@grid_option("--strength", "phi > 0 of the label's feature: the horizontal axis.", required=True)
@grid_option("--correlation", "rho of it in [0, 1]: the vertical axis.", required=True)
@click.option(
    "--noise",
    type=click.FloatRange(0),
    required=True,
    help="sigma, deviation of the noise of the label's feature.",
)
@grid_option(
    "--background-strength", "phi > 0 of the other kinds, a list.", default="1", show_default=True
)
@grid_option(
    "--background-correlation",
    "rho in (0, 1] of the other kinds, a list.",
    default="1",
    show_default=True,
)
@grid_option("--background-noise", "sigma >= 0 of the other kinds.  [default: --noise]")
@grid_option(
    "--background-fraction", "Share in (0, 1] of the dimensions, of each.  [default: equal]"
)
@network_options
@probe_of_layers
@click.option(
    "--cut", type=float, help="Correlation in (0, 1] of the cut drawn.  [default: middle]"
)
@output_option()
@json_option
def command(output: Any, as_json: bool, cut: float | None, **options: Any) -> int:
    """Accuracy before and after the head over (strength, correlation) of the label's feature.

    One feature of that strength and correlation carries the label, over a background of others.
    Every cell says which layer is better and why (scenario): after, or the feature was disrupted,
    too weak or too strong. The boundary `tie` is where both layers are equal.

    Example: asymptotics layers phase --strength 0.05:10:60:log --correlation 0.02:1:50
    --noise 0.5 --background-correlation 0.8 --loss logistic --ridge 0.1 --sampling-ratio 2
    -o scenarios.png
    """
    probe = read_probe(options)
    if probe is None or options["sampling_ratio"] is None:
        raise click.UsageError("--loss and --sampling-ratio are required")
    probe["sampling_ratio"] = single(options["sampling_ratio"], "sampling-ratio")
    from asymptotics.layers.scenarios import Setting, scenario_map

    low, high = options["correlation"].min(), options["correlation"].max()
    if cut is not None and not low <= cut <= high:
        raise click.UsageError(f"--cut must lie in the grid {low:g}..{high:g}, got {cut:g}")
    setting = Setting(_background(options), options["noise"], read_network(options), probe)
    size = options["strength"].size * options["correlation"].size
    with progress_bar(size, "scenarios", least=5000) as progress:
        found = scenario_map(setting, options["strength"], options["correlation"], progress)
    config = configuration("layers phase", options | {"cut": cut})
    boundaries = [{"name": b.name, "strength": b.x, "correlation": b.y} for b in found.boundaries]
    if output is not None:

        def draw() -> Any:
            from asymptotics.layers_plot import plot_scenarios

            return plot_scenarios(found, cut)

        write(output, found.table, config, draw, extra={"boundaries": boundaries})
    if as_json:
        print_json({"config": config, "rows": found.table.rows(), "boundaries": boundaries})
    elif output is None:
        names = ["strength", "correlation", "accuracy_before", "accuracy_after", "scenario"]
        print_table(found.table.rows(), [*names, "status"])
    failed = int(np.sum(~found.table["converged"]))
    if failed:
        click.echo(f"asymptotics: {failed} of {size} cells have no value; see status", err=True)
    return 3 if failed else 0


def _background(options: dict[str, Any]) -> Any:
    from asymptotics.layers.second_moments import Features

    noise = options["background_noise"]
    lists = [
        options["background_strength"],
        options["noise"] if noise is None else noise,
        options["background_correlation"],
    ]
    size = max(np.size(x) for x in (*lists, options["background_fraction"]) if x is not None)
    try:
        strength, sigma, correlation = (np.broadcast_to(x, size) for x in lists)
    except ValueError:
        raise click.UsageError(
            "--background-strength, -noise, -correlation: give one value or equally many"
        ) from None
    return Features(strength, sigma, correlation, fraction=options["background_fraction"])
