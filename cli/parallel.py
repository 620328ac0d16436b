"""Worker processes for grids whose points are expensive."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import click

from asymptotics.errors import InvalidInput

# expensive points below which starting workers costs more than it saves
_WORTH_IT = 400

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Worker processes.  [default: one per core where points are expensive, else 1]",
)


@contextmanager
def workers(jobs: int | None, objective: str | None, points: int) -> Iterator[Executor | None]:
    """An executor of `jobs` processes with one BLAS thread each, or None to stay in this one."""
    if jobs is None and objective is not None:
        from asymptotics.columns import EXPENSIVE

        least = _WORTH_IT if objective in EXPENSIVE else 100 * _WORTH_IT
        jobs = os.cpu_count() if points >= least else 1
    if jobs is None or jobs == 1:
        yield None
        return
    try:
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_die_of_interrupts)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"--jobs: {jobs} workers could not be started ({error})") from None
    with _one_thread():
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside have one BLAS thread: BLAS reads its number when it is loaded."""
    held = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in held.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _die_of_interrupts() -> None:
    """Let ctrl-C end a worker at once, and the parent with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
