"""The gain at infinite batch size, from runs at several, on the same samples.

NT-Xent with B pairs has an optimum of its own, log a_B = log a + c_1/B + c_2/B^2 + ...: the
logarithm of an average over N = 2B - 2 negatives is biased by -1/(2 N_eff), N_eff the effective
number of negatives (docs/theory/training.md, section 4). Runs at B, 2B, 4B, ... are taken on the
same samples, head by head, so that most of their noise is shared, and Richardson's weights remove
as many terms as there are sizes, less one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from validation.training.run import (
    Stopping,
    check_replicas,
    effective_negatives,
    first_epoch_pairs,
    moving_parts,
    rest,
    starting_heads,
)
from validation.training.sampling import Stream
from validation.training.stationarity import DriftTest, mean_and_error
from validation.training.trainer import Trainer

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MeasuredGain:
    """The log gain at infinite batch size, with what supports it. S heads, m batch sizes.

    ``log_gain``, ``standard_error``  mean over the heads, and its standard error
    ``replicas``             (S,): extrapolated log a of each head
    ``batch_sizes``          (m,), increasing
    ``by_batch_size``        (m, S): log a at each size
    ``last_term``            what the highest power of 1/B contributes to log_gain
    ``effective_negatives``  (m,): at each batch size
    ``status``               "converged"; "budget": still drifting when max_pairs was spent;
                             "too few negatives": the series in 1/B is out of reach of these
                             batches (N_eff too small, or the last term too large), no matter how
                             small the standard error is
    ``drift``                of the extrapolated log gain
    """

    log_gain: float
    standard_error: float
    replicas: Array
    batch_sizes: tuple[int, ...]
    by_batch_size: Array
    last_term: float
    effective_negatives: tuple[float, ...]
    status: str
    drift: DriftTest
    trainer: Trainer = field(repr=False)
    stopping: Stopping = field(repr=False)

    @property
    def converged(self) -> bool:
        """The value is that of infinitely many negatives, within its errors."""
        return self.status == "converged"

    @property
    def degrees_of_freedom(self) -> int:
        """Of Student's law of (log_gain - theory)/standard_error."""
        return self.replicas.size - 1


def measure_log_gain(
    trainer: Trainer,
    rng: np.random.Generator,
    *,
    multiples: tuple[int, ...] = (1, 2, 4),
    start: Array | None = None,
    replicas: int = 8,
    stopping: Stopping | None = None,
    min_negatives: float = 8.0,
) -> MeasuredGain:
    """Train at `multiples` of the batch size of `trainer` and extrapolate log a to B = infinity.

    Training ends when the extrapolated value is shown to be at rest (``run.rest``), or with the
    budget. A bias beyond the reach of the series in 1/B is reported in ``status``: when N_eff at
    the smallest size is below `min_negatives`, or the last term exceeds the tolerance by more than
    its noise. Raises InvalidInput, and NotConverged where training diverges.
    """
    if len(multiples) < 2 or any(a >= b for a, b in itertools.pairwise(multiples)):
        raise InvalidInput(f"multiples must be two or more, increasing, got {multiples}")
    rule = Stopping() if stopping is None else stopping
    sizes = tuple(trainer.batch_size * multiple for multiple in multiples)
    if multiples[0] < 1 or any(sizes[-1] % size for size in sizes):
        raise InvalidInput(f"multiples must be integers that divide the largest, got {multiples}")
    first_epoch = first_epoch_pairs(sizes[-1], rule) // sizes[-1] * sizes[-1]
    streams = [Stream.of(child) for child in rng.spawn(check_replicas(replicas))]
    heads = starting_heads(trainer, start, replicas)
    weights = richardson_weights(np.array(sizes, dtype=float))
    before: Array | None = None
    share = trainer.memory_limit / len(sizes)  # the runs are held side by side
    runs = [
        replace(trainer, batch_size=size, memory_limit=share).epochs(heads, streams, first_epoch)
        for size in sizes
    ]
    for epochs in zip(*runs, strict=True):
        by_size = np.stack([epoch.log_gain for epoch in epochs])
        limit = weights @ by_size
        parts = [moving_parts(trainer, epoch) for epoch in epochs]
        levels = np.einsum("b,bqs->qs", weights, parts)
        if before is not None:
            slowest = min((epoch.relaxations for epoch in epochs), key=np.mean)
            test, rested = rest(before, levels, slowest, rule)
            if rested or not rule.allows(epochs[0].pairs):
                break
        before = levels
    lower = np.concatenate([[0.0], richardson_weights(np.array(sizes[1:], dtype=float))])
    last_term, noise = mean_and_error((weights - lower) @ by_size)
    negatives = tuple(effective_negatives(epoch.crowding) for epoch in epochs)
    short = negatives[0] < min_negatives or abs(last_term) > rule.tolerance + 3 * noise
    return MeasuredGain(
        *mean_and_error(limit),
        replicas=limit,
        batch_sizes=sizes,
        by_batch_size=by_size,
        last_term=last_term,
        effective_negatives=negatives,
        status="too few negatives" if short else "converged" if rested else "budget",
        drift=test,
        trainer=trainer,
        stopping=rule,
    )


def richardson_weights(batch_sizes: Array) -> Array:
    """w with sum_i w_i f(1/B_i) = f(0) for every polynomial f of degree m - 1.

    Lagrange: w_i = prod_{j != i} B_i/(B_i - B_j).
    """
    difference = batch_sizes[:, None] - batch_sizes
    np.fill_diagonal(difference, 1.0)
    ratio = batch_sizes[:, None] / difference
    np.fill_diagonal(ratio, 1.0)
    return np.prod(ratio, axis=1)
