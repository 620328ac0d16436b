"""`asymptotics pretraining`: a head trained on finitely many unlabelled pairs."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.grids import decorated, grid_option
from cli.options import check_ridge, encoder_option, probe_options
from cli.output import (
    configuration,
    json_option,
    output_option,
    print_json,
    print_table,
    progress_bar,
    write,
)

pretraining_options = decorated(
    grid_option("--signal", "R >= 0, half the distance of the class means.", required=True),
    grid_option("--pretraining-ratio", "N/p > 0, unlabelled pairs per dimension.", required=True),
    grid_option("--augmentation", "sigma > 0, deviation of the augmentation noise.", required=True),
    grid_option("--output-fraction", "k/p in (0, 1], outputs that the head keeps.  [default: 1]"),
    probe_options(required=False),
    grid_option("--prior", "P(y = 1), between 0 and 1.", default="0.5", show_default=True),
    click.option("--intercept", is_flag=True, help="Fit an unpenalised intercept."),
    encoder_option,
)


@click.command("pretraining")
@pretraining_options
@click.option(
    "--quantity",
    metavar="NAME",
    help="What a map shows: overlap, eigenvalue, expansion-measure, accuracy-few-outputs, "
    "accuracy-after or accuracy-gained.  [default: accuracy-gained with a --loss, else overlap]",
)
@grid_option("--cuts", "Augmentations >= 0 drawn as curves in the second panel of a map.")
@output_option()
@json_option
def command(output: Any, as_json: bool, quantity: str | None, cuts: Any, **options: Any) -> int:
    """Spectral-loss training on N pairs of views: what the head learns, and what that is worth.

    Rows have the overlap of the first output with the signal and the N/p of its transition, the
    gain of the whole head, and with a --loss the accuracy before and after it. Grids of both
    --pretraining-ratio and --augmentation make a map, with its boundaries: transition, full_rank,
    em_one, and head with a --loss. Points without a limit stay marked and the exit code is 3.

    Example: asymptotics pretraining --signal 2 --pretraining-ratio 0.1:100:60:log
    --augmentation 0.1:3:40 -o pretraining.pdf
    """
    parameters = read_pretraining(options)
    from asymptotics.pretraining.boundaries import AXES, boundaries, is_map
    from asymptotics.pretraining.table import SWEPT, pretraining_curve

    if quantity is not None:
        from asymptotics.pretraining_plot import check_quantity

        check_quantity(quantity, has_probe=options["loss"] is not None)
    sizes = {n: np.size(parameters[n]) for n in SWEPT if parameters.get(n) is not None}
    size = int(np.prod(list(sizes.values())))
    with progress_bar(size, "pretraining") as progress:
        table = pretraining_curve(progress=progress, **parameters)
    mapped = is_map(parameters)
    found = boundaries(table) if mapped else ()
    config = configuration("pretraining", options | {"quantity": quantity, "cuts": cuts})
    lines = [{"name": b.name, AXES[0]: b.x, AXES[1]: b.y} for b in found]
    varied = [name for name, count in sizes.items() if count > 1]
    axis = max(sizes, key=lambda name: sizes[name])
    if output is not None:

        def draw() -> Any:
            from asymptotics.pretraining_plot import plot_pretraining, plot_pretraining_map

            # a few values of one axis are lines, not a map
            if mapped and min(sizes[name] for name in AXES) > 5:
                shown = quantity or ("accuracy-gained" if options["loss"] else "overlap")
                return plot_pretraining_map(table, shown, found, cuts)
            return plot_pretraining(table, axis, [name for name in varied if name != axis])

        write(output, table, config, draw, extra={"boundaries": lines})
    if as_json:
        print_json({"config": config, "rows": table.rows(), "boundaries": lines})
    elif output is None:
        names = ["overlap", "eigenvalue", "transition", "gain", "accuracy_few_outputs"]
        if options["loss"]:
            names += ["accuracy_before", "accuracy_after"]
        print_table(table.rows(), [*(varied or ["pretraining_ratio"]), *names, "status"])
        if options["ridge"] is not None:
            click.echo(f"ridge in the {options['ridge_convention']} convention", err=True)
    failed = int(np.sum(~table["converged"]))
    if failed:
        click.echo(f"asymptotics: {failed} of {size} points have no limit; see status", err=True)
    return 3 if failed else 0


def read_pretraining(options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of `pretraining_curve`; conflicts are usage errors."""
    if options["gain"] is not None:
        raise click.UsageError("--gain cannot be given: it is what the pairs train")
    if options["depth"] is not None and options["encoder"] != "balanced":
        raise click.UsageError("--depth needs --encoder balanced")
    if options["depth"] not in (None, 2):
        raise click.UsageError(
            f"--depth: only a balanced net of 2 layers is known here, got {options['depth']}"
        )
    if options["loss"] is None:
        for name in ("sampling_ratio", "ridge", "num_samples"):
            if options[name] is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} needs a --loss")
        if options["encoder"] == "balanced":
            raise click.UsageError("--encoder needs a --loss")
        dropped: tuple[str, ...] = ("gain", "loss", "ridge_convention", "encoder", "depth")
        if not options["intercept"]:
            if np.size(options["prior"]) > 1:
                raise click.UsageError("--prior needs a --loss or an --intercept")
            dropped += ("prior", "intercept")
        return {name: value for name, value in options.items() if name not in dropped}
    if options["sampling_ratio"] is None:
        raise click.UsageError("--sampling-ratio is required with --loss")
    check_ridge(options["loss"], options["ridge"])
    if options["ridge_convention"] in ("sum", "C") and options["num_samples"] is None:
        raise click.UsageError(
            f"--num-samples is required with --ridge-convention {options['ridge_convention']}"
        )
    return {name: value for name, value in options.items() if name != "gain"}
