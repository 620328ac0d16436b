"""`asymptotics accuracy`: one limiting accuracy."""

from __future__ import annotations

from typing import Any

import click

from cli.options import mixture_options, probe_options, problem_parameters, single_values
from cli.output import json_option, print_json

ORDER_PARAMETERS = ("gamma", "m", "q", "intercept", "overlap")


@click.command("accuracy")
@probe_options
@mixture_options
@json_option
def command(as_json: bool, **options: Any) -> None:
    """Limiting test accuracy of one probe, with its order parameters and its evidence.

    Exits 1 with the threshold's value where the limit does not exist.

    Example: asymptotics accuracy --loss logistic --signal 1.5 --sampling-ratio 1.5 --ridge 0.1
    """
    given = single_values(options)
    parameters = single_values(problem_parameters(given | {k: options[k] for k in ("gain",)}))
    from asymptotics.sweep import accuracy, limit_columns
    from asymptotics.table import Table

    result = accuracy(**parameters)
    row = Table(limit_columns(result)).rows()[0]
    order_parameters = {name: row.pop(name) for name in ORDER_PARAMETERS}
    scalars = {k: v for k, v in parameters.items() if k not in ("spectrum", "arrays")}
    files = {k: str(options[k]) for k in ("spectrum", "arrays") if options[k] is not None}
    if as_json:
        print_json(scalars | files | row | {"order_parameters": order_parameters})
        return
    shown = {
        "accuracy": f"{row['accuracy']:.12f}",
        "test error": f"{row['test_error']:.12g}",
        "error estimate": f"{row['error_estimate']:.1e}",
        "residual": f"{row['residual']:.1e}",
    }
    for name in ORDER_PARAMETERS:
        if order_parameters[name] is not None:
            shown[name] = f"{order_parameters[name]:.12g}"
    if parameters["ridge"] is not None:
        shown["ridge"] = f"{parameters['ridge']:g} ({parameters['ridge_convention']} convention)"
    for name, value in shown.items():
        click.echo(f"{name:<15}{value}")
