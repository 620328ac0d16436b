"""Options and context of a command that simulates: seed, workers, a store to resume from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from cli.grids import decorated
from cli.output import json_option, output_option
from cli.stages import stages

RUN = ("seed", "jobs", "scheduler", "store", "resume", "output", "as_json")


seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all random numbers."
)
processes_option = click.option(
    "--jobs", type=click.IntRange(1), help="Processes.  [default: one per core]"
)
run_options = decorated(
    seed_option,
    processes_option,
    click.option("--scheduler", metavar="TCP://HOST:PORT", help="Dask scheduler to run on."),
    click.option(
        "--store",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Keep every result in this file as it arrives.",
    ),
    click.option("--resume", is_flag=True, help="Go on with the results in --store."),
    output_option(),
    json_option,
)


def level_option(default: float = 0.01) -> Callable[..., Any]:
    """--level."""
    return click.option(
        "--level",
        type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
        default=default,
        show_default=True,
        help="Probability of a false verdict anywhere in the table, at most.",
    )


def split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what is computed, where and how it is run); conflicts are usage errors."""
    run = {name: options[name] for name in RUN}
    if run["resume"] and run["store"] is None:
        raise click.UsageError("--resume needs the --store to go on with")
    if run["jobs"] is not None and run["scheduler"] is not None:
        raise click.UsageError("--jobs and --scheduler exclude one another")
    return {name: value for name, value in options.items() if name not in RUN}, run


@contextmanager
def running(run: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Any]:
    """The `Run` of these options; says how to go on when it is interrupted."""
    from validation.checks.run import Run
    from validation.store import Store
    from validation.workers import dask_workers

    with ExitStack() as stack:
        store = executor = None
        if run["store"] is not None:
            store = stack.enter_context(Store(run["store"], config))
        if run["scheduler"] is not None:
            executor = stack.enter_context(dask_workers(run["scheduler"]))
        progress = stack.enter_context(stages())
        try:
            yield Run(run["seed"], run["jobs"], executor, store, run["resume"], progress)
        except KeyboardInterrupt:
            if store is not None:
                click.echo(f"\nasymptotics: {len(store)} results are kept; --resume", err=True)
            raise
