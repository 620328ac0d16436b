"""Arrays of numpy, differentiated in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation.backends.array_backend import CACHE, PRECISIONS, Differentiable, check_precision
from validation.backends.scratch import Scratch, fresh


@dataclass(frozen=True)
class NumpyBackend:
    """numpy on the CPU, in `precision` "float64" or "float32"."""

    precision: str = "float64"

    def __post_init__(self) -> None:
        check_precision(self.precision)

    @property
    def xp(self) -> ModuleType:
        return np

    @property
    def itemsize(self) -> int:
        return PRECISIONS[self.precision]

    @property
    def working_set(self) -> int:
        return CACHE

    def empty(self, shape: tuple[int, ...]) -> Any:
        """An array of this precision to write into."""
        return np.empty(shape, dtype=self.precision)

    def send(self, array: NDArray[np.float64]) -> Any:
        """The array itself where the precision is double, else a rounded copy."""
        return np.asarray(array, dtype=self.precision)

    def fetch(self, array: Any) -> NDArray[np.float64]:
        """The array in double precision."""
        return np.asarray(array, dtype=np.float64)

    def gradient(
        self, function: Differentiable, embeddings: Any, rows: slice, scratch: Scratch = fresh
    ) -> tuple[Any, Any]:
        """The closed form."""
        return function.gradient(np, embeddings, rows, scratch)
