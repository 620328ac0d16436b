"""Supervised learning with spurious features: what a network keeps before its one-output head.

f = a^T W_L ... W_1 h is linear, W_l(0) = omega I, a(0) = 0, square loss on the label, population
gradient flow. With u = W_1^T ... W_L^T a the direction of the score, mu = E y h, Sigma = E h h^T,

    G_l = P_l^T P_l = omega^{2l} I + ((omega^2 + e)^l - omega^{2l}) uhat uhat^T,                (13)
    |u|^2 = e (omega^2 + e)^L,    u -> Sigma^{-1} mu,

e = |a|^2, at all times: every layer below the head keeps all directions, with a gain along the
score alone; the head keeps only the score. Derivation: supervised.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.layers.second_moments import Features
from asymptotics.layers.supervised import class_mean, supervised_moments

Array = NDArray[np.float64]

# of omega^{2L}, on either side of 1
_DECADES = 50


@dataclass(frozen=True)
class SupervisedNetwork:
    """The trained network, all that a probe can see of it.

    score: u, (d,), with f = u.h. initial_scale: omega > 0: small is the rich regime, large the lazy
        one; omega^{2L} in [1e-50, 1e50]. depth: L >= 1 hidden layers.
    """

    score: Array
    initial_scale: float
    depth: int = 1

    def __post_init__(self) -> None:
        u = np.asarray(self.score, dtype=float)
        if u.ndim != 1 or not np.all(np.isfinite(u)):
            raise InvalidInput(f"score must be a finite vector, got {self.score}")
        if not (np.isfinite(self.initial_scale) and self.initial_scale > 0):
            raise InvalidInput(f"initial_scale must be > 0, got {self.initial_scale}")
        if self.depth < 1:
            raise InvalidInput(f"depth must be at least 1, got {self.depth}")
        reach = _DECADES / (2 * self.depth)
        if abs(np.log10(self.initial_scale)) > reach:
            raise InvalidInput(
                f"initial_scale must lie in [{10**-reach:.3g}, {10**reach:.3g}] for "
                f"{self.depth} layers below the head, got {self.initial_scale:g}: its power "
                f"{2 * self.depth} is the weight of a layer"
            )
        object.__setattr__(self, "score", u)

    @property
    def head_energy(self) -> float:
        """e = |a|^2 >= 0, the root of e (omega^2 + e)^L = |u|^2."""
        # scipy.optimize takes as long to import as everything else together
        from scipy.optimize import brentq

        energy, floor = float(self.score @ self.score), self.initial_scale**2
        if energy == 0:
            return 0.0
        top = energy ** (1 / (self.depth + 1))
        # in x = e/top <= 1: x (omega^2/top + x)^L = 1
        root = brentq(
            lambda x: np.log(x) + self.depth * np.log(floor / top + x),
            np.exp(-self.depth * np.log1p(floor / top)) * (1 - 1e-12),
            1.0,
            xtol=1e-300,
            rtol=1e-15,
        )
        return float(root * top)

    def gain(self, layer: int) -> float:
        """(1 + e/omega^2)^{l/2}: how much more layer l <= L has of the score than of the rest."""
        return float((1 + self.head_energy / self.initial_scale**2) ** (layer / 2))

    def gram(self, layer: int) -> Array:
        """(d, d): G_l of (13) for layers 0..L, and u u^T for layer L + 1, after the head."""
        if not 0 <= layer <= self.depth + 1:
            raise InvalidInput(f"layer must lie in 0..{self.depth + 1}, got {layer}")
        u = self.score
        if layer == self.depth + 1:
            return np.outer(u, u)
        floor, energy = self.initial_scale**2, float(u @ u)
        spike = floor**layer * np.expm1(layer * np.log1p(self.head_energy / floor))
        direction = np.outer(u, u) / energy if energy else np.zeros((u.size, u.size))
        return np.asarray(floor**layer * np.eye(u.size) + spike * direction)


def supervised_network(
    features: Features,
    class_correlation: ArrayLike,
    *,
    initial_scale: float,
    depth: int = 1,
    time: float = np.inf,
) -> SupervisedNetwork:
    """The network after gradient flow for `time` on the population's square loss E (y - f)^2/2.

    features: of the training inputs, disrupted or not. class_correlation: c_i = E[y s_i] as in
        `class_mean`. initial_scale, depth: omega and L. time: infinite is the end, u = Sigma^{-1}
        mu, reached from every omega > 0 (supervised.md, convergence).

    A finite time integrates the flow of (u, e), equation 14, and checks the conserved
    e (omega^2 + e)^L - |u|^2. Raises NotConverged with its drift.
    """
    moments = supervised_moments(features, class_correlation, 1.0)  # checks the correlations
    mu, sigma = class_mean(features, class_correlation), moments.one_view
    start = SupervisedNetwork(np.zeros(mu.size), initial_scale, depth)
    if not time >= 0:
        raise InvalidInput(f"time must be >= 0, got {time}")
    if np.isinf(time):
        return SupervisedNetwork(np.asarray(np.linalg.solve(sigma, mu)), initial_scale, depth)
    return SupervisedNetwork(_flow(mu, sigma, start, time), initial_scale, depth)


def _flow(mu: Array, sigma: Array, start: SupervisedNetwork, time: float) -> Array:
    """u at `time`: u' = A^L r + (L/A) u (u.r), e' = 2 u.r, A = omega^2 + e, r = mu - Sigma u."""
    from scipy.integrate import solve_ivp

    floor, depth = start.initial_scale**2, start.depth
    # LSODA returns nan where entries underflow when squared
    mu, sigma = (np.where(np.abs(x) > 1e-100, x, 0.0) for x in (mu, sigma))

    def velocity(_: float, x: Array) -> Array:
        u, gain = x[:-1], floor + x[-1]
        r = mu - sigma @ u
        return np.append(gain**depth * r + depth / gain * u * (u @ r), 2 * u @ r)

    found = solve_ivp(
        velocity, (0, time), np.append(start.score, 0.0), "LSODA", rtol=1e-11, atol=1e-14
    )
    u, e = found.y[:-1, -1], found.y[-1, -1]
    drift = abs(e * (floor + e) ** depth - u @ u)
    if not (found.success and drift <= 1e-8 * max(u @ u, 1e-12)):
        raise NotConverged(
            f"the gradient flow lost its conserved quantity by {drift:.1e} at time {time:g}; try a "
            "larger initial_scale or a shorter time"
        )
    return np.asarray(u)
