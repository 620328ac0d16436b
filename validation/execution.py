"""Run the tasks of a sweep on any executor, keeping each result the moment it arrives."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

from asymptotics.errors import InvalidInput
from validation.code_version import code_version
from validation.store import Store
from validation.tasks import Task, perform, perform_in_worker
from validation.workers import Processes, WorkerLost

# a task whose worker died is run again, alone, this many times
RETRIES = 2

# a sweep stops when workers died this often in a row: no task can run
_DEATHS_IN_A_ROW = 16

# tasks handed to an executor of unknown size at a time
_WINDOW = 4096


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    done, total: tasks; results found in the store count as done.
    seconds_left: at the mean pace of this run; None before its first result.
    """

    done: int
    total: int
    seconds_left: float | None


def run_tasks(
    function: Callable[..., Any],
    tasks: Iterable[Mapping[str, Any]],
    *,
    seed: int,
    store: Store | None = None,
    resume: bool = False,
    executor: Executor | None = None,
    jobs: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[Any]:
    """[function(rng, **parameters) for parameters in tasks].

    function: importable by name; returns numbers, arrays, text, lists or mappings of these, all
        finite. They come back as JSON has them (arrays as lists), every float bit for bit.
    tasks: parameters (JSON) of each call; equal ones are computed once and have equal results.
    seed: `rng` is numpy's PCG64 of `SeedSequence(seed, spawn_key=hash of function and parameters)`:
        the same bits whatever the order, the executor and the other tasks.
    store: keeps each result as it arrives; with `resume`, those that it has are not computed.
    executor: where to run, such as `dask_workers(...)`; otherwise `jobs` processes (one a core
        by default), or this process for jobs=1. Each task has one BLAS thread; the processes of an
        executor keep that limit.
    progress: called with a `Progress` at the start and after each result.

    Raises InvalidInput for a store with results and no `resume`; what `function` raises, with a
    note that names the task, at once; WorkerLost where the executor goes away or no task can run,
    and after all other tasks, for a task whose worker died three times. Whatever the end (ctrl-C,
    kill -9, a full disk), finished results stay stored.
    """
    code = code_version(function)
    all_tasks = [Task(function, parameters, seed, code) for parameters in tasks]
    if executor is not None and jobs is not None:
        raise InvalidInput("jobs counts local processes: give jobs or an executor, not both")
    if jobs is not None and jobs < 1:
        raise InvalidInput(f"jobs must be at least 1, got {jobs}")
    with nullcontext(store) if store is not None else Store(":memory:") as results:
        if len(results) and not resume:
            raise InvalidInput(
                f"{results.path} holds {len(results)} results already: "
                "use resume to go on with it, or choose another file"
            )
        unique = {task.key: task for task in all_tasks}
        missing = [task for task in unique.values() if task not in results]
        keep = _keeper(results, len(unique), len(missing), progress)
        _compute(missing, keep, executor, jobs)
        return [results[task] for task in all_tasks]


def _keeper(
    results: Store, total: int, missing: int, progress: Callable[[Progress], None] | None
) -> Callable[[Task, str], None]:
    """keep(task, result): store the result, then report the progress."""
    start, computed = time.monotonic(), 0

    def report(seconds_left: float | None) -> None:
        if progress is not None:
            progress(Progress(total - missing + computed, total, seconds_left))

    def keep(task: Task, result: str) -> None:
        nonlocal computed
        results.add(task, result)
        computed += 1
        report((time.monotonic() - start) / computed * (missing - computed))

    report(None if missing else 0.0)
    return keep


def _compute(
    missing: list[Task],
    keep: Callable[[Task, str], None],
    executor: Executor | None,
    jobs: int | None,
) -> None:
    if not missing:
        return
    if executor is not None:
        _run(executor, missing, _WINDOW, keep)
        return
    jobs = jobs or _available_cores()
    if jobs == 1:
        for task in missing:
            keep(task, _named(task, partial(perform, task)))
        return
    jobs = min(jobs, len(missing))
    with Processes(jobs) as processes:
        _run(processes, missing, jobs, keep)


def _available_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        return os.cpu_count() or 1


def _named(task: Task, result: Callable[[], str]) -> str:
    """result(), its errors with a note that names the task."""
    try:
        return result()
    except Exception as error:
        error.add_note(f"in the task {task}")
        raise


def _run(
    executor: Executor, tasks: list[Task], window: int, keep: Callable[[Task, str], None]
) -> None:
    """Run all tasks; those whose worker died again at the end, one at a time.

    Alone, a task has the memory that others took, and no other can be blamed for its death.
    """
    lost = _drain(executor, tasks, window, keep)
    for _ in range(RETRIES):
        lost = _drain(executor, lost, 1, keep)
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise WorkerLost(
            f"workers died each time they ran {lost[0]}{more}, out of memory or by a crash; "
            "every other task is done"
        )


def _drain(
    executor: Executor, tasks: list[Task], window: int, keep: Callable[[Task, str], None]
) -> list[Task]:
    """Run `tasks`, at most `window` at a time; keep each result, return those without one."""
    queue, running, lost = deque(tasks), dict[Future[str], Task](), list[Task]()
    finished: SimpleQueue[Future[str]] = SimpleQueue()
    deaths_in_a_row = 0
    try:
        while queue or running:
            while queue and len(running) < window:
                future = _submit(executor, queue[0])
                running[future] = queue.popleft()
                future.add_done_callback(finished.put)
            future = finished.get()
            task = running.pop(future)
            if future.cancelled():
                raise WorkerLost("the scheduler or its connection went away: start it, then resume")
            if _worker_died(future.exception()):
                lost.append(task)
                deaths_in_a_row += 1
                if deaths_in_a_row == _DEATHS_IN_A_ROW:
                    raise WorkerLost(
                        f"workers died {deaths_in_a_row} times in a row, last in {task}: "
                        "use fewer jobs if memory ran out; a script that runs a sweep needs "
                        "`if __name__ == '__main__':`"
                    )
            else:
                keep(task, _named(task, future.result))
                deaths_in_a_row = 0
    except BaseException:
        _abandon(running, keep)
        raise
    return lost


def _submit(executor: Executor, task: Task) -> Future[str]:
    try:
        return executor.submit(perform_in_worker, task)
    except BrokenExecutor as error:
        raise WorkerLost(f"the executor broke before {task}: {error}") from error


def _worker_died(error: BaseException | None) -> bool:
    """Whether the worker of a local pool died, or enough Dask workers for Dask to give up.

    Dask blames every task that a dead worker had, those in its queue too.
    """
    distributed = sys.modules.get("distributed")
    died = isinstance(error, BrokenExecutor)
    return died or (distributed is not None and isinstance(error, distributed.KilledWorker))


def _abandon(running: Mapping[Future[str], Task], keep: Callable[[Task, str], None]) -> None:
    """Cancel what is queued, keep what has finished in the meantime, wait for nothing."""
    rest = [(future, task) for future, task in running.items() if not future.cancel()]
    for future, task in rest:
        if future.done() and future.exception() is None:
            keep(task, future.result())
