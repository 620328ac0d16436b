"""How long a network of layers takes to learn its features, by the gradient flow of each one.

From a balanced start the factor u of a feature in each layer, w = u^L, obeys
(layers-validation.md, equations 2-4)

    du/dt = 4 u^{L-1} (C - Sigma^2 w^2) w,      rate of the last approach 8 L C w*^{2-2/L},

and where there are fewer outputs than features, an output that holds i forgets the feature j at
the rate 4 Sigma_j (C_i/Sigma_i - C_j/Sigma_j) w_i^{2-2/L}. These numbers choose the length of a
run and its steps; nothing is compared with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.layers.flow import learning_time

Array = NDArray[np.float64]

# relaxation times before the averages begin: e^-8 of a deviation is left
_RELAXATIONS = 8.0


@dataclass(frozen=True)
class TimeScales:
    """fastest: the largest rate of relaxation. training: a time, twice what the slowest needs."""

    fastest: float
    training: float


def time_scales(
    variance: Array, shared: Array, final: Array, depth: int, start: float, decay: float
) -> TimeScales:
    """Of features with Sigma_ii, C_ii and final weights w*_i after the head, from W_l = w_0 I.

    Raises InvalidInput where no feature is learned, or two tie for the last output.
    """
    learned = np.asarray(final) > 0
    if not np.any(learned):
        raise InvalidInput("no feature is learned: more correlation, or less decay")
    sigma, c, w = (np.asarray(x, dtype=float)[learned] for x in (variance, shared, final))
    rates = 8 * depth * c * w ** (2 - 2 / depth)
    slowest = float(np.min(rates))
    if not np.all(learned) and decay > 0:
        slowest = min(slowest, 2 * decay)
    elif not np.all(learned):
        lost, other = np.asarray(variance)[~learned], np.asarray(shared)[~learned]
        gap = np.subtract.outer(c / sigma, other / lost)
        slowest = min(slowest, float(np.min(4 * gap * lost * (w ** (2 - 2 / depth))[:, None])))
    if not slowest > 0:
        raise InvalidInput("two features tie for the last output: nothing decides which is learned")
    growth = learning_time(sigma, c, start=start**depth, depth=depth, decay=decay)
    return TimeScales(float(np.max(rates)), float(2 * (np.max(growth) + _RELAXATIONS / slowest)))
