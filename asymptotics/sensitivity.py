"""Derivatives of a limiting accuracy in its parameters, by implicit differentiation.

At a solution x of the saddle-point equations r(x; p) = 0,

    dx/dp = -J^{-1} dr/dp,     J = dr/dx,

and the accuracy is explicit in x. A parameter enters r through the ridge, the sampling ratio, the
prior, or the features' mean and covariance behind the head (`directions`). The Jacobian is the
solver's own. The derivative is taken twice, by two quadratures and a Newton step apart; their
difference and a bound on the rounding are the error estimate. Derivation: docs/theory/exact.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from asymptotics.directions import Direction, direction_of
from asymptotics.errors import InvalidInput
from asymptotics.limits import CONVERGED, Limit
from asymptotics.newton import newton_step
from asymptotics.problem import Problem
from asymptotics.projectors import Gain
from asymptotics.saddle_point import SaddlePoint

Array = NDArray[np.float64]

PARAMETERS = ("signal", "sampling_ratio", "ridge", "gain", "prior")
_FIRST_NODES, _MOST_NODES = 96, 1536
_ROW = 512  # points whose nodes fill the cache
_ROUNDING = 64 * np.finfo(float).eps
_LOG_ROOT_2_PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class Derivative:
    """d/d parameter at every point of a limit, nan where the limit or its derivative failed.

    accuracy: of the accuracy. log_test_error: of log(1 - accuracy), from the tail.
    error_estimate: absolute error of `accuracy`; that of `log_test_error` is its ratio to the
    test error. A derivative whose estimate exceeds 1e-7 of it, and 1e-10, is refused: nan.
    """

    parameter: str
    accuracy: Array
    log_test_error: Array
    error_estimate: Array


def differentiate(result: Limit, parameter: str) -> Derivative:
    """The derivative of `result` in one of ``PARAMETERS``, every other one held fixed.

    The ridge is that of the convention "mean". `signal` belongs to an isotropic mixture, `gain` to
    a head of that family. A parameter that a limit does not depend on has derivative 0. Raises
    InvalidInput for a parameter that the problem does not have.
    """
    problem = result.problem
    check_parameter(problem, parameter)
    if problem.probe.loss is None:
        return _of_bayes(result, parameter)
    equations, shape = problem.equations()
    assert isinstance(equations, SaddlePoint)  # check_parameter refuses the others
    good = np.flatnonzero(np.ravel(result.status) == CONVERGED)
    values = np.full((3, result.accuracy.size), np.nan)
    if good.size:
        part = equations.take(good)
        x = _unknowns(
            part, *(np.ravel(getattr(result, n))[good] for n in ("gamma", "m", "q", "intercept"))
        )
        direction = direction_of(problem, parameter, part, shape, good)
        with np.errstate(all="ignore"):
            values[:, good] = _derivative(part, x, direction)
    return Derivative(parameter, *values.reshape(3, *shape))


def check_parameter(problem: Problem, parameter: str) -> None:
    """InvalidInput unless the problem has that parameter."""
    if parameter not in PARAMETERS:
        raise InvalidInput(f"parameter must be one of {', '.join(PARAMETERS)}, got {parameter!r}")
    if not problem.symmetric:
        raise InvalidInput(
            "derivatives need two classes of opposite means and one covariance, without label noise"
        )
    if parameter == "ridge" and problem.ridge is None:
        raise InvalidInput(f"ridge is not a parameter of the limit {problem.loss}")
    if parameter == "signal" and np.shape(problem.mixture.classes[0].mean)[-1] != 1:
        raise InvalidInput("signal is a parameter of isotropic classes only")
    if parameter == "gain" and not isinstance(problem.projector, Gain):
        raise InvalidInput("gain is not a parameter of an explicit projector")


def _unknowns(equations: SaddlePoint, gamma: Array, m: Array, q: Array, intercept: Array) -> Array:
    scale = equations.mean_scale
    with np.errstate(divide="ignore", invalid="ignore"):
        log_m = np.where(scale > 0, np.log(m) - np.log(scale), 0.0)
    x = np.stack([np.log(gamma), log_m, np.log(q), np.zeros_like(q)])
    return x[:3] if equations.prior is None else equations.at_intercept(x, intercept)


def _derivative(equations: SaddlePoint, x: Array, direction: Direction) -> Array:
    """(d accuracy, d log test error, error estimate), each (points,); see `Derivative`."""
    values = np.full((3, x.shape[1]), np.nan)
    closed = equations.loss.closed_form
    left, nodes = np.arange(x.shape[1]), _FIRST_NODES
    while left.size and nodes <= _MOST_NODES:
        for row in np.array_split(left, 1 + left.size // _ROW):
            part, here, along = equations.take(row), x[:, row], direction.take(row)
            finer = nodes + nodes // 2
            first = _by_rule(part, here, along, nodes, False)
            moved = here + newton_step(*part.residual(here, finer, closed))
            second = _by_rule(part, moved, along, finer, closed)
            best = first if closed else second
            error = np.abs(first[0] - second[0]) + best[2]
            values[:, row] = best[0], best[1], error
        size, error = np.abs(values[0, left]), values[2, left]
        rough = ~(error <= np.maximum(1e-11 * size, 1e-14))
        left = left[rough & (not closed)]
        nodes *= 2
    sound = values[2] <= np.maximum(1e-7 * np.abs(values[0]), 1e-10)
    values[:2, ~sound] = np.nan
    return values


def _by_rule(
    equations: SaddlePoint, x: Array, direction: Direction, nodes: int, quadrature: bool
) -> tuple[Array, Array, Array]:
    """(d accuracy, d log test error, rounding of the first) by one quadrature rule.

    Rounding is bounded by |y| (|dr/dp| + |J| |dx|) with y = J^{-T} d accuracy/dx, componentwise.
    """
    _, jacobian = equations.residual(x, nodes, quadrature)
    slope = _residual_slope(equations, x, direction, nodes, quadrature)
    slope[1] = np.where(equations.mean_scale > 0, slope[1], 0.0)
    dx = newton_step(slope, jacobian)
    unit = np.eye(x.shape[0])[..., None] * np.ones(x.shape[1])
    still = np.zeros(x.shape[1])
    gradient = np.stack([_accuracy_slope(equations, x, e, still)[0] for e in unit])
    adjoint = np.abs(newton_step(gradient, np.swapaxes(jacobian, 0, 1)))
    size = np.abs(slope) + np.einsum("ijp,jp->ip", np.abs(jacobian), np.abs(dx))
    rounding = _ROUNDING * np.sum(adjoint * size, axis=0)
    return *_accuracy_slope(equations, x, dx, direction.prior), rounding


def _residual_slope(
    equations: SaddlePoint, x: Array, direction: Direction, nodes: int, quadrature: bool
) -> Array:
    """dr/dp at fixed gamma, m, q and b, the residual as `SaddlePoint` writes it."""
    (v, m_hat, q_hat, tilt), _ = equations.channel(x, nodes, quadrature)
    (t1, t2, t3), (b1, b2, b3) = equations.geometry.resolvent_moments(equations.ridge, v)
    dv, dm_hat, dq_hat, dtilt = _prior_slope(equations, x, nodes, quadrature) * direction.prior
    (dt1, dt2), (db1, db2) = direction.moments(equations.ridge, v)
    dt1, dt2 = dt1 - t2 * dv, dt2 - 2 * t3 * dv
    db1, db2 = db1 - b2 * dv, db2 - 2 * b3 * dv
    delta, d_delta = equations.sampling_ratio, direction.sampling_ratio
    energy = m_hat**2 * b2 + q_hat * t2 / delta
    d_energy = (
        2 * m_hat * dm_hat * b2
        + m_hat**2 * db2
        + (dq_hat * t2 + q_hat * dt2 - q_hat * t2 * d_delta / delta) / delta
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = [dt1 / t1 - d_delta / delta, dm_hat / m_hat + db1 / b1, d_energy / energy]
    if equations.prior is not None:
        root = np.sqrt(q_hat)
        rows.append(dtilt / root - 0.5 * tilt * dq_hat / (q_hat * root))
    return np.stack(rows)


def _prior_slope(equations: SaddlePoint, x: Array, nodes: int, quadrature: bool) -> Array:
    """d(Vhat, mhat, qhat, E[y M'])/d prior at fixed x: they are linear in it."""
    if equations.prior is None:
        return np.zeros((4, x.shape[1]))
    intercept = equations.order_parameters(x)[3]
    classes = [replace(equations, prior=np.full(x.shape[1], share)) for share in (1.0, 0.0)]
    positive, negative = (
        only.channel(only.at_intercept(x, intercept), nodes, quadrature)[0] for only in classes
    )
    return positive - negative


def _accuracy_slope(
    equations: SaddlePoint, x: Array, dx: Array, d_prior: Array
) -> tuple[Array, Array]:
    """(d accuracy, d log test error) from the unknowns' derivative."""
    _, m, q, b = equations.order_parameters(x)
    root = np.sqrt(q)
    db = np.zeros_like(m)
    if equations.prior is not None:
        db = sum(slope * d for slope, d in zip(equations.intercept_slopes(x), dx[1:], strict=True))
    prior = np.full_like(m, 0.5) if equations.prior is None else equations.prior
    log_errors, parts = [], []
    for label, share in ((1.0, prior), (-1.0, 1 - prior)):
        t = (m + label * b) / root
        log_errors.append(np.log(share) + log_ndtr(-t))
        parts.append(
            (
                np.log(share) - 0.5 * t * t - _LOG_ROOT_2_PI,
                (m * dx[1] + label * db) / root - t * dx[2] / 2,
            )
        )
    log_error = np.logaddexp(*log_errors)
    shift = np.zeros_like(m)
    if equations.prior is not None:
        # the classes' own errors, weighted anew
        shift = d_prior * (ndtr(-(m + b) / root) - ndtr(-(m - b) / root))
    d_accuracy = sum(np.exp(log_density) * dt for log_density, dt in parts) - shift
    relative = sum(np.exp(log_density - log_error) * dt for log_density, dt in parts)
    return np.asarray(d_accuracy), np.asarray(shift * np.exp(-log_error) - relative)


def _of_bayes(result: Limit, parameter: str) -> Derivative:
    """Of pi Phi(R + h) + (1 - pi) Phi(R - h): the best h moves it to second order only.

    Without an intercept h = 0, and the prior drops out.
    """
    mixture = result.problem.mixture
    radius = np.sqrt(result.m)
    prior = np.broadcast_to(mixture.prior, radius.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(result.intercept == 0, 0.0, result.intercept / radius)
    slope = np.zeros(radius.shape)
    if parameter == "signal":
        first, second = (np.exp(-0.5 * (radius + way * shift) ** 2) for way in (1, -1))
        slope = (prior * first + (1 - prior) * second) / np.sqrt(2 * np.pi)
    elif parameter == "prior":
        slope = ndtr(radius + shift) - ndtr(radius - shift)
    return Derivative(parameter, slope, -slope / result.test_error, 1e-15 * np.abs(slope))
