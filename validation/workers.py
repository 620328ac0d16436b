"""Where tasks run: processes of this machine, or the workers of a Dask cluster.

Both are a `concurrent.futures.Executor`, so a sweep knows neither.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from asymptotics.errors import AsymptoticsError, InvalidInput

_CONNECT_SECONDS = 5


class WorkerLost(AsymptoticsError):
    """Workers died, or their scheduler went away: the text names what they were running."""


class Processes(Executor):
    """`jobs` worker processes, each a `ProcessPoolExecutor` of its own.

    One pool of many workers breaks as a whole when one of them dies, and cannot say whose task it
    was; here a death fails one task, and the next task of that pool gets a new process.

    Workers are spawned, not forked: a fork copies the locks of BLAS and of every other thread in
    whatever state they are, and spawning is what every platform has. A worker lives only as long
    as this process holds the other end of a pipe, so even a kill -9 leaves no orphan.
    """

    def __init__(self, jobs: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._lifeline, self._hold = self._context.Pipe(duplex=False)
        self._idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        self._pools = [self._pool() for _ in range(jobs)]
        for pool in self._pools:
            self._idle.put(pool)

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_live_while_held, initargs=(self._lifeline,)
        )

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run fn(*args, **kwargs) in an idle worker; waits while all of them are busy."""
        pool = self._idle.get()
        try:
            future = pool.submit(fn, *args, **kwargs)
        except BrokenProcessPool:
            pool.shutdown()
            self._pools.remove(pool)
            pool = self._pool()
            self._pools.append(pool)
            future = pool.submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: self._idle.put(pool))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers once their tasks are done."""
        for pool in self._pools:
            pool.shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            self._hold.close()
            self._lifeline.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the workers; after an error or ctrl-C, end them at once."""
        if error is not None:
            self._hold.close()
        self.shutdown()


def _live_while_held(lifeline: Connection) -> None:
    """In a worker: leave ctrl-C to the parent, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # for libraries that a task imports later
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    threading.Thread(target=_end_when_released, args=(lifeline,), daemon=True).start()


def _end_when_released(lifeline: Connection) -> None:
    try:
        lifeline.poll(None)
    finally:  # on some platforms the end of a pipe is an error
        os._exit(1)


@contextmanager
def dask_workers(scheduler: str) -> Iterator[Executor]:
    """The workers of the Dask cluster at `scheduler`, such as "tcp://host:8786".

    The workers need this package in the same version. Raises InvalidInput without the extra
    `distributed` or for a malformed address, WorkerLost where no scheduler answers in 5 seconds.
    """
    try:
        import distributed
    except ImportError:
        raise InvalidInput(
            "a Dask scheduler needs the extra `distributed`: "
            "pip install 'contrastive-asymptotics[distributed]'"
        ) from None
    _check_answers(scheduler)
    with (
        _quiet("distributed.client"),
        distributed.Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False) as client,
    ):
        # pure=False: a task run again is computed again, never a remembered failure
        yield client.get_executor(pure=False)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """No tracebacks of lost connections in the log: the sweep itself says so in one line."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _check_answers(scheduler: str) -> None:
    """One handshake, in a loop of its own.

    A failing Client would wait without end for a server that is no scheduler, and leave threads
    and a traceback behind after its own error.
    """
    try:
        address = urlsplit(scheduler)
        complete = bool(address.scheme == "tcp" and address.hostname and address.port)
    except ValueError:
        complete = False
    if not complete:
        raise InvalidInput(f"a scheduler's address is like tcp://host:8786, got {scheduler!r}")
    try:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _shake_hands(scheduler)).result()
    except Exception as error:  # whatever the bytes of another protocol decode to
        raise WorkerLost(
            f"no Dask scheduler answers at {scheduler} within {_CONNECT_SECONDS} s"
        ) from error


async def _shake_hands(scheduler: str) -> None:
    from distributed.comm import connect

    comm = await asyncio.wait_for(connect(scheduler), _CONNECT_SECONDS)
    await comm.close()
