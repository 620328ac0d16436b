"""Calibration of a logistic probe: the probability that it states against the one that holds.

With the score f = z.theta + b of a fresh sample, sigma(f) is stated, and

    P(y = 1 | f) = sum_{c: y_c = 1} w_c phi_c(f)/sum_c w_c phi_c(f)

holds, phi_c the normal density of the component's scores. The expected calibration error, without
bins, is E |sigma(f) - P(y = 1 | f)| (observables.md, calibration).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from asymptotics.errors import InvalidInput
from asymptotics.limits import Limit
from asymptotics.margins import MarginLaws
from asymptotics.prox_rule import REACH

Array = NDArray[np.float64]

_SCAN, _NODES = 2001, 40


@dataclass(frozen=True)
class Reliability:
    """The reliability curve of one probe: arrays over scores f.

    stated: sigma(f). true: P(y = 1 | f). density: of the scores.
    """

    score: Array
    stated: Array
    true: Array
    density: Array


def reliability(limit: Limit, num_scores: int = 201) -> Reliability:
    """The reliability curve of a single limit, at scores that hold all but 1e-19 of the samples."""
    scores = _Scores(limit, limit.margins.reshape((1,)), 0)
    f = np.linspace(*scores.range, num_scores)
    positive, total = scores.densities(f)
    return Reliability(f, expit(f), positive / total, total)


def calibration_error(limit: Limit) -> Array:
    """E |sigma(f) - P(y = 1 | f)| at every point of a logistic limit, nan where there is none.

    Between its sign changes, found on 2001 scores and refined, the difference is smooth and is
    integrated by Gauss-Legendre. Raises InvalidInput for a probe that states no probability.
    """
    shape = limit.margins.mean.shape[1:]
    laws = limit.margins.reshape((int(np.prod(shape)),))
    known = np.flatnonzero(np.isfinite(laws.mean[0]))
    result = np.full(laws.mean.shape[1], np.nan)
    result[known] = [_error(_Scores(limit, laws, int(point))) for point in known]
    return result.reshape(shape)


class _Scores:
    """The laws of the scores at one point."""

    def __init__(self, limit: Limit, laws: MarginLaws, point: int) -> None:
        probe = limit.problem.probe
        if probe.loss is None or probe.loss.name != "logistic":
            raise InvalidInput(
                f"calibration is of probes that state a probability: logistic, got {probe.name}"
            )
        self._weight, self._label = laws.weight[:, point], laws.label
        self._mean, self._deviation = laws.label * laws.mean[:, point], laws.deviation[:, point]
        self.range = (
            float(np.min(self._mean - REACH * self._deviation)),
            float(np.max(self._mean + REACH * self._deviation)),
        )

    def densities(self, f: Array) -> tuple[Array, Array]:
        """(density of scores labelled +1, density of all) at f."""
        z = (f[..., None] - self._mean) / self._deviation
        parts = self._weight * np.exp(-0.5 * z * z) / (self._deviation * np.sqrt(2 * np.pi))
        return parts[..., self._label == 1].sum(axis=-1), parts.sum(axis=-1)

    def excess(self, f: Array) -> Array:
        """sigma(f) p(f) - p(f, y = 1), without cancellation in the tails."""
        positive, total = self.densities(np.asarray(f))
        return expit(f) * (total - positive) - expit(-np.asarray(f)) * positive


def _error(scores: _Scores) -> float:
    grid = np.linspace(*scores.range, _SCAN)
    values = scores.excess(grid)
    turns = np.flatnonzero(values[:-1] * values[1:] < 0)
    roots = [brentq(scores.excess, grid[i], grid[i + 1], xtol=1e-15) for i in turns]
    edges = np.unique(np.concatenate([np.linspace(*scores.range, 41), roots]))
    x, weight = np.polynomial.legendre.leggauss(_NODES)
    half = 0.5 * np.diff(edges)[:, None]
    f = 0.5 * (edges[:-1] + edges[1:])[:, None] + half * x
    return float(np.sum(half * weight * np.abs(scores.excess(f))))
