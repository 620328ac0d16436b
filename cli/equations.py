"""`asymptotics equations`: the potential of a problem and the equations that come out of it."""

from __future__ import annotations

import click

from asymptotics.errors import InvalidInput
from cli.output import print_json

_FORMATS = ("text", "latex", "json")


@click.command("equations")
@click.option(
    "--loss", metavar="NAME", help="A loss or limit of accuracy; any convex loss if none."
)
@click.option("--intercept", is_flag=True, help="Fit an unpenalised intercept.")
@click.option(
    "--spectrum-atoms",
    default="isotropic",
    show_default=True,
    metavar="K",
    help="A covariance spectrum of K atoms, or isotropic: classes of identity covariance behind "
    "a gain.",
)
@click.option("--objective", metavar="NAME", help="A contrastive objective in place of a probe.")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="How the equations are written.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
def command(
    loss: str | None,
    intercept: bool,
    spectrum_atoms: str,
    objective: str | None,
    form: str,
    as_json: bool,
) -> None:
    """The potential of a problem, its equations and every symbol in them.

    The equations are derivatives of the potential, taken by sympy as the command runs; the same
    potential is what the numeric solver is tested against. LaTeX output needs no package.

    Example: asymptotics equations --loss logistic --intercept --format latex
    """
    if objective is not None and (loss is not None or intercept or spectrum_atoms != "isotropic"):
        raise click.UsageError("--objective excludes --loss, --intercept and --spectrum-atoms")
    # sympy takes a second to import
    from asymptotics.symbolic.printing import as_latex, as_record, as_text
    from asymptotics.symbolic.statement import head_statement, probe_statement

    if objective is not None:
        statement = head_statement(objective)
    else:
        statement = probe_statement(loss, _atoms(spectrum_atoms), intercept)
    if as_json or form == "json":
        print_json(as_record(statement))
    else:
        click.echo(as_text(statement) if form == "text" else as_latex(statement), nl=form == "text")


def _atoms(text: str) -> int | None:
    if text == "isotropic":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InvalidInput(f"--spectrum-atoms: a count K >= 1 or isotropic, got {text!r}")
    return int(text)
