"""Before the head of a balanced two-layer net: the encoder's Gram matrix is the root of A.

An encoder and a head trained together from a balanced start share W_2 W_1 = W evenly, so that
W_1^T W_1 = A^{1/2} (pipeline.md, before and after the head). With

    sqrt(a)/(lambda + V sqrt(a)) = int_0^inf a/(a + x^2) k(x) dx,
    k(x) = (2/pi) lambda/(lambda^2 + V^2 x^2)                             (pretraining.md, 19)

the moments of A^{1/2} are integrals of those of A at the ridges x^2 and V = 1, and the higher ones
their derivatives in V, through k alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from asymptotics.pretraining.geometry import PretrainedGeometry

Array = NDArray[np.float64]
Points = NDArray[np.intp]

# in log x both factors are analytic within |Im| < pi/2: the trapezoidal error is exp(-pi^2/step)
_STEP, _LOWEST, _SMALL, _HIGHEST = 0.27, -60.0, -34.0, 32.0
# geometries evaluated at once, each at every node x
_CHUNK = 32


@dataclass(frozen=True)
class BalancedEncoder:
    """A batch of encoders, as an `asymptotics.geometry.Geometry`; made by `balanced`.

    moments: (..., 2, nodes), T_1 and B_1 of A at (x^2, 1). scale: tr A^{1/2}/p, set to 1.
    powers: (..., 2, 3), (1/p) tr A^{j/2} and nu^T A^{j/2} nu, the moments at V = 0, where k is
        not analytic in V.
    rank, invariant: rank(A)/p and sqrt(nu^T S^+ nu), what is left at lambda = 0.
    """

    moments: Array = field(repr=False)
    powers: Array = field(repr=False)
    scale: Array
    rank: Array
    invariant: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch."""
        return np.shape(self.rank)

    def take(self, points: Points) -> BalancedEncoder:
        """The geometries of flat indices `points`."""
        return self._map(lambda x, own: x.reshape(-1, *own)[points])

    def broadcast_to(self, shape: tuple[int, ...]) -> BalancedEncoder:
        """The same geometry for every point of a larger batch."""
        return self._map(lambda x, own: np.broadcast_to(x, (*shape, *own)))

    def _map(self, function: Callable[[Array, tuple[int, ...]], Array]) -> BalancedEncoder:
        batch = len(self.shape)
        arrays = [np.asarray(getattr(self, f.name)) for f in fields(self)]
        return BalancedEncoder(*(function(x, x.shape[batch:]) for x in arrays))

    def resolvent_moments(self, ridge: Array, curvature: Array) -> tuple[Array, Array]:
        """(traces, overlaps), each (3, points), at lambda = `ridge` and V = `curvature`."""
        penalty, v = np.asarray(ridge) * self.scale, np.asarray(curvature)
        kernel = _kernel(penalty[..., None], v[..., None])
        found = []
        for row, whole in enumerate((self.rank, np.square(self.invariant))):
            sums = np.sum(self.moments[..., row, :] * kernel, axis=-1)
            for j in range(3):
                with np.errstate(divide="ignore", invalid="ignore"):
                    uncurved = self.powers[..., row, j] / penalty ** (j + 1)
                    free = whole / v ** (j + 1)
                sums[j] = np.where(v == 0, uncurved, np.where(penalty == 0, free, sums[j]))
            found.append(sums)
        return found[0], found[1]

    def separation(self) -> Array:
        """That of A: both keep the same directions."""
        return self.invariant

    def rank_fraction(self) -> Array:
        """rank(A)/p."""
        return self.rank


def balanced(head: PretrainedGeometry) -> BalancedEncoder:
    """The encoder behind which `head` completes the composite A, scaled to tr A^{1/2} = p."""
    size = int(np.prod(head.shape))
    flat = head.broadcast_to(head.shape).take(np.arange(size))
    x = _nodes()
    parts = []
    for first in range(0, size, _CHUNK):
        some = flat.take(np.arange(first, min(first + _CHUNK, size)))
        count = some.shape[0]
        ridge = np.tile(np.square(x[np.log(x) >= _SMALL]), count)
        rows = some.take(np.repeat(np.arange(count), ridge.size // count))
        found = np.stack(rows.resolvent_moments(ridge, np.ones_like(ridge), terms=2))
        parts.append(found.reshape(2, 2, count, -1))
    # (T or B, first or second, points, nodes)
    moments = np.concatenate(parts, axis=2)
    # below exp(_SMALL) the first are at their limits, and the second weigh nothing
    limits = np.stack([flat.rank_fraction(), np.square(flat.separation())])
    below = np.broadcast_to(limits[..., None], (2, size, x.size - moments.shape[-1]))
    first_moments = np.concatenate([below, moments[:, 0]], axis=-1)
    one = np.ones((size, 1))
    root = np.sum(first_moments * _kernel(one, 0 * one)[0], axis=-1)
    whole = np.stack(flat.resolvent_moments(one[:, 0], 0 * one[:, 0]))[:, 0]
    # a^{3/2} = (4/pi) int x^2 a^2/(a + x^2)^2 dx
    cubes = x[-moments.shape[-1] :] ** 3 * _STEP
    powers = np.stack([root, whole, 4 / np.pi * np.sum(moments[:, 1] * cubes, axis=-1)])
    shape = head.shape
    return BalancedEncoder(
        np.moveaxis(first_moments, 0, 1).reshape(*shape, 2, -1),
        np.moveaxis(powers, 2, 0).swapaxes(1, 2).reshape(*shape, 2, 3),
        root[0].reshape(shape),
        limits[0].reshape(shape),
        flat.separation().reshape(shape),
    )


def _nodes() -> Array:
    return np.exp(np.arange(_LOWEST, _HIGHEST, _STEP))


def _kernel(ridge: Array, curvature: Array) -> Array:
    """k(x) dx at the nodes, -k' dx and k''/2 dx in V: (3, ..., nodes)."""
    x = _nodes()
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        tilt, reach = curvature * x / ridge, x / ridge
        share = 1 / (1 + tilt**2)
        base = 2 / np.pi * _STEP * reach * share
        first = 2 * tilt * reach * share
        second = (4 * tilt**2 * share - 1) * reach**2 * share
    return np.stack([base, base * first, base * second])
