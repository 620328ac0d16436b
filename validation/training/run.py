"""Train until the gain is shown to be at rest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from validation.training.sampling import Stream
from validation.training.stationarity import DriftTest, drift_test, mean_and_error
from validation.training.trainer import DECAY, Epoch, Trainer
from validation.training.trajectory import Trajectory, join

Array = NDArray[np.float64]
RELAXATIONS = 3.0  # e^-3 = 5% of a transient outlives an epoch of this length


@dataclass(frozen=True)
class Stopping:
    """When training ends.

    tolerance: how far from its final value log a may be left by steps of finite size. That bias
        falls with the step, by 2^DECAY an epoch, so the next drift to be seen is 2^DECAY - 1 of
        what is left: the drift is tested against `drift_tolerance`.
    level: the probability, at each look, of calling a run at rest that drifts by more than that.
    max_pairs: budget of fresh pairs for each head and batch size; the last epoch fits in it.
    """

    tolerance: float = 0.02
    level: float = 0.05
    max_pairs: int = 2**20

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise InvalidInput(f"tolerance must be > 0, got {self.tolerance}")
        if not 0 < self.level < 0.5:
            raise InvalidInput(f"level must lie in (0, 0.5), got {self.level}")

    @property
    def drift_tolerance(self) -> float:
        """The drift of log a between two epochs that counts as rest."""
        return self.tolerance * (2**DECAY - 1)

    def allows(self, pairs: int) -> bool:
        """The next epoch, which takes as many pairs as all before it, fits in the budget."""
        return 2 * pairs <= self.max_pairs


@dataclass(frozen=True)
class TrainedHeads:
    """S heads trained from independent samples at one batch size.

    ``log_gain``, ``standard_error``  mean over the heads of log a, and its standard error
    ``replicas``            (S,): log a of each averaged head
    ``stopped``             "at rest" (shown by ``drift``) or "budget" (max_pairs reached)
    ``drift``               the last drift test
    ``effective_negatives`` negatives that share the softmax in a batch (inf: no such bias)
    ``weights``             (S, k, d): the averaged heads
    ``trajectory``          from the start
    ``trainer``, ``stopping``  what was run
    """

    log_gain: float
    standard_error: float
    replicas: Array
    stopped: str
    drift: DriftTest
    effective_negatives: float
    weights: Array = field(repr=False)
    trajectory: Trajectory = field(repr=False)
    trainer: Trainer = field(repr=False)
    stopping: Stopping = field(repr=False)


def train(
    trainer: Trainer,
    rng: np.random.Generator,
    *,
    start: Array | None = None,
    replicas: int = 8,
    stopping: Stopping | None = None,
) -> TrainedHeads:
    """Train `replicas` independent heads until their gain is at rest, or the budget is spent.

    `start`: (k, d), where all heads begin; the identity if None. The result is that of the batch
    size of `trainer`: NT-Xent with 2B - 1 terms is not the limit of infinitely many negatives, see
    ``measure_log_gain``. Raises InvalidInput, and NotConverged where training diverges.
    """
    rule = Stopping() if stopping is None else stopping
    first_epoch = first_epoch_pairs(trainer.batch_size, rule)
    streams = [Stream.of(child) for child in rng.spawn(check_replicas(replicas))]
    heads = starting_heads(trainer, start, replicas)
    before: Array | None = None
    trajectories = []
    for epoch in trainer.epochs(heads, streams, first_epoch):
        trajectories.append(epoch.trajectory)
        levels = moving_parts(trainer, epoch)
        if before is not None:
            test, rested = rest(before, levels, epoch.relaxations, rule)
            if rested or not rule.allows(epoch.pairs):
                break
        before = levels
    return TrainedHeads(
        *mean_and_error(epoch.log_gain),
        replicas=epoch.log_gain,
        stopped="at rest" if rested else "budget",
        drift=test,
        effective_negatives=effective_negatives(epoch.crowding),
        weights=trainer.backend.fetch(epoch.weights),
        trajectory=join(trajectories),
        trainer=trainer,
        stopping=rule,
    )


def moving_parts(trainer: Trainer, epoch: Epoch) -> Array:
    """(q, S): what has to be at rest: log a and, unless the loss is free of it, the scale.

    The gain can stand near an equilibrium that itself moves with the scale of the head.
    """
    return np.stack([epoch.log_gain] + [epoch.log_noise] * (not trainer.objective.scale_free))


def rest(
    before: Array, after: Array, relaxations: Array, stopping: Stopping
) -> tuple[DriftTest, bool]:
    """The drift test of the part that moved most, and whether the run is at rest.

    Every part, a row of `before` and `after` (q, S), has to pass; and the epoch has to have lasted
    ``RELAXATIONS`` relaxation times of log a, for a slow approach drifts little too.
    """
    tests = [
        drift_test(b, a, stopping.drift_tolerance, stopping.level)
        for b, a in zip(before, after, strict=True)
    ]
    worst = max(tests, key=lambda test: test.bound)
    return worst, worst.at_rest and float(np.mean(relaxations)) >= RELAXATIONS


def first_epoch_pairs(batch_size: int, stopping: Stopping) -> int:
    """Pairs of the first epoch: 64 batches, at least 8192 pairs, at most half the budget."""
    pairs = min(max(64 * batch_size, 8192), stopping.max_pairs // 2)
    if pairs < 16 * batch_size:
        raise InvalidInput(
            f"max_pairs={stopping.max_pairs} must be at least 32 batches of {batch_size}"
        )
    return pairs


def starting_heads(trainer: Trainer, start: Array | None, replicas: int) -> Array:
    """(S, k, d): the same start for every head, not copied."""
    head = np.eye(trainer.views.dimension) if start is None else np.asarray(start, dtype=float)
    if head.ndim != 2 or not np.all(np.isfinite(head)):
        raise InvalidInput(f"start must be a finite matrix, got the shape {head.shape}")
    return np.broadcast_to(head, (replicas, *head.shape))


def check_replicas(replicas: int) -> int:
    """`replicas` itself, if a standard error can be had from it."""
    if replicas < 2:
        raise InvalidInput(f"replicas must be at least 2 for a standard error, got {replicas}")
    return replicas


def effective_negatives(crowding: Array) -> float:
    """Harmonic mean over heads and anchors of (sum w)^2/sum w^2; inf without a softmax."""
    mean = float(np.mean(crowding))
    return 1 / mean if mean > 0 else np.inf
