"""Means over the margins of training samples, u = prox_gamma(w) with w ~ N(mean, s^2).

    E f(u) = sum over pieces int f(u) phi((w(u) - mean)/s) w'(u)/s du + sum over kinks f(k) P(k),

w(u) = u + gamma loss'(u), and P(k) the probability that w lies in the interval on which the prox
rests at the kink k: the atoms of the law (observables.md, training margins).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from asymptotics.losses import Loss, Piece, Smooth, prox_bracket
from asymptotics.prox_rule import REACH, unit_rule

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingMargins:
    """A rule (points, nodes): E f(u) = sum of weights f(margins). Atoms are nodes of their own."""

    margins: Array
    weights: Array

    def average(self, values: Array) -> Array:
        """E f from f at the margins, (points,)."""
        return np.asarray(np.sum(self.weights * values, axis=1))


def training_margins(
    loss: Loss, gamma: Array, mean: Array, deviation: Array, nodes: int
) -> TrainingMargins:
    """The rule at points (gamma, mean, s), one-dimensional arrays; `nodes` on every piece."""
    parts: list[tuple[Array, Array]] = []
    left = np.full(gamma.shape, -np.inf)  # end of the last interval of w
    for piece in loss.pieces:
        start, end = (_image(piece, u, gamma) for u in (piece.lower, piece.upper))
        if np.isfinite(piece.lower):
            parts.append(_atom(piece.lower, left, start, mean, deviation))
        if piece.lower < piece.upper:
            parts.append(_piece(piece, start, end, gamma, mean, deviation, nodes))
        left = end
    if np.isfinite(loss.pieces[-1].upper):
        infinite = np.full(gamma.shape, np.inf)
        parts.append(_atom(loss.pieces[-1].upper, left, infinite, mean, deviation))
    margins, weights = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
    return TrainingMargins(margins, weights)


def _image(piece: Piece, u: float, gamma: Array) -> Array:
    """w(u) at an end of a piece."""
    if np.isinf(u):
        return np.full(gamma.shape, u)
    return np.asarray(u + gamma * piece.derivative(np.array([u]))[0])


def _atom(u: float, low: Array, high: Array, mean: Array, s: Array) -> tuple[Array, Array]:
    """The kink u with P(low < w < high), from the nearer tail."""
    a, b = (low - mean) / s, (high - mean) / s
    mass = np.where(a > 0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
    return np.full((mean.size, 1), u), mass[:, None]


def _piece(
    piece: Piece, start: Array, end: Array, gamma: Array, mean: Array, s: Array, nodes: int
) -> tuple[Array, Array]:
    low = np.clip((start - mean) / s, -REACH, REACH)
    high = np.clip((end - mean) / s, -REACH, REACH)
    fraction, weight = unit_rule(nodes, finite=True)
    if not isinstance(piece, Smooth):
        # u is linear in z
        z = low[:, None] + (high - low)[:, None] * fraction
        w = mean[:, None] + s[:, None] * z
        u = (w - gamma[:, None] * piece.slope) / (1 + gamma[:, None] * piece.curvature)
        return u, _normal(z) * weight * (high - low)[:, None]
    slack = 0.01 * s
    first, _ = prox_bracket(piece, mean + low * s, gamma, slack)
    _, last = prox_bracket(piece, mean + high * s, gamma, slack)
    # nodes spread in arcsinh about the bend of the loss, as in `gauss`
    reach = np.log1p(gamma)
    centre, width = np.clip(0.5 * reach, first, last), 1.0 + 0.5 * reach
    v_low, v_high = np.arcsinh((first - centre) / width), np.arcsinh((last - centre) / width)
    v = v_low[:, None] + (v_high - v_low)[:, None] * fraction
    u = centre[:, None] + width[:, None] * np.sinh(v)
    slope = 1 + gamma[:, None] * piece.second(u)
    z = (u + gamma[:, None] * piece.derivative(u) - mean[:, None]) / s[:, None]
    span = ((v_high - v_low) * width / s)[:, None]
    return u, _normal(z) * slope * np.cosh(v) * span * weight


def _normal(z: Array) -> Array:
    return np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
