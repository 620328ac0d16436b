"""E log cosh(k h) and its derivative E h tanh(k h) for a Gaussian h ~ N(m, V), for any k.

In units of the standard deviation, ``r = m/sqrt(V)``, ``K = k sqrt(V)``, two rules cover the plane.

*Moderate K.* The trapezoidal sum T of ``x tanh(K x) phi(x - r)`` with step H is off by
``exp(-2 pi^2/H^2)`` and by the poles of tanh at ``i y_j = i pi (j + 1/2)/K``, whose share is known:

    T - E x tanh(K x) = -sum_j (4 pi y_j / (K sqrt(2 pi)))
                         Re[ exp((y_j^2 - r^2)/2 + i y_j r) / (exp(2 pi (y_j + i r)/H) - 1) ].

*Large K.* ``x tanh(K x) = |x| - 2|x|/(1 + exp(2K|x|))``: the mean of |x| is closed, and the rest
lives next to the origin, where the density is a series of Hermite polynomials
(contrastive.md, 8a),

    E 2|x|/(1 + exp(2K|x|)) = 4 phi(r) sum_j (2j + 1) eta(2j + 2) He_2j(r)/(2K)^(2j+2),

eta the alternating zeta function; from K = 6 fourteen terms are enough. ``log cosh(K x)`` is K|x|
less log 2 plus ``log(1 + exp(-2K|x|))``, whose mean is the sum with K in the place of 2j + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, zeta

from asymptotics.blocks import cache_slices

Array = NDArray[np.float64]

LARGEST_POLE_SLOPE = 6.0  # above this K the series has all its digits
_TERMS = 14
WINDOW = 9.0  # standard deviations; exp(-81/2) is below rounding
_FARTHEST = 6.0  # height of a pole that a trapezoidal sum no longer sees
TAYLOR_SLOPE = 0.5  # below this K log cosh is integrated as it stands, without the split at |h|


def mean_h_tanh(slope: Array, mean: Array, variance: Array, refinement: float = 1.0) -> Array:
    """``E h tanh(k h)``, k = `slope` >= 0, h ~ N(`mean`, `variance`); 1-D arrays of one length.

    Relative accuracy about 1e-14 for every k. `refinement` multiplies the number of nodes; below 1
    the windows shrink with it and the digits are 14 times its square.
    """
    deviation = np.sqrt(variance)
    scaled = slope * deviation
    large = scaled > LARGEST_POLE_SLOPE
    if not large.any():
        return deviation * _trapezoid_with_poles(scaled, mean / deviation, refinement)
    out = np.empty_like(scaled)
    small = ~large
    out[small] = deviation[small] * _trapezoid_with_poles(
        scaled[small], mean[small] / deviation[small], refinement
    )
    k, r = scaled[large], mean[large] / deviation[large]
    odd = np.arange(1, 2 * round(_TERMS * refinement), 2, dtype=float)
    tail = _hermite_series(k, r, odd)
    out[large] = deviation[large] * (_mean_modulus(r, np.ones_like(r)) - 2 * tail)
    return out


def mean_log_cosh(slope: Array, mean: Array, variance: Array, refinement: float = 1.0) -> Array:
    """``E log cosh(k h)``, k = `slope` >= 0, h ~ N(`mean`, `variance`); 1-D arrays of one length.

    ``log cosh(x) = |x| - log 2 + log(1 + exp(-2|x|))``, except at small k, where that cancels.
    """
    out = np.empty_like(slope)
    scaled = slope * np.sqrt(variance)
    small, large = scaled < TAYLOR_SLOPE, scaled > LARGEST_POLE_SLOPE
    k, m, v = slope[small], mean[small], variance[small]
    out[small] = _half_line(_log_cosh_of_product, k, m, v, refinement, tilted=False)
    rest = np.zeros_like(slope)
    middle = ~small & ~large
    k, m, v = slope[middle], mean[middle], variance[middle]
    rest[middle] = _half_line(_log1p_tail, k, m, v, refinement)
    k, r = scaled[large], mean[large] / np.sqrt(variance[large])
    rest[large] = 2 * k * _hermite_series(k, r, np.ones(round(_TERMS * refinement)))
    modulus = slope[~small] * _mean_modulus(mean[~small], variance[~small])
    out[~small] = modulus - np.log(2.0) + rest[~small]
    return out


def _trapezoid_with_poles(scaled: Array, ratio: Array, refinement: float) -> Array:
    step, share = 0.7 / refinement, min(1.0, refinement)
    reach = np.ceil(8.1 * share / step)
    offsets = step * np.arange(-reach, reach + 1)
    weights = step / np.sqrt(2 * np.pi) * np.exp(-0.5 * offsets**2)
    total = np.empty_like(scaled)
    for part in cache_slices(scaled.size, offsets.size):
        nodes = ratio[part] + offsets[:, None]
        height = scaled[part] * nodes
        np.tanh(height, out=height)
        height *= nodes
        total[part] = weights @ height
    # the first pole lowest, where most points have one that is seen
    seen = np.flatnonzero(_is_seen(0.5 * np.pi / np.maximum(scaled, 1e-3), ratio, step, share))
    total[seen] += _poles(scaled[seen], ratio[seen], step, share * _FARTHEST)
    return np.asarray(total)


def _is_seen(height: Array, ratio: Array, step: float, share: float) -> NDArray[np.bool_]:
    """Whether a pole at i `height` moves the trapezoidal sum by more than exp(-40 share^2)."""
    weight = height**2 - ratio**2 - 4 * np.pi * height / step
    return (height < share * _FARTHEST) & (weight > -80.0 * share**2)


def _poles(scaled: Array, ratio: Array, step: float, farthest: float) -> Array:
    """Minus the share of T - E of all poles that are seen.

    exp(2 pi (y + i r)/H) and exp(i y r) of a pole are those of the one below it times the same
    factor: only exp(y^2/2) is new. Farther than `farthest` the share of a pole is below rounding.
    """
    total = np.zeros_like(scaled)
    if not scaled.size:
        return total
    y = 0.5 * np.pi / scaled
    cosine, sine = np.cos(y * ratio), np.sin(y * ratio)
    turn = cosine * cosine - sine * sine, 2 * cosine * sine
    modulus = np.exp(2 * np.pi * y / step)
    growth = modulus * modulus
    angle = 2 * np.pi * ratio / step
    phase = np.cos(angle), np.sin(angle)
    size, depth = np.sqrt(8 * np.pi) / scaled, 0.5 * ratio * ratio
    for j in range(int(np.floor(farthest * scaled.max() / np.pi + 0.5))):
        height = np.minimum((2 * j + 1) * y, farthest)
        # exp(...) - 1; modulus > 30: nothing cancels
        real, imaginary = modulus * phase[0] - 1, modulus * phase[1]
        share = (cosine * real + sine * imaginary) / (real * real + imaginary * imaginary)
        share *= size * height * np.exp(0.5 * height * height - depth)
        share *= height < farthest
        total += share
        cosine, sine = cosine * turn[0] - sine * turn[1], sine * turn[0] + cosine * turn[1]
        modulus = np.minimum(modulus * growth, 1e100)
    return total


def _mean_modulus(mean: Array, variance: Array) -> Array:
    """``E |h| = m erf(m/sqrt(2V)) + sqrt(2V/pi) exp(-m^2/(2V))``."""
    spread = np.sqrt(2.0 * variance)
    return np.asarray(
        mean * erf(mean / spread) + spread / np.sqrt(np.pi) * np.exp(-np.square(mean / spread))
    )


def _hermite_series(scaled: Array, ratio: Array, factors: Array) -> Array:
    """2 phi(r) sum_j factors_j eta(2j + 2) He_2j(r)/(2K)^(2j+2)."""
    r2 = np.square(np.minimum(ratio, 40.0))  # phi(40) underflows
    x = 0.25 / np.square(scaled)
    # He_{2j+2} = (r^2 - 4j - 1) He_2j - 2j(2j - 1) He_{2j-2}
    total, before, term = np.zeros_like(x), np.zeros_like(x), x
    for j, weight in enumerate(factors * _alternating_zeta(len(factors))):
        total += weight * term
        after = ((r2 - (4 * j + 1)) * term - (2 * j * (2 * j - 1)) * x * before) * x
        before, term = term, after
    return np.asarray(np.sqrt(2 / np.pi) * np.exp(-0.5 * r2) * total)


@lru_cache(maxsize=8)
def _alternating_zeta(count: int) -> Array:
    """eta(2j + 2) = (1 - 2^(-2j-1)) zeta(2j + 2), j < count."""
    order = 2.0 * np.arange(count) + 2
    return np.asarray((1 - 2 ** (1 - order)) * zeta(order))


def _log1p_tail(h: Array, k: Array) -> Array:
    return np.log1p(np.exp(-2 * k * h))


def log_cosh(x: Array) -> Array:
    """``log cosh x``, x >= 0: ``log1p(2 sinh(x/2)^2)`` up to 20: nothing cancels or overflows."""
    series = np.log1p(2 * np.square(np.sinh(np.minimum(x, 20.0) / 2)))
    return np.where(x < 20.0, series, x - np.log(2.0))


def _log_cosh_of_product(h: Array, k: Array) -> Array:
    return log_cosh(k * h)


@lru_cache(maxsize=8)
def _legendre(count: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (1 + nodes) / 2, weights / 2


def _half_line(
    function: Callable[[Array, Array], Array],
    k: Array,
    mean: Array,
    variance: Array,
    refinement: float,
    tilted: bool = True,
) -> Array:
    """``E function(|h|, k)`` over the window where ``exp(-2k|h|)`` (if `tilted`) leaves weight.

    The integrand is about ``exp(-(h - p)^2/(2V))`` with p = m - 2kV (p = m untilted): the window is
    p +- 9 sqrt(V) cut at zero, and for p < 0 it ends where the exponent has fallen by 81/2.
    """
    peak = mean - 2 * k * variance if tilted else mean
    behind = np.minimum(peak, 0.0)
    reach = np.square(WINDOW) * variance
    root = np.sqrt(behind**2 + reach)
    lower = np.maximum(0.0, peak - WINDOW * np.sqrt(variance))
    upper = np.where(peak < 0, reach / (root - behind), peak + root)
    fractions, weights = _legendre(round(44 * refinement))
    width, tilt, sharpness = upper - lower, -2 * mean / variance, -0.5 / variance
    total = np.empty_like(k)
    for part in cache_slices(k.size, fractions.size):
        h = lower[part] + width[part] * fractions[:, None]
        folded = np.exp(tilt[part] * h)
        folded += 1
        density = h - mean[part]
        density *= density
        density *= sharpness[part]
        folded *= np.exp(density, out=density)
        folded *= function(h, k[part])
        total[part] = weights @ folded
    return np.asarray(width * total / np.sqrt(2 * np.pi * variance))
