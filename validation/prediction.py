"""The limiting accuracy on estimated features, with the interval that the estimate leaves.

The estimate errs in the overlaps O_j = nu^T G (S G)^{j-1} nu by O(p^{-1/2}) and in the traces by
O(1/p). To leading order the accuracy therefore moves by its gradient in (O_1, O_2), found by
implicit differentiation of the saddle point; their covariance is that of features.md, equation 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtrit

from asymptotics.errors import InvalidInput
from asymptotics.existence import separability_of
from asymptotics.mixture import isotropic_mixture
from asymptotics.probes import Existence
from asymptotics.problem import Problem
from asymptotics.saddle_point import SaddlePoint
from asymptotics.solver import solve
from validation.estimated_geometry import EstimatedGeometry

Array = NDArray[np.float64]

PREDICTED = "predicted"
NO_LIMIT = "no limit"
UNRESOLVED = "not resolved"

_NODES = 256  # of the rule for the Jacobian; its error is far below that of the estimate


@dataclass(frozen=True)
class Prediction:
    """Accuracy predicted at each sampling ratio; arrays of one shape.

    accuracy: of the limit at the estimated geometry; nan where `status` is not "predicted".
    standard_error: of Phi^{-1}(accuracy), from the sampling noise of the estimate.
    degrees_of_freedom: M of the estimated covariance.
    residual: of the saddle point's equations, recomputed at the solution.
    threshold: the n/p at which the limit starts or ceases to exist, as estimated; nan if none.
    status: "predicted"; "no limit" (past `threshold`); "not resolved" (no saddle point: the
        signal is below the noise of its estimate, or n/p is out of the estimate's reach).
    """

    accuracy: Array
    standard_error: Array
    degrees_of_freedom: Array
    residual: Array
    threshold: Array
    status: NDArray[np.str_]

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """(low, high): Phi(Phi^{-1}(accuracy) -+ t standard_error), at the two-sided `level`.

        t is Student's quantile with M/4 degrees of freedom: chosen by simulation, not derived. It
        is 1.96 for large samples and keeps the coverage of small ones (features.md, coverage).
        """
        quantile = stdtrit(self.degrees_of_freedom / 4, 0.5 + level / 2)
        centre, reach = ndtri(self.accuracy), quantile * self.standard_error
        return ndtr(centre - reach), ndtr(centre + reach)


def predict(
    geometry: EstimatedGeometry,
    loss: str,
    sampling_ratio: ArrayLike,
    ridge: float | None = None,
    intercept: bool = False,
    prior: float = 0.5,
) -> Prediction:
    """The accuracy of the probe `loss` at n/p = `sampling_ratio`, from an estimated geometry.

    `geometry` and `sampling_ratio` broadcast. `ridge` has the unit of the features squared, as in
    the probe's objective; `prior` = P(y = 1) matters with an intercept only. Sampling ratios
    above M/p are out of reach of an estimate with M <= p degrees of freedom.
    """
    if ridge is not None and not (0 < ridge < np.inf):
        raise InvalidInput(f"ridge must be finite and > 0, got {ridge}")
    geometry, factor = geometry.in_natural_units()
    # of the mixture only the prior is read: the geometry stands in for the rest
    problem = Problem(
        isotropic_mixture(0.0, prior=prior),
        loss=loss,
        sampling_ratio=sampling_ratio,
        ridge=None if ridge is None else ridge * factor,
        intercept=intercept,
    )
    equations, shape = problem.equations(geometry)
    assert isinstance(equations, SaddlePoint)
    threshold, exists = _existence(problem, equations)
    status = np.where(exists, UNRESOLVED, NO_LIMIT).astype("<U12")
    accuracy, error, residual = np.full((3, status.size), np.nan)
    here = np.flatnonzero(exists)
    if here.size:
        part = equations.take(here)
        solution = solve(part)
        with np.errstate(invalid="ignore"):
            value, spread = _accuracy(part, solution.unknowns, prior)
        signal = part.order_parameters(solution.unknowns)[1]  # m, of either sign when estimated
        good = (solution.residual < 1e-9) & (solution.error_estimate < 1e-8)
        good &= (signal > 0) & (spread > 0)
        found = here[good]
        accuracy[found], error[found] = value[good], spread[good]
        residual[here], status[found] = solution.residual, PREDICTED
    freedom = np.broadcast_to(geometry.degrees_of_freedom, shape)
    return Prediction(
        accuracy.reshape(shape),
        error.reshape(shape),
        freedom,
        residual.reshape(shape),
        threshold.reshape(shape),
        status.reshape(shape),
    )


def _existence(problem: Problem, equations: SaddlePoint) -> tuple[Array, NDArray[np.bool_]]:
    """(threshold, whether the limit exists) from the estimated separation and rank."""
    kind, ratio = problem.probe.existence, equations.sampling_ratio
    if kind is Existence.ALWAYS:
        return np.full(ratio.shape, np.nan), np.ones(ratio.shape, dtype=bool)
    if kind in (Existence.INTERPOLATING, Existence.DETERMINED):
        threshold = equations.geometry.rank_fraction()
    else:
        threshold = separability_of(equations.geometry, equations.prior)
    below = kind in (Existence.INTERPOLATING, Existence.SEPARABLE)
    return threshold, ratio < threshold if below else ratio > threshold


def _accuracy(equations: SaddlePoint, x: Array, prior: float) -> tuple[Array, Array]:
    """Accuracy at the unknowns x, and the standard error of its Phi^{-1}: sqrt(g^T Cov g).

    g is the gradient of Phi^{-1}(accuracy) in (O_1, O_2).
    """
    _, m, q, b = equations.order_parameters(x)
    s = np.sqrt(q)
    accuracy = prior * ndtr((m + b) / s) + (1 - prior) * ndtr((m - b) / s)
    (curvature, m_hat, _, _), _ = equations.channel(x, _NODES)
    moved = _response(equations, x, curvature, m_hat**2 / q)
    by_ratio = (m / s)[:, None] * (moved[:, 1] - 0.5 * moved[:, 2])  # of m/s
    by_offset = moved[:, 3] if equations.prior is not None else np.zeros_like(by_ratio)  # of b/s
    gradient = np.zeros_like(by_ratio)
    for label, share in ((1.0, prior), (-1.0, 1 - prior)):
        density = share * np.exp(0.5 * ndtri(accuracy) ** 2 - 0.5 * ((m + label * b) / s) ** 2)
        gradient += density[:, None] * (by_ratio + label * by_offset)
    geometry = equations.geometry
    assert isinstance(geometry, EstimatedGeometry)
    first, mixed, second = geometry.overlap_covariance(equations.ridge, curvature)
    g1, g2 = gradient[:, 0], gradient[:, 1]
    return accuracy, np.sqrt(g1**2 * first + 2 * g1 * g2 * mixed + g2**2 * second)


def _response(equations: SaddlePoint, x: Array, curvature: Array, weight: Array) -> Array:
    """dx/d(O_1, O_2), (points, unknowns, 2): minus the inverse Jacobian times the forcing.

    The residuals log[mhat O_1/m] and log[(mhat^2 O_2 + ...)/q] answer to the overlaps directly;
    `weight` is mhat^2/q.
    """
    _, jacobian = equations.residual(x, _NODES)
    _, overlaps = equations.geometry.resolvent_moments(equations.ridge, curvature)
    forcing = np.zeros((x.shape[1], len(x), 2))
    forcing[:, 1, 0] = 1 / overlaps[0]
    forcing[:, 2, 1] = weight
    matrices = np.moveaxis(jacobian, -1, 0)
    solvable = np.all(np.isfinite(matrices), axis=(1, 2))
    moved = np.full(forcing.shape, np.nan)
    moved[solvable] = -np.linalg.solve(matrices[solvable], forcing[solvable])
    return moved
