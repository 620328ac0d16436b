"""Worker processes for grids whose points are expensive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import click

from asymptotics.errors import InvalidInput

# expensive points below which starting workers costs more than it saves
_WORTH_IT = 400

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Worker processes.  [default: one per core where points are expensive, else 1]",
)


@contextmanager
def workers(jobs: int | None, objective: str | None, points: int) -> Iterator[Executor | None]:
    """An executor of `jobs` processes with one BLAS thread each, or None to stay in this one."""
    if jobs is None and objective is not None:
        from asymptotics.sweep import EXPENSIVE

        least = _WORTH_IT if objective in EXPENSIVE else 100 * _WORTH_IT
        jobs = os.cpu_count() if points >= least else 1
    if jobs is None or jobs == 1:
        yield None
        return
    try:
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_one_thread)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"--jobs: {jobs} workers could not be started ({error})") from None
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    import signal

    from threadpoolctl import threadpool_limits

    # ctrl-C ends a worker at once, and the parent with it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threadpool_limits(1)
