"""One task of a sweep: a function, its parameters, a seed; its name is a hash of all of them.

    key    = sha256(canonical JSON of (function, parameters, seed, code))
    stream = SeedSequence(seed, spawn_key = sha256(canonical JSON of (function, parameters)))

The random numbers depend on what is computed and on nothing else: not on the other tasks, their
order, the number of workers, or the version of the code.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from asymptotics.errors import InvalidInput
from validation.code_version import code_version


def encode(value: Any) -> str:
    """JSON text that gives every finite float back bit for bit; arrays become lists.

    Raises InvalidInput for nan, infinity and anything that is no number, text, list or mapping.
    """
    try:
        return json.dumps(_plain(value), allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"not storable as JSON (a missing value is None): {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError(f"names must be text, got {list(value)}")
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _canonical(value: Any) -> Any:
    """Equal parameters get one form: sorted names, and 2.0 written as 2."""
    if isinstance(value, dict):
        return {name: _canonical(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _name(function: Callable[..., Any]) -> str:
    if not inspect.isfunction(function) or "<" in function.__qualname__:
        raise InvalidInput(
            "a task's function must be importable by name (def at the top of a module), "
            f"got {getattr(function, '__qualname__', function)}"
        )
    return f"{function.__module__}.{function.__qualname__}"


def _digest(*texts: str) -> bytes:
    return hashlib.sha256(json.dumps(texts).encode()).digest()


@dataclass(frozen=True)
class Task:
    """function(rng, **parameters), to be called once with the random numbers of this task.

    function: importable by name; its result is numbers, arrays, text, lists and mappings of these.
    parameters: numbers, text, lists; repeated trials differ by a parameter, say `trial`.
    seed: a non-negative integer, one for the sweep.
    """

    function: Callable[..., Any]
    parameters: Mapping[str, Any]
    seed: int
    code: str = field(repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer):
            raise InvalidInput(f"seed must be an integer, got {self.seed!r}")
        if self.seed < 0:
            raise InvalidInput(f"seed must not be negative, got {self.seed}")
        _name(self.function)

    @cached_property
    def description(self) -> str:
        """Canonical JSON of (function, parameters): what is computed."""
        content = {"function": _name(self.function), "parameters": self.parameters}
        return encode(_canonical(json.loads(encode(content))))

    @cached_property
    def key(self) -> str:
        """64 hexadecimal digits, the same for the same task on any machine."""
        return _digest(self.description, str(self.seed), self.code).hex()

    def rng(self) -> np.random.Generator:
        """A fresh generator of this task's random numbers."""
        words = struct.unpack(">8I", _digest(self.description))
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=words))
        )

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.function.__qualname__}({values})"


def perform(task: Task) -> str:
    """The result as JSON text, with one BLAS thread.

    Raises InvalidInput where this process has other code than the one that made the task.
    """
    code = code_version(task.function)
    if task.code != code:
        raise InvalidInput(
            f"this worker has other code ({code}) than the sweep ({task.code}): "
            "install the same version"
        )
    with threadpool_limits(limits=1):
        return encode(task.function(task.rng(), **task.parameters))


def perform_in_worker(task: Task) -> str:
    """`perform` in a process that only works: its threads are limited for good.

    Tasks may share the process (a Dask worker of several threads), and none may lift the limit of
    another.
    """
    threadpool_limits(limits=1)
    return perform(task)
