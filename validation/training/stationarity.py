"""Has training stopped moving? An equivalence test on the drift between two epochs.

"No drift was seen" is no evidence of rest: a noisy run passes such a test at once. Here rest has to
be shown. Replica s moved by Delta_s between two epochs; the replicas are independent, so that

    |mean Delta| + t_{1-level, S-1} sd(Delta)/sqrt(S) <= tolerance                            (1)

bounds the true drift by the tolerance at confidence 1 - level (two one-sided t-tests).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DriftTest:
    """The outcome of :func:`drift_test`.

    ``drift``           mean over the replicas
    ``standard_error``  of the drift
    ``bound``           the left-hand side of equation 1
    ``at_rest``         bound <= tolerance
    """

    drift: float
    standard_error: float
    bound: float
    tolerance: float
    level: float

    @property
    def at_rest(self) -> bool:
        return self.bound <= self.tolerance


def drift_test(before: Array, after: Array, tolerance: float, level: float = 0.05) -> DriftTest:
    """Test that a quantity of S independent replicas has stopped drifting (equation 1).

    `before` and `after`, (S,), are its values in two successive epochs. False alarm: with a true
    drift of `tolerance` or more, "at rest" is returned with probability at most `level`. Miss: at
    zero drift it is returned with probability P(|T| <= tolerance/se - t), near 1 once the standard
    error of the drift is below tolerance/5 or so (8 replicas). The differences of the replicas are
    taken to be normal. Raises InvalidInput for fewer than 2 replicas.
    """
    moved = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    if moved.ndim != 1 or moved.size < 2:
        raise InvalidInput(f"a drift test needs 2 replicas or more, got the shape {moved.shape}")
    mean, error = mean_and_error(moved)
    bound = abs(mean) + stdtrit(moved.size - 1, 1 - level) * error
    return DriftTest(mean, error, float(bound), tolerance, level)


def mean_and_error(replicas: Array) -> tuple[float, float]:
    """Mean of S independent values, and its standard error."""
    return float(np.mean(replicas)), float(np.std(replicas, ddof=1) / np.sqrt(replicas.size))
