"""The geometry of a mixture of any number of Gaussian components, behind a linear head.

Component c is N(y_c nu_c, S_s) with its label y_c = +-1, its signed mean nu_c = y_c W mu_c and the
covariance s = s(c); components may share one. With a curvature Vhat_s of each covariance,

    G = (lambda I + sum_s Vhat_s S_s)^{-1},
    t_s = (1/p) tr[S_s G],   t_su = (1/p) tr[S_s G S_u G],   t_suv = (1/p) tr[S_s G S_u G S_v G]

are what the equations of components.md need. The means live in a block of finitely many directions;
the rest, the bulk, is diagonal in one basis for all the covariances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.mixture import Mixture
from asymptotics.projectors import Gain, Projector

Array = NDArray[np.float64]
Points = NDArray[np.intp]

_COLLAPSED = 1e15


@dataclass(frozen=True)
class Components:
    """C components over S covariances at a batch of points; leading axes are the batch.

    labels: (C,) +-1. covariance_of: (C,), the covariance of each component.
    means: (..., C, k) signed means in the block. covariances: (..., S, k, k).
    bulk_eigenvalues: (..., S, atoms). bulk_weights: (..., atoms), fractions of the dimensions.
    block_weight: fraction of the dimensions that one block direction takes.
    """

    labels: NDArray[np.intp]
    covariance_of: NDArray[np.intp]
    means: Array
    covariances: Array
    bulk_eigenvalues: Array
    bulk_weights: Array
    block_weight: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch."""
        return self.means.shape[:-2]

    @property
    def num_covariances(self) -> int:
        """S."""
        return int(self.covariances.shape[-3])

    def take(self, points: Points) -> Components:
        """The geometries of flat indices `points`."""
        size = int(np.prod(self.shape))
        return self._map(lambda x, own: x.reshape(size, *own)[points])

    def broadcast_to(self, shape: tuple[int, ...]) -> Components:
        """The same geometry over a batch of the given shape."""
        return self._map(lambda x, own: np.broadcast_to(x, shape + own))

    def _map(self, function: Callable[[Array, tuple[int, ...]], Array]) -> Components:
        """function(array, shape of one point's) of every array of the batch."""
        names = ("means", "covariances", "bulk_eigenvalues", "bulk_weights")
        depth = len(self.shape)
        moved: dict[str, Any] = {
            name: function(x, x.shape[depth:]) for name in names for x in [getattr(self, name)]
        }
        return replace(self, **moved)

    def resolvent(self, ridge: Array, curvature: Array) -> Resolvent:
        """G at lambda = `ridge` (points,) and Vhat = `curvature` (S, points)."""
        weight = np.moveaxis(curvature, 0, -1)
        block = np.einsum("ps,psij->pij", weight, self.covariances)
        block += ridge[:, None, None] * np.eye(self.means.shape[-1])
        bulk = ridge[:, None] + np.einsum("ps,psa->pa", weight, self.bulk_eigenvalues)
        inverse = np.where(bulk > 0, 1 / np.where(bulk > 0, bulk, 1.0), 0.0)
        return Resolvent(self, _inverse(block), inverse)

    def separation(self) -> Array:
        """sqrt(nu_c^T S_s^+ nu_c) of every component, (C, points); infinite off the range of S."""
        own = self.covariances[..., self.covariance_of, :, :]
        values, vectors = np.linalg.eigh(own)
        parts = np.einsum("...cij,...ci->...cj", vectors, self.means) ** 2
        largest = np.abs(values).max(axis=-1, keepdims=True)
        null = values <= 4 * values.shape[-1] * np.finfo(float).eps * largest
        lost = null & (parts <= 1e-14 * parts.sum(axis=-1, keepdims=True))
        terms = np.where(lost, 0.0, parts / np.where(null, 1.0, values))
        terms = np.where(null & ~lost, np.inf, terms)
        return np.moveaxis(np.sqrt(terms.sum(axis=-1)), -1, 0)

    def rank_fraction(self) -> Array:
        """rank(sum_s S_s)/p."""
        bulk = np.any(self.bulk_eigenvalues > 0, axis=-2)
        rank = np.linalg.matrix_rank(self.covariances.sum(axis=-3), hermitian=True)
        return np.sum(np.where(bulk, self.bulk_weights, 0.0), axis=-1) + self.block_weight * rank


def _inverse(matrix: Array) -> Array:
    """Inverses of symmetric positive matrices; nan where one is singular."""
    size = np.abs(matrix).max(axis=(1, 2))
    usable = np.isfinite(size) & (size > 0)
    scaled = np.where(usable[:, None, None], matrix, np.eye(matrix.shape[-1]))
    scaled = scaled / np.where(usable, size, 1.0)[:, None, None]
    usable &= np.linalg.slogdet(scaled)[0] > 0
    scaled = np.where(usable[:, None, None], scaled, np.eye(matrix.shape[-1]))
    result = np.linalg.inv(scaled) / np.where(usable, size, np.nan)[:, None, None]
    return np.asarray(result)


@dataclass(frozen=True)
class Resolvent:
    """G of `Components` on the block (points, k, k) and, diagonal, on the bulk (points, atoms)."""

    components: Components
    block: Array
    bulk: Array

    def images(self, vectors: Array) -> Array:
        """G v of block vectors, (points, ..., k)."""
        return np.einsum("pij,p...j->p...i", self.block, vectors)

    def traces(self) -> tuple[Array, Array, Array]:
        """t_s, t_su and t_suv, the points last."""
        c = self.components
        ratio = c.bulk_eigenvalues * self.bulk[:, None, :]
        w = c.bulk_weights
        first = np.einsum("pa,psa->sp", w, ratio)
        second = np.einsum("pa,psa,pua->sup", w, ratio, ratio)
        third = np.einsum("pa,psa,pua,pva->suvp", w, ratio, ratio, ratio)
        if c.block_weight:
            product = c.covariances @ self.block[:, None]
            square = np.einsum("psij,pujk->psuik", product, product)
            first = first + c.block_weight * np.einsum("psii->sp", product)
            second = second + c.block_weight * np.einsum("psuii->sup", square)
            third = third + c.block_weight * np.einsum("psuij,pvji->suvp", square, product)
        return first, second, third


def behind(mixture: Mixture, projector: Projector) -> Components:
    """The components of z = W h.

    A head that is made for one direction (`projectors.Gain`) gets the mean of y mu over the
    mixture. Components with the same covariance share it. An infinite gain along a block of one
    direction is taken as 1e15: the ridge then reaches that direction 1e-30 as strongly. Raises
    InvalidInput for an infinite gain in a larger block.
    """
    if np.any(projector.collapsed()):
        if not isinstance(projector, Gain) or np.shape(mixture.classes[0].mean)[-1] > 1:
            raise InvalidInput("an infinite gain needs an isotropic mixture (--signal)")
        projector = Gain(np.minimum(projector.gain, _COLLAPSED))
    classes = mixture.classes
    labels = np.array([c.label for c in classes])
    signed = [c.label * np.asarray(c.mean, dtype=float) for c in classes]
    direction = sum(
        np.asarray(c.prior)[..., None] * x for c, x in zip(classes, signed, strict=True)
    )
    head = projector.matrix(np.asarray(direction))
    distinct, covariance_of = _distinct(mixture)
    covariances = [head @ classes[i].covariance @ np.swapaxes(head, -1, -2) for i in distinct]
    bulks = [mixture.bulk_of(classes[i]) for i in distinct]
    means = [np.einsum("...ij,...j->...i", head, x) for x in signed]
    outputs, inputs = head.shape[-2:]
    batch = np.broadcast_shapes(
        *(x.shape[:-1] for x in means),
        *(x.shape[:-2] for x in covariances),
        *(x.shape[:-1] for x in bulks),
    )
    return Components(
        labels,
        covariance_of,
        np.stack([np.broadcast_to(x, (*batch, outputs)) for x in means], axis=-2),
        np.stack([np.broadcast_to(x, (*batch, outputs, outputs)) for x in covariances], axis=-3),
        np.stack([np.broadcast_to(x, (*batch, x.shape[-1])) for x in bulks], axis=-2),
        np.broadcast_to(mixture.bulk_weights, (*batch, mixture.bulk_weights.shape[-1])),
        mixture.block_weight * inputs / outputs,
    )


def _distinct(mixture: Mixture) -> tuple[list[int], NDArray[np.intp]]:
    """(one class for each different covariance, which of them each class has)."""
    chosen: list[int] = []
    which = []
    for i, c in enumerate(mixture.classes):
        for place, j in enumerate(chosen):
            other = mixture.classes[j]
            if np.array_equal(c.covariance, other.covariance) and np.array_equal(
                mixture.bulk_of(c), mixture.bulk_of(other)
            ):
                which.append(place)
                break
        else:
            which.append(len(chosen))
            chosen.append(i)
    return chosen, np.array(which)
