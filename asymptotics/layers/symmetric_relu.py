"""The symmetric ReLU of a feature: what a threshold leaves of its label, its noise and its views.

    S(x; k) = relu(x - k) - relu(-x - k),      S(t x; t k) = t S(x; k),  t > 0.

A feature is x = phi s + sigma xi (`Features`): label s = +-1, in a view replaced by 0 with
probability 1 - kappa, E s s' = rho across the views, xi ~ N(0, 1) fresh in each view. With
d = (k - phi)/sigma, e = (k + phi)/sigma and I_j(d) = E (Z - d)_+^j, Z ~ N(0, 1),

    M(k) = E[S | s = 1] = sigma [I_1(d) - I_1(e)],
    s(k) = E S^2 = kappa sigma^2 [I_2(d) + I_2(e)] + 2 (1 - kappa) sigma^2 I_2(k/sigma),
    c(k) = E S S' = rho M(k)^2.

Everything is computed relative to exp(-max(d, 0)^2/2), so that a feature far below the threshold
keeps all its digits. Derivation: symmetric-relu.md, moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx

from asymptotics.errors import InvalidInput
from asymptotics.layers.second_moments import Features

Array = NDArray[np.float64]

# below this d the closed forms of I_1 and I_2 lose under 40 roundings, above it the continued
# fraction of this depth is exact to rounding (symmetric-relu.md, moments)
_SWITCH = 2.5
_DEPTH = 50


def symmetric_relu(x: ArrayLike, threshold: ArrayLike) -> Array:
    """S(x; b) = relu(x - b) - relu(-x - b): odd, 0 for |x| <= b, slope 1 beyond; b >= 0."""
    b = non_negative("threshold", threshold)
    value = np.asarray(x, dtype=float)
    return np.asarray(np.sign(value) * np.maximum(np.abs(value) - b, 0.0))


def mean_given_label(strength: ArrayLike, noise: ArrayLike, threshold: ArrayLike) -> Array:
    """M = E[S(x; b) | s = 1] for x = phi s + sigma xi; E[S | s = -1] = -M.

    strength phi, noise sigma and threshold b are >= 0 and broadcast; sigma = 0: (phi - b)_+.
    Raises InvalidInput for a negative or infinite argument. Source: symmetric-relu.md, equation 3.
    """
    found = tail_moments(strength, noise, 1.0, threshold)
    return np.asarray(found.mean * np.exp(-found.exponent))


def variance_given_label(strength: ArrayLike, noise: ArrayLike, threshold: ArrayLike) -> Array:
    """Var[S(x; b) | s] of x = phi s + sigma xi, arguments as in `mean_given_label`.

    With U = (x - b)_+ and V = (-x - b)_+, UV = 0: Var S = Var U + Var V + 2 E U E V, and
    Var U = sigma^2 [1 - I_2 - 2 d I_1 - I_1^2](|d|) for d < 0: sums without cancellation, also at
    sigma << phi. Zero if sigma = 0. Source: symmetric-relu.md, equation 5.
    """
    variance, exponent = _scaled_variance(strength, noise, threshold)
    return np.asarray(variance * np.exp(-exponent))


def signal_to_noise(strength: ArrayLike, noise: ArrayLike, threshold: ArrayLike) -> Array:
    """M/sqrt(Var[S | s]): what a linear probe of S(x; b) sees of the label; phi/sigma at b = 0.

    It falls strictly with the threshold (symmetric-relu.md, a threshold only costs). Without
    noise it is inf above the threshold and, by convention, 0 below it: S = 0 says nothing.
    """
    mean = tail_moments(strength, noise, 1.0, threshold).mean
    variance, exponent = _scaled_variance(strength, noise, threshold)
    silent = mean == 0
    with np.errstate(divide="ignore"):
        ratio = mean / np.sqrt(np.where(silent, 1.0, variance))
    return np.asarray(np.where(silent, 0.0, ratio) * np.exp(-exponent / 2))


def second_moment(features: Features, threshold: ArrayLike) -> Array:
    """s(b) = E S(x_i; b)^2 in a view, kappa phi^2 + sigma^2 at b = 0; b broadcasts with (d,)."""
    found = tail_moments(features.strength, features.noise, features.kept, threshold)
    return np.asarray(found.second * np.exp(-found.exponent))


def view_correlation(features: Features, threshold: ArrayLike) -> Array:
    """c/s = E S S'/E S^2, the correlation of S(x_i; b) between the two views.

    The spectral loss of a feature is -2 w^2 c + w^4 s^2 for z = w S(x; k): at its best weight
    w^2 = c/s^2 it is -(c/s)^2. Falls strictly with k where kept = 1 (symmetric-relu.md,
    a threshold only costs); under dropout it may first rise. 0 where the feature is silent.
    """
    found = tail_moments(features.strength, features.noise, features.kept, threshold)
    silent = found.second == 0
    ratio = np.square(found.mean) / np.where(silent, 1.0, found.second)
    return np.asarray(
        np.where(silent, 0.0, np.asarray(features.correlation) * ratio) * np.exp(-found.exponent)
    )


@dataclass(frozen=True)
class TailMoments:
    """Moments of S(x; k) relative to exp(-exponent), exponent = max((k - phi)/sigma, 0)^2/2.

    mean: M. passing: -dM/dk = P(x > k) - P(x < -k), given s = 1.
    second: s = E S^2. size: -(ds/dk)/2 = E |S|. Each is the true value times exp(exponent).
    """

    exponent: Array
    mean: Array
    passing: Array
    second: Array
    size: Array


def tail_moments(
    strength: ArrayLike, noise: ArrayLike, kept: ArrayLike, threshold: ArrayLike
) -> TailMoments:
    """`TailMoments` at broadcast arrays phi, sigma >= 0, kappa in (0, 1], k >= 0.

    Relative to that of d the Gaussian tail of e is exp(-2 k phi/sigma^2), and that of k/sigma,
    where a dropped feature lies, exp(-phi (2 k - phi)/(2 sigma^2)), as long as d > 0.
    """
    phi, sigma, k = _arguments(strength, noise, threshold)
    kappa = np.asarray(kept, dtype=float)
    scale = np.where(sigma > 0, sigma, 1.0)
    d, e, f = (k - phi) / scale, (k + phi) / scale, k / scale
    below = d > 0
    tail_e = np.exp(-np.where(below, 2 * k * phi / scale**2, np.square(e) / 2))
    tail_f = np.exp(-np.where(below, phi * (2 * k - phi) / (2 * scale**2), np.square(f) / 2))
    at_d, at_e, at_f = np.moveaxis(half_line_moments(np.stack(np.broadcast_arrays(d, e, f))), 1, 0)
    (u0, u1, u2), (v0, v1, v2), (_, n1, n2) = at_d, at_e * tail_e, at_f * tail_f
    noisy = sigma > 0
    live = np.maximum(phi - k, 0.0)
    return TailMoments(
        exponent=np.where(noisy & below, np.square(d) / 2, 0.0),
        mean=np.where(noisy, scale * (u1 - v1), live),
        passing=np.where(noisy, u0 - v0, 1.0 * (k < phi)),
        second=np.where(
            noisy,
            np.square(scale) * (kappa * (u2 + v2) + 2 * (1 - kappa) * n2),
            kappa * np.square(live),
        ),
        size=np.where(noisy, scale * (kappa * (u1 + v1) + 2 * (1 - kappa) * n1), kappa * live),
    )


def half_line_moments(d: ArrayLike) -> Array:
    """I_j(d) = E (Z - d)_+^j for j = 0, 1, 2, times exp(max(d, 0)^2/2); stacked in front.

    I_0 = Phi_N(-d), I_1 = phi_N(d) - d I_0, I_2 = (1 + d^2) I_0 - d phi_N(d). These cancel for
    large d; there I_j/I_{j-1} = j/(d + I_{j+1}/I_j), a continued fraction of positive terms
    (symmetric-relu.md, equation 4). For d < 0: I_1(d) = -d + I_1(-d), I_2(d) = 1 + d^2 - I_2(-d).
    """
    d = np.asarray(d, dtype=float)
    x = np.abs(d)
    density = 1 / np.sqrt(2 * np.pi)
    zeroth = erfcx(x / np.sqrt(2)) / 2
    near = np.minimum(x, _SWITCH)
    near_first = density - near * zeroth
    near_second = (1 + np.square(near)) * zeroth - near * density
    far = np.maximum(x, _SWITCH)
    ratio = (np.sqrt(np.square(far) + 4 * _DEPTH) - far) / 2
    for j in range(_DEPTH, 2, -1):
        ratio = j / (far + ratio)
    ratio = 2 / (far + ratio)
    far_first = zeroth / (far + ratio)
    first = np.where(x < _SWITCH, near_first, far_first)
    second = np.where(x < _SWITCH, near_second, far_first * ratio)
    tail = _tail(x)
    return np.stack(
        [
            np.where(d > 0, zeroth, 1 - zeroth * tail),
            np.where(d > 0, first, x + first * tail),
            np.where(d > 0, second, 1 + np.square(x) - second * tail),
        ]
    )


def _scaled_variance(
    strength: ArrayLike, noise: ArrayLike, threshold: ArrayLike
) -> tuple[Array, Array]:
    """Var[S | s] times exp(exponent), and the exponent of `TailMoments`."""
    phi, sigma, k = _arguments(strength, noise, threshold)
    scale = np.where(sigma > 0, sigma, 1.0)
    d, e = (k - phi) / scale, (k + phi) / scale
    x, below = np.abs(d), d > 0
    _, u1, u2 = half_line_moments(x)
    tail = _tail(x)
    # given d < 0 the upper half line has nearly the whole mass: 1 minus what is cut off
    cut = 1 - tail * (u2 + 2 * x * u1 + tail * np.square(u1))
    upper = np.where(below, u2 - tail * np.square(u1), cut)
    _, v1, v2 = half_line_moments(e)
    at_e = np.exp(-np.where(below, 2 * k * phi / scale**2, np.square(e) / 2))
    lower = at_e * (v2 - _tail(e) * np.square(v1))
    both = 2 * at_e * v1 * np.where(below, tail * u1, x + tail * u1)
    exponent = np.where((sigma > 0) & below, np.square(d) / 2, 0.0)
    return np.square(sigma) * (upper + lower + both), exponent


def _tail(d: Array) -> Array:
    return np.asarray(np.exp(-np.square(np.maximum(d, 0.0)) / 2))


def _arguments(strength: ArrayLike, noise: ArrayLike, threshold: ArrayLike) -> list[Array]:
    given = {"strength": strength, "noise": noise, "threshold": threshold}
    return [non_negative(name, value) for name, value in given.items()]


def non_negative(name: str, value: ArrayLike) -> Array:
    """The value as an array of finite numbers >= 0; raises InvalidInput otherwise."""
    array = np.asarray(value, dtype=float)
    bad = array[~(np.isfinite(array) & (array >= 0))]
    if bad.size:
        raise InvalidInput(f"{name} must be finite and >= 0, got {bad.flat[0]}")
    return array
