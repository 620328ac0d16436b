"""Separability of a mixture of components that share a covariance (components.md, separability).

    1/delta* = min over u, b of sum_d pi_d E[(sqrt(1 + |u|^2) Z - e_d (nut_c.u + y_c b))_+^2],

nut_c = S^{-1/2} nu_c and d the draws of the components, e_d = -1 for a wrong label. Convex.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr

from asymptotics.component_equations import ComponentSaddlePoint
from asymptotics.errors import NotConverged
from asymptotics.thresholds import log_hinge

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
            if prior * share > 0
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
    """The minimum over x = (u, b) of F = sum_d w_d E[(sqrt(1 + |u|^2) Z - v_d.x)_+^2].

    log F is minimised, from tails that do not cancel: F can be as small as exp(-R^2/2).
    """

    def log_excess(x: Array) -> tuple[float, Array]:
        u = x[:-1]
        variance = 1 + u @ u
        deviation = np.sqrt(variance)
        h = vectors @ x / deviation
        terms = np.log(weights) + log_hinge(h, 2)
        value = np.logaddexp.reduce(terms) + np.log(variance)
        # dF/dmean = -2 sigma E(Z - h)_+ and dF/dsigma = 2 sigma Phi(-h), each over F
        share = np.log(weights) - value + 0.5 * np.log(variance)
        slope = -2 * np.exp(share + log_hinge(h, 1)) @ vectors
        slope[:-1] += 2 * np.sum(np.exp(share + log_ndtr(-h))) * u / deviation
        return float(value), slope

    free = np.any(vectors != 0, axis=0)
    start = np.zeros(vectors.shape[1])
    options = {"gtol": 1e-10, "maxiter": 2000}
    found = minimize(log_excess, start, jac=True, method="BFGS", options=options)
    value, slope = log_excess(found.x)
    left = np.abs(slope[free]).max(initial=0.0)
    if not (np.isfinite(value) and left < 1e-6):
        raise NotConverged(
            f"separability: relative slope {left:.1e} left at the minimum exp({value:.4g}); the "
            "components are almost separated without noise"
        )
    return float(np.exp(value))
