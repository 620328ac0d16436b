"""The limit p -> infinity of a simulated mean, from several dimensions p.

    E y_p = y + b/p + O(1/p^2)                                                                (1)

fitted by least squares with weights p T_p, T_p trials at dimension p. The variance of an
observable of p coordinates is of order 1/p, so these weights are close to the best; they are fixed
beforehand, so the estimate is linear in the means, and its standard error comes from the measured
variances and from no assumption about them. Equations are those of docs/theory/validation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtrc

from asymptotics.errors import InvalidInput
from validation.estimate import Estimate, combine, mean_of

Array = NDArray[np.float64]

# means closer than this differ by rounding
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Extrapolation:
    """The fit of equation 1 at K dimensions.

    limit: y, at p = infinity.
    bias: b.
    fit_p_value: of the K - 2 residuals, if equation 1 held without its last term (equation 3).
    means: at each dimension.
    """

    limit: Estimate
    bias: Estimate
    fit_p_value: float
    means: tuple[Estimate, ...]


def extrapolate(dimensions: Sequence[int], trials: Sequence[ArrayLike]) -> Extrapolation:
    """Fit equation 1 to the independent `trials` at each of three or more dimensions.

    Raises InvalidInput for fewer or equal dimensions, or fewer than 2 trials at one of them.
    """
    p = check_dimensions(dimensions)
    means = tuple(mean_of(values) for values in trials)
    counts = np.array([mean.degrees_of_freedom + 1 for mean in means])
    design = np.column_stack([np.ones_like(p), 1 / p])
    weighted = design.T * (p * counts)
    solution = np.linalg.solve(weighted @ design, weighted)
    limit, bias = (combine(row, means) for row in solution)
    return Extrapolation(limit, bias, _lack_of_fit(design, means), means)


def check_dimensions(dimensions: Sequence[int]) -> Array:
    """`dimensions` as an array; InvalidInput unless they are three or more, all different."""
    p = np.asarray(dimensions, dtype=float)
    if p.ndim != 1 or np.unique(p).size < 3 or np.unique(p).size < p.size or not np.all(p >= 1):
        raise InvalidInput(
            "the bias in 1/p needs three or more different dimensions, got "
            f"{', '.join(f'{x:g}' for x in np.ravel(p))}"
        )
    return p


def _lack_of_fit(design: Array, means: Sequence[Estimate]) -> float:
    """P(F_{K-2, nu} >= u^T C^{-1} u/(K-2)), u = N^T y the contrasts that no fit can reach.

    Equation 3. N spans the complement of the design, C = N^T diag(s^2) N, and nu = min_p T_p - 1.
    """
    complement = scipy.linalg.null_space(design.T)
    contrasts = complement.T @ np.array([mean.value for mean in means])
    variances = np.array([mean.standard_error for mean in means]) ** 2 + _ROUNDING**2
    covariance = complement.T * variances @ complement
    statistic = contrasts @ np.linalg.solve(covariance, contrasts) / contrasts.size
    dof = min(mean.degrees_of_freedom for mean in means)
    return float(fdtrc(contrasts.size, dof, statistic))
