"""Means of the logistic envelope's derivatives by rigorous integration over u = prox(w).

With p = 1/(1 + e^u) = -M', w(u) = u - gamma p, z = (w - mean)/s and v = p (1 - p) = M'' w'(u),

    E[M'^i z^k] = (-1)^i int p^i z^k phi(z) (1 + gamma v) du/s,
    E[M'^i M'' z^k] = (-1)^i int p^i v z^k phi(z) du/s.

Arb's `acb.integral` encloses the integral over a window [low, high] in u; what lies outside is
enclosed by the bounds of docs/theory/certificates.md, "tails". The window is chosen in floats:
a bad choice makes the enclosure wide, never wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import log, log1p, sqrt

import numpy as np
from flint import acb, arb, ctx

from asymptotics.certify.exact import ball
from asymptotics.certify.gaussian import approximately, either_side, tail_bound, upper_tail
from asymptotics.losses import LOSSES, prox

Moments = dict[str, arb]

# name: (power of M', power of M'', power of z)
_POWERS = {
    "m1": (1, 0, 0),
    "m2": (0, 1, 0),
    "m11": (2, 0, 0),
    "m12": (1, 1, 0),
    "m112": (2, 1, 0),
    "m2z": (0, 1, 1),
    "m2zz": (0, 1, 2),
    "m12z": (1, 1, 1),
}
_MOST_EVALUATIONS = 400_000  # of one integrand; what is left is enclosed crudely
# of mean to deviation in a window; beyond it the enclosure is wide, and Newton has gone astray
_LARGEST_RATIO = 1e3
FIRST_MOMENTS = ("m1", "m2", "m11")
ALL_MOMENTS = tuple(_POWERS)


def logistic_moments(
    gamma: arb, mean: arb, deviation: arb, bits: int, names: tuple[str, ...]
) -> Moments:
    """Enclosures of the named means, to about `bits` bits where the parameters are that sharp."""
    with ctx.workprec(bits + 40):
        low, high = _window(gamma, mean, deviation, bits)
        ends = [(u - gamma * _share(u) - mean) / deviation for u in (low, high)]
        scale = 1 / (deviation * (2 * arb.pi()).sqrt())
        moments = {}
        for name in names:
            inside = acb.integral(
                _integrand(gamma, mean, deviation, _POWERS[name]),
                acb(low),
                acb(high),
                rel_tol=arb(2) ** -bits,
                abs_tol=arb(2) ** (-100 * bits),
                eval_limit=_MOST_EVALUATIONS,
            )
            moments[name] = inside.real * scale + _outside(low, high, ends, _POWERS[name])
        return moments


def _share(u: arb) -> arb:
    return 1 / (1 + u.exp())


def _integrand(
    gamma: arb, mean: arb, deviation: arb, powers: tuple[int, int, int]
) -> Callable[[acb, bool], acb]:
    """The integrand without 1/(s sqrt(2 pi)); meromorphic, so poles come back non-finite."""
    first, second, power = powers
    sign = (-1) ** first
    step, centre, scale = acb(gamma), acb(mean), acb(1 / deviation)

    def integrand(u: acb, analytic: bool) -> acb:
        growth = u.exp()
        p = 1 / (1 + growth)
        v = p / (1 + 1 / growth)  # p (1 - p) without its cancellation on the far left
        z = (u - step * p - centre) * scale
        value = (-z * z / 2).exp() * (v if second else 1 + step * v)
        for factor, count in ((p, first), (z, power)):
            for _ in range(count):
                value = value * factor
        return sign * value

    return integrand


def _outside(low: arb, high: arb, ends: list[arb], powers: tuple[int, int, int]) -> arb:
    """The mean over u < low and u > high: its limit, and a ball for the rest.

    Left of the window |M'| is within e^low of 1 and M'' < e^low; right of it both are below
    e^-high. All are at most 1.
    """
    first, second, power = powers
    left, right = (bound if bound < 1 else arb(1) for bound in (low.exp(), (-high).exp()))
    below, above = tail_bound(power, -ends[0]), tail_bound(power, ends[1])
    if second:
        return either_side(left * below + right * above)
    limit = (-1) ** first * upper_tail(-ends[0])
    return limit + either_side(first * left * below + right * above)


def _window(gamma: arb, mean: arb, deviation: arb, bits: int) -> tuple[arb, arb]:
    """The part of the line that matters at `bits` bits below the smallest mean, in floats."""
    g, m, s = (approximately(value) for value in (gamma, mean, deviation))
    # no mean is smaller than about P(w < 0)/(1 + gamma)
    ratio = min(max(m, 0.0) / s, _LARGEST_RATIO)
    depth = bits * log(2) + 0.5 * ratio**2 + log1p(g) + log1p(s) + 10
    z = sqrt(2 * depth) + 1
    span = prox(LOSSES["logistic"], np.array([m - s * z, m + s * z]), g)
    low, high = float(max(span[0], -depth)), float(min(span[1], depth))
    if not low < high:  # all the mass is on one side of the origin, far out
        low, high = float(span[0]), float(span[1])
    return ball(Fraction(low)), ball(Fraction(high))
