"""Progress of a computation in stages, on standard error, with an estimate of what is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from validation.execution import Progress

# where there is no terminal, one line a stage in this many seconds at most
_SECONDS = 30.0


@contextmanager
def stages() -> Iterator[Callable[[str, Progress], None]]:
    """report(stage, progress): a bar a stage on a terminal, now and then a line elsewhere."""
    with ExitStack() as stack:
        yield _bars(stack) if sys.stderr.isatty() else _lines()


def _bars(stack: ExitStack) -> Callable[[str, Progress], None]:
    bars: dict[str, Any] = {}

    def report(stage: str, progress: Progress) -> None:
        if stage not in bars:
            stack.close()  # ends the line of the stage before
            bars[stage] = stack.enter_context(
                click.progressbar(
                    length=progress.total,
                    label=stage,
                    show_eta=False,
                    show_pos=True,
                    item_show_func=_left,
                    file=sys.stderr,
                )
            )
        bars[stage].update(progress.done - bars[stage].pos, progress)

    return report


def _lines() -> Callable[[str, Progress], None]:
    last = time.monotonic()

    def report(stage: str, progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS:
            last = time.monotonic()
            click.echo(f"{stage}: {progress.done} of {progress.total}, {_left(progress)}", err=True)

    return report


def _left(progress: Progress | None) -> str:
    if progress is None or progress.seconds_left is None:
        return "time left unknown"
    seconds = round(progress.seconds_left)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d} left"
