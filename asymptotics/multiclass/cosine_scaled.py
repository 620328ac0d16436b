"""InfoNCE with cosine similarity on the simplex of K classes, d -> infinity at fixed t = d tau.

With A = a^2, m = K - 1, D = 1 + sigma^2, c = (sqrt(1 + 4/t^2) - 1)/2, B = 1 + c A, s ~ N(mu_1, D)
in the span of the means and t_k = s.mu_k,

    L = -(A/t) R^2 (D-1)/D^2 - c A (R^2 + m D)/(2 D) - (m/2) log B
        + [A^2 (R^2 + m D)/(2 D t^2) - c A R^2/(2 D)]/B + E log (1/K) sum_k exp(A t_k/(t D B)),

multiclass.md, equation 17; two classes are `asymptotics.contrastive.cosine_scaled`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp, softmax

from asymptotics.errors import InvalidInput, NoLimit, NotConverged
from asymptotics.multiclass.gaussian_rule import GaussianRule, left_out, orbit_rule

Array = NDArray[np.float64]

_MOST_ORBITS = 80_000


@dataclass(frozen=True)
class CosineScaled:
    """The loss as a function of log a. classes: K; signal: R; augmentation: sigma; scale: t."""

    classes: int
    signal: float
    augmentation: float
    scale: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InvalidInput(f"dimension temperature must be finite and > 0, got {self.scale}")

    @property
    def noise(self) -> float:
        """D."""
        return 1 + self.augmentation**2

    @property
    def spread(self) -> float:
        """E |s|^2 = R^2 + m D."""
        return self.signal**2 + (self.classes - 1) * self.noise

    @property
    def stiffness(self) -> float:
        """c, without cancellation at large t."""
        return 2 / (self.scale * (self.scale + np.sqrt(self.scale**2 + 4)))

    @property
    def alignment(self) -> float:
        """R^2 (D - 1)/D^2."""
        return (self.signal / self.noise) ** 2 * (self.noise - 1)

    def critical_scale(self) -> float:
        """t_c = 2 R^2 (D-1)/(D (R^2 + m D)): below it L falls without end, and a with it."""
        return 2 * self.alignment * self.noise / self.spread

    def _scores(self, rule: GaussianRule) -> Array:
        squared = self.signal**2 * self.classes / (self.classes - 1)
        t = np.sqrt(squared * self.noise) * rule.nodes
        t[:, 0] += squared
        return np.asarray(t - t.mean(axis=1, keepdims=True))

    def loss(self, log_gain: float, rule: GaussianRule) -> float:
        """L, without the part of order d."""
        s, t, c, d = np.exp(2 * log_gain), self.scale, self.stiffness, self.noise
        b, m = 1 + c * s, self.classes - 1
        bracket = s**2 * self.spread / (2 * d * t**2) - c * s * self.signal**2 / (2 * d)
        scores = s / (t * d * b) * self._scores(rule)
        mean = rule.weights @ (logsumexp(scores, axis=1) - np.log(self.classes))
        start = -s * self.alignment / t - c * s * self.spread / (2 * d) - m * np.log(b) / 2
        return float(start + bracket / b + mean)

    def slope(self, log_gain: float, rule: GaussianRule) -> float:
        """dL/dA over 1/t + A/(t^2 B), which tends to constants at both ends."""
        s, t, c, d = np.exp(2 * log_gain), self.scale, self.stiffness, self.noise
        b, m = 1 + c * s, self.classes - 1
        scores = self._scores(rule)
        p = softmax(s / (t * d * b) * scores, axis=1)
        pull = rule.weights @ np.sum(p * scores, axis=1) / (t * d)
        found = (
            -self.alignment / t
            - c * self.spread / (2 * d)
            - m * c / (2 * b)
            + self.spread / (2 * d * t**2) * (s / b) * (1 + 1 / b)
            + (pull - c * self.signal**2 / (2 * d)) / b**2
        )
        return float(found / (1 / t + s / (b * t**2)))


@dataclass(frozen=True)
class CosineMinima:
    """Local minima in rising order of log a, their losses, and the error estimate of log a."""

    log_gains: tuple[float, ...]
    losses: tuple[float, ...]
    error_estimate: float

    @property
    def log_gain(self) -> float:
        """Of the lowest minimum."""
        return self.log_gains[int(np.argmin(self.losses))]


def cosine_scaled_minima(landscape: CosineScaled) -> CosineMinima:
    """All local minima that a scan of log a in steps of 0.25 shows, refined on finer lattices.

    Raises NoLimit at t <= t_c, where the head collapses onto the signal, and NotConverged.
    """
    critical = landscape.critical_scale()
    if landscape.scale <= critical:
        raise NoLimit(
            f"the head collapses: d tau = {landscape.scale:.6g} is not above {critical:.8g}, where "
            "the loss falls as the gain grows"
        )
    k = landscape.classes
    rules = []
    for spacing in 1.4 * 0.8 ** np.arange(12):
        try:
            rules.append(orbit_rule(k, float(spacing), most_nodes=_MOST_ORBITS))
        except NotConverged:
            break
    first = rules[0]
    # near t_c the minimum moves out like 1/(t - t_c)
    grid = np.arange(-8.0, 12.01, 0.25)
    slopes = np.array([landscape.slope(x, first) for x in grid])
    starts = np.flatnonzero((slopes[:-1] < 0) & (slopes[1:] >= 0))
    found, error = grid[starts] + 0.125, np.inf
    if starts.size == 0:
        raise NotConverged("cosine-scaled: no minimum between gains e^-8 and e^12")
    reach = 0.25
    for rule in rules:
        here = np.array([_root(landscape, x, reach, rule) for x in found])
        error, found, reach = float(np.abs(here - found).max()), here, 0.1
        if error < 1e-11:
            break
    losses = tuple(landscape.loss(x, rule) for x in found)
    return CosineMinima(tuple(map(float, found)), losses, error + left_out(k))


def _root(landscape: CosineScaled, x: float, reach: float, rule: GaussianRule) -> float:
    low, high = x - reach, x + reach
    if not landscape.slope(low, rule) < 0 < landscape.slope(high, rule):
        raise NotConverged(f"cosine-scaled: the minimum near log a = {x:.3g} moves with the rule")
    return float(brentq(landscape.slope, low, high, args=(rule,), xtol=1e-13, rtol=1e-14))
