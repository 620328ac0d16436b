"""What is written down while a head trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation.backends import Backend
from validation.training import measures

Array = NDArray[np.float64]

_POINTS = 16  # of the trajectory, each epoch


@dataclass(frozen=True)
class Trajectory:
    """A head over time: T times (rows) of S replicas (columns).

    ``pairs``              pairs seen since the start, (T,)
    ``loss``               mean loss of the batches since the time before
    ``log_gain``           log a of W itself, not of its average
    ``expansion_measure``  EM = d |W muhat|^2/|W|_F^2
    ``alignment``          cos(muhat, W^T W muhat)
    """

    pairs: NDArray[np.int64]
    loss: Array
    log_gain: Array
    expansion_measure: Array
    alignment: Array


def join(parts: Sequence[Trajectory]) -> Trajectory:
    """Trajectories of successive epochs as one."""
    fields = Trajectory.__dataclass_fields__
    return Trajectory(**{f: np.concatenate([getattr(p, f) for p in parts]) for f in fields})


class Recorder:
    """Collects a trajectory at 16 evenly spaced steps of an epoch, the last one among them."""

    def __init__(self, backend: Backend, direction: Array, steps: int) -> None:
        self._backend = backend
        self._direction = backend.send(direction)
        self._times = set(np.linspace(0, steps, _POINTS + 1).astype(int)[1:].tolist())
        self._pairs: list[int] = []
        self._rows: list[list[Array]] = []
        self._loss: Any = 0.0
        self._batches = 0

    def take(self, step: int, pairs: int, loss: Any, weights: Any) -> None:
        """One step was made: `pairs` seen so far, the batch's `loss` (S,), W after it."""
        self._loss, self._batches = self._loss + loss, self._batches + 1
        if step not in self._times:
            return
        values = [
            self._loss / self._batches,
            *(
                measure(self._backend.xp, weights, self._direction)
                for measure in (measures.log_gain, measures.expansion_measure, measures.alignment)
            ),
        ]
        self._rows.append([self._backend.fetch(value) for value in values])
        self._pairs.append(pairs)
        self._loss, self._batches = 0.0, 0

    def trajectory(self) -> Trajectory:
        """All that was collected."""
        columns = [np.stack(column) for column in zip(*self._rows, strict=True)]
        return Trajectory(np.array(self._pairs), *columns)
