"""The results of a sweep in one SQLite file that survives a kill at any moment.

Each result is one committed row in write-ahead-log mode, written by the process that runs the sweep
and by no worker. A row is never changed: its key names the task, the seed and the code, so a second
run on the same file can only add the same number again, which is ignored.
"""

from __future__ import annotations

import errno
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asymptotics.errors import InvalidInput
from validation.tasks import Task, encode

SCHEMA_VERSION = 1

# "HAsy": marks an SQLite file as a sweep of ours
_APPLICATION_ID = 0x48417379
_BUSY_SECONDS = 30.0

_TABLES = (
    "CREATE TABLE IF NOT EXISTS configurations (configuration TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, task TEXT NOT NULL,"
    " seed TEXT NOT NULL, code TEXT NOT NULL, result TEXT NOT NULL)",
)

_UNREADABLE = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_SYSTEM_ERRORS = {
    sqlite3.SQLITE_FULL: (errno.ENOSPC, "no space left for this result; those stored are kept"),
    sqlite3.SQLITE_IOERR: (errno.EIO, "cannot read or write; the results stored are kept"),
    sqlite3.SQLITE_READONLY: (errno.EACCES, "the sweep's file or its folder is read-only"),
    sqlite3.SQLITE_PERM: (errno.EACCES, "no permission for the sweep's file"),
    sqlite3.SQLITE_CANTOPEN: (errno.ENOENT, "cannot open the sweep's file: is there its folder?"),
    sqlite3.SQLITE_BUSY: (errno.EBUSY, "another process holds the sweep's file"),
}


@dataclass(frozen=True)
class Row:
    """One stored result: its task (canonical JSON of function and parameters), seed and code."""

    task: dict[str, Any]
    seed: int
    code: str
    result: Any


class Store:
    """A sweep's file, open until `close`; a context manager.

    path: created when absent; ":memory:" keeps the results until `close` only.
    configuration: what makes the sweep (JSON), kept in the file beside those of earlier runs on it.

    Raises InvalidInput for a file that is no sweep or of another schema version, OSError for a
    file that cannot be opened or written. Nothing stored is ever lost by a failure.
    """

    def __init__(self, path: str | Path, configuration: Mapping[str, Any] | None = None) -> None:
        self.path = str(path)
        with _clear_errors(self.path):
            # no implicit transactions: each INSERT is committed, whole, when it returns
            self._connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None
            )
        try:
            with _clear_errors(self.path):
                _patiently(self._prepare)
                if configuration is not None:
                    statement = "INSERT OR IGNORE INTO configurations VALUES (?)"
                    self._connection.execute(statement, (encode(configuration),))
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        if self._scalar("SELECT count(*) FROM sqlite_schema") == 0:
            self._create()
        if self._scalar("PRAGMA application_id") != _APPLICATION_ID:
            raise InvalidInput(f"{self.path} is an SQLite file but no sweep of this program")
        version = self._scalar("PRAGMA user_version")
        if version != SCHEMA_VERSION:
            raise InvalidInput(
                f"{self.path} is a sweep's file of version {version}, this program reads version "
                f"{SCHEMA_VERSION}: choose another file"
            )
        # a commit reaches the system at once, the disk at the next checkpoint
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def _create(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for table in _TABLES:
                self._connection.execute(table)
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _scalar(self, query: str, *values: Any) -> Any:
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else row[0]

    def __len__(self) -> int:
        """The number of results."""
        with _clear_errors(self.path):
            return int(self._scalar("SELECT count(*) FROM results"))

    def __contains__(self, task: Task) -> bool:
        """Whether the result of `task` is stored."""
        with _clear_errors(self.path):
            return self._scalar("SELECT 1 FROM results WHERE key = ?", task.key) is not None

    def __getitem__(self, task: Task) -> Any:
        """The result of `task`, every float as it was computed; KeyError where there is none."""
        with _clear_errors(self.path):
            text = self._scalar("SELECT result FROM results WHERE key = ?", task.key)
        if text is None:
            raise KeyError(str(task))
        return json.loads(text)

    def add(self, task: Task, result: str) -> None:
        """Keep the JSON text `result` of `task`; a result that is there already stays."""
        row = (task.key, task.description, str(task.seed), task.code, result)
        statement = "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?)"
        with _clear_errors(self.path):
            _patiently(lambda: self._connection.execute(statement, row))

    def rows(self) -> Iterator[Row]:
        """Every stored result, in the order of storage."""
        query = "SELECT task, seed, code, result FROM results ORDER BY rowid"
        with _clear_errors(self.path):
            for task, seed, code, result in self._connection.execute(query):
                yield Row(json.loads(task), int(seed), code, json.loads(result))

    def configurations(self) -> list[dict[str, Any]]:
        """The configuration of every run on this file, the first one first."""
        with _clear_errors(self.path):
            query = "SELECT configuration FROM configurations ORDER BY rowid"
            return [json.loads(text) for (text,) in self._connection.execute(query)]

    def close(self) -> None:
        """Close the file; what is stored is stored already."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _patiently(action: Callable[[], object]) -> None:
    """Try again while the file is held by another connection.

    SQLite itself waits for a writer, but not while a file turns to WAL or is opened or closed.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            action()
            return
        except sqlite3.OperationalError as error:
            busy = (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


@contextmanager
def _clear_errors(path: str) -> Iterator[None]:
    """Turn SQLite's errors into one line each that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in _UNREADABLE:
            raise InvalidInput(f"{path} is no sweep's file: {error}") from error
        if code in _SYSTEM_ERRORS:
            number, text = _SYSTEM_ERRORS[code]
            raise OSError(number, text, path) from error
        raise
