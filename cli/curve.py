"""`asymptotics curve`: limiting accuracy along one grid, a line per value of another."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.options import (
    class_options,
    encoder_option,
    mixture_options,
    probe_options,
    problem_parameters,
    quantity_option,
    read_quantities,
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


@click.command("curve")
@probe_options()
@mixture_options
@class_options
@quantity_option
@training_options
@encoder_option
@jobs_option
@output_option()
@json_option
def command(output: Any, as_json: bool, jobs: int | None, **options: Any) -> int:
    """Limiting test accuracy over grids: along the longest grid, a line for each other value.

    Any numeric option can be a grid. With --objective the head is trained, and the lines show the
    accuracy before and after it. Points without a limit stay in the data, marked with the
    threshold that was crossed, and the exit code is 3.

    Example: asymptotics curve --loss max-margin --signal 2 --sampling-ratio 0.2:10:50
    --gain 0.5,1,2 -o curve.pdf
    """
    quantities = read_quantities(options.pop("quantities"), options["loss"])
    parameters = problem_parameters(options) | {"quantities": quantities}
    from asymptotics.sweep import SWEPT, curve, curve_parts

    sizes = {n: np.size(parameters[n]) for n in SWEPT if parameters.get(n) is not None}
    axis = max(sizes, key=lambda name: sizes[name])
    trained = parameters.get("objective") is not None
    size = int(np.prod(list(sizes.values())))
    config, tally = configuration("curve", options), Tally()
    with (
        workers(jobs, parameters.get("objective"), size) as executor,
        progress_bar(size, "curve", 300 if trained else 2000) as progress,
    ):
        settings: dict[str, Any] = {"progress": progress, "executor": executor, **parameters}
        if output is not None and is_streamed(output, as_json, size):
            write_rows(output, tally.watch(curve_parts(**settings)), config)
            tally.report()
            return 3 if tally.failed else 0
        (table,) = tally.watch([curve(**settings)])
    varied = [name for name, size in sizes.items() if size > 1]
    if output is not None:

        def draw() -> Any:
            from asymptotics.plots import plot_curve

            lines = [name for name in varied if name != axis]
            drawn = ("accuracy_after", "accuracy_before") if trained else ("accuracy",)
            return plot_curve(table, axis, lines, drawn)

        write(output, table, config, draw)
    if as_json:
        print_json({"config": config, "rows": table})
    elif output is None:
        names = ["accuracy", "test_error", "error_estimate"]
        if trained:
            names = ["gain", "accuracy_before", "accuracy_after", "gain_error_estimate"]
        names += [name.replace("-", "_") for name in quantities]
        print_table(table.rows(), [*(varied or [axis]), *names, "status"])
        if parameters.get("ridge") is not None:
            click.echo(f"ridge in the {parameters['ridge_convention']} convention", err=True)
    tally.report()
    return 3 if tally.failed else 0
