"""Softmax regression with class means in any position: K x K order parameters (multiclass.md).

In contrast coordinates, d = K - 1, the fixed point x = (V, h_k, Qhat, b) of

    (V, h, Qhat) -> Gamma, M_k, Q            (`geometry.BlockGeometry`)
    u = prox(M_k + b + Q^{1/2} z),  f = e_k - softmax(u),  H = diag p - p p^T
    V = sum_k pi_k E[H (1 + Gamma H)^{-1}],   h_k = E_k f,   Qhat = sum_k pi_k E_k f f^T,

and, with an intercept, sum_k pi_k h_k = 0, reached by the steps V^{-1} sum_k pi_k h_k of Newton's
method in b.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import NotConverged
from asymptotics.multiclass.fixed_point import fixed_point
from asymptotics.multiclass.gaussian_rule import GaussianRule
from asymptotics.multiclass.geometry import BlockGeometry
from asymptotics.multiclass.mixture import contrast_basis
from asymptotics.multiclass.prox import matrix_prox, softmax_curvature

Array = NDArray[np.float64]


# above it no solution was found; between it and the tolerance `distance` grows with the residual
_LARGEST_RESIDUAL = 1e-8


@dataclass(frozen=True)
class Orders:
    """V (d, d), h (K, d), Qhat (d, d), b (d,): a point of the fixed-point map."""

    curvature: Array
    pulls: Array
    noise: Array
    offset: Array

    def packed(self) -> Array:
        """log V, Qhat^{-1/2} h_k, log Qhat and b as one vector of coordinates of order one."""
        upper = np.triu_indices(len(self.curvature))
        logs = [_spectral(x, np.log)[upper] for x in (self.curvature, self.noise)]
        pulls = self.pulls @ _spectral(self.noise, lambda x: x**-0.5)
        return np.concatenate([logs[0], pulls.ravel(), logs[1], self.offset])

    @classmethod
    def unpacked(cls, x: Array, classes: int) -> Orders:
        """The inverse of `packed`: V and Qhat are positive definite whatever x."""
        d = classes - 1
        size = d * (d + 1) // 2
        v, pulls, q, b = np.split(x, np.cumsum([size, classes * d, size]))
        curvature, noise = (_spectral(_symmetric(y, d), np.exp) for y in (v, q))
        return cls(curvature, pulls.reshape(classes, d) @ _spectral(noise, np.sqrt), noise, b)


def _symmetric(entries: Array, d: int) -> Array:
    full = np.zeros((d, d))
    full[np.triu_indices(d)] = entries
    return full + np.triu(full, 1).T


def _spectral(matrix: Array, function: Callable[[Array], Array]) -> Array:
    """function of a symmetric matrix; LinAlgError where it is not finite."""
    values, vectors = np.linalg.eigh(matrix)
    with np.errstate(all="ignore"):
        found = function(values)
    if not np.all(np.isfinite(found)):
        raise np.linalg.LinAlgError("order parameters left their domain")
    return np.asarray((vectors * found) @ vectors.T)


@dataclass
class SoftmaxEquations:
    """The map on one rule; it keeps the last prox of every node as the start of the next.

    geometry: behind the head. intercept: whether b is fitted.
    """

    geometry: BlockGeometry
    rule: GaussianRule
    intercept: bool

    def __post_init__(self) -> None:
        self._z = self.rule.contrasts()
        self._starts: dict[int, Array] = {}

    def image(self, x: Orders) -> Orders:
        """The right-hand sides at x."""
        g, weights = self.geometry, self.rule.weights
        step = g.step(x.curvature)
        means, spread = g.logits(x.curvature, x.pulls, x.noise)
        noise = self._z @ np.linalg.cholesky(spread).T
        classes, d = means.shape
        basis = contrast_basis(classes)
        curvature, pulls, square = np.zeros((d, d)), np.empty((classes, d)), np.zeros((d, d))
        for k, prior in enumerate(g.priors):
            a = means[k] + x.offset + noise
            c, p = matrix_prox(a, step, k, self._starts.get(k, a))
            self._starts[k] = c
            f = basis[k] - p @ basis
            bend = softmax_curvature(p)
            answer = np.linalg.solve(np.eye(d) + bend @ step, bend)
            curvature += prior * np.einsum("n,nij->ij", weights, answer)
            pulls[k] = weights @ f
            square += prior * (f.T * weights) @ f
        offset = x.offset
        if self.intercept:
            newton = np.linalg.solve(curvature, g.priors @ pulls)
            # no longer than 1 where the curvature has vanished, and whole near the solution
            offset = offset + newton / (1 + np.linalg.norm(newton))
        return Orders((curvature + curvature.T) / 2, pulls, square, offset)

    def solve(self, start: Orders, tolerance: float = 1e-10) -> tuple[Orders, float, float]:
        """(x, residual, distance) of `fixed_point`, in the coordinates of `Orders.packed`.

        Raises NotConverged.
        """
        classes = len(self.geometry.priors)

        def image(x: Array) -> Array:
            return self.image(Orders.unpacked(x, classes)).packed()

        found = fixed_point(image, start.packed(), tolerance)
        # rounding of the prox can end the descent above the tolerance: the distance says where
        if not found.residual <= max(tolerance, _LARGEST_RESIDUAL):
            g = self.geometry
            raise NotConverged(
                f"softmax with {classes} classes: residual {found.residual:.1e} at n/p = "
                f"{g.sampling_ratio:g}, ridge {g.ridge:g}; try a larger ridge"
            )
        return Orders.unpacked(found.x, classes), found.residual, found.distance


def first_orders(geometry: BlockGeometry, rule: GaussianRule, intercept: bool) -> Orders:
    """Near the solution on a coarse rule: followed from a large ridge, where p is pi or 1/K.

    Predicted along the secant in log ridge, with a step that adapts. Raises NotConverged.
    """
    classes = len(geometry.priors)

    def solved(log_ridge: float, start: Orders) -> Array:
        there = replace(geometry, ridge=float(np.exp(log_ridge)))
        return SoftmaxEquations(there, rule, intercept).solve(start, 1e-4)[0].packed()

    end = float(np.log(geometry.ridge))
    here = max(end, float(np.log(1 + np.max(geometry.means**2))))
    try:
        x = solved(here, _shrunk_to_zero(geometry, intercept))
    except (NotConverged, np.linalg.LinAlgError):
        raise NotConverged(
            f"softmax with {classes} classes at n/p = {geometry.sampling_ratio:g}: no start at "
            f"ridge {np.exp(here):.2g}; take the rarest class less rare, or the means smaller"
        ) from None
    slope, stride = np.zeros_like(x), 1.0
    while here > end:
        there = max(here - stride, end)
        try:
            found = solved(there, Orders.unpacked(x + slope * (there - here), classes))
        except (NotConverged, np.linalg.LinAlgError):
            stride /= 3
            if stride < 0.02:
                raise NotConverged(
                    f"softmax with {classes} classes at n/p = {geometry.sampling_ratio:g}: no path "
                    f"led below ridge {np.exp(here):.2g}, down to {geometry.ridge:g}; try a larger "
                    "ridge"
                ) from None
            continue
        slope = (found - x) / (there - here)
        x, here, stride = found, there, min(1.5 * stride, 1.5)
    return Orders.unpacked(x, classes)


def _shrunk_to_zero(geometry: BlockGeometry, intercept: bool) -> Orders:
    """The point of a probe shrunk to zero: f = e_k - p, p = pi with an intercept, else 1/K."""
    priors, classes = geometry.priors, len(geometry.priors)
    basis = contrast_basis(classes)
    p = priors if intercept else np.full(classes, 1 / classes)
    pulls = basis - p @ basis
    curvature = (basis.T * p) @ basis - np.outer(p @ basis, p @ basis)
    noise = (pulls.T * priors) @ pulls
    return Orders(curvature, pulls, noise, basis.T @ np.log(p))
