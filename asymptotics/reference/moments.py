r"""Gaussian means of the Moreau envelope's derivatives, to any number of digits (mpmath).

With the envelope M(w) = min_u loss(u) + (u - w)^2 / (2 gamma) and the margin
w = mean + sqrt(variance) z, z ~ N(0, 1), eight moments close the saddle-point equations and their
Jacobian (docs/theory/probe.md):

    M1 = E M'     M11 = E M'^2     M2 = E M''     M12 = E M' M''     M112 = E M'^2 M''
    M2z = E M'' z     M2zz = E M'' z^2     M12z = E M' M'' z

Two kinds of loss.  Where the loss is quadratic between kinks, M' is affine between kinks and the
moments are incomplete Gaussian integrals.  The logistic envelope is integrated over u = prox(w),
by Gauss-Legendre panels no longer than the distance to the poles of the sigmoid and than one
standard deviation of the margin.  Nothing here is shared with the float kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

from mpmath import mp
from mpmath import mpf as Number
from mpmath.calculus.quadrature import GaussLegendre

MOMENT_NAMES = ("M1", "M11", "M2", "M12", "M112", "M2z", "M2zz", "M12z")

Moments: TypeAlias = dict[str, Number]
AffinePiece: TypeAlias = tuple[Number, Number, Number, Number]


def _square(gamma: Number) -> list[AffinePiece]:
    return [(-mp.inf, mp.inf, -1 / (1 + gamma), 1 / (1 + gamma))]


def _squared_hinge(gamma: Number) -> list[AffinePiece]:
    return [(-mp.inf, mp.one, -1 / (1 + gamma), 1 / (1 + gamma))]


def _hinge(gamma: Number) -> list[AffinePiece]:
    return [
        (-mp.inf, 1 - gamma, -mp.one, mp.zero),
        (1 - gamma, mp.one, -1 / gamma, 1 / gamma),
    ]


def _max_margin(gamma: Number) -> list[AffinePiece]:
    return [(-mp.inf, mp.one, -1 / gamma, 1 / gamma)]


def _min_norm(gamma: Number) -> list[AffinePiece]:
    return [(-mp.inf, mp.inf, -1 / gamma, 1 / gamma)]


def _averaging(gamma: Number) -> list[AffinePiece]:
    return [(-mp.inf, mp.inf, -mp.one, mp.zero)]


# M'(w) = offset + slope w on (low, high), zero elsewhere.
AFFINE_PIECES: dict[str, Callable[[Number], list[AffinePiece]]] = {
    "square": _square,
    "squared-hinge": _squared_hinge,
    "hinge": _hinge,
    "max-margin": _max_margin,
    "min-norm": _min_norm,
    "averaging": _averaging,
}


def margin_moments(
    loss: str, gamma: Number, mean: Number, variance: Number, refinement: int = 0
) -> Moments:
    """The eight moments at the working precision of ``mpmath.mp``.

    ``refinement`` doubles the nodes of the logistic quadrature that many times; the other losses
    are closed forms and ignore it.
    """
    if loss == "logistic":
        return _logistic_moments(gamma, mean, mp.sqrt(variance), refinement)
    return _affine_moments(AFFINE_PIECES[loss](gamma), mean, mp.sqrt(variance))


def _affine_moments(pieces: list[AffinePiece], mean: Number, deviation: Number) -> Moments:
    total = dict.fromkeys(MOMENT_NAMES, mp.zero)
    for low, high, offset, slope in pieces:
        i0, i1, i2 = _incomplete_gaussian((low - mean) / deviation, (high - mean) / deviation)
        a, b = offset + slope * mean, slope * deviation  # M' = a + b z
        first, square = a * i0 + b * i1, a * a * i0 + 2 * a * b * i1 + b * b * i2
        total["M1"] += first
        total["M11"] += square
        total["M2"] += slope * i0
        total["M12"] += slope * first
        total["M112"] += slope * square
        total["M2z"] += slope * i1
        total["M2zz"] += slope * i2
        total["M12z"] += slope * (a * i1 + b * i2)
    return total


def _incomplete_gaussian(low: Number, high: Number) -> tuple[Number, Number, Number]:
    """Integrals of z^k phi(z) over (low, high) for k = 0, 1, 2."""
    density_low, density_high = mp.npdf(low), mp.npdf(high)
    mass = mp.ncdf(-low) - mp.ncdf(-high) if low > 0 else mp.ncdf(high) - mp.ncdf(low)
    edge_low = low * density_low if mp.isfinite(low) else mp.zero
    edge_high = high * density_high if mp.isfinite(high) else mp.zero
    return mass, density_low - density_high, edge_low - edge_high + mass


def _logistic_moments(gamma: Number, mean: Number, deviation: Number, refinement: int) -> Moments:
    total = [mp.zero] * len(MOMENT_NAMES)
    rule = _legendre_rule(_degree_for(mp.dps) + refinement, mp.prec)
    edges = _logistic_edges(gamma, mean, deviation)
    for low, high in pairwise(edges):
        half, centre = (high - low) / 2, (high + low) / 2
        for node, weight in rule:
            u = centre + half * node
            sigmoid = 1 / (1 + mp.exp(u))
            curvature = sigmoid * (1 - sigmoid) if u < 0 else sigmoid * mp.exp(u) * sigmoid
            slope = 1 + gamma * curvature  # dw/du
            z = (u - gamma * sigmoid - mean) / deviation
            mass = weight * half * slope * mp.exp(-z * z / 2)
            first, second = -sigmoid, curvature / slope
            a, b = mass * first, mass * second
            ab = a * second
            for k, term in enumerate((a, a * first, b, ab, ab * first, b * z, b * z * z, ab * z)):
                total[k] += term
    scale = 1 / (deviation * mp.sqrt(2 * mp.pi))
    return {name: scale * value for name, value in zip(MOMENT_NAMES, total, strict=True)}


def _degree_for(digits: int) -> int:
    """Nodes 3 * 2^(degree - 1) a panel: 12 up to 30 digits, then one doubling per doubling."""
    degree = 3
    while 30 * 2 ** (degree - 3) < digits:
        degree += 1
    return degree


@lru_cache(maxsize=32)
def _legendre_rule(degree: int, precision: int) -> list[tuple[Number, Number]]:
    nodes: list[tuple[Number, Number]] = GaussLegendre(mp).calc_nodes(degree, precision)
    return nodes


def _logistic_edges(gamma: Number, mean: Number, deviation: Number) -> list[Number]:
    """Panels in u = prox(w) that cover every z able to reach the last digit of any moment.

    M' and M'' fall like exp(-|w|) away from the origin, which moves the mass of the integrand by
    at most three standard deviations of w and never past w = 0.
    """
    reach = mp.sqrt(2 * mp.log(10) * (mp.dps + 5)) + 1
    z_low = -reach - min(3 * deviation, max(mean, 0) / deviation)
    z_high = reach + min(3 * deviation, max(-mean, 0) / deviation)
    end = logistic_prox(mean + deviation * z_high, gamma)
    edges = [logistic_prox(mean + deviation * z_low, gamma)]
    while edges[-1] < end:
        u = edges[-1]
        step = max(mp.mpf(1.5), abs(u) / 2)
        while step * max(_margin_slope(u, gamma), _margin_slope(u + step, gamma)) > deviation:
            step /= 2
        edges.append(u + step)
    return edges


def _margin_slope(u: Number, gamma: Number) -> Number:
    return 1 + gamma / (2 + 2 * mp.cosh(u))


def logistic_prox(margin: Number, gamma: Number) -> Number:
    """prox(w), the root of u - gamma / (1 + exp u) = w, which lies in [w, w + gamma]."""
    low, high = margin, margin + gamma
    u = (low + high) / 2
    for _ in range(4 * mp.prec):
        value = u - gamma / (1 + mp.exp(u)) - margin
        low, high = (low, u) if value > 0 else (u, high)
        newton = u - value / _margin_slope(u, gamma)
        following = newton if low <= newton <= high else (low + high) / 2
        if abs(following - u) <= mp.eps * (abs(u) + mp.eps):
            return following
        u = following
    return u
