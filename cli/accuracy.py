"""`asymptotics accuracy`: one limiting accuracy."""

from __future__ import annotations

from typing import Any

import click

from cli.grids import grid_option
from cli.options import (
    class_options,
    encoder_option,
    mixture_options,
    probe_options,
    problem_parameters,
    quantity_option,
    read_quantities,
    single_values,
    training_options,
)
from cli.output import json_option, print_json

ORDER_PARAMETERS = ("gamma", "m", "q", "intercept", "overlap")
_GENERAL = ("balanced", "label_noise", "class_weights", "class_variances", "angle")
_DECIMALS = {"accuracy", "accuracy_before", "accuracy_after"}


@click.command("accuracy")
@probe_options()
@mixture_options
@class_options
@quantity_option
@training_options
@encoder_option
@click.option(
    "--certify", is_flag=True, help="Add a proved radius to the result (needs python-flint)."
)
@grid_option(
    "--margins",
    "With --json: distribution of fresh and training margins at these, in units of 1.",
)
@click.option("--reliability", is_flag=True, help="With --json: the reliability curve (logistic).")
@json_option
def command(as_json: bool, certify: bool, margins: Any, reliability: bool, **options: Any) -> None:
    """Limiting test accuracy of one probe, with its order parameters and its evidence.

    With --objective the head is the one that contrastive training gives, and the accuracy is
    reported before and after it. Exits 1 with the threshold's value where the limit does not exist.

    Example: asymptotics accuracy --loss logistic --signal 1.5 --sampling-ratio 1.5 --ridge 0.1
    """
    if certify and (options["objective"] is not None or options["arrays"] is not None):
        raise click.UsageError("--certify takes --gain and --signal or --spectrum")
    general = [
        name for name in _GENERAL if options[name] is not None and options[name] is not False
    ]
    if certify and general:
        raise click.UsageError(f"--certify cannot be given with --{general[0].replace('_', '-')}")
    if (margins is not None or reliability) and not as_json:
        raise click.UsageError("--margins and --reliability need --json")
    if (margins is not None or reliability) and options["objective"] is not None:
        raise click.UsageError("--margins and --reliability take --gain, not --objective")
    quantities = read_quantities(options.pop("quantities"), options["loss"])
    parameters = single_values(problem_parameters(options))
    row = _row(parameters, quantities)
    if certify:
        row |= _certified(parameters, row["accuracy"])
    for name in ("spectrum", "arrays"):
        if options[name] is not None:
            row[name] = str(options[name])
    order_parameters = {name: row.pop(name) for name in ORDER_PARAMETERS}
    if as_json:
        laws = _laws(parameters, margins, reliability)
        print_json(row | laws | {"order_parameters": order_parameters})
        return
    if row.get("ridge") is not None:
        row["ridge"] = f"{row['ridge']:g} ({row.pop('ridge_convention')} convention)"
    for name, value in (row | order_parameters).items():
        if value is not None and name not in ("converged", "status", "ridge_convention"):
            click.echo(f"{name.replace('_', ' '):<22}{_shown(name, value)}")


def _row(parameters: dict[str, Any], quantities: tuple[str, ...]) -> dict[str, Any]:
    """The parameters and the columns of the one point; raises where it has no limit."""
    from asymptotics.columns import limit_columns
    from asymptotics.table import Table, plain

    if parameters.get("objective") is None:
        from asymptotics.sweep import accuracy

        parameters = {"gain": 1.0} | {k: v for k, v in parameters.items() if v is not None}
        columns = limit_columns(accuracy(**parameters), quantities)
    else:
        from asymptotics.training import trained_accuracy

        columns = trained_accuracy(**parameters, quantities=quantities)
    return plain(parameters) | Table(columns).rows()[0]


def _laws(parameters: dict[str, Any], margins: Any, reliability: bool) -> dict[str, Any]:
    """The distribution of margins and the reliability curve, as far as they are asked for."""
    if margins is None and not reliability:
        return {}
    from asymptotics.sweep import accuracy

    limit = accuracy(**{k: v for k, v in parameters.items() if v is not None})
    found: dict[str, Any] = {}
    if margins is not None:
        from asymptotics.observables import margin_distribution

        fresh, training = margin_distribution(limit, margins)
        found["margins"] = {"margin": margins, "fresh": fresh, "training": training}
    if reliability:
        from asymptotics.calibration import reliability as curve

        found["reliability"] = vars(curve(limit))
    return found


def _certified(parameters: dict[str, Any], accuracy: float) -> dict[str, Any]:
    """A proved bound of the error of `accuracy`, for the exact values of the floats given."""
    from asymptotics.certify import certified_radius

    absent = ("arrays", "objective", "temperature", "augmentation", "dimension")
    given = {k: v for k, v in parameters.items() if v is not None and k not in absent}
    radius, proof = certified_radius(accuracy, **given)
    return {"radius": radius, "bits": proof.bits, "certified": True}


def _shown(name: str, value: Any) -> str:
    if name in _DECIMALS:
        return f"{value:.12f}"
    if name in ("residual", "error_estimate", "gain_error_estimate", "radius"):
        return f"{value:.1e}"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
