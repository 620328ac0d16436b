"""The verb of the package: the limiting accuracy of every point of a problem, with its evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from asymptotics.component_equations import ComponentSaddlePoint
from asymptotics.components import Components
from asymptotics.errors import InvalidInput, NoLimit, NotConverged
from asymptotics.existence import existence
from asymptotics.geometry import Geometry
from asymptotics.margins import MarginLaws, best_shift
from asymptotics.probes import Existence
from asymptotics.problem import Problem
from asymptotics.projectors import project
from asymptotics.saddle_point import SaddlePoint
from asymptotics.solver import solve
from asymptotics.table import Table

Array = NDArray[np.float64]
AnyEquations = SaddlePoint | ComponentSaddlePoint

CONVERGED = "converged"
NO_LIMIT = "no limit"
NOT_CONVERGED = "not converged"

# the accuracy that a converged point promises
_PROMISE = 1e-10


@dataclass(frozen=True)
class Limit:
    """Limiting accuracy and order parameters over the problem's grid, with the evidence.

    accuracy, test_error: P(y (z.theta + b) > 0) on a fresh sample and its complement, the latter
        from the tail: relative accuracy. nan where `converged` is False.
    gamma, m, q, intercept: order parameters: the prox step, mean and variance of the margin
        y z.theta of a fresh sample, and b; averaged over the components where they differ.
    margins: the law of the margin in every component, nan where `converged` is False.
    overlap: m / (R sqrt q), the cosine between the probe and the best direction, R^2 = nu^T S^+ nu;
        nan for components of several means or covariances, which have no one best direction.
    residual: largest scale-free residual of the equations, recomputed at the returned point.
    error_estimate: estimated absolute error of accuracy and of test_error.
    threshold: the n/p at which the limit starts or ceases to exist, nan where it always exists.
    status: "converged", "no limit" (see `threshold`) or "not converged".
    """

    problem: Problem
    accuracy: Array
    test_error: Array
    gamma: Array
    m: Array
    q: Array
    intercept: Array
    overlap: Array
    residual: Array
    error_estimate: Array
    threshold: Array
    status: NDArray[np.str_]
    margins: MarginLaws

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Where the limit exists and was found to the promised accuracy."""
        return np.asarray(self.status == CONVERGED)

    @property
    def component_accuracy(self) -> Array:
        """Accuracy on each component of the mixture, in its order, (components, ...)."""
        return self.margins.accuracies()

    def table(self) -> Table:
        """A row a point: accuracy with its evidence, order parameters, status."""
        from asymptotics.columns import limit_columns

        return Table(limit_columns(self))

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def raise_on_failure(self) -> Limit:
        """Self if every point converged; else NoLimit or NotConverged for the first other."""
        failed = np.flatnonzero(np.ravel(self.status) != CONVERGED)
        if failed.size:
            first = failed[0]
            where = np.ravel(np.broadcast_to(self.problem.sampling_ratio, self.status.shape))[first]
            if np.ravel(self.status)[first] == NO_LIMIT:
                raise NoLimit(
                    no_limit_message(self.problem, where, np.ravel(self.threshold)[first])
                )
            residual = np.ravel(self.residual)[first]
            reached = (
                f"residual {residual:.1e}, error estimate "
                f"{np.ravel(self.error_estimate)[first]:.1e}"
                if np.isfinite(residual)
                else "no path led to it"
            )
            raise NotConverged(
                f"the saddle point of {self.problem.loss} at n/p = {where:.6g} was not found: "
                f"{reached}; try a larger ridge or the entry of the limit that is approached"
            )
        return self


def no_limit_message(problem: Problem, sampling_ratio: float, threshold: float) -> str:
    """One line: which threshold was crossed, its value, and what exists instead."""
    explained = {
        Existence.SEPARABLE: (
            "at or above the separability threshold {}: no hyperplane separates the samples; "
            "use logistic-mle there, or a loss with a ridge"
        ),
        Existence.INSEPARABLE: (
            "at or below the separability threshold {}: the samples are separable and the "
            "likelihood has no maximum; use max-margin there, or a loss with a ridge"
        ),
        Existence.INTERPOLATING: (
            "at or above the interpolation threshold {}: no weights fit every label; use "
            "least-squares there"
        ),
        Existence.DETERMINED: (
            "at or below the interpolation threshold {}: the weights are not determined; use "
            "min-norm there"
        ),
        Existence.NONZERO: (
            "at or above the collapse threshold {}: with unequal classes and an intercept the "
            "hinge probe is zero there; use another loss, or no intercept"
        ),
    }[problem.probe.exists(problem.intercept)]
    if np.isinf(threshold):
        return (
            f"{problem.loss} has no limit at n/p = {sampling_ratio:.6g} or any other: the mean "
            "leaves the range of the covariance, so the classes are separated without noise"
        )
    return (
        f"{problem.loss} has no limit at n/p = {sampling_ratio:.6g}, "
        f"{explained.format(f'{threshold:.8g}')}"
    )


def limit(problem: Problem, geometry: Geometry | None = None) -> Limit:
    """Limiting accuracy of the probe at every point of `problem`; failed points are marked.

    Accuracy is Phi(m/sqrt q), or pi Phi((m+b)/sqrt q) + (1-pi) Phi((m-b)/sqrt q) with an
    intercept, at the solution of the saddle-point equations (probe.md). Proved for convex losses
    by the Gaussian min-max theorem, see docs/theory/probe.md. Use ``.raise_on_failure()`` where
    every point must have a limit. `geometry` replaces the problem's own, for estimated ones.
    """
    # what overflows or is undefined is refused by its status, not announced by numpy
    with np.errstate(all="ignore"):
        return _limit(problem, problem.geometry() if geometry is None else geometry)


def _limit(problem: Problem, geometry: Geometry | Components) -> Limit:
    if problem.probe.loss is None:
        return _bayes(problem)
    equations, shape = problem.equations(geometry)
    threshold, exists = existence(problem.probe, equations)
    columns = {name: np.full(exists.size, np.nan) for name in _COLUMNS}
    status = np.full(exists.size, NO_LIMIT, dtype="<U13")
    here = np.flatnonzero(exists)
    if here.size:
        part = equations.take(here)
        solution = solve(part)
        x = solution.unknowns
        fitted = part.margin_laws(x)
        shift = best_shift(fitted) if problem.balanced else np.zeros(here.size)
        laws = fitted.moved(shift)
        values = _observe(part, x, laws)
        values["intercept"] = values["intercept"] + shift
        error = solution.error_estimate + _rounding(laws)
        values |= {"residual": solution.residual, "error_estimate": error}
        good = (solution.residual < 1e-9) & (solution.error_estimate < _PROMISE)
        good &= possible(part, x, fitted)
        # at a failed point the residual bounds what the estimate does not see
        values["error_estimate"] = np.where(good, error, np.maximum(error, solution.residual))
        status[here] = np.where(good, CONVERGED, NOT_CONVERGED)
        for name, value in values.items():
            columns[name][here] = value
        for name in ("accuracy", "test_error"):
            columns[name][here[~good]] = np.nan
        laws = laws.take(np.flatnonzero(good)).at_points(here[good], exists.size)
    else:
        laws = _unknown_laws(exists.size)
    return Limit(
        problem,
        **{name: column.reshape(shape) for name, column in columns.items()},
        threshold=threshold.reshape(shape),
        status=status.reshape(shape),
        margins=laws.reshape(shape),
    )


_COLUMNS = (
    "accuracy",
    "test_error",
    "gamma",
    "m",
    "q",
    "intercept",
    "overlap",
    "residual",
    "error_estimate",
)


def _observe(equations: AnyEquations, unknowns: Array, laws: MarginLaws) -> dict[str, Array]:
    """Accuracy and order parameters at solved unknowns."""
    gamma, m, q, b = equations.margin_parameters(unknowns)
    overlap = np.full_like(m, np.nan)
    if isinstance(equations, SaddlePoint):
        separation = equations.geometry.separation()
        with np.errstate(invalid="ignore", divide="ignore"):
            overlap = np.where(separation > 0, m / (np.sqrt(q) * separation), 0.0)
    return {
        "accuracy": laws.accuracy(),
        "test_error": laws.test_error(),
        "gamma": gamma,
        "m": m,
        "q": q,
        "intercept": b,
        "overlap": overlap,
    }


def possible(equations: AnyEquations, unknowns: Array, laws: MarginLaws) -> NDArray[np.bool_]:
    """Whether a solution obeys the inequalities of every true one: |m_c| <= sqrt(q) R_c.

    R_c^2 = nu_c^T S^+ nu_c, by Cauchy-Schwarz; and m >= 0 for two symmetric classes.
    """
    _, m, _, b = equations.margin_parameters(unknowns)
    separation = equations.geometry.separation()
    ratio = np.abs(laws.mean - laws.label[:, None] * b) / laws.deviation
    good = np.all(ratio <= separation * (1 + 1e-9) + 1e-12, axis=0)
    return np.asarray(good & (m >= 0) if isinstance(equations, SaddlePoint) else good)


def _unknown_laws(size: int) -> MarginLaws:
    none = np.full((2, size), np.nan)
    return MarginLaws(none, np.array([1, -1]), none, none, none)


def _rounding(laws: MarginLaws) -> Array:
    """The error of accuracy from rounding alone: 4e-14 relative in each margin's ratio t.

    That is the largest seen against certified values (docs/survey.md), and moves Phi(t) by
    4e-14 |t| phi(t).
    """
    t = laws.ratio
    return np.asarray(np.max(4e-14 * np.abs(t) * np.exp(-0.5 * t**2), axis=0) / np.sqrt(2 * np.pi))


def _bayes(problem: Problem) -> Limit:
    """The best classifier: Phi(R), and with an intercept the best threshold for the prior.

    Refused where it is not linear: more than two components, or two covariances.
    """
    if not problem.mixture.is_symmetric_pair():
        raise InvalidInput(
            "bayes: the best classifier is linear only for two classes of opposite means and one "
            "covariance; choose a probe"
        )
    geometry = project(problem.mixture, problem.projector)
    prior = problem.mixture.prior
    shape = np.broadcast_shapes(geometry.shape, np.shape(problem.sampling_ratio), prior.shape)
    prior = prior if problem.intercept else np.full(shape, 0.5)
    radius = np.broadcast_to(geometry.separation(), shape)
    # the best threshold b, in units of the margin's deviation: always the likelier class at R = 0
    log_odds = np.broadcast_to(0.5 * np.log(prior / (1 - prior)), shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(log_odds == 0, 0.0, log_odds / radius)
    error = prior * ndtr(-(radius + shift)) + (1 - prior) * ndtr(-(radius - shift))
    accuracy = prior * ndtr(radius + shift) + (1 - prior) * ndtr(radius - shift)
    nothing = np.full(shape, np.nan)
    weight, margin = np.stack([prior, 1 - prior]), np.stack([radius + shift, radius - shift])
    return Limit(
        problem,
        accuracy=accuracy,
        test_error=error,
        gamma=nothing,
        m=radius**2,
        q=radius**2,
        intercept=log_odds,
        overlap=np.ones(shape),
        residual=np.zeros(shape),
        error_estimate=np.full(shape, np.finfo(float).eps),
        threshold=nothing,
        status=np.full(shape, CONVERGED, dtype="<U13"),
        margins=MarginLaws(
            weight, np.array([1, -1]), margin, np.ones_like(margin), np.full_like(margin, np.nan)
        ),
    )
