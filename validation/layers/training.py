"""Gradient descent on every layer, on fresh batches, with a constant step over a fixed time.

The theory is gradient flow: the step eta -> 0 at a fixed time T = eta N. A finite step leaves a
bias of order eta in all that is measured (layers-validation.md, bias of a finite step), so that a
measurement is made at several steps and extrapolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput, NotConverged
from validation.layers.networks import activations, gradients, products
from validation.layers.views import Views
from validation.training.objectives import ContrastiveLoss
from validation.training.sampling import Stream

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Descent:
    """W_l <- W_l - eta (dL/dW_l + 2 lambda W_l), `steps` times.

    step: eta > 0. steps: N. batch_size: B pairs, at least 2. decay: lambda >= 0, of the penalty
    lambda sum_l |W_l|^2. Raises InvalidInput.
    """

    step: float
    steps: int
    batch_size: int
    decay: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.step) and self.step > 0):
            raise InvalidInput(f"step must be finite and > 0, got {self.step}")
        if self.steps < 4:
            raise InvalidInput(f"steps must be at least 4, got {self.steps}")
        if self.batch_size < 2:
            raise InvalidInput(f"batch_size must be at least 2 pairs, got {self.batch_size}")
        if not (np.isfinite(self.decay) and self.decay >= 0):
            raise InvalidInput(f"decay must be finite and >= 0, got {self.decay}")


class Observer(Protocol):
    """Is shown the weights after each step, counted from 1."""

    def see(self, step: int, weights: Sequence[Array]) -> None: ...


def train_network(
    objective: ContrastiveLoss,
    views: Views,
    start: Sequence[Array],
    descent: Descent,
    rng: np.random.Generator,
    observers: Sequence[Observer] = (),
) -> list[Array]:
    """The weights after training S networks from `start`, each on batches of its own.

    Raises NotConverged where a network is no longer finite.
    """
    weights = [matrix.copy() for matrix in start]
    stream, replicas, pairs = Stream.of(rng), len(start[0]), descent.batch_size
    # a diverging run overflows, and is found by the result
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(1, descent.steps + 1):
            layers = activations(weights, draw_batches(views, replicas, pairs, stream))
            slope = objective.gradient(np, layers[-1], slice(0, 2 * pairs))[1]
            for matrix, pull in zip(weights, gradients(weights, layers, slope), strict=True):
                matrix -= descent.step * (pull + 2 * descent.decay * matrix)
            for observer in observers:
                observer.see(step, weights)
    if not all(np.all(np.isfinite(matrix)) for matrix in weights):
        raise NotConverged(
            f"training of the layers diverged at the step {descent.step:.3g}: take a smaller step, "
            "a smaller start or a larger batch"
        )
    return weights


def draw_batches(views: Views, replicas: int, pairs: int, stream: Stream) -> Array:
    """(S, 2B, d): a fresh batch for each network."""
    drawn = views.draw(replicas * pairs, stream).reshape(2, replicas, pairs, -1)
    return drawn.swapaxes(0, 1).reshape(replicas, 2 * pairs, -1)


class GramAverage:
    """The mean of P_l^T P_l over the second half of training, for every layer l."""

    def __init__(self, steps: int) -> None:
        self._from = steps // 2
        self._sum: Any = 0.0
        self._count = 0

    def see(self, step: int, weights: Sequence[Array]) -> None:
        """Add the Gram matrices once half of the steps are done."""
        if step > self._from:
            self._sum = self._sum + np.stack([p.swapaxes(1, 2) @ p for p in products(weights)])
            self._count += 1

    def mean(self) -> Array:
        """(L, S, d, d)."""
        return np.asarray(self._sum / self._count)

    def feature_weights(self) -> Array:
        """sqrt (P_l^T P_l)_ii: the weight that layer l gives feature i, (L, S, d)."""
        return np.sqrt(np.diagonal(self.mean(), axis1=2, axis2=3))


class FirstPassage:
    """The first step at which the weight |P_L e_i| of each feature reaches its level, (S, d)."""

    def __init__(self, levels: Array) -> None:
        self._squares = np.square(levels)
        self._steps: Any = 0

    def see(self, step: int, weights: Sequence[Array]) -> None:
        """Mark the features that have just passed; 0 is not yet."""
        above = np.sum(np.square(products(weights)[-1]), axis=1) >= self._squares
        self._steps = np.where((self._steps == 0) & above, step, self._steps)

    def steps(self) -> Array:
        """(S, d). Raises NotConverged where a feature never passed."""
        if np.any(self._steps == 0):
            raise NotConverged(
                f"{np.sum(self._steps == 0)} features did not reach their level: train for longer"
            )
        return np.asarray(self._steps, dtype=float)
