"""Gaussian means of the Moreau envelope's derivatives: all that the fixed point sees of a loss.

The margin is w = mean + s Z with Z ~ N(0, 1). Quadratic pieces of a loss make M' piecewise linear
in w, and every mean a truncated Gaussian moment. Smooth pieces are integrated over u = prox(w)
instead of over w (`prox_rule`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from asymptotics.blocks import cache_slices
from asymptotics.losses import Loss, Smooth
from asymptotics.prox_rule import REACH, smooth_means, unit_rule

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MarginMoments:
    """Means over the margin of products of M', M'' and z = (w - mean)/s; arrays of one shape.

    ``m1 = E M'``, ``m2 = E M''``, ``m11 = E M'^2``, ``m12 = E M' M''``, ``m112 = E M'^2 M''``,
    ``m2z = E M'' z``, ``m2zz = E M'' z^2``, ``m12z = E M' M'' z``.
    """

    m1: Array
    m2: Array
    m11: Array
    m12: Array
    m112: Array
    m2z: Array
    m2zz: Array
    m12z: Array


def margin_moments(
    loss: Loss, gamma: Array, mean: Array, deviation: Array, nodes: int, quadrature: bool = False
) -> MarginMoments:
    """The eight means of `MarginMoments` at points (gamma, mean, s), one-dimensional arrays.

    `nodes` is the size of the rule of a smooth piece. ``quadrature=True`` integrates the
    quadratic pieces by quadrature too, an independent evaluation of the closed forms.
    """
    total = np.zeros((8, gamma.size))
    zero = np.zeros_like(gamma)
    below: Array | float = -np.inf
    margin = mean, deviation, quadrature

    def kink(position: float, left: Array | float, right: Array | float) -> Array:
        # the prox rests at the kink while loss' climbs from left to right: M' = (w - kink)/gamma
        start, end = (x if np.ndim(x) == 0 else gamma * x for x in (left, right))
        return _linear(zero + position, zero, 1 / gamma, start, end, *margin)

    for piece in loss.pieces:
        if np.isfinite(piece.lower):
            slope = zero + piece.derivative(np.array([piece.lower]))
            total += kink(piece.lower, below, slope)
        if isinstance(piece, Smooth):
            total += smooth_means(piece, gamma, mean, deviation, nodes)
        elif piece.slope or piece.curvature:
            stretch = 1 + gamma * piece.curvature
            ends = [end for end in (piece.lower, piece.upper) if np.isfinite(end)]
            corner = zero + ends[-1] if ends else -gamma * piece.slope / stretch
            first = piece.slope + piece.curvature * corner
            total += _linear(
                corner + gamma * first if ends else zero,
                first,
                piece.curvature / stretch,
                piece.lower if np.isinf(piece.lower) else (piece.lower - corner) * stretch,
                piece.upper if np.isinf(piece.upper) else (piece.upper - corner) * stretch,
                *margin,
            )
        if np.isfinite(piece.upper):
            below = zero + piece.derivative(np.array([piece.upper]))
    if np.isfinite(loss.pieces[-1].upper):
        total += kink(loss.pieces[-1].upper, below, np.inf)
    return MarginMoments(*total)


def _linear(
    anchor: Array,
    first: Array,
    slope: Array,
    start: Array | float,
    end: Array | float,
    mean: Array,
    deviation: Array,
    quadrature: bool,
) -> Array:
    """The eight means over w = anchor + t, start < t < end, of M' = first + slope t.

    An end that is infinite for every point is one number: half of the means' cost is at the ends.
    """
    low, high = (x if np.ndim(x) == 0 else (anchor + x - mean) / deviation for x in (start, end))
    at_mean, rise = first + slope * (mean - anchor), slope * deviation
    means = np.empty((6, mean.size))
    mass, z1, z2, m1, m11, first_z = means
    mass[:], z1[:], z2[:] = _truncated(low, high)
    m1[:] = at_mean * mass + rise * z1
    first_z[:] = at_mean * z1 + rise * z2
    m11[:] = at_mean * m1 + rise * first_z
    start, end, low, high = (np.broadcast_to(x, mean.shape) for x in (start, end, low, high))
    # the closed form cancels on a narrow interval: integrate there, exactly to rounding
    narrow = end - start < 0.5 * deviation
    points = np.flatnonzero(narrow)
    if points.size:
        begin, span = start[points], (end - start)[points]
        at_ends = first[points] + slope[points] * begin, first[points] + slope[points] * end[points]
        means[:, points] = _by_quadrature(low[points], span / deviation[points], *at_ends, nodes=20)
    points = np.flatnonzero(quadrature & (end > start) & ~narrow)
    if points.size:
        left, right = np.clip((low[points], high[points]), -REACH, REACH)
        at_ends = at_mean[points] + rise[points] * left, at_mean[points] + rise[points] * right
        means[:, points] = _by_quadrature(left, right - left, *at_ends, nodes=80)
    return np.stack(
        [m1, slope * mass, m11, slope * m1, slope * m11, slope * z1, slope * z2, slope * first_z]
    )


def _by_quadrature(low: Array, width: Array, first: Array, last: Array, nodes: int) -> Array:
    """E[1, Z, Z^2, M', M'^2, M' Z] over low < Z < low + width, M' linear from `first` to `last`."""
    x, weight = unit_rule(nodes, finite=True)
    left, right = weight * (1 - x), weight * x
    table = np.stack([weight, left, right, left * (1 - x), left * x, right * x])
    means = np.empty((6, low.size))
    for cut in cache_slices(low.size, nodes):
        z = np.stack([low[cut], width[cut]], axis=1) @ np.stack([np.ones_like(x), x])
        density = _density(z)
        a, b = first[cut], last[cut]
        mass, l, r, ll, lr, rr = table @ density.T
        density *= z
        z1, lz, rz = table[:3] @ density.T
        density *= z
        square = a * a * ll + 2 * a * b * lr + b * b * rr
        means[:, cut] = mass, z1, density @ weight, a * l + b * r, square, a * lz + b * rz
    return width * means


def _density(z: Array | float) -> Array:
    return np.exp(-0.5 * z**2) / sqrt(2 * pi)


def _truncated(low: Array | float, high: Array | float) -> tuple[Array, Array, Array]:
    """E[1], E[Z], E[Z^2] on low < Z < high; the mass from the nearer tail."""
    below, above = ndtr(-np.abs(low)), ndtr(-np.abs(high))
    mass = np.where(low > 0, below - above, np.where(high < 0, above - below, 1 - below - above))
    at_low, at_high = _density(low), _density(high)
    low_term = np.where(np.isinf(low), 0.0, low) * at_low
    high_term = np.where(np.isinf(high), 0.0, high) * at_high
    return mass, at_low - at_high, mass + low_term - high_term
