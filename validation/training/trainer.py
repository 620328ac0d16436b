"""Contrastive training of a linear head on fresh batches, in epochs that double.

Epoch k = 0, 1, 2, ... takes N, N, 2N, 4N, ... pairs with a constant step proportional to 2^{-2k/3},
in units of the inverse curvature found at its start, and its result is the average of W over the
epoch (Polyak, Ruppert). Steps that shrink more slowly than 1/t reach the optimum from anywhere;
the average removes their noise to first order (docs/theory/training.md, section 3).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput, NotConverged
from validation.backends import Backend, Held, NumpyBackend, Scratch
from validation.training import measures
from validation.training.descent import (
    Metric,
    Relative,
    curvature_along,
    descend,
    largest_curvature,
)
from validation.training.memory import Blocks, Sizes
from validation.training.objectives import ContrastiveLoss
from validation.training.sampling import Stream, ViewLaw
from validation.training.trajectory import Recorder, Trajectory

Array = NDArray[np.float64]
DECAY = 2 / 3  # the step falls by 2^DECAY an epoch; any power in (1/2, 1) converges


@dataclass(frozen=True)
class Trainer:
    """How a head is trained: everything but the random numbers and the start.

    objective: ``Cosine``, ``InnerProduct`` or ``Spectral``.
    views: the law of the two views, e.g. ``GaussianViews(gaussian_noise(2.0, 1.0), 20)``.
    batch_size: B pairs, hence 2B - 1 terms in the denominator of NT-Xent.
    metric: ``Relative()`` or ``Euclidean()``, see there.
    fixed_norm: |W|_F after every step, None to leave it free. Needs ``Euclidean``: the multiplier
        of the constraint is radial in that metric alone.
    backend: where arrays live.
    memory_limit: bytes that arrays may take; similarities are taken in blocks to stay below.
    step_fraction: the first step over 1/(largest curvature of a batch).
    """

    objective: ContrastiveLoss
    views: ViewLaw
    batch_size: int
    metric: Metric = field(default_factory=Relative)
    fixed_norm: float | None = None
    backend: Backend = field(default_factory=NumpyBackend)
    memory_limit: float = 2**31
    step_fraction: float = 0.25

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise InvalidInput(f"batch_size must be at least 2 pairs, got {self.batch_size}")
        if not self.step_fraction > 0:
            raise InvalidInput(f"step_fraction must be > 0, got {self.step_fraction}")
        if self.fixed_norm is not None:
            if not (np.isfinite(self.fixed_norm) and self.fixed_norm > 0):
                raise InvalidInput(f"fixed_norm must be finite and > 0, got {self.fixed_norm}")
            if isinstance(self.metric, Relative):
                raise InvalidInput("fixed_norm needs metric=Euclidean()")

    def epochs(self, start: Array, streams: Sequence[Stream], first_epoch: int) -> Iterator[Epoch]:
        """Train S heads from `start`, (S, k, d), for ever: one ``Epoch`` after another.

        `streams` holds one stream a head, and is left as it was; `first_epoch` is N, in pairs, cut
        down to whole batches. Raises InvalidInput for a start that does not fit, NotConverged when
        a head is no longer finite.
        """
        self._check(start, streams, first_epoch)
        blocks = self.blocks(len(start), start.shape[1])
        weights = self.backend.send(start.copy())
        self._normalise(weights)
        streams = [stream.again() for stream in streams]
        pilots = [Stream.of(stream.normal) for stream in streams]
        seen = 0
        for index in itertools.count():
            steps = first_epoch // self.batch_size * 2 ** max(index - 1, 0)
            step = (
                self.step_fraction
                * 2 ** (-DECAY * index)
                / self._curvature(weights, pilots, blocks)
            )
            average, trajectory = self._descend(weights, streams, step, steps, blocks, seen)
            seen += steps * self.batch_size
            yield self._epoch(seen, steps * step, average, trajectory, pilots, blocks)

    def _epoch(
        self,
        seen: int,
        time: Any,
        average: Any,
        trajectory: Trajectory,
        pilots: Sequence[Stream],
        blocks: Blocks,
    ) -> Epoch:
        """What an epoch came to; `time` (S, 1, 1) is the sum of its steps."""
        backend, direction = self.backend, self.backend.send(self.views.direction)
        log_gain = backend.fetch(measures.log_gain(backend.xp, average, direction))
        if not np.all(np.isfinite(log_gain)):
            raise NotConverged(
                f"training diverged after {seen} pairs (batch size {self.batch_size}): take "
                f"step_fraction below {self.step_fraction:g}, or a larger batch"
            )
        views = self._draw(pilots)
        embeddings = views @ average.swapaxes(1, 2)
        curvature = curvature_along(
            backend.xp,
            lambda moved: self.loss_and_slope(moved, blocks)[1],
            self.metric,
            embeddings,
            (views @ direction)[:, :, None],
            (average @ direction)[:, None, :],
        )
        return Epoch(
            seen,
            log_gain,
            backend.fetch(measures.log_noise_scale(backend.xp, average, direction)),
            backend.fetch(time * curvature)[:, 0, 0],
            self._crowding(embeddings, blocks),
            average,
            trajectory,
        )

    def blocks(self, replicas: int, outputs: int) -> Blocks:
        """How `replicas` heads of `outputs` rows are taken within the memory limit."""
        d, itemsize = self.views.dimension, self.backend.itemsize
        sizes = Sizes(replicas, outputs, d, 2 * self.batch_size, itemsize)
        return sizes.blocks(self.memory_limit, self.backend.working_set)

    def loss_and_slope(
        self, embeddings: Any, blocks: Blocks, scratch: Scratch | None = None
    ) -> tuple[Any, Any]:
        """(S,) losses of one batch and (S, n, k) gradients in its embeddings, block by block.

        The gradients lie in `scratch` if it is given.
        """
        scratch = scratch or Held(self.backend.empty)
        slopes = scratch("slopes", embeddings.shape)
        slopes[:] = 0.0
        losses = self.backend.xp.zeros_like(embeddings[:, 0, 0])
        for heads in blocks.heads:
            for rows in blocks.rows:
                loss, slope = self.backend.gradient(
                    self.objective, embeddings[heads], rows, scratch
                )
                losses[heads] += loss
                slopes[heads] += slope
        return losses, slopes

    def _descend(
        self,
        weights: Any,
        streams: Sequence[Stream],
        step: Any,
        steps: int,
        blocks: Blocks,
        seen: int,
    ) -> tuple[Any, Trajectory]:
        """`steps` steps of `weights`, in place: their average, and what was recorded."""
        # arrays of the size of a batch are allocated by the first step
        drawn, scratch = Held(np.empty), Held(self.backend.empty)
        shape = len(weights), 2 * self.batch_size, weights.shape[1]
        average = 0.0 * weights
        recorder = Recorder(self.backend, self.views.direction, steps)
        # a diverging run overflows; epochs() finds it by the result
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for done in range(1, steps + 1):
                views, embeddings = self._draw(streams, drawn), scratch("embeddings", shape)
                self.backend.xp.matmul(views, weights.swapaxes(1, 2), out=embeddings)
                loss, slope = self.loss_and_slope(embeddings, blocks, scratch)
                descend(self.metric, weights, self.metric.frame(views, embeddings), slope, step)
                self._normalise(weights)
                average += (weights - average) / done
                recorder.take(done, seen + done * self.batch_size, loss, weights)
        return average, recorder.trajectory()

    def _curvature(self, weights: Any, pilots: Sequence[Stream], blocks: Blocks) -> Any:
        """(S, 1, 1): the largest curvature at `weights`, each head on a batch of its own."""
        views = self._draw(pilots)
        embeddings = views @ weights.swapaxes(1, 2)
        frame = self.metric.frame(views, embeddings)
        shape = (weights.shape[1], frame.shape[2])
        direction = np.stack([pilot.normal.standard_normal(shape) for pilot in pilots])
        return largest_curvature(
            self.backend.xp,
            lambda moved: self.loss_and_slope(moved, blocks)[1],
            embeddings,
            frame,
            self.backend.send(direction),
        )

    def _crowding(self, embeddings: Any, blocks: Blocks) -> Array:
        """(S,): 1/(effective number of negatives) of one batch."""
        result = np.zeros(len(embeddings))
        for heads in blocks.heads:
            for rows in blocks.rows:
                part = self.objective.crowding(self.backend.xp, embeddings[heads], rows)
                result[heads] += self.backend.fetch(part)
        return result

    def _draw(self, streams: Sequence[Stream], scratch: Scratch | None = None) -> Any:
        """(S, 2B, d): a fresh batch for each head; it lies in `scratch` if that is given."""
        scratch = scratch or Held(np.empty)
        batch = scratch("views", (len(streams), 2 * self.batch_size, self.views.dimension))
        for head, stream in zip(batch, streams, strict=True):
            self.views.draw(self.batch_size, stream, head, scratch)
        return self.backend.send(batch)

    def _normalise(self, weights: Any) -> None:
        """Give each head the fixed norm, in place."""
        if self.fixed_norm is not None:
            squares = self.backend.xp.sum(self.backend.xp.sum(weights * weights, axis=-1), axis=-1)
            weights *= (self.fixed_norm / self.backend.xp.sqrt(squares))[:, None, None]

    def _check(self, start: Array, streams: Sequence[Stream], first_epoch: int) -> None:
        replicas, outputs, inputs = start.shape
        if inputs != self.views.dimension or replicas != len(streams):
            raise InvalidInput(
                f"start must have the shape ({len(streams)}, outputs, {self.views.dimension}), "
                f"got {start.shape}"
            )
        if outputs < inputs and isinstance(self.metric, Relative):
            raise InvalidInput(
                f"a head of {outputs} outputs and {inputs} inputs needs metric=Euclidean()"
            )
        if first_epoch < 16 * self.batch_size:
            raise InvalidInput(
                f"first_epoch={first_epoch} pairs must be at least 16 batches of {self.batch_size}"
            )


@dataclass(frozen=True)
class Epoch:
    """The end of an epoch of S heads.

    ``pairs``       seen by each head since the start
    ``log_gain``    (S,): log a of the averaged heads
    ``log_noise``   (S,): log of the root mean square of |W v| over the noise directions
    ``relaxations`` (S,): relaxation times of log a that the epoch lasted
    ``crowding``    (S,): 1/(effective number of negatives) in a batch, equation 8 of the docs
    ``weights``     (S, k, d): the averaged heads, in the backend's arrays
    ``trajectory``  within the epoch
    """

    pairs: int
    log_gain: Array
    log_noise: Array
    relaxations: Array
    crowding: Array
    weights: Any = field(repr=False)
    trajectory: Trajectory = field(repr=False)
