"""Run a comparison of theory and simulation, show it, and exit with its verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from cli.output import configuration, print_json, print_table, write
from cli.running import running

if TYPE_CHECKING:
    from validation.compare import Comparison


def judge(
    name: str,
    computed: Mapping[str, Any],
    run: Mapping[str, Any],
    verb: Callable[..., Comparison],
    parameters: Mapping[str, Any],
    draw: Callable[[Comparison], Any],
) -> int:
    """Exit code of `asymptotics validate NAME`: 0 if all rows agree, 4 if one disagrees, else 3.

    computed: what the result depends on, for its configuration; run: where it is run, and its
    output. draw: the figure of a comparison.
    """
    config = configuration(f"validate {name}", dict(computed) | {"seed": run["seed"]})
    with running(run, config) as settings:
        comparison = verb(run=settings, **parameters)
    verdict = {"agreement": comparison.agreement, "level": comparison.level}
    finite = comparison.finite.rows()
    if run["output"] is not None:
        extra = verdict | {"finite": finite}
        write(run["output"], comparison.table, config, lambda: draw(comparison), extra=extra)
    if run["as_json"]:
        print_json({"config": config, "rows": comparison.rows(), "finite": finite, **verdict})
    elif run["output"] is None:
        _print(comparison)
    if run["as_json"] or run["output"] is not None or not comparison.agreement:
        click.echo(f"asymptotics: {comparison}", err=True)
    return {True: 0, False: 4, None: 3}[comparison.agreement]


def _print(comparison: Comparison) -> None:
    columns = comparison.table.columns
    names = list(columns)
    point = names[: names.index("quantity")]
    varied = [name for name in point if np.unique(columns[name]).size > 1]
    shown = {"theory": ".6f", "mean": ".6f", "standard_error": ".1e", "z": ".2f"}
    shown |= {"adjusted_p_value": ".2g", "detectable": ".1e"}
    rows = [
        row | {n: None if row[n] is None else format(row[n], f) for n, f in shown.items()}
        for row in comparison.rows()
    ]
    print_table(rows, [*varied, "quantity", *shown, "status"])
    if comparison.agreement:
        click.echo(str(comparison))
