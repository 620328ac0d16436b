"""The grid syntax of numeric options: START:STOP:COUNT[:log], a list, or a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_LARGEST_GRID = 10_000_000


def parse_grid(text: str, name: str) -> NDArray[np.float64]:
    """The numbers of ``a:b:count``, ``a:b:count:log``, ``x,y,z`` or ``x``; else InvalidInput."""
    parts = text.split(":")
    try:
        if len(parts) == 1:
            values = np.array([float(part) for part in text.split(",")])
        elif len(parts) in (3, 4) and parts[3:] in ([], ["log"]):
            return _range(float(parts[0]), float(parts[1]), int(parts[2]), bool(parts[3:]), name)
        else:
            raise ValueError
    except InvalidInput:
        raise
    except ValueError:
        raise InvalidInput(
            f"{name}: expected a number, a list x,y,z or a grid start:stop:count[:log], "
            f"got {text!r}"
        ) from None
    if not np.all(np.isfinite(values)):
        raise InvalidInput(f"{name}: every value must be finite, got {text!r}")
    return values


def _range(start: float, stop: float, count: int, log: bool, name: str) -> NDArray[np.float64]:
    if not (np.isfinite(start) and np.isfinite(stop)):
        raise InvalidInput(f"{name}: the ends of a grid must be finite, got {start}:{stop}")
    if start >= stop:
        raise InvalidInput(f"{name}: a grid must run upwards, got {start:g}:{stop:g}")
    if not 2 <= count <= _LARGEST_GRID:
        raise InvalidInput(f"{name}: a grid needs 2 to {_LARGEST_GRID} points, got {count}")
    if log:
        if start <= 0:
            raise InvalidInput(f"{name}: a log grid must start above 0, got {start:g}")
        values = np.geomspace(start, stop, count)
    else:
        values = np.linspace(start, stop, count)
    return np.asarray(values)


class GridType(click.ParamType):
    """An option whose value is a grid of numbers (`parse_grid`)."""

    name = "grid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The array of a text; arrays pass."""
        if isinstance(value, np.ndarray):
            return value
        label = param.opts[0] if param is not None else "grid"
        return parse_grid(str(value), label)


GRID = GridType()


def grid_option(name: str, help: str, **extra: Any) -> Decorator:
    """A numeric option that takes a number or a grid."""
    return click.option(name, type=GRID, metavar="GRID", help=help, **extra)


def decorated(*options: Decorator) -> Decorator:
    """The options as one decorator, in this order in the help."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate
