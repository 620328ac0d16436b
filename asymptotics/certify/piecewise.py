"""Means of the Moreau envelope's derivatives for piecewise quadratic losses: closed forms in erf.

M' is affine in the margin w between the images of the loss's kinks (docs/theory/probe.md):

    on a piece c + k u:      M'(w) = (c + k w)/(1 + gamma k),  from l + gamma (c + k l) to its twin
    at a kink p, slopes a<b: M'(w) = (w - p)/gamma,            from p + gamma a to p + gamma b
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from flint import arb

from asymptotics.certify.exact import ball
from asymptotics.certify.gaussian import truncated
from asymptotics.losses import Loss, Quadratic

# an affine piece of M': (low, high, value at w = 0, slope), None for an infinite end
_Affine = tuple[arb | None, arb | None, arb, arb]
Moments = dict[str, arb]


def affine_pieces(loss: Loss, gamma: arb) -> Iterator[_Affine]:
    """M' of the loss, piece by piece; pieces where it vanishes are left out."""
    below: arb | None = None  # slope of the loss left of the piece; None: minus infinity
    for piece in loss.pieces:
        assert isinstance(piece, Quadratic)
        slope, curvature = _exact(piece.slope), _exact(piece.curvature)
        low, high = _end(piece.lower), _end(piece.upper)
        start = None if low is None else slope + curvature * low
        if low is not None:
            assert start is not None
            yield _kink(low, gamma, below, start)
        if piece.slope or piece.curvature:
            stretch = 1 + gamma * curvature
            yield (
                None if low is None else low + gamma * (slope + curvature * low),
                None if high is None else high + gamma * (slope + curvature * high),
                slope / stretch,
                curvature / stretch,
            )
        below = None if high is None else slope + curvature * high
    end = _end(loss.pieces[-1].upper)
    if end is not None:
        yield _kink(end, gamma, below, None)


def _kink(position: arb, gamma: arb, left: arb | None, right: arb | None) -> _Affine:
    low = None if left is None else position + gamma * left
    high = None if right is None else position + gamma * right
    return low, high, -position / gamma, 1 / gamma


def _exact(value: float) -> arb:
    return ball(Fraction(value))


def _end(value: float) -> arb | None:
    return None if abs(value) == float("inf") else _exact(value)


def affine_moments(loss: Loss, gamma: arb, mean: arb, deviation: arb) -> Moments:
    """The eight means of `asymptotics.gauss.MarginMoments`, by name."""
    total: Moments = {}
    for low, high, offset, slope in affine_pieces(loss, gamma):
        left, right = (None if w is None else (w - mean) / deviation for w in (low, high))
        mass, z1, z2 = truncated(left, right)
        at_mean, rise = offset + slope * mean, slope * deviation
        first = at_mean * mass + rise * z1
        square = at_mean**2 * mass + 2 * at_mean * rise * z1 + rise**2 * z2
        terms = {
            "m1": first,
            "m2": slope * mass,
            "m11": square,
            "m12": slope * first,
            "m112": slope * square,
            "m2z": slope * z1,
            "m2zz": slope * z2,
            "m12z": slope * (at_mean * z1 + rise * z2),
        }
        for name, value in terms.items():
            total[name] = total[name] + value if name in total else value
    return total
