"""Sweeps: the same bits however they are run, and nothing finished is lost."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from asymptotics.errors import InvalidInput, NotConverged
from validation import execution
from validation.code_version import code_version
from validation.execution import Progress, run_tasks
from validation.store import Store
from validation.tasks import Task
from validation.workers import WorkerLost

ROOT = Path(__file__).parents[1]
GRID = [{"signal": s, "trial": t} for s in (0.5, 1, 2.0) for t in range(4)]


def sample(rng, signal, trial):
    x = signal + rng.standard_normal(7)
    return {"mean": x.mean(), "sample": x}


def slow_sample(rng, trial, seconds, folder):
    """Leaves one letter a call in a file of its own, with the process that ran it."""
    time.sleep(seconds)
    with (Path(folder) / f"{trial}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return rng.standard_normal(3)


def not_converging(rng, x):
    if x == 3:
        raise NotConverged("residual 0.1")
    return x


def deadly(rng, x, deaths, folder, trial=0):
    """Kills its own process the first `deaths` times for x = 1."""
    marks = Path(folder) / "marks"
    if x == 1 and (len(marks.read_text()) if marks.exists() else 0) < deaths:
        with marks.open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return float(rng.standard_normal())


def run_slow(path, folder, count, seconds, jobs):
    """A whole run, for a process of its own; prints the number of finished tasks."""
    tasks = [{"trial": t, "seconds": seconds, "folder": str(folder)} for t in range(count)]
    with Store(path) as store:
        return run_tasks(
            slow_sample,
            tasks,
            seed=5,
            store=store,
            resume=True,
            jobs=jobs,
            progress=lambda progress: print(progress.done, flush=True),
        )


def start_slow(path, folder, count, seconds, jobs=2):
    program = f"""
import sys
sys.path[:0] = {[str(ROOT), str(ROOT / "tests")]}
from test_execution import run_slow
run_slow({str(path)!r}, {str(folder)!r}, {count}, {seconds}, {jobs})
"""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_line(child, line):
    for text in child.stdout:
        if text.strip() == line:
            return
    raise AssertionError(child.stderr.read())


def alive(pid):
    """Whether the process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sweep.sqlite"


def test_results_are_the_same_bits_in_any_order_on_any_executor():
    alone = run_tasks(sample, GRID, seed=1, jobs=1)
    assert run_tasks(sample, GRID[::-1], seed=1, jobs=2)[::-1] == alone
    assert run_tasks(sample, GRID[3:5], seed=1, jobs=1) == alone[3:5]
    with ThreadPoolExecutor(3) as executor:
        assert run_tasks(sample, GRID, seed=1, executor=executor) == alone
    assert len({result["mean"] for result in alone}) == len(GRID)


def test_another_seed_gives_other_numbers():
    first, second = (run_tasks(sample, GRID[:1], seed=s, jobs=1)[0]["mean"] for s in (1, 2))
    assert first != second


def test_results_are_those_of_the_function_bit_for_bit(path):
    with Store(path) as store:
        fresh = run_tasks(sample, GRID, seed=1, jobs=1, store=store)
    with Store(path) as store:
        assert run_tasks(sample, GRID, seed=1, jobs=1, store=store, resume=True) == fresh
    code = code_version(sample)
    for parameters, result in zip(GRID, fresh, strict=True):
        direct = sample(Task(sample, parameters, 1, code).rng(), **parameters)
        assert result["mean"] == direct["mean"]
        assert np.array_equal(result["sample"], direct["sample"])


def test_equal_tasks_are_computed_once(tmp_path):
    task = {"trial": 0, "seconds": 0, "folder": str(tmp_path)}
    first, second = run_tasks(slow_sample, [task, task], seed=0, jobs=1)
    assert first == second
    assert (tmp_path / "0").read_text() == f"{os.getpid()}\n"


def test_no_tasks_have_no_results():
    assert run_tasks(sample, [], seed=0) == []


def test_a_store_with_results_is_refused_without_resume(path):
    with Store(path) as store:
        run_tasks(sample, GRID[:2], seed=1, jobs=1, store=store)
        with pytest.raises(InvalidInput, match=f"{path} holds 2 results already: use resume"):
            run_tasks(sample, GRID, seed=1, jobs=1, store=store)


def test_progress_counts_stored_results_and_ends_at_zero_seconds(path):
    seen = []
    with Store(path) as store:
        run_tasks(sample, GRID[:4], seed=1, jobs=1, store=store)
        run_tasks(sample, GRID, seed=1, jobs=1, store=store, resume=True, progress=seen.append)
    assert [(p.done, p.total) for p in seen] == [(k, 12) for k in range(4, 13)]
    assert seen[0].seconds_left is None
    assert all(p.seconds_left >= 0 for p in seen[1:])
    assert seen[-1] == Progress(12, 12, 0.0)


def test_jobs_are_at_least_one_and_go_with_no_executor():
    with pytest.raises(InvalidInput, match="at least 1"):
        run_tasks(sample, GRID, seed=0, jobs=0)
    with ThreadPoolExecutor(1) as executor, pytest.raises(InvalidInput, match="not both"):
        run_tasks(sample, GRID, seed=0, jobs=2, executor=executor)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_names_its_task_and_keeps_what_is_finished(path, jobs):
    with Store(path) as store, pytest.raises(NotConverged, match="residual") as failure:
        run_tasks(not_converging, [{"x": x} for x in range(5)], seed=0, store=store, jobs=jobs)
    assert failure.value.__notes__ == ["in the task not_converging(x=3)"]
    with Store(path) as store:
        assert len(store) >= 2


def test_a_task_whose_worker_dies_runs_again_with_the_same_result(tmp_path):
    tasks = [{"x": x, "deaths": 2, "folder": str(tmp_path)} for x in range(4)]
    results = run_tasks(deadly, tasks, seed=0, jobs=2)
    assert (tmp_path / "marks").read_text() == "xx"
    assert run_tasks(deadly, tasks, seed=0, jobs=1) == results


def test_a_task_that_kills_every_worker_is_named_and_all_others_are_stored(path, tmp_path):
    tasks = [{"x": x, "deaths": 9, "folder": str(tmp_path)} for x in range(6)]
    with Store(path) as store:
        with pytest.raises(WorkerLost, match=r"each time they ran deadly\(x=1"):
            run_tasks(deadly, tasks, seed=0, jobs=2, store=store)
        assert sorted(row.task["parameters"]["x"] for row in store.rows()) == [0, 2, 3, 4, 5]
    assert (tmp_path / "marks").read_text() == "xxx"


def test_workers_that_only_die_stop_the_sweep(monkeypatch, tmp_path):
    monkeypatch.setattr(execution, "_DEATHS_IN_A_ROW", 2)
    tasks = [{"x": 1, "deaths": 99, "folder": str(tmp_path), "trial": t} for t in range(9)]
    with pytest.raises(WorkerLost, match=r"2 times in a row, last in deadly\(x=1"):
        run_tasks(deadly, tasks, seed=0, jobs=2)
    assert len((tmp_path / "marks").read_text()) <= 3


def test_a_disk_that_fills_up_in_a_sweep_keeps_what_is_finished(path):
    with Store(path) as store:
        pages = store._scalar("PRAGMA page_count")
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OSError, match="no space left"):
            run_tasks(sample, GRID, seed=1, jobs=1, store=store)
        stored = [row.result for row in store.rows()]
        store._connection.execute("PRAGMA max_page_count = 1000")
        results = run_tasks(sample, GRID, seed=1, jobs=1, store=store, resume=True)
    assert 0 < len(stored) < len(GRID)
    assert results[: len(stored)] == stored


class Fleeting(Executor):
    """Finishes one task, then is gone: `last` makes what later calls get."""

    def __init__(self, last):
        self.last, self.calls = last, 0

    def submit(self, fn, /, *args, **kwargs):
        self.calls += 1
        if self.calls > 1:
            return self.last()
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def cancelled():
    future = Future()
    future.cancel()
    future.set_running_or_notify_cancel()
    return future


def broken():
    raise BrokenExecutor("out of order")


@pytest.mark.parametrize(("last", "text"), [(cancelled, "went away"), (broken, "out of order")])
def test_an_executor_that_goes_away_is_one_line_and_finished_results_stay(path, last, text):
    with Store(path) as store:
        with pytest.raises(WorkerLost, match=text):
            run_tasks(sample, GRID, seed=0, executor=Fleeting(last), store=store)
        assert len(store) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_kill_9_loses_only_the_points_in_flight_and_resume_computes_only_the_rest(path, tmp_path):
    count, seconds = 30, 0.03
    with start_slow(path, tmp_path, count, seconds) as child:
        wait_for_line(child, "8")
        child.kill()
    with Store(path) as store:
        stored = {row.task["parameters"]["trial"]: row.result for row in store.rows()}
    workers = {int(line) for t in stored for line in (tmp_path / f"{t}").read_text().split()}
    assert 8 <= len(stored) < count
    resumed = run_slow(path, tmp_path, count, seconds, jobs=1)
    calls = [len((tmp_path / f"{t}").read_text().split()) for t in range(count)]
    assert sum(calls) <= count + 2  # the two in flight
    assert all(calls[t] == 1 and resumed[t] == result for t, result in stored.items())
    uninterrupted = run_slow(":memory:", tmp_path, count, seconds, jobs=1)
    assert uninterrupted == resumed
    assert not any(alive(pid) for pid in workers)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_at_once_and_leaves_a_file_to_resume(path, tmp_path, jobs):
    # 80 s of work, so that a busy machine's delay cannot pass for its end
    with start_slow(path, tmp_path, count=400, seconds=0.2, jobs=jobs) as child:
        wait_for_line(child, "4")
        start = time.monotonic()
        child.send_signal(signal.SIGINT)
        error = child.communicate()[1]
    assert time.monotonic() - start < 25
    assert child.returncode == -signal.SIGINT
    assert error.rstrip().endswith("KeyboardInterrupt")
    with Store(path) as store:
        assert 4 <= len(store) < 100
