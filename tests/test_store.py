"""A sweep's file: what is stored stays, and every failure is one clear line."""

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from asymptotics.errors import InvalidInput
from validation.store import SCHEMA_VERSION, Row, Store
from validation.tasks import Task

ROOT = Path(__file__).parents[1]


def point(rng, x):
    return x


def task(x):
    return Task(point, {"x": x}, 3, "code")


def fill(path, count, start=0):
    with Store(path) as store:
        for x in range(start, start + count):
            store.add(task(x), f"[{x}, 0.1]")


def python(program, *arguments):
    """A process that runs `program` beside this module."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def tamper(path, statement):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sweep.sqlite"


def test_results_are_there_after_closing(path):
    fill(path, 3)
    with Store(path) as store:
        assert len(store) == 3
        assert task(2) in store
        assert task(3) not in store
        assert store[task(2)] == [2, 0.1]
        with pytest.raises(KeyError):
            store[task(3)]
        first = {"function": f"{__name__}.point", "parameters": {"x": 0}}
        assert next(iter(store.rows())) == Row(first, 3, "code", [0, 0.1])


def test_a_stored_result_is_never_changed(path):
    fill(path, 1)
    with Store(path) as store:
        store.add(task(0), "[7]")
        assert store[task(0)] == [0, 0.1]


def test_the_file_holds_the_configuration_of_every_run(path):
    for ridge in (0.1, 0.2, 0.1):
        with Store(path, {"ridge": ridge}) as store:
            pass
    with Store(path) as store:
        assert store.configurations() == [{"ridge": 0.1}, {"ridge": 0.2}]


def test_a_store_of_another_version_is_refused(path):
    fill(path, 1)
    tamper(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(InvalidInput, match=f"of version {SCHEMA_VERSION + 1}"):
        Store(path)


def test_a_database_of_another_program_is_refused_and_left_alone(path):
    tamper(path, "CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="no sweep"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.write_text("signal,accuracy\n" * 100)
    with pytest.raises(InvalidInput, match="no sweep"):
        Store(path)
    assert path.read_text() == "signal,accuracy\n" * 100


def test_an_empty_file_left_by_a_kill_is_a_new_store(path):
    path.touch()
    fill(path, 1)


def test_a_missing_folder_and_a_folder_are_system_errors_that_name_the_path(tmp_path):
    for place in (tmp_path / "absent" / "sweep.sqlite", tmp_path):
        with pytest.raises(OSError, match="cannot open") as failure:
            Store(place)
        assert failure.value.filename == str(place)


def test_a_read_only_file_is_a_system_error_and_its_results_can_be_read(path):
    fill(path, 2)
    with Store(path) as store:
        store._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(PermissionError, match="read-only"):
            store.add(task(5), "1")
        assert len(store) == 2


def test_a_full_disk_loses_nothing_and_the_sweep_goes_on_with_room(path):
    fill(path, 5)
    with Store(path) as store:
        pages = store._scalar("PRAGMA page_count")
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OSError, match="no space left"):
            store.add(task(5), f'"{"x" * 10_000}"')
        assert len(store) == 5
        store._connection.execute(f"PRAGMA max_page_count = {pages + 100}")
        store.add(task(5), f'"{"x" * 10_000}"')
    with Store(path) as store:
        assert len(store) == 6


LIMITED = """
import resource, sys
from test_store import Store, task
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
with Store(sys.argv[1]) as store:
    for x in range(1000):
        try:
            store.add(task(x), '"' + "x" * 1000 + '"')
        except OSError as error:
            print(x, error.strerror)
            break
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")
def test_a_file_that_may_not_grow_keeps_every_result_reported_as_stored(path):
    with python(LIMITED, path) as child:
        stored, text = child.communicate()[0].split(maxsplit=1)
    assert child.returncode == 0
    assert "are kept" in text
    with Store(path) as store:
        assert len(store) == int(stored) > 10
        assert store._scalar("PRAGMA integrity_check") == "ok"


WRITER = "import sys; from test_store import fill; fill(sys.argv[1], 400, int(sys.argv[2]))"


def test_two_runs_on_one_file_at_once_do_not_corrupt_it(path):
    writers = [python(WRITER, path, start) for start in (0, 200)]
    for writer in writers:
        with writer:
            assert writer.wait() == 0
    with Store(path) as store:
        assert len(store) == 600
        assert store._scalar("PRAGMA integrity_check") == "ok"
        assert all(store[task(x)] == [x, 0.1] for x in range(600))


@pytest.mark.parametrize("attempt", range(5))
def test_a_file_made_by_many_at_once_is_whole(path, attempt):
    barrier, failures = threading.Barrier(8), []

    def make():
        barrier.wait()
        try:
            fill(path, 5)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with Store(path) as store:
        assert len(store) == 5
