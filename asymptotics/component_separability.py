"""Separability of a mixture of components that share a covariance (components.md, separability).

    1/delta* = min over u, b of sum_d pi_d E[(sqrt(1 + |u|^2) Z - e_d (nut_c.u + y_c b))_+^2],

nut_c = S^{-1/2} nu_c and d the draws of the components, e_d = -1 for a wrong label. Convex.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtr

from asymptotics.component_equations import ComponentSaddlePoint
from asymptotics.errors import NotConverged

Array = NDArray[np.float64]


def component_separability(equations: ComponentSaddlePoint) -> Array:
    """delta* rank/p at every point; infinite where a mean leaves the range of the covariance.

    Raises NotConverged where the minimum was not found to rounding.
    """
    geometry = equations.geometry
    inside = np.all(np.isfinite(geometry.separation()), axis=0)
    rank = geometry.rank_fraction()
    result = np.full(equations.ridge.shape, np.inf)
    for point in np.flatnonzero(inside):
        means = _whitened(geometry.covariances[point, 0], geometry.means[point])
        draws = [
            (sign * np.append(mean, label if equations.intercept else 0.0), prior * share)
            for mean, label, prior in zip(
                means, geometry.labels, equations.priors[:, point], strict=True
            )
            for sign, share in (
                (1.0, 1 - equations.flipped[point]),
                (-1.0, equations.flipped[point]),
            )
            if share > 0
        ]
        vectors, weights = (np.array(x) for x in zip(*draws, strict=True))
        result[point] = rank[point] / _least_excess(vectors, weights)
    return result


def _whitened(covariance: Array, means: Array) -> Array:
    """S^{-1/2} nu_c in an orthonormal basis of their span, (C, r)."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 4 * values.size * np.finfo(float).eps * values.max()
    white = (means @ vectors[:, kept]) / np.sqrt(values[kept])
    _, size, basis = np.linalg.svd(white, full_matrices=False)
    return white @ basis[size > 1e-13 * max(size.max(), 1e-300)].T


def _least_excess(vectors: Array, weights: Array) -> float:
    """The minimum over x = (u, b) of sum_d w_d E[(sqrt(1 + |u|^2) Z - v_d.x)_+^2]."""
    unfitted = not np.any(vectors[:, -1])

    def excess(x: Array) -> tuple[float, Array]:
        u = x[:-1]
        deviation = np.sqrt(1 + u @ u)
        h = vectors @ x / deviation
        density, tail = np.exp(-0.5 * h * h) / np.sqrt(2 * np.pi), ndtr(-h)
        first = density - h * tail
        value = deviation**2 * (weights @ ((1 + h * h) * tail - h * density))
        slope = -2 * deviation * (weights * first) @ vectors
        slope[:-1] += 2 * (weights @ tail) * u
        return float(value), slope

    found = minimize(
        excess,
        np.zeros(vectors.shape[1]),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-11, "maxiter": 1000},
    )
    value, slope = excess(found.x)
    slope = slope[:-1] if unfitted else slope
    if not (np.isfinite(value) and value > 0 and np.abs(slope).max(initial=0.0) < 1e-6 * value):
        raise NotConverged(
            f"separability: slope {np.abs(slope).max(initial=0.0):.1e} left at the minimum "
            f"{value:.3g}; the components are almost separated without noise"
        )
    return value
