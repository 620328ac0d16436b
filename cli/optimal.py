"""`asymptotics optimal`: the ridge, gain, temperature or augmentation of the largest accuracy."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cli.options import mixture_options, probe_options, problem_parameters, training_options
from cli.output import (
    configuration,
    json_option,
    output_option,
    print_json,
    print_table,
    progress_bar,
    write,
)

_OVER = ("ridge", "gain", "temperature", "augmentation")


@click.command("optimal")
@click.option(
    "--over",
    required=True,
    metavar="NAME[,NAME]",
    help="What to choose: ridge, gain, temperature, augmentation, or two of them.",
)
@click.option(
    "--bounds",
    metavar="LOW:HIGH[,LOW:HIGH]",
    help="Range of each, in the order of --over.  [default: ridge 1e-6:1e6, gain 1e-3:1e3, "
    "temperature 0.01:100, augmentation 0.01:10]",
)
@probe_options()
@mixture_options
@training_options
@output_option()
@json_option
def command(over: str, bounds: str | None, output: Any, as_json: bool, **options: Any) -> int:
    """The ridge, gain, temperature or augmentation that maximises the limiting accuracy.

    Roots of the exact derivative through the saddle point: every local maximum in the range, best
    first (rank 1), for every point of a grid of the other options; maxima at an end of the range,
    flat pieces and jumps are named in the status. With the gap to the Bayes accuracy, and the limit
    beyond an end. With --objective the accuracy is that after the head.

    Example: asymptotics optimal --over ridge --loss logistic --signal 1.5 --gain 0.5,0.8
    --sampling-ratio 0.2:20:30:log -o best-ridge.pdf
    """
    names = tuple(over.split(","))
    parameters = _parameters(names, options)
    ranges = _bounds(names, bounds)
    from asymptotics.optimal import best
    from asymptotics.sweep import SWEPT

    sizes = {n: np.size(parameters[n]) for n in SWEPT if parameters.get(n) is not None}
    size = int(np.prod(list(sizes.values())))
    with progress_bar(size, "optimal", 65) as progress:
        table = best(names, ranges, progress, **parameters)
    given = {name: value for name, value in options.items() if name not in names}
    config = configuration("optimal", given | {"over": list(names), "bounds": ranges})
    varied = [name for name, count in sizes.items() if count > 1]
    if output is not None:

        def draw() -> Any:
            from asymptotics.optimal_plot import plot_optimal

            axis = max(sizes, key=lambda name: sizes[name])
            return plot_optimal(table, names, axis, [name for name in varied if name != axis])

        write(output, table, config, draw)
    rows = table.rows()
    if as_json:
        print_json({"config": config, "rows": rows})
    elif output is None:
        shown = ["rank", "accuracy", "gap", *(f"derivative_{name}" for name in names), "curvature"]
        shown += [f"place_{name}" for name in names] if len(names) == 2 else ["end_limit"]
        print_table(rows, [*varied, *names, *shown, "status"])
        if "ridge_convention" in table.columns:
            click.echo(f"ridge in the {options['ridge_convention']} convention", err=True)
    failed = int(np.sum(~table["converged"]))
    if failed:
        click.echo(f"asymptotics: {failed} of {len(table)} rows are no maximum found", err=True)
    return 3 if failed else 0


def _parameters(names: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of `asymptotics.optimal.best`; conflicts are usage errors."""
    allowed = ", ".join(_OVER)
    if not set(names) <= set(_OVER) or len(set(names)) != len(names) or len(names) > 2:
        raise click.UsageError(f"--over takes one or two of {allowed}, got {','.join(names)}")
    for name in names:
        if options[name] is not None:
            raise click.UsageError(f"--{name} is what --over seeks: give --bounds instead")
    # whatever is sought counts as given in the checks of the other options
    parameters = problem_parameters(options | {name: np.ones(1) for name in names})
    return {name: value for name, value in parameters.items() if name not in names}


def _bounds(names: tuple[str, ...], text: str | None) -> dict[str, tuple[float, float]]:
    """LOW:HIGH for each of `names`."""
    if text is None:
        return {}
    parts = text.split(",")
    try:
        pairs = [tuple(float(end) for end in part.split(":")) for part in parts]
    except ValueError:
        pairs = []
    if len(pairs) != len(names) or any(len(pair) != 2 for pair in pairs):
        raise click.UsageError(
            f"--bounds needs LOW:HIGH for each of {', '.join(names)}, got {text!r}"
        )
    return {name: (pair[0], pair[1]) for name, pair in zip(names, pairs, strict=True)}
