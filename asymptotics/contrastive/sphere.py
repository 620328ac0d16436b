"""Averages over directions and radii in n dimensions, tabulated once for each n.

With omega the cosine of the angle between two independent directions,

    log M_n(k) = log E exp(k omega) = log 0F1(; n/2; k^2/4),
    log h_n(b) = log int_0^inf q^n e^(-q^2/2) cosh(b q) dq / int_0^inf q^n e^(-q^2/2) dq
               = log 1F1((n+1)/2; 1/2; b^2/2).

Both are integrals of a log-concave weight on the whole line (omega = tanh v, q = exp v), for which
the trapezoidal rule about the mode converges geometrically at every n and argument; they never
leave the logarithm. Splines of degree 7 through such values replace the integrals where millions
are needed. docs/theory/cosine.md, equations (3), (6) and (9).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PPoly, make_interp_spline

Array = NDArray[np.float64]

# The rule of the integrals: v = mode + width sinh(t), to where the slowest tails are below 1e-17.
_STEP, _REACH = 0.1, 6.0
_DEGREE = 7
# Spacing of a table in units of the distance to the nearest singularity, and how many knots it
# goes beyond its range: a spline is least accurate at its ends.
_SPACING, _MARGIN = 0.035, 12


def log_cosh(x: Array) -> Array:
    """``log cosh x`` for x >= 0 to full relative accuracy."""
    near = np.log1p(2 * np.square(np.sinh(np.minimum(x, 20.0) / 2)))
    return np.where(x < 20.0, near, x - np.log(2.0))


def _about_mode(
    exponent: Callable[[Array], Array],
    mode: Array,
    width: Array,
    observed: Callable[[Array], Array],
) -> tuple[Array, Array]:
    """``log int exp(exponent(v)) dv`` and the mean of ``observed(v)``, one row per mode."""
    t = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    v = mode[:, None] + width[:, None] * np.sinh(t)
    values = exponent(v)
    peak = values.max(axis=1)
    weights = np.exp(values - peak[:, None]) * np.cosh(t)
    total = weights.sum(axis=1)
    mean = np.sum(weights * observed(v), axis=1) / total
    return peak + np.log(total * width * _STEP), mean


def log_direction_average(concentration: Array, directions: float) -> Array:
    """``log M_n(k)`` for k = `concentration` >= 0 of shape (K,), n = `directions` >= 1.

    n = 1 is ``log cosh k``; else, with omega = tanh v, the weight ``sech(v)^(n-1) exp(k tanh v)``
    (the density of omega is proportional to ``(1 - omega^2)^((n-3)/2)``). Where k^2 < n it is
    ``log(1 + E 2 sinh(k omega/2)^2)``, to full relative accuracy also at small k.
    """
    if directions == 1:
        return log_cosh(concentration)
    out = np.empty_like(concentration)
    small = concentration**2 < directions
    k = concentration[small, None]
    centre, power = np.zeros(k.size), directions - 1.0
    width = np.full(k.size, power**-0.5)
    _, excess = _about_mode(
        lambda v: -power * log_cosh(np.abs(v)),
        centre,
        width,
        lambda v: 2 * np.square(np.sinh(0.5 * k * np.tanh(v))),
    )
    out[small] = np.log1p(excess)
    out[~small] = _log_tilted_average(np.append(0.0, concentration[~small]), power)
    return out


def _log_tilted_average(k: Array, power: float) -> Array:
    """``log M_n(k[1:])`` by centring on the mode, n = power + 1; k[0] = 0 gives the norm."""
    root = np.sqrt(power**2 + 4 * k**2)
    cosine = 2 * k / (power + root)
    versine = 2 * power / (root + power + 2 * k)  # 1 - cosine, without cancellation
    logs, _ = _about_mode(
        lambda v: k[:, None] * (np.tanh(v) - 1) - power * log_cosh(np.abs(v)),
        0.5 * np.log((1 + cosine) / versine),
        1 / np.sqrt((1 + cosine) * versine * (power + 2 * k * cosine)),
        np.tanh,
    )
    return np.asarray(logs[1:] - logs[0] + k[1:])


@dataclass(frozen=True)
class DirectionAverage:
    """``log M_n(k)`` for 0 <= k <= largest, tabulated as ``log M_n(k)/k^2``, elementwise."""

    table: Callable[[Array], Array]

    @classmethod
    def up_to(cls, largest: float, directions: float) -> DirectionAverage:
        """The knots are graded: the nearest zeros of M_n are about +- i (n/2 + 1)."""
        scale = 0.5 * directions + 1.0
        count = max(int(np.ceil(np.arcsinh(largest / scale) / _SPACING)), 2)
        spacing = np.arcsinh(largest / scale) / count
        knots = scale * np.sinh(spacing * (np.arange(-_MARGIN, count + _MARGIN) + 0.5))
        values = log_direction_average(np.abs(knots), directions) / knots**2
        return cls(_spline(knots, values))

    def __call__(self, concentration: Array) -> Array:
        return np.square(concentration) * self.table(concentration)


@dataclass(frozen=True)
class RadialTilt:
    """``log h_n(b)`` and ``h_n'(b)/h_n(b)`` for 0 <= b <= largest, elementwise.

    `log_beta` is ``log B(1/2, n/2)`` by the same rule; ``scipy.special.betaln`` is off by 5e-11 at
    n = 1e5.
    """

    directions: float
    log_beta: float
    value: Callable[[Array], Array]
    ratio: Callable[[Array], Array]

    @classmethod
    def up_to(cls, largest: float, directions: float) -> RadialTilt:
        """The knots are graded: the zeros of h_n are imaginary, the first about s = pi/(2 q_0).

        With q_0 = sqrt(n + 1), ``b(x) = s sinh(x)`` up to b = 1, uniform beyond.
        """
        scale = 0.5 * np.pi / np.sqrt(directions + 1.0)
        bend = np.arcsinh(1 / scale)
        spacing = _SPACING * np.array([1.0, np.hypot(1.0, scale)])
        near = scale * np.sinh(spacing[0] * np.arange(np.ceil(bend / spacing[0])))
        count = np.ceil(max(largest - near[-1], 0.0) / spacing[1]) + _MARGIN
        positive = np.append(near, near[-1] + spacing[1] * np.arange(1, count + 1))
        value, ratio = log_tilted_radius(positive, directions)
        mirror = slice(_MARGIN, 0, -1)
        knots = np.append(-positive[mirror], positive)
        power = float(directions)
        norm, _ = _about_mode(
            lambda v: -power * log_cosh(np.abs(v)), np.zeros(1), np.full(1, power**-0.5), np.tanh
        )
        return cls(
            directions,
            float(norm[0]),
            _spline(knots, np.append(value[mirror], value)),
            _spline(knots, np.append(-ratio[mirror], ratio)),
        )

    def __call__(self, tilt: Array) -> tuple[Array, Array]:
        """``log h(b)`` and ``h'(b)/h(b)``, elementwise."""
        return self.value(tilt), self.ratio(tilt)


def log_tilted_radius(tilt: Array, directions: float) -> tuple[Array, Array]:
    """``log h_n(b)`` and ``h_n'(b)/h_n(b)`` for b = `tilt` >= 0 of shape (K,), by quadrature.

    ``h = (D(b) + D(-b))/(2 D(0))``, ``D(b) = int q^n e^(-q^2/2 + b q) dq``, in ``q = q_0 e^v``.
    """
    power = directions + 1.0
    scale = np.sqrt(power)
    b = np.concatenate([[0.0], tilt, -tilt])
    root = np.sqrt(b**2 + 4 * power)
    mode = np.where(b < 0, 2 * power / (root - b), 0.5 * (b + root))

    def exponent(v: Array) -> Array:
        excess = np.expm1(v)
        return power * (v - excess - 0.5 * excess**2) + scale * b[:, None] * excess

    logs, radius = _about_mode(
        exponent, np.log(mode / scale), 1 / np.sqrt(mode**2 + power), lambda v: scale * np.exp(v)
    )
    above, below = (logs[1:] - logs[0]).reshape(2, -1)
    radius_above, radius_below = radius[1:].reshape(2, -1)
    share = np.exp(below - above - 2 * scale * tilt)
    value = scale * tilt + above + np.log1p(share) - np.log(2.0)
    return value, (radius_above - share * radius_below) / (1 + share)


def _spline(knots: Array, values: Array) -> Callable[[Array], Array]:
    return PPoly.from_spline(make_interp_spline(knots, values, k=_DEGREE))
