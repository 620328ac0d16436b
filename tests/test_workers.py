"""Worker processes and Dask workers: what they promise and how they fail."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from asymptotics.errors import InvalidInput
from validation import workers
from validation.execution import run_tasks
from validation.store import Store
from validation.workers import Processes, WorkerLost, dask_workers

ROOT = Path(__file__).parents[1]


def sample(rng, x):
    time.sleep(0.05)
    return [os.getpid(), rng.standard_normal()]


def poison(rng, x):
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def without_pids(results):
    return [value for _, value in results]


def test_a_process_that_died_is_replaced():
    with Processes(1) as processes:
        first = processes.submit(os.getpid).result()
        os.kill(first, signal.SIGKILL)
        for _ in range(2):  # the death may show in the next call or before it
            try:
                second = processes.submit(os.getpid).result()
                break
            except workers.BrokenProcessPool:
                continue
    assert second != first


def test_leaving_waits_for_the_tasks_that_run():
    with Processes(2) as processes:
        futures = [processes.submit(time.sleep, 0.1) for _ in range(3)]
    assert [future.result() for future in futures] == [None] * 3


def test_an_error_ends_the_workers_at_once():
    start = time.monotonic()
    processes = Processes(1)
    processes.submit(os.getpid).result()
    future = processes.submit(time.sleep, 60)
    processes.__exit__(KeyError, KeyError(), None)
    assert isinstance(future.exception(), workers.BrokenProcessPool)
    assert time.monotonic() - start < 30


def test_a_missing_extra_is_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InvalidInput, match=r"pip install .*\[distributed\]"),
        dask_workers("tcp://localhost:8786"),
    ):
        pass


@pytest.mark.parametrize("address", ["host", "tcp://host", "http://host:1", "tcp://host:99999"])
def test_a_malformed_address_is_refused(address):
    pytest.importorskip("distributed", reason="needs the extra distributed")
    with pytest.raises(InvalidInput, match="like tcp://host:8786"), dask_workers(address):
        pass


@pytest.mark.parametrize("listening", [False, True])
def test_a_dead_or_silent_scheduler_is_one_line_and_no_hang(monkeypatch, listening):
    pytest.importorskip("distributed", reason="needs the extra distributed")
    monkeypatch.setattr(workers, "_CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if not listening:
            server.close()
        start = time.monotonic()
        with pytest.raises(WorkerLost, match=f"no Dask scheduler answers at {address}"):
            dask_workers(address).__enter__()
    assert time.monotonic() - start < 10


def dask(name, *arguments, **environment):
    """A Dask scheduler or worker in a process of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{name}", "--no-dashboard", *arguments],
        env=os.environ | {"PYTHONPATH": path} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def cluster(folder, *options, **environment):
    """(address, scheduler, workers): a real cluster of two workers of one thread each."""
    file = folder / "scheduler.json"
    with ExitStack() as stack:

        def start(*arguments):
            process = stack.enter_context(dask(*arguments, **environment))
            stack.callback(process.terminate)
            return process

        scheduler = start("scheduler", "--port", "0", "--scheduler-file", str(file))
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        options = ("--nthreads", "1", *options)
        yield address, scheduler, [start("worker", address, *options) for _ in range(2)]


def at(done, action):
    """A progress callback that acts once, when `done` tasks are finished."""

    def callback(progress):
        if progress.done == done:
            action()

    return callback


@pytest.mark.slow
def test_a_dask_worker_killed_in_the_middle_changes_no_bit(tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra distributed")
    tasks = [{"x": x} for x in range(60)]
    expected = without_pids(run_tasks(sample, tasks, seed=2, jobs=2))
    with cluster(tmp_path, "--no-nanny") as (address, _, processes):
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2)
        with dask_workers(address) as executor:
            kill = at(10, processes[0].kill)
            results = run_tasks(sample, tasks, seed=2, executor=executor, progress=kill)
        assert processes[0].wait() == -signal.SIGKILL
        assert processes[1].poll() is None
    assert {pid for pid, _ in results} == {process.pid for process in processes}
    assert without_pids(results) == expected


@pytest.mark.slow
def test_a_scheduler_killed_in_the_middle_is_one_line_and_the_sweep_resumes(tmp_path):
    pytest.importorskip("distributed", reason="needs the extra distributed")
    tasks = [{"x": x} for x in range(40)]
    with Store(tmp_path / "sweep.sqlite") as store:
        with (
            cluster(tmp_path, "--no-nanny") as (address, scheduler, _),
            dask_workers(address) as executor,
        ):
            kill = at(5, scheduler.kill)
            with pytest.raises(WorkerLost, match="went away"):
                run_tasks(sample, tasks, seed=2, executor=executor, store=store, progress=kill)
        assert 5 <= len(store) < 40
        resumed = run_tasks(sample, tasks, seed=2, jobs=2, store=store, resume=True)
    assert without_pids(resumed) == without_pids(run_tasks(sample, tasks, seed=2, jobs=2))


@pytest.mark.slow
def test_a_task_that_kills_dask_workers_is_named_and_all_others_are_stored(tmp_path):
    pytest.importorskip("distributed", reason="needs the extra distributed")
    tasks = [{"x": x} for x in range(6)]
    at_once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with (
        cluster(tmp_path, **at_once) as (address, _, _),
        Store(tmp_path / "sweep.sqlite") as store,
        dask_workers(address) as executor,
    ):
        with pytest.raises(WorkerLost, match=r"each time they ran poison\(x=2\)"):
            run_tasks(poison, tasks, seed=2, executor=executor, store=store)
        assert sorted(row.task["parameters"]["x"] for row in store.rows()) == [0, 1, 3, 4, 5]
