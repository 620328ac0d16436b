"""Arrays that a loop writes over and over, so that it allocates none of the size of its batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# (name, shape) -> what an operation writes into: an array, or None to allocate one
Scratch = Callable[[str, tuple[int, ...]], Any]


def fresh(name: str, shape: tuple[int, ...]) -> None:
    """Hold nothing: every operation allocates its result."""
    return


class Held:
    """One array of `empty(shape)` for each name and shape, kept: its content is the last written.

    A result that lies in it is good until the same function is called again.
    """

    def __init__(self, empty: Callable[[tuple[int, ...]], Any]) -> None:
        self._empty = empty
        self._arrays: dict[tuple[str, tuple[int, ...]], Any] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Any:
        key = name, tuple(shape)
        if key not in self._arrays:
            self._arrays[key] = self._empty(key[1])
        return self._arrays[key]
