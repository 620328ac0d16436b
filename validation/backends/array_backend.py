"""What a backend is: an array namespace, two transfers and a gradient."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from validation.backends.scratch import Scratch, fresh

PRECISIONS = {"float64": 8, "float32": 4}  # bytes a number
CACHE = 2**19  # bytes: what a core's second-level cache holds, or a little less


class Differentiable(Protocol):
    """A function of stacked embeddings, (S, n, k), that is a sum over anchor rows.

    Both methods take the namespace of the arrays that they are given.
    """

    def loss(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """(S,): the share of the anchors `rows` in the loss of each of the S replicas."""
        ...

    def gradient(
        self, xp: ModuleType, embeddings: Any, rows: slice, scratch: Scratch = fresh
    ) -> tuple[Any, Any]:
        """That loss, and its gradient (S, n, k) in all the embeddings, in closed form.

        The gradient may lie in `scratch`: see ``Held``.
        """
        ...


class Backend(Protocol):
    """Arrays of one precision on one device.

    ``xp``           the namespace: numpy or torch; code uses only what both spell alike
    ``itemsize``     bytes a number
    ``working_set``  bytes that work goes fastest on at a time: a cache, or a share of a GPU
    """

    @property
    def xp(self) -> ModuleType: ...

    @property
    def itemsize(self) -> int: ...

    @property
    def working_set(self) -> int: ...

    def empty(self, shape: tuple[int, ...]) -> Any:
        """An array of this backend to write into."""
        ...

    def send(self, array: NDArray[np.float64]) -> Any:
        """A numpy array as an array of this backend."""
        ...

    def fetch(self, array: Any) -> NDArray[np.float64]:
        """An array of this backend as a numpy array of double precision."""
        ...

    def gradient(
        self, function: Differentiable, embeddings: Any, rows: slice, scratch: Scratch = fresh
    ) -> tuple[Any, Any]:
        """The rows' loss (S,) and its gradient (S, n, k): autograd, or the closed form."""
        ...


def check_precision(precision: str) -> None:
    """Raise InvalidInput unless `precision` is a key of ``PRECISIONS``."""
    if precision not in PRECISIONS:
        raise InvalidInput(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
