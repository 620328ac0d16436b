"""`asymptotics phase`: a phase diagram over two parameters, temperature against augmentation."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.options import (
    check_training,
    class_options,
    encoder_option,
    grid_option,
    mixture_options,
    probe_options,
    problem_parameters,
    training_options,
)
from cli.output import (
    configuration,
    is_streamed,
    json_option,
    output_option,
    print_json,
    print_table,
    progress_bar,
    write,
    write_rows,
)
from cli.parallel import jobs_option, workers
from cli.tally import Tally

_AXES = (
    "temperature",
    "augmentation",
    "augmentation_across",
    "redrawn",
    "masked",
    "signal",
    "dimension",
    "sampling_ratio",
    "ridge",
    "prior",
)


@click.command("phase")
@training_options
@mixture_options
@class_options
@probe_options(required=False)
@encoder_option
@click.option(
    "--quantity",
    metavar="NAME",
    help="expansion-measure, log-gain, accuracy-after, accuracy-before or accuracy-gained.  "
    "[default: accuracy-gained with a --loss, else expansion-measure]",
)
@grid_option("--cuts", "Values on the vertical axis, in its units, drawn as curves beside.")
@jobs_option
@output_option()
@json_option
def command(
    output: Any,
    as_json: bool,
    quantity: str | None,
    cuts: Any,
    jobs: int | None,
    **options: Any,
) -> int:
    """Phase diagram over the two parameters that are grids, with exact boundaries.

    Boundaries: em_one (shrinkage meets expansion), collapse, and with a --loss also head (the head
    neither helps nor hurts). Failed cells stay marked and the exit code is 3.

    Example: asymptotics phase --signal 5 --dimension 50 --augmentation 0.1:2:20
    --temperature 0.01:40:20:log -o phase.pdf
    """
    options["objective"] = options["objective"] or "cosine"
    parameters = _parameters(options)
    x, y = _axes(parameters, cuts)
    quantity = quantity or ("accuracy-gained" if options["loss"] else "expansion-measure")
    from asymptotics.phase import Boundary, PhaseGrid, check_quantity

    check_quantity(quantity, has_probe=options["loss"] is not None)
    config = configuration("phase", options | {"quantity": quantity, "cuts": cuts})
    cells, tally = int(np.size(parameters[x]) * np.size(parameters[y])), Tally()

    def listed(boundaries: tuple[Boundary, ...]) -> dict[str, Any]:
        return {"boundaries": [{"name": b.name, x: b.x, y: b.y} for b in boundaries]}

    with (
        workers(jobs, options["objective"], cells) as executor,
        progress_bar(cells, "phase diagram", least=300) as progress,
    ):
        grid = PhaseGrid(parameters, x, y, executor)
        if output is not None and is_streamed(output, as_json, cells):
            parts = tally.watch(grid.tables(progress))
            write_rows(output, parts, config, lambda: listed(grid.boundaries()))
            return _report(tally)
        diagram = grid.diagram(progress)
    tally.add(diagram.table)
    extra = listed(diagram.boundaries)
    if output is not None:

        def draw() -> Any:
            from asymptotics.phase_plot import plot_phase

            return plot_phase(diagram, quantity, cuts)

        write(output, diagram.table, config, draw, extra)
    if as_json:
        print_json({"config": config, "rows": diagram.table, **extra})
    elif output is None:
        names = [x, y, "gain", "expansion_measure", "regime", "status"]
        shown = names[:-1] + (["accuracy_before", "accuracy_after"] if options["loss"] else [])
        print_table(diagram.table.rows(), [*shown, "status"])
    return _report(tally)


def _axes(parameters: dict[str, Any], cuts: Any) -> tuple[str, str]:
    """The names of the two grids, of which the second holds the cuts."""
    swept = [n for n in _AXES if parameters.get(n) is not None and np.size(parameters[n]) > 1]
    if len(swept) != 2:
        raise click.UsageError(
            f"give exactly two grids of more than one value; got {' and '.join(swept) or 'none'}"
        )
    x, y = swept
    if cuts is not None:
        low, high = np.min(parameters[y]), np.max(parameters[y])
        if np.min(cuts) < low or np.max(cuts) > high:
            raise click.UsageError(f"--cuts must lie in the grid of --{y.replace('_', '-')}")
    return x, y


def _report(tally: Tally) -> int:
    """What failed, on standard error; the exit code."""
    tally.note_coexistence()
    if tally.failed:
        click.echo(
            f"asymptotics: {tally.failed} of {tally.points} cells have no value; see status",
            err=True,
        )
    return 3 if tally.failed else 0


def _parameters(options: dict[str, Any]) -> dict[str, Any]:
    if options["loss"] is not None:
        if options["sampling_ratio"] is None:
            raise click.UsageError("--sampling-ratio is required with --loss")
        return problem_parameters(options)
    for name in ("sampling_ratio", "ridge", "num_samples", "spectrum", "arrays"):
        if options[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} needs a --loss")
    if options["signal"] is None:
        raise click.UsageError("--signal is required")
    check_training(options, options["objective"])
    dropped = ("loss", "prior", "intercept", "ridge_convention", "encoder", "depth", "gain")
    return {name: value for name, value in options.items() if name not in dropped}
