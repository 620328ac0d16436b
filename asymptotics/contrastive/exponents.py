"""How many negatives an objective's exponential average needs before N looks infinite.

Replacing ``E' exp(X)`` by an average over N negatives is harmless once

    log N  well above  log [ E' exp(2X) / (E' exp X)^2 ],      X = sim(z_1, z')/tau,

the log of the relative second moment of one term (for a Gaussian X: its variance). At 1/N of that
moment the average is off by a relative standard deviation of one. Each function here gives it at a
typical anchor, noise and signal part added. Ours; an estimate, not a bound.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.log_cosh import log_cosh
from asymptotics.contrastive.views import ViewPair

Array = NDArray[np.float64]


def linear(views: ViewPair, temperature: Array, dimension: Array, log_gain: Array) -> Array:
    """No exponential: the spectral loss averages z.z' squared without bias at any N."""
    return np.zeros_like(log_gain)


def inner_product(views: ViewPair, temperature: Array, dimension: Array, log_gain: Array) -> Array:
    """Inner products of the free head, ``W^T W = tau y`` across the signal, ``tau a^2 y`` along it.

    ``(d-1) y^2 N_1 N_2 + x^2 V_2 S_1 + [log cosh 2k - 2 log cosh k]``, with ``y = C/(N_1 N_2)``,
    ``x = a^2 y``, ``k = x R sqrt(S_1)``: a Gaussian exponent, whose variance grows like d.
    """
    signal, v1, v2, signal_covariance, n1, n2, noise_covariance = views.arrays()
    energy = np.square(signal)
    highest = (energy + signal_covariance) / (v2 * (energy + v1))  # of x; reached at collapse
    noise = noise_covariance / (n1 * n2)
    with np.errstate(invalid="ignore"):
        along = np.fmin(noise * np.exp(2 * log_gain), highest)
    return _gaussian(views, noise, along, dimension)


def inner_product_fixed_norm(
    views: ViewPair, temperature: Array, dimension: Array, log_gain: Array
) -> Array:
    """The same with the noise eigenvalue fixed: ``y = 1/tau``."""
    return _gaussian(views, 1.0 / temperature, np.exp(2 * log_gain) / temperature, dimension)


def _gaussian(views: ViewPair, noise: Array, along: Array, dimension: Array) -> Array:
    signal, v1, v2, _, n1, n2, _ = views.arrays()
    energy = np.square(signal) + v1
    class_part = _excess(log_cosh, along * signal * np.sqrt(energy))
    return (dimension - 1) * noise**2 * n1 * n2 + along**2 * v2 * energy + class_part


def cosine(views: ViewPair, temperature: Array, dimension: Array, log_gain: Array) -> Array:
    """Cosine similarities, each norm at its mean square ``Z_i = a^2 S_i + (d-1) N_i``.

    Noise part: the angle between two points of a sphere of ``m = d - 1`` dimensions,
    ``log E exp(k cos) = m f(k/m)``, ``f(x) = [r - 1 - log((1+r)/2)]/2``, ``r = sqrt(1+4x^2)``, to
    leading order in m. Signal part: its two signs.
    """
    signal, v1, v2, _, n1, n2, _ = views.arrays()
    across = dimension - 1
    share = 1.0 / (1.0 + np.exp(2 * log_gain) * (signal**2 + v1) / (across * n1))
    other = 1.0 / (1.0 + np.exp(2 * log_gain) * (signal**2 + v2) / (across * n2))
    noise = np.sqrt(share * other) / temperature
    class_part = np.sqrt((1 - share) * (1 - other)) / temperature

    def sphere(strength: Array) -> Array:
        ratio = np.square(2 * strength / across)
        half = ratio / (1 + np.sqrt(1 + ratio)) / 2  # (r - 1)/2
        return across * (half - np.log1p(half) / 2)

    return np.asarray(_excess(sphere, noise) + _excess(log_cosh, class_part))


def cosine_scaled(views: ViewPair, temperature: Array, dimension: Array, log_gain: Array) -> Array:
    """As `cosine`, with the noise share of a = 1 where the scaled limit reports collapse.

    There the gain is of order sqrt(d), not infinite, and the noise still fills the sphere: for
    moderate t it takes log N of order ``d/(2 t^2)`` to see that branch.
    """
    return cosine(views, temperature, dimension, np.where(np.isposinf(log_gain), 0.0, log_gain))


def _excess(log_mean: Callable[[Array], Array], strength: Array) -> Array:
    return np.asarray(log_mean(2 * strength) - 2 * log_mean(strength))
