"""Inner-product InfoNCE on masked views, exact as d -> infinity: a masked view is not Gaussian.

Both views set each coordinate to zero with probability q, independently; k = 1 - q; the class mean
is spread, ``mu_i = +-R/sqrt(d)``. Given the anchor, negatives average coordinate by coordinate:
with ``v = A h_1``, a coordinate gives ``f(v) = log(q + k exp(v^2/2))`` where a Gaussian of the same
variance gives ``k v^2/2``. With ``w = f'(v)/v`` (the probability that a coordinate was kept),

    noise eigenvalue y:    k = y omega,   omega = E[w(y g) g^2],   g ~ N(0, 1),
    F = q k + k omega,

and the signal eigenvalue ``y + Delta`` minimises

    -k^2 q R^2 Delta + F k (k R^2 + 1) Delta^2/2 + E log cosh(R c),

c Gaussian of mean ``R k (y omega + Delta F)`` and variance
``k (y^2 E[w^2 g^2] + 2 y Delta F omega + Delta^2 F^2)``. Gain: ``a^2 = 1 + Delta/y``, whatever the
temperature. Ours: docs/theory/contrastive.md derives it, and tabulates how far the Gaussian of the
same second moments (``views.masking``) is from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import elementwise

from asymptotics.contrastive.domain import at_least, share
from asymptotics.contrastive.half_line import half_line_nodes, normal_density
from asymptotics.contrastive.minima import Elementwise
from asymptotics.errors import NotConverged

Array = NDArray[np.float64]
STEP = 0.2
LOWEST, HIGHEST = -8.0, 6.0  # the range of log a in which the root is sought


@dataclass(frozen=True)
class MaskedGain:
    """Arrays of the broadcast shape: a, log a, the noise eigenvalue y (times tau), the residual.

    ``residual`` is the larger of the two equations' left minus right side. The gain is 0 (log gain
    -inf) where the loss falls all the way to A = 0 along the signal: strong signal, moderate q.
    """

    gain: Array
    log_gain: Array
    noise_eigenvalue: Array
    residual: Array


def masked_inner_product(signal: ArrayLike, masked: ArrayLike) -> MaskedGain:
    """The gain of inner-product InfoNCE on two masked views (see the module's formulas).

    `signal` R >= 0 and `masked` q in [0, 1) broadcast. The noise root lies in [k, 1], since
    ``k <= w <= 1``. Raises ``InvalidInput``, and ``NotConverged`` where the roots do not check.
    """
    radius, q_share = np.broadcast_arrays(
        at_least("signal", signal, 0.0), share("masked", masked, below_one=True)
    )
    r, q = radius.ravel(), q_share.ravel()
    noise = _root(_noise_equation, (1 - q) * (1 - 1e-9), np.full_like(q, 1 + 1e-9), (q,))
    moments = _moments(noise, q)
    lowest, highest = np.full_like(q, LOWEST), np.full_like(q, HIGHEST)
    removed = _signal_equation(lowest, r, q, noise, *moments) > 0
    root = _root(_signal_equation, lowest, highest, (r, q, noise, *moments))
    bad = np.flatnonzero(np.isnan(root) & ~removed)
    if bad.size:
        raise NotConverged(
            f"masked views: no root with log gain below {HIGHEST:g} at signal={r[bad[0]]:g}, "
            f"masked={q[bad[0]]:g}; try a smaller signal or a share further from 1"
        )
    settled = np.where(removed, LOWEST, root)
    miss = np.abs(_signal_equation(settled, r, q, noise, *moments))
    residual = np.maximum(np.abs(_noise_equation(noise, q)), np.where(removed, 0.0, miss))
    log_gain = np.where(removed, -np.inf, root)
    columns = (np.exp(log_gain), log_gain, noise, residual)
    return MaskedGain(*(column.reshape(radius.shape) for column in columns))


def _root(
    equation: Elementwise, lower: Array, upper: Array, parameters: tuple[Array, ...]
) -> Array:
    return np.asarray(elementwise.find_root(equation, (lower, upper), args=parameters).x)


def _kept(v: Array, q: Array) -> Array:
    """``w(v) = k e^{v^2/2}/(q + k e^{v^2/2})``."""
    return (1 - q) / (1 - q + q * np.exp(-np.square(v) / 2))


def _moments(noise: Array, q: Array) -> tuple[Array, Array]:
    """``omega = E[w(y g) g^2]`` and ``E[w(y g)^2 g^2]``."""
    one = np.ones_like(noise)
    g, weights = half_line_nodes(1 / (1 + noise), 0.2 * one, 9.0 * one, STEP)
    density = 2 * weights * normal_density(g, np.zeros_like(one), one) * np.square(g)
    w = _kept(noise * g, q)
    return np.sum(density * w, axis=0), np.sum(density * np.square(w), axis=0)


def _noise_equation(noise: Array, q: Array) -> Array:
    return noise * _moments(noise, q)[0] / (1 - q) - 1


def _signal_equation(
    log_gain: Array, signal: Array, q: Array, noise: Array, omega: Array, omega2: Array
) -> Array:
    """dL/dDelta over k (1 + Delta): E[s tanh(R c)] by regressing s = muhat.h_1 on c."""
    k, delta = 1 - q, noise * np.expm1(2 * log_gain)
    stiffness = q * k + k * omega
    mean = signal * k * (noise * omega + delta * stiffness)
    variance = k * (
        np.square(noise) * omega2
        + 2 * noise * delta * stiffness * omega
        + np.square(delta * stiffness)
    )
    covariance = k * (noise * omega + delta * stiffness)
    slope = covariance / variance
    deviation = np.sqrt(variance)
    c, weights = half_line_nodes(
        1 / (1 / deviation + signal), 0.3 * deviation, np.abs(mean) + 9 * deviation, STEP
    )
    ahead, behind = normal_density(c, mean, variance), normal_density(c, -mean, variance)
    tanh = weights * np.tanh(signal * c)
    odd = np.sum(tanh * (ahead - behind), axis=0)
    even = np.sum(tanh * c * (ahead + behind), axis=0)
    mixed = (signal * k - slope * mean) * odd + slope * even
    energy = k * np.square(signal)
    return -k * q * np.square(signal) + stiffness * ((energy + 1) * delta + signal * mixed / k)
