"""Spectral measures of the sums against the differences of views: a Jacobi law with a spike.

B = T^{-1/2} U_0 T^{-1/2} with T = U_0 + V_0, both Wishart matrices of N samples and unit variance,
U_0 with the spike 1 + ell along muhat. In the row space of the data, let zeta be the data's row
along muhat over sqrt N and e the unit vector of its part outside the other rows. Everything that
the head does follows from the law J of B's eigenvalues and from the measures of B at e and zeta,

    <e, (B-x)^{-1} e> = t r,   <e, (B-x)^{-1} zeta> = sqrt(t) r n,
    <zeta, (B-x)^{-1} zeta> = delta n + r n^2,                         (pretraining.md, 8)

with t = (2 + ell)(1 - c/2), and delta, r, n of (pretraining.md, 6 and 7). Here c = p/N < 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from asymptotics.pretraining.pairs import Pairs
from asymptotics.pretraining.transition import learned, outlier

Array = NDArray[np.float64]

# the double-exponential rule: 121 nodes reach 1e-12 (docs/theory/pretraining.md)
_REACH, _NODES = 3.1, 121


@dataclass(frozen=True)
class Measures:
    """Weights on nodes beta above a cutoff, (..., nodes): the bulk's, then two atoms.

    share: beta. bulk: J. direction, mixed, data: measures at (e, e), (e, zeta), (zeta, zeta).
    above, cutoff: beta minus the cutoff, without cancellation, and the cutoff (...).
    totals: (3, ...), the full masses 1, sqrt(t), 2 + ell of the last three.
    rank: (...), J's mass above the cutoff, exactly.
    """

    share: Array = field(repr=False)
    above: Array = field(repr=False)
    cutoff: Array = field(repr=False)
    bulk: Array = field(repr=False)
    direction: Array = field(repr=False)
    mixed: Array = field(repr=False)
    data: Array = field(repr=False)
    totals: Array = field(repr=False)
    rank: Array


def half_width(aspect: Array) -> tuple[Array, Array]:
    """(r, 1 - r) of the bulk |2 beta - 1| < r = sqrt(c (2 - c))."""
    width = np.sqrt(aspect * (2 - aspect))
    return width, (1 - aspect) ** 2 / (1 + width)


def mass_above(aspect: Array, angle: Array) -> Array:
    """J's mass at 2 beta - 1 > r cos(angle), the atom at beta = 1 included.

    max(1 - 1/c, 0) + [angle - |1-c| arctan(tan(angle)/|1-c|)]/(pi c)    (pretraining.md, 15)
    """
    gap = np.abs(1 - aspect)
    inner = np.arctan2(np.sin(angle), gap * np.cos(angle))
    return np.asarray(np.maximum(1 - 1 / aspect, 0) + (angle - gap * inner) / (np.pi * aspect))


def measures(pairs: Pairs, angle: Array) -> Measures:
    """The measures at 2 beta - 1 > r cos(`angle`), 0 < angle <= pi, for c < 2."""
    c, spike = pairs.aspect[..., None], pairs.spike[..., None]
    width, gap = half_width(c)
    theta, rest, weight = _double_exponential(angle[..., None])
    share = (gap + 2 * width * np.cos(theta / 2) ** 2) / 2
    other = (gap + 2 * width * np.sin(theta / 2) ** 2) / 2
    root = width * np.sin(theta)
    density = weight * root / 2  # d beta
    delta = ((c - 1) * width * np.cos(theta) + 1j * root) / (2 * (2 - c) * share * other)
    first, second = 1 / (1 + other * delta), 1 / (1 - share * delta)
    r = 1 / ((1 + spike) * other * first - share * second)
    n = (1 + spike) * first + second
    missing = (2 + spike) * (1 - c / 2)
    parts = [
        root / (2 * c * share * other),
        missing * r.imag,
        np.sqrt(missing) * (r * n).imag,
        (delta * n + r * n**2).imag,
    ]
    atoms = _atoms(pairs)
    bulk, direction, mixed, data = (
        np.concatenate([density * part / np.pi, atom], axis=-1)
        for part, atom in zip(parts, atoms[1:], strict=True)
    )
    start = (gap + 2 * width * np.cos(angle[..., None] / 2) ** 2) / 2
    above = width * np.sin((theta + angle[..., None]) / 2) * np.sin(rest / 2)
    return Measures(
        np.concatenate([share, atoms[0]], axis=-1),
        np.concatenate([above, atoms[0] - start], axis=-1),
        start[..., 0],
        bulk,
        direction,
        mixed,
        data,
        np.stack([np.ones_like(c), np.sqrt(missing), 2 + spike])[..., 0],
        mass_above(pairs.aspect, angle),
    )


def _double_exponential(end: Array) -> tuple[Array, Array, Array]:
    """Nodes theta in (0, end), end - theta, and weights: theta = end expit(pi sinh v).

    Poles close to an end, at N close to p or close to the transition, cost no digits.
    """
    v, step = np.linspace(-_REACH, _REACH, _NODES, retstep=True)
    inside, outside = expit(np.pi * np.sinh(v)), expit(-np.pi * np.sinh(v))
    weight = np.pi * np.cosh(v) * inside * outside * step
    return end * inside, end * outside, end * weight


def _atoms(pairs: Pairs) -> list[Array]:
    """(share, bulk, direction, mixed, data) of the atom at beta = 1 and of the outlier."""
    c, spike = pairs.aspect, pairs.spike
    missing = (2 + spike) * (1 - c / 2)
    excess = np.maximum(c - 1, 0)  # the differences leave p - N directions free
    mass, n = excess / ((2 - c) * ((1 + spike) * excess + 1)), (1 + spike) * (2 - c)
    own = (1 + spike) * excess
    isolated = learned(pairs) & (c < 1)
    gap = np.where(isolated, spike**2 - c * (1 + (1 + spike) ** 2), 0.0)
    far = gap / ((2 + spike) * (gap + c * (2 - c) * (1 + spike)))
    weights = np.stack([mass, far], axis=-1)
    slopes = np.stack([n, 2 + spike], axis=-1)
    lengths = missing[..., None]
    return [
        np.stack([np.ones_like(c), np.where(isolated, outlier(pairs), 1.0)], axis=-1),
        np.stack([excess / c, np.zeros_like(c)], axis=-1),
        lengths * weights,
        np.sqrt(lengths) * weights * slopes,
        weights * slopes**2 + np.stack([own, np.zeros_like(c)], axis=-1),
    ]
