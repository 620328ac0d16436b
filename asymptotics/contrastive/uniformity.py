"""The uniformity term of the cosine objective at finite dimension, with two derivatives.

After the projector a view has signal coordinate a s and noise norm r. Only ``z = a |s|/r`` matters,
through the cosine ``x = z/sqrt(1 + z^2)`` with the signal axis, and for n = d - 1

    U = E_z log E_z' K(z, z'),    K = cosh(x x'/tau) M_n(sqrt(1 - x^2) sqrt(1 - x'^2)/tau).

In ``Y = log z`` the gain only moves the law, ``Y = log(|s|/r) + (log a^2)/2``: the nodes and K
are shared by all gains and views, and derivatives in log a^2 are derivatives of a density.
docs/theory/cosine.md, equations (2)-(8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln

from asymptotics.contrastive.sphere import DirectionAverage, RadialTilt, log_cosh
from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# Exponents up to this size are formed as they are; a kernel may exceed it as much again.
_LARGEST_EXPONENT = 650.0
_BLOCK = 1 << 22
# Beyond this typical z the kernel is referred to collapse.
_COLLAPSING = 5.0


@dataclass(frozen=True)
class Weights:
    """A law on the nodes and its first two derivatives in log a^2, each of shape (rows, nodes)."""

    density: Array
    first: Array
    second: Array


@dataclass(frozen=True)
class Nodes:
    """Nodes ``z = scale sinh((j + 1/2) step)``: even in z at 0, uniform in log z above `scale`."""

    scale: float
    step: float
    count: int

    def values(self) -> Array:
        return self.scale * np.sinh(self.step * (np.arange(self.count) + 0.5))

    def steps_in_log(self) -> Array:
        """The weight of each node in ``int dY``: ``step dY/dt = step coth t``."""
        return self.step / np.tanh(self.step * (np.arange(self.count) + 0.5))


def tangent_law(log_tangent: Array, tilt: Array, radial: RadialTilt) -> Weights:
    """The density of ``y = log(|s| sqrt(N)/(r sqrt(V)))``, and its derivatives in log a^2 = -2 y.

    ``p(y) = 2/B(1/2, n/2) e^y (1 + e^(2y))^(-(n+1)/2) h_n(b) e^(-rho^2/2)``, ``b = rho x``, with
    rho = R/sqrt(V) the `tilt` and x = (1 + e^(-2y))^(-1/2); the isotropic law where R = 0.
    """
    n = radial.directions
    along, across = expit(2 * log_tangent), expit(-2 * log_tangent)
    b = tilt * np.sqrt(along)
    log_value, ratio = radial(b)
    log_density = log_tangent - 0.5 * (n + 1) * np.logaddexp(0.0, 2 * log_tangent) + log_value
    density = 2 * np.exp(log_density - radial.log_beta - 0.5 * tilt**2)
    moved = across * b
    score = 1 - (n + 1) * along + ratio * moved
    bend = (
        (n + 1 + ratio * (b - ratio)) * moved**2
        + ratio * moved * (across - 2 * along)
        - 2 * (n + 1) * along * across
    )
    return Weights(density, -0.5 * density * score, 0.25 * density * (score**2 + bend))


@dataclass(frozen=True)
class Kernel:
    """``log K_ij = base + r_i + log(1 + e^shift matrix_ij)``, the reference r_i close to row i.

    Then ``log sum_j K_ij q_j = base + r_i + log(1 + e^shift sum_j matrix_ij q_j)`` for a law q
    keeps its relative accuracy where it hardly depends on i or on the gain.
    """

    matrix: Array
    shift: float
    reference: Array
    base: float


def kernel(nodes: Array, temperature: float, average: DirectionAverage) -> Kernel:
    """The kernel referred to z = z' = 0 if it is of order one there, else to its least value."""
    inverse = 1 / temperature
    across = 1 / np.sqrt(1 + nodes**2)
    along = nodes * across
    exponent = log_cosh(np.outer(along, along) * inverse) + average(
        np.outer(across, across) * inverse
    )
    base = float(average(np.array([inverse]))[0])
    if base > 1:
        base = float(exponent.min())
    return _referred(exponent - base, np.zeros(nodes.size), base, temperature)


def kernel_near_collapse(nodes: Array, temperature: float, average: DirectionAverage) -> Kernel:
    """The kernel, row i referred to ``K(z_i, infinity) = cosh(x_i/tau)``."""
    inverse = 1 / temperature
    across = 1 / np.sqrt(1 + nodes**2)
    along = nodes * across
    missing = across**2 / (1 + along)
    exponent = _log_cosh_change(along[:, None] * inverse, along[:, None] * missing * inverse)
    exponent += average(np.outer(across, across) * inverse)
    top = np.array([inverse])
    reference = _log_cosh_change(top, missing * inverse)
    return _referred(exponent, reference, float(log_cosh(top)[0]), temperature)


def _log_cosh_change(x: Array, less: Array) -> Array:
    """``log cosh(x - less) - log cosh x`` for 0 <= less <= x, accurate also where it is small."""
    flipped = np.exp(2 * (less - x)) * np.expm1(-2 * less) / (1 + np.exp(-2 * x))
    return np.asarray(np.log1p(-flipped) - less)


def _referred(exponent: Array, reference: Array, base: float, temperature: float) -> Kernel:
    largest = float(exponent.max())
    shift = max(0.0, largest - _LARGEST_EXPONENT)
    if shift > _LARGEST_EXPONENT:
        raise InvalidInput(
            f"temperature {temperature:.3g} is too small: the cosine objective's kernel spans "
            f"exp({largest:.0f}); use a temperature above {0.5 / _LARGEST_EXPONENT:.2g}, "
            "or the scaled limit (cosine-scaled)"
        )
    if shift == 0:
        return Kernel(np.expm1(exponent), 0.0, reference, base)
    return Kernel(np.exp(exponent - shift) - np.exp(-shift), shift, reference, base)


def mean_log_average(law: Weights, kernel: Kernel) -> tuple[Array, Array, Array]:
    """``sum_i p_i log sum_j K_ij p_j`` and two derivatives, one value per row of weights."""
    rows = law.density.shape[0]
    product = np.concatenate([law.density, law.first, law.second]) @ kernel.matrix.T
    sums, first, second = product[:rows], product[rows : 2 * rows], product[2 * rows :]
    if kernel.shift == 0:
        total, logs = 1 + sums, np.log1p(sums)
    else:
        unit = np.exp(-kernel.shift)
        total = sums + unit
        logs = np.where(
            sums < 1, np.log1p(np.minimum(sums, 1) / unit), np.log(total) + kernel.shift
        )
    logs += kernel.reference
    first, second = first / total, second / total
    value = _dot(law.density, logs) + kernel.base
    slope = _dot(law.first, logs) + _dot(law.density, first)
    curvature = _dot(law.second, logs) + 2 * _dot(law.first, first)
    curvature += _dot(law.density, second - first**2)
    return value, slope, curvature


def _dot(weights: Array, values: Array) -> Array:
    return np.einsum("ij,ij->i", weights, values)


def uniformity(
    log_gain2: Array,
    views: tuple[Array, ...],
    temperature: Array,
    dimension: Array,
    *,
    resolution: float = 1.0,
) -> tuple[Array, Array, Array]:
    """U and its two derivatives in ``log a^2``; finite 1-D arrays of one length.

    `views` is ``ViewPair.arrays()``. `resolution` multiplies the number of nodes per unit of log z.
    Work is shared between elements of one dimension: the law between equal (gain, views), the
    kernel between equal temperatures.
    """
    signal, *variances = views
    scale = np.sqrt(np.stack([variances[0] / variances[3], variances[1] / variances[4]]))
    tilt = signal / np.sqrt(np.stack(variances[:2]))
    position = 0.5 * log_gain2 + np.log(scale)
    typical = (position + np.log(np.maximum(1.0, tilt))).min(axis=0)
    collapsing = typical > np.log(_COLLAPSING) + 0.5 * np.log(dimension)
    groups, member = np.unique(np.stack([dimension, collapsing]), axis=1, return_inverse=True)
    out = np.empty((3, log_gain2.size))
    for index, (d, close) in enumerate(groups.T):
        chosen = np.flatnonzero(member == index)
        chosen = chosen[np.argsort(temperature[chosen], kind="stable")]
        radial = RadialTilt.up_to(float(tilt[:, chosen].max()), d - 1)
        average = DirectionAverage.up_to(float(1 / temperature[chosen].min()), d - 1)
        form = kernel_near_collapse if close else kernel
        for block, nodes in _blocks(chosen, position, tilt, temperature, d - 1, resolution):
            keys = np.concatenate([position[:, block], tilt[:, block]])
            rows, inverse = np.unique(keys, axis=1, return_inverse=True)
            law = _pooled_law(rows, nodes, radial)
            for tau in np.unique(temperature[block]):
                here = temperature[block] == tau
                row, back = np.unique(inverse[here], return_inverse=True)
                at_tau = form(nodes.values(), float(tau), average)
                values = mean_log_average(_take(law, row), at_tau)
                out[:, block[here]] = np.stack(values)[:, back]
    return out[0], out[1], out[2]


def _take(weights: Weights, rows: Index) -> Weights:
    return Weights(weights.density[rows], weights.first[rows], weights.second[rows])


def _blocks(
    chosen: Index, position: Array, tilt: Array, temperature: Array, n: float, resolution: float
) -> Iterator[tuple[Index, Nodes]]:
    """Pieces of `chosen` whose weights fit the memory of a block, each with nodes for all of it."""
    count = _nodes(position[:, chosen], tilt[:, chosen], temperature[chosen], n, resolution).count
    size = max(1, _BLOCK // (6 * count))
    for start in range(0, chosen.size, size):
        block = chosen[start : start + size]
        yield block, _nodes(position[:, block], tilt[:, block], temperature[block], n, resolution)


def _nodes(position: Array, tilt: Array, temperature: Array, n: float, resolution: float) -> Nodes:
    """Nodes that reach and resolve every law of a block, and the kernel at its temperatures.

    The step leaves an error of about 1e-14 for the law, whose exponent grows with the tilt off the
    real axis, and for the kernel, which has the width sqrt(tau) in x.
    """
    coldest = float(temperature.min())
    reach = np.log(tilt.max() + 9.0) - 0.5 * np.log(2.0) - (gammaln(0.5 * n + 1) - 39.0) / n
    scale = 0.5 * min(np.exp(position.min()) / np.sqrt(n + 1), coldest, 1.0)
    bulk = np.exp((position + np.log(tilt + 3.0)).max()) / np.sqrt(n)
    law_step, kernel_step = 0.13 / (1 + 0.14 * tilt.max()), 0.6 * np.sqrt(coldest) / min(1.0, bulk)
    step = min(law_step, kernel_step) / resolution
    span = np.arcsinh(np.exp(position.max() + reach) / scale)
    return Nodes(scale, step, int(np.ceil(span / step)))


def _pooled_law(rows: Array, nodes: Nodes, radial: RadialTilt) -> Weights:
    """The law of a view drawn from either half of the pool, times the weights of the nodes."""
    log_nodes, steps = np.log(nodes.values()), nodes.steps_in_log()
    position, tilt = rows[:2, :, None], rows[2:, :, None]
    first = tangent_law(log_nodes - position[0], tilt[0], radial)
    if np.array_equal(rows[0], rows[1]) and np.array_equal(rows[2], rows[3]):
        return Weights(first.density * steps, first.first * steps, first.second * steps)
    second = tangent_law(log_nodes - position[1], tilt[1], radial)
    return Weights(
        (first.density + second.density) * (0.5 * steps),
        (first.first + second.first) * (0.5 * steps),
        (first.second + second.second) * (0.5 * steps),
    )
