"""What the fixed point sees of a representation: resolvent moments of covariance and mean.

With S the covariance of the features given the class, nu the class mean, ridge lambda and
curvature Vhat,

    G = (lambda I + Vhat S)^{-1},
    traces_j = (1/p) tr[(S G)^j],     overlaps_j = nu^T G (S G)^{j-1} nu,     j = 1, 2, 3

are all that probe.md's geometry equations and their derivatives need, since
d traces_j / d Vhat = -j traces_{j+1} and the same for overlaps. Anything with these two rows is a
geometry: a spectrum here, an estimate from data in `validation.features`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]
Points = NDArray[np.intp]


class Geometry(Protocol):
    """Resolvent moments for a batch of points; see the module for the formulas."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch of geometries, broadcast against the problem's other parameters."""
        ...

    def take(self, points: Points) -> Geometry:
        """The geometries of the given flat indices, a one-dimensional batch."""
        ...

    def broadcast_to(self, shape: tuple[int, ...]) -> Geometry:
        """The same geometry for every point of a larger batch."""
        ...

    def resolvent_moments(self, ridge: Array, curvature: Array) -> tuple[Array, Array]:
        """(traces, overlaps), each (3, points), at lambda = `ridge` and Vhat = `curvature`."""
        ...

    def separation(self) -> Array:
        """sqrt(nu^T S^+ nu), infinite if nu leaves the range of S: the invariant signal."""
        ...

    def rank_fraction(self) -> Array:
        """rank(S)/p."""
        ...


@dataclass(frozen=True)
class Spectrum:
    """A finite list of atoms: eigenvalues of S, their weights, and nu's squared components.

    ``traces_j = sum_k w_k (s_k/D_k)^j``, ``overlaps_j = sum_k c_k s_k^{j-1}/D_k^j + f/Vhat^j`` with
    ``D_k = lambda + Vhat s_k``. Every array is ``(..., atoms)``; leading axes are a batch.

    Parameters
    ----------
    eigenvalues: s_k >= 0, variance of the features along the atom's directions.
    weights: w_k >= 0 summing to 1, the fraction of the p directions; 0 for isolated spikes.
    squared_means: c_k >= 0, squared length of nu along the atom.
    free: f >= 0, (...): the part of nu^T S^{-1} nu along directions of infinite gain, which no
        ridge reaches: the limit c, s -> infinity at c/s = f of an atom of weight 0.
    """

    eigenvalues: Array
    weights: Array
    squared_means: Array
    free: Array | float = 0.0

    def __post_init__(self) -> None:
        try:
            arrays = np.broadcast_arrays(
                *(
                    np.asarray(x, dtype=float)
                    for x in (self.eigenvalues, self.weights, self.squared_means)
                )
            )
        except ValueError:
            raise InvalidInput(
                "spectrum: eigenvalues, weights and squared_means must have equal lengths, got "
                f"{[np.shape(x) for x in (self.eigenvalues, self.weights, self.squared_means)]}"
            ) from None
        for name, values in zip(("eigenvalues", "weights", "squared_means"), arrays, strict=True):
            if values.ndim == 0 or values.size == 0:
                raise InvalidInput(f"spectrum: {name} must be a non-empty list of numbers")
            if not np.all(np.isfinite(values)) or np.any(values < 0):
                bad = values[~(np.isfinite(values) & (values >= 0))].flat[0]
                raise InvalidInput(f"spectrum: {name} must be finite and >= 0, got {bad}")
            object.__setattr__(self, name, values)
        free = np.broadcast_to(np.asarray(self.free, dtype=float), self.eigenvalues.shape[:-1])
        object.__setattr__(self, "free", free)
        total = self.weights.sum(axis=-1)
        if np.any(np.abs(total - 1) > 1e-9):
            raise InvalidInput(
                f"spectrum: weights must sum to 1, got {float(np.ravel(total)[0]):.12g}"
            )
        if not np.all(np.sum(self.weights * self.eigenvalues, axis=-1) > 0):
            raise InvalidInput("spectrum: at least one atom with weight needs an eigenvalue > 0")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch."""
        return self.eigenvalues.shape[:-1]

    def take(self, points: Points) -> Spectrum:
        """The spectra of flat indices `points`."""
        # an atom's numbers lie together: sums over a few atoms are then sums of long arrays
        return self._map(
            lambda x: np.take(x.reshape(-1, x.shape[-1]).T, points, axis=1).T,
            np.ravel(self.free)[points],
        )

    def broadcast_to(self, shape: tuple[int, ...]) -> Spectrum:
        """The same spectrum over a batch of the given shape."""
        return self._map(
            lambda x: np.broadcast_to(x, (*shape, x.shape[-1])), np.broadcast_to(self.free, shape)
        )

    def _map(self, function: Callable[[Array], Array], free: Array) -> Spectrum:
        clone = object.__new__(Spectrum)  # already validated
        for name in ("eigenvalues", "weights", "squared_means"):
            object.__setattr__(clone, name, function(getattr(self, name)))
        object.__setattr__(clone, "free", free)
        return clone

    def resolvent_moments(self, ridge: Array, curvature: Array) -> tuple[Array, Array]:
        """The module's sums; directions of zero variance drop out of the traces."""
        s = self.eigenvalues
        denominator = curvature[..., None] * s
        denominator += ridge[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = np.where(denominator > 0, 1 / denominator, 0.0)
            by_curvature = np.where(self.free > 0, 1 / curvature, 0.0)
        ratio = s * inverse
        w, c = self.weights * ratio, self.squared_means * inverse
        unreached = self.free * by_curvature
        traces, overlaps = np.empty((2, 3, *w.shape[:-1]))
        for power in range(3):
            traces[power], overlaps[power] = w.sum(axis=-1), c.sum(axis=-1) + unreached
            w *= ratio
            c *= ratio
            unreached = unreached * by_curvature
        return traces, overlaps

    def separation(self) -> Array:
        """sqrt(sum_k c_k / s_k + f)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(self.squared_means > 0, self.squared_means / self.eigenvalues, 0.0)
        return np.asarray(np.sqrt(terms.sum(axis=-1) + self.free))

    def rank_fraction(self) -> Array:
        """Weight of the atoms with a positive eigenvalue."""
        return np.sum(np.where(self.eigenvalues > 0, self.weights, 0.0), axis=-1)
