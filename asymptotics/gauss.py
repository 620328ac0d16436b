"""Gaussian means of the Moreau envelope's derivatives: all that the fixed point sees of a loss.

The margin is w = mean + s Z with Z ~ N(0, 1). Quadratic pieces of a loss make M' piecewise linear
in w, and every mean a truncated Gaussian moment. Smooth pieces are integrated over u = prox(w)
instead of over w,

    E f = int f(u) phi((w(u) - mean)/s) w'(u)/s du,     w(u) = u + gamma loss'(u),

which needs no prox solve and is analytic, on u = centre + width sinh(v): the midpoint rule then
converges geometrically (numerics.md, integrals).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from asymptotics.losses import Loss, Smooth, prox_bracket

Array = NDArray[np.float64]

# |z| beyond which a standard normal density is below 1e-18 of its peak
REACH = 9.2


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
    zero, infinite = np.zeros_like(gamma), np.full_like(gamma, np.inf)
    below = -infinite
    margin = (mean, deviation, quadrature)

    def kink(position: float, left: Array, right: Array) -> Array:
        # the prox rests at the kink while loss' climbs from left to right: M' = (w - kink)/gamma
        return _linear(zero + position, zero, 1 / gamma, gamma * left, gamma * right, *margin)

    for piece in loss.pieces:
        if np.isfinite(piece.lower):
            slope = zero + piece.derivative(np.array([piece.lower]))
            total += kink(piece.lower, below, slope)
        if isinstance(piece, Smooth):
            total += _smooth(piece, gamma, mean, deviation, nodes)
        elif piece.slope or piece.curvature:
            stretch = 1 + gamma * piece.curvature
            ends = [end for end in (piece.lower, piece.upper) if np.isfinite(end)]
            corner = zero + ends[-1] if ends else -gamma * piece.slope / stretch
            first = piece.slope + piece.curvature * corner
            total += _linear(
                corner + gamma * first if ends else zero,
                first,
                piece.curvature / stretch,
                (piece.lower - corner) * stretch,
                (piece.upper - corner) * stretch,
                *margin,
            )
        if np.isfinite(piece.upper):
            below = zero + piece.derivative(np.array([piece.upper]))
    if np.isfinite(loss.pieces[-1].upper):
        total += kink(loss.pieces[-1].upper, below, infinite)
    return MarginMoments(*total)


def _linear(
    anchor: Array,
    first: Array,
    slope: Array,
    start: Array,
    end: Array,
    mean: Array,
    deviation: Array,
    quadrature: bool,
) -> Array:
    """The eight means over w = anchor + t, start < t < end, of M' = first + slope t."""
    low, high = (anchor + start - mean) / deviation, (anchor + end - mean) / deviation
    at_mean, rise = first + slope * (mean - anchor), slope * deviation
    mass, z1, z2 = _truncated(low, high)
    m1 = at_mean * mass + rise * z1
    m11 = at_mean**2 * mass + 2 * at_mean * rise * z1 + rise**2 * z2
    first_z = at_mean * z1 + rise * z2
    means = np.stack([mass, z1, z2, m1, m11, first_z])
    # the closed form cancels on a narrow interval: integrate there, exactly to rounding
    narrow = end - start < 0.5 * deviation
    chosen = np.flatnonzero(narrow | (quadrature & (end > start)))
    if chosen.size:
        cut_low, cut_high = np.clip(low, -REACH, REACH), np.clip(high, -REACH, REACH)
        begin, span = np.where(narrow, start, 0.0), np.where(narrow, end - start, 0.0)
        width = np.where(narrow, span / deviation, cut_high - cut_low)
        at_low = np.where(narrow, first + slope * begin, at_mean + rise * cut_low)
        climb = np.where(narrow, slope * span, rise * width)
        left = np.where(narrow, low, cut_low)
        means[:, chosen] = _by_quadrature(*(x[chosen] for x in (left, width, at_low, climb)))
    mass, z1, z2, m1, m11, first_z = means
    return np.stack(
        [m1, slope * mass, m11, slope * m1, slope * m11, slope * z1, slope * z2, slope * first_z]
    )


def _by_quadrature(low: Array, width: Array, first: Array, climb: Array) -> Array:
    """E[1, Z, Z^2, M', M'^2, M' Z] over low < Z < low + width where M' climbs from `first`."""
    fraction, weight = unit_rule(80, finite=True)
    z = low[:, None] + width[:, None] * fraction
    density = width[:, None] * weight * _density(z)
    derivative = first[:, None] + climb[:, None] * fraction
    powers = (1, z, z**2, derivative, derivative**2, derivative * z)
    return np.stack([np.sum(density * f, axis=1) for f in powers])


def _density(z: Array) -> Array:
    return np.exp(-0.5 * z**2) / sqrt(2 * pi)


def _truncated(low: Array, high: Array) -> tuple[Array, Array, Array]:
    """E[1], E[Z], E[Z^2] on low < Z < high; the mass from the nearer tail."""
    flip = low > 0
    mass = np.where(flip, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    at_low, at_high = _density(low), _density(high)
    low_term = np.where(np.isinf(low), 0.0, low) * at_low
    high_term = np.where(np.isinf(high), 0.0, high) * at_high
    return mass, at_low - at_high, mass + low_term - high_term


def _smooth(piece: Smooth, gamma: Array, mean: Array, deviation: Array, nodes: int) -> Array:
    """The eight means over one smooth piece by the prox-variable rule."""
    lower, upper = _window(piece, gamma, mean, deviation)
    v_unit, v_weight = unit_rule(nodes, np.isfinite(piece.lower) or np.isfinite(piece.upper))
    # the loss bends where gamma loss'' passes 1, at about log(gamma) to the right of the origin
    reach = np.log1p(gamma)
    centre = np.clip(0.5 * reach, lower, upper)
    width = 1.0 + 0.5 * reach
    v_low, v_high = np.arcsinh((lower - centre) / width), np.arcsinh((upper - centre) / width)
    v = v_low[:, None] + (v_high - v_low)[:, None] * v_unit
    # sinh and cosh from one expm1, exact for windows far narrower than the width
    growth = np.expm1(v)
    shrink = growth / (1 + growth)
    u = centre[:, None] + width[:, None] * 0.5 * (growth + shrink)
    step = ((v_high - v_low) * width / deviation)[:, None] * (1 + 0.5 * (growth - shrink))
    first, curvature = piece.derivative(u), piece.second(u)
    z = (u + gamma[:, None] * first - mean[:, None]) / deviation[:, None]
    weight = np.exp(-0.5 * z * z) * step * (v_weight / sqrt(2 * pi))
    # M'' dw = loss'' du, so that no mean divides by 1 + gamma loss''
    bend = weight * curvature
    bend_z, bend_first = bend * z, bend * first
    weight += gamma[:, None] * bend
    weight *= first
    return np.stack(
        [
            np.sum(weight, axis=1),
            np.sum(bend, axis=1),
            np.einsum("ij,ij->i", weight, first),
            np.sum(bend_first, axis=1),
            np.einsum("ij,ij->i", bend_first, first),
            np.sum(bend_z, axis=1),
            np.einsum("ij,ij->i", bend_z, z),
            np.einsum("ij,ij->i", bend_z, first),
        ]
    )


@lru_cache
def unit_rule(nodes: int, finite: bool) -> tuple[Array, Array]:
    """Nodes and weights on (0, 1): midpoint where the integrand dies at both ends, else Gauss."""
    if finite:
        x, weight = np.polynomial.legendre.leggauss(nodes)
        return 0.5 * (1 + x), 0.5 * weight
    return (np.arange(nodes) + 0.5) / nodes, np.full(nodes, 1.0 / nodes)


def _window(piece: Smooth, gamma: Array, mean: Array, deviation: Array) -> tuple[Array, Array]:
    """Bounds in u outside which every mean of `_smooth` is below 1e-17 of itself.

    The means decay at worst like exp(-3 u) to the right of the origin, which moves their mass at
    most to z = -3 s, and no further than to w = 0, left of which M' is of order one.
    """
    tilt = np.minimum(3 * deviation, np.maximum(mean / deviation, 0.0))
    slack = 0.3 * deviation
    lower, _ = prox_bracket(piece, mean - (REACH + tilt) * deviation, gamma, slack)
    _, upper = prox_bracket(piece, mean + REACH * deviation, gamma, slack)
    return lower, upper
