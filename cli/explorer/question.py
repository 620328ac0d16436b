"""One call of the engine, in its three readings: a command line, Python source, numbers.

The page shows the numbers, its button the other two; all come from the same options.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cli.grids import parse_grid


@dataclass(frozen=True)
class Grid:
    """`count` values from `low` to `high`, spaced evenly or geometrically."""

    low: float
    high: float
    count: int
    log: bool

    def option(self) -> str:
        """As the command line writes it."""
        return ":".join([number(self.low), number(self.high), str(self.count)] + ["log"] * self.log)

    def values(self, name: str) -> NDArray[np.float64]:
        """The numbers, as the command line takes them. Raises InvalidInput, which says `name`."""
        return parse_grid(self.option(), name)

    def source(self) -> str:
        """As Python writes it."""
        name = "geomspace" if self.log else "linspace"
        return f"np.{name}({number(self.low)}, {number(self.high)}, {self.count})"


Option = str | float | bool | Grid


@dataclass(frozen=True)
class Question:
    """`curve` or `phase` with these options, in snake case; a flag is an option that is True.

    `axes` names the parameters x and y of a phase diagram; `quantity` is what it draws.
    """

    command: str
    options: tuple[tuple[str, Option], ...]
    axes: tuple[str, ...] = ()
    quantity: str | None = None

    def arguments(self) -> list[str]:
        """The words of the command line after `asymptotics`."""
        words = [self.command]
        for name, value in self.options:
            words.append("--" + name.replace("_", "-"))
            if isinstance(value, Grid):
                words.append(value.option())
            elif value is not True:
                words.append(value if isinstance(value, str) else number(value))
        return words + (["--quantity", self.quantity] if self.quantity else [])

    def command_line(self) -> str:
        """The command, ready for a shell."""
        return shlex.join(["asymptotics", *self.arguments()])

    def source(self) -> str:
        """The call of `asymptotics.curve` or `asymptotics.phase_diagram`, one argument a line."""
        lines = [f'{name}="{axis}",' for name, axis in zip("xy", self.axes, strict=False)]
        lines += [f"{name}={_source(value)}," for name, value in self.options]
        verb = "phase_diagram" if self.command == "phase" else self.command
        return "\n".join([f"{verb}(", *(f"    {line}" for line in lines), ")"])

    def parameters(self) -> dict[str, Any]:
        """The keyword arguments of that call."""
        named: dict[str, Any] = dict(zip("xy", self.axes, strict=False))
        for name, value in self.options:
            named[name] = value.values(name) if isinstance(value, Grid) else value
        return named


def number(value: float) -> str:
    """The shortest text that is read back as this number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _source(value: Option) -> str:
    if isinstance(value, Grid):
        return value.source()
    if isinstance(value, str):
        return f'"{value}"'
    return str(value) if isinstance(value, bool) else number(value)
