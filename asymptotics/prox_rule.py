"""Quadrature of a smooth piece of a loss in the prox variable.

The margin is w = mean + s Z with Z ~ N(0, 1). Integrated over u = prox(w) instead of over w,

    E f = int f(u) phi((w(u) - mean)/s) w'(u)/s du,     w(u) = u + gamma loss'(u),

a mean needs no prox solve and its integrand is analytic in u = centre + width sinh(v): the midpoint
rule in v converges geometrically (numerics.md, integrals). Points of similar margins share their
nodes, so that loss' and loss'' are evaluated once for all of them and the means are products of
matrices (numerics.md, shared nodes).
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from asymptotics.blocks import cache_slices
from asymptotics.losses import Smooth, prox_bracket

Array = NDArray[np.float64]

# |z| beyond which a standard normal density is below 1e-18 of its peak
REACH = 9.2

_BLOCK, _FEW = 512, 16  # most and fewest points that share nodes
_SPREAD = 4.0  # most nodes that sharing may cost, in units of a point's own


def smooth_means(piece: Smooth, gamma: Array, mean: Array, deviation: Array, nodes: int) -> Array:
    """The eight means of `gauss.MarginMoments` over one smooth piece, (8, points).

    `nodes` cover the window of a point. Points of about the same deviation share them.
    """
    order = np.argsort(deviation)
    law = np.stack([gamma, mean, deviation])[:, order]
    found, alone = np.empty((8, order.size)), np.ones(order.size, dtype=bool)
    starts, ends = _blocks(law[2])
    if starts.size and np.isinf(piece.lower) and np.isinf(piece.upper):
        maps = _shared_maps(piece, law, starts, ends)
        for first, last, rule in zip(starts, ends, maps.T, strict=True):
            shared = _shared_nodes(rule, nodes)
            if shared is not None:
                found[:, first:last] = _on_shared_nodes(piece, law[:, first:last], *shared)
                alone[first:last] = False
    left = np.flatnonzero(alone)
    if left.size:
        found[:, left] = _alone(piece, law[:, left], nodes)
    means = np.empty_like(found)
    means[:, order] = found
    return means


def _blocks(deviation: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(first, past the last) of runs of 16 to 512 points whose deviations differ by 1.6 at most."""
    level = np.floor(1.5 * np.log2(deviation))
    cut = np.arange(deviation.size) % _BLOCK == 0
    cut[1:] |= level[1:] != level[:-1]
    starts = np.flatnonzero(cut)
    ends = np.append(starts[1:], deviation.size)
    many = ends - starts >= _FEW
    return starts[many], ends[many]


def _shared_maps(
    piece: Smooth, law: Array, starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> Array:
    """(middle, width, begin, end, narrowest) of v in every block: the union of all its windows.

    The prox increases in w and is monotone in gamma, so that the extremes of both bound every
    window; the narrowest is close to that of the smallest deviation or of the largest gamma.
    """
    gamma, mean, deviation = law
    low, high = _reach(mean, deviation)
    blocks = [slice(first, last) for first, last in zip(starts, ends, strict=True)]
    least, most = np.array([(low[b].min(), high[b].max()) for b in blocks]).T
    extremes = [*np.array([(gamma[b].min(), gamma[b].max()) for b in blocks]).T] * 2
    wide, narrow = deviation[ends - 1], starts
    bent = np.array([b.start + np.argmax(gamma[b]) for b in blocks])
    some = np.concatenate([narrow, bent])
    w = np.concatenate([least, least, most, most, low[some], high[some]])
    steps = np.concatenate([*extremes, gamma[some], gamma[some]])
    slack = np.concatenate([wide] * 4 + [deviation[some]] * 2)
    lower, upper = (x.reshape(8, -1) for x in prox_bracket(piece, w, steps, slack))
    bottom, top = np.minimum(lower[0], lower[1]), np.maximum(upper[2], upper[3])
    reach = np.log1p(extremes[0])
    middle, width = np.clip(0.5 * reach, bottom, top), 1.0 + 0.5 * reach
    v = [np.arcsinh((u - middle) / width) for u in (bottom, top, *lower[4:6], *upper[6:8])]
    return np.stack([middle, width, v[0], v[1], np.minimum(v[4] - v[2], v[5] - v[3])])


def _shared_nodes(rule: Array, nodes: int) -> tuple[Array, Array] | None:
    """u = middle + width sinh(v) with weights du, `nodes` to the narrowest; None if too many."""
    middle, width, begin, end, narrowest = rule
    if not end - begin <= _SPREAD * narrowest:
        return None
    count = ceil(nodes * (end - begin) / narrowest)
    v = begin + (end - begin) * unit_rule(count, finite=False)[0]
    return middle + width * np.sinh(v), width * np.cosh(v) * ((end - begin) / count)


def _on_shared_nodes(piece: Smooth, law: Array, u: Array, step: Array) -> Array:
    """The eight means as sums over common nodes: S_k[f] = sum_u z^k exp(-z^2/2) f(u) du.

    With w' = 1 + gamma loss'' and M'' dw = loss'' du, no mean divides by 1 + gamma loss''.
    """
    gamma, mean, deviation = law
    table = np.empty((8, u.size))
    first, node, one, *columns = table
    first[:], node[:], one[:] = piece.derivative(u), u, 1.0
    # z = (u + gamma loss'(u) - mean)/s, points by nodes
    scaled = np.stack([gamma, np.ones_like(gamma), -mean]) / deviation
    z = scaled.T @ table[:3]
    density = np.square(z)
    density *= -0.5
    # below 1e-152 nothing counts, and numbers that underflow are slow
    np.maximum(density, -350.0, out=density)
    np.exp(density, out=density)
    # loss' and loss'^2, then loss'' times 1, loss' and loss'^2
    np.multiply(first, step, out=columns[0])
    np.multiply(columns[0], first, out=columns[1])
    np.multiply(piece.second(u), step, out=columns[2])
    np.multiply(columns[2], first, out=columns[3])
    np.multiply(columns[3], first, out=columns[4])
    s1, s11, s2, s12, s112 = table[3:] @ density.T
    density *= z
    s2z, s12z = table[5:7] @ density.T
    density *= z
    means = [s1 + gamma * s12, s2, s11 + gamma * s112, s12, s112, s2z, density @ table[5], s12z]
    return np.stack(means) / (sqrt(2 * pi) * deviation)


def _alone(piece: Smooth, law: Array, nodes: int) -> Array:
    """The eight means with nodes on each point's own window."""
    gamma, mean, deviation = law
    low, high = _reach(mean, deviation)
    lower, _ = prox_bracket(piece, low, gamma, deviation)
    _, upper = prox_bracket(piece, high, gamma, deviation)
    # the loss bends where gamma loss'' passes 1, at about log(gamma) to the right of the origin
    reach = np.log1p(gamma)
    centre, width = np.clip(0.5 * reach, lower, upper), 1.0 + 0.5 * reach
    v_low, v_high = np.arcsinh((lower - centre) / width), np.arcsinh((upper - centre) / width)
    rule = unit_rule(nodes, bool(np.isfinite(piece.lower) or np.isfinite(piece.upper)))
    columns = np.stack([*law, centre, width, v_low, v_high])
    cuts = cache_slices(gamma.size, nodes)
    return np.concatenate([_on_own_nodes(piece, columns[:, cut], *rule) for cut in cuts], axis=1)


def _on_own_nodes(piece: Smooth, columns: Array, v_unit: Array, v_weight: Array) -> Array:
    """The same sums as on shared nodes, (points, nodes) arrays for everything."""
    gamma, mean, deviation, centre, width, v_low, v_high = columns
    v = v_low[:, None] + (v_high - v_low)[:, None] * v_unit
    # sinh and cosh from one expm1, exact for windows far narrower than the width
    growth = np.expm1(v)
    shrink = growth / (1 + growth)
    u = centre[:, None] + width[:, None] * 0.5 * (growth + shrink)
    step = ((v_high - v_low) * width / deviation)[:, None] * (1 + 0.5 * (growth - shrink))
    first, curvature = piece.derivative(u), piece.second(u)
    z = (u + gamma[:, None] * first - mean[:, None]) / deviation[:, None]
    weight = np.exp(-0.5 * z * z) * step * (v_weight / sqrt(2 * pi))
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


def _reach(mean: Array, deviation: Array) -> tuple[Array, Array]:
    """Bounds in w outside which every mean of `smooth_means` is below 1e-17 of itself.

    The means decay at worst like exp(-3 u) to the right of the origin, which moves their mass at
    most to z = -3 s, and no further than to w = 0, left of which M' is of order one.
    """
    tilt = np.minimum(3 * deviation, np.maximum(mean / deviation, 0.0))
    return mean - (REACH + tilt) * deviation, mean + REACH * deviation
