"""`asymptotics certify`: proved digits, and the check of a stored proof."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asymptotics.conventions import RIDGE_CONVENTIONS
from asymptotics.errors import InvalidInput
from cli.output import json_option, print_json, write_whole

if TYPE_CHECKING:
    from asymptotics.certify import Certificate

_MIXTURE = ("signal", "spectrum")
_RIDGE = ("ridge", "ridge_convention", "num_samples")
# the options of each quantity: (those it needs, those it takes besides)
_OPTIONS = {
    "accuracy": (("loss", "sampling_ratio"), (*_MIXTURE, *_RIDGE, "gain", "prior")),
    "separability": (("signal",), ("prior",)),
    "gain": (("objective", "signal", "augmentation", "dimension"), ("temperature", "views")),
}
_HELP = {
    "loss": "square, logistic, hinge, squared-hinge (need --ridge); max-margin, min-norm, "
    "least-squares, logistic-mle, averaging, bayes (refuse it).",
    "sampling_ratio": "n/p > 0, samples per dimension.",
    "signal": "R >= 0, half the distance of the class means.",
    "ridge": "Penalty > 0, in the --ridge-convention.",
    "num_samples": "n > 0, for the ridge conventions sum and C.",
    "gain": "a >= 0, what the projector multiplies the signal direction by.  [default: 1]",
    "prior": "P(y = 1), between 0 and 1.  [default: 0.5]",
    "objective": "spectral, inner-product, inner-product-fixed-norm or cosine-scaled.",
    "temperature": "tau > 0 of the contrastive loss.",
    "augmentation": "sigma >= 0, deviation of the augmentation noise.",
    "dimension": "d >= 2, of the representation.",
}


def _number_options(function: Any) -> Any:
    """One option a number, kept as text: its digits are part of what is proved."""
    for name in reversed(_HELP):
        option = f"--{name.replace('_', '-')}"
        metavar = "NAME" if name in ("loss", "objective") else "NUMBER"
        function = click.option(option, metavar=metavar, help=_HELP[name])(function)
    return function


@click.command("certify")
@_number_options
@click.option(
    "--spectrum",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Covariance spectrum instead of --signal: a .csv or .json as in accuracy.",
)
@click.option(
    "--ridge-convention",
    type=click.Choice(RIDGE_CONVENTIONS),
    help="As in accuracy, converted exactly.  [default: mean]",
)
@click.option("--views", type=click.IntRange(1, 2), help="How many views are augmented.")
@click.option("--intercept", is_flag=True, help="Fit an unpenalised intercept.")
@click.option(
    "--quantity",
    type=click.Choice(tuple(_OPTIONS)),
    help="What to certify.  [default: gain with --objective, else accuracy]",
)
@click.option("--digits", type=int, default=30, show_default=True, help="radius <= 10^-digits.")
@click.option(
    "--check",
    "stored",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Prove a stored certificate anew, trusting nothing in it.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.json",
    help="Write the certificate.",
)
@json_option
def command(
    as_json: bool,
    stored: Path | None,
    output: Path | None,
    quantity: str | None,
    digits: int,
    **options: Any,
) -> None:
    """Digits with a proof: a radius that holds the exact solution of the equations as stated.

    Ball arithmetic encloses the equations' integrals and Krawczyk's test proves that a small box
    holds one root. Numbers are taken at their exact decimal value. Exits 1 without a proof, or if
    the stored one does not hold. Needs the extra `certify` (python-flint).

    Example: asymptotics certify --loss logistic --signal 1.5 --sampling-ratio 1.5 --ridge 0.1
    --digits 50 --json
    """
    if stored is not None:
        given = [name for name, value in options.items() if value]
        if given or quantity or output:
            raise click.UsageError("--check takes no other option but --json")
        from asymptotics.certify import check

        _print(check(_read_json(stored)), as_json)
        return
    quantity = quantity or ("gain" if options["objective"] is not None else "accuracy")
    parameters = _parameters(quantity, options)
    from asymptotics.certify import certify, certify_gain, certify_separability

    verbs = {"accuracy": certify, "separability": certify_separability, "gain": certify_gain}
    found = verbs[quantity](digits=digits, **parameters)
    if output is not None:
        write_whole(output, (json.dumps(found.to_json(), indent=1) + "\n").encode())
    if output is None or as_json:
        _print(found, as_json)


def _parameters(quantity: str, options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the quantity's verb; missing or foreign options are usage errors."""
    needed, besides = _OPTIONS[quantity]
    intercept = options.pop("intercept")
    given = {name: value for name, value in options.items() if value is not None}
    for name in needed:
        if name not in given:
            raise click.UsageError(f"--{name.replace('_', '-')} is required for the {quantity}")
    for name in given:
        if name not in needed + besides:
            raise click.UsageError(f"--{name.replace('_', '-')} has no part in the {quantity}")
    if quantity == "gain":
        if intercept:
            raise click.UsageError("--intercept has no part in the gain")
        return given
    if quantity == "separability":
        prior = given.pop("prior", "0.5")
        return given | ({"prior": prior} if intercept else {})
    if ("signal" in given) == ("spectrum" in given):
        raise click.UsageError("give exactly one of --signal and --spectrum")
    _check_ridge(given)
    if "spectrum" in given:
        given["spectrum"] = _read_spectrum(given["spectrum"])
    return given | {"intercept": intercept}


def _check_ridge(given: dict[str, Any]) -> None:
    from asymptotics.probes import find_probe

    probe = find_probe(given["loss"])
    if probe.ridge is None and "ridge" not in given:
        raise click.UsageError(f"--ridge is required with --loss {probe.name}")
    if probe.ridge is not None and "ridge" in given:
        raise click.UsageError(f"--ridge cannot be given with --loss {probe.name}, a limit")


def _read_spectrum(path: Path) -> dict[str, list[str]]:
    """Columns of a .csv with a header or of a .json object, every number as its text."""
    text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".json":
            content = json.loads(text, parse_float=str, parse_int=str)
            return {str(name): list(column) for name, column in content.items()}
        if path.suffix == ".csv":
            lines = [x for x in text.splitlines() if x.strip() and not x.startswith("#")]
            names, *rows = ([cell.strip() for cell in line.split(",")] for line in lines)
            columns = list(zip(*rows, strict=True))
            return {name: list(column) for name, column in zip(names, columns, strict=True)}
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{path}: not a table of numbers ({error})") from None
    raise InvalidInput(f"{path}: a spectrum to certify is a .csv or .json file")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: not a JSON file ({error})") from None


def _print(found: Certificate, as_json: bool) -> None:
    content = found.to_json()
    if as_json:
        print_json(content)
        return
    for name in (found.problem.quantity, "radius", "bits"):
        click.echo(f"{name:<16}{content[name]}")
    for name in ("proved", "not_proved"):
        for line in content[name]:
            click.echo(f"{name.replace('_', ' '):<16}{line}")
