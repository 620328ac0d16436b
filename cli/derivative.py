"""`asymptotics derivative`: how the limiting accuracy moves with each parameter."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.options import mixture_options, probe_options, problem_parameters, training_options
from cli.output import configuration, json_option, output_option, print_json, print_table, write


@click.command("derivative")
@probe_options()
@mixture_options
@training_options
@click.option(
    "--with-respect-to",
    metavar="NAMES",
    help="Comma-separated: signal, sampling-ratio, ridge, gain, prior, num-samples; with "
    "--objective also temperature, augmentation, dimension.  [default: all that are given]",
)
@output_option(figure=False)
@json_option
def command(with_respect_to: str | None, output: Any, as_json: bool, **options: Any) -> int:
    """Derivative of the limiting accuracy, and of log test error, in each parameter.

    Exact, by implicit differentiation of the saddle-point equations at their solution, the other
    parameters held fixed; one row for each point of the grid and each parameter. With --objective
    the head follows its objective. Points without a limit are marked, and the exit code is 3.

    Example: asymptotics derivative --loss logistic --signal 1.5 --sampling-ratio 1.5 --ridge 0.1
    --with-respect-to gain,ridge
    """
    parameters = problem_parameters(options)
    from asymptotics.responses import derivatives, differentiable
    from asymptotics.sweep import SWEPT

    if parameters.get("objective") is None and parameters.get("gain") is None:
        parameters["gain"] = np.ones(1)
    names = differentiable(parameters)
    if with_respect_to is not None:
        names = tuple(n.strip().replace("-", "_") for n in with_respect_to.split(","))
    table = derivatives(names, **parameters)
    config = configuration("derivative", options | {"with_respect_to": list(names)})
    if output is not None:
        write(output, table, config)
    rows = table.rows()
    if as_json:
        print_json({"config": config, "rows": rows})
    elif output is None:
        varied = [n for n in SWEPT if n in table.columns and np.unique(table[n]).size > 1]
        shown = ["accuracy", "derivative", "log_test_error_derivative", "error_estimate", "status"]
        print_table(rows, [*varied, "parameter", *shown])
    return 0 if np.all(table["converged"]) else 3
