"""The logistic probe, by Newton's method on

    f(theta, b) = (1/n) sum_i log(1 + e^{-u_i}) + (ridge/2)|theta|^2,   u_i = y_i (z_i.theta + b).

Its steps come from conjugate gradients (`newton_cg`); where those do not reach the optimum, from
exact factors in min(n, p) coordinates. Steps are chosen by the slope along them, so it converges
from zero.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from scipy.special import expit

from asymptotics.errors import NotConverged
from validation.probes.line_search import step_length
from validation.probes.newton_cg import LOGISTIC, minimise, with_intercept
from validation.probes.quadratic import fit_max_margin
from validation.probes.record import Certificate, NotSeparable, ProbeFit, Separable
from validation.probes.sample import Array, Sample, lengths


def fit_logistic(
    sample: Sample,
    ridge: float,
    intercept: bool = False,
    tolerance: float = 1e-11,
    max_iterations: int = 200,
) -> ProbeFit:
    """argmin (1/n) sum log(1 + e^{-u_i}) + (ridge/2)|theta|^2.

    Iterates until the relative gradient (see `Certificate`) stops falling, and raises
    `NotConverged` when it ends above `tolerance`. `ridge` may be 0 where a finite optimum exists.
    """
    found = minimise(*with_intercept(sample.signed, sample, ridge, intercept), LOGISTIC)
    fit = _fitted(sample, ridge, intercept, found.x, found.steps)
    if fit.certificate.worst <= 1e-13:
        return fit
    rows, penalty = with_intercept(sample.coordinates, sample, ridge, intercept)
    x = np.zeros(rows.shape[1])
    best, best_x, stalled, steps = np.inf, x, 0, 0
    while steps < max_iterations:
        margins = rows @ x
        pull = expit(-margins) / len(rows)  # -loss'(u) / n
        gradient = penalty * x - pull @ rows
        reached = _relative_norm(gradient, rows, pull, penalty * x)
        stalled = stalled + 1 if best < tolerance and reached > 0.5 * best else 0
        if reached < best:
            best, best_x = reached, x
        if best < 1e-16 or stalled == 3:
            break
        step = -_solve_hessian(rows, pull * expit(margins), penalty, gradient)
        along = rows @ step

        def slope(
            t: float,
            x: Array = x,
            step: Array = step,
            margins: Array = margins,
            along: Array = along,
        ) -> float:
            pull = expit(-(margins + t * along)) / len(rows)
            return float((penalty * (x + t * step)) @ step - pull @ along)

        # close to the optimum the slope along the step is rounding: then take the whole step
        steps += 1
        x = x + (1.0 if reached < 1e-8 else step_length(slope)) * step
    best_x = _expanded(sample, best_x, intercept)
    fit = _fitted(sample, ridge, intercept, best_x, steps)
    if not fit.certificate.worst <= tolerance:
        raise NotConverged(
            f"logistic probe: relative gradient {fit.certificate.worst:.1e} above {tolerance:.0e} "
            f"after {steps} Newton steps: rescale the features or raise the ridge"
        )
    return fit


def fit_logistic_mle(sample: Sample, intercept: bool = False, tolerance: float = 1e-11) -> ProbeFit:
    """argmin (1/n) sum_i log(1 + e^{-u_i}): the maximum-likelihood fit without a penalty.

    Exists iff no hyperplane separates the sample, which is decided first and with a proof either
    way: `Separable` carries the max-margin fit.
    """
    try:
        separator = fit_max_margin(sample, intercept)
    except NotSeparable:
        return fit_logistic(sample, 0.0, intercept, tolerance)
    raise Separable(separator, 1 / float(np.linalg.norm(separator.theta)))


def _expanded(sample: Sample, x: Array, intercept: bool) -> Array:
    """theta and b from coordinates in the row space and b."""
    if not intercept:
        return sample.theta(x)
    return np.append(sample.theta(x[:-1]), x[-1])


def _relative_norm(gradient: Array, rows: Array, pull: Array, penalty: Array) -> float:
    size = pull @ lengths(rows) + np.linalg.norm(penalty)
    return float(np.linalg.norm(gradient) / size)


def _solve_hessian(rows: Array, curvature: Array, penalty: Array, gradient: Array) -> Array:
    """H^{-1} gradient with H = rows^T diag(curvature) rows + diag(penalty).

    An H that is singular to rounding is lifted by the least multiple of the identity, 10^-14 of
    its trace and up, that has a Cholesky factor.
    """
    weighted = np.sqrt(curvature)[:, None] * rows
    hessian = weighted.T @ weighted
    hessian[np.diag_indices_from(hessian)] += penalty
    lift = 1e-14 * np.trace(hessian) / len(hessian) + np.finfo(float).tiny
    for _attempt in range(16):
        try:
            factor = scipy.linalg.cho_factor(hessian, lower=True)
            return scipy.linalg.cho_solve(factor, gradient)
        except np.linalg.LinAlgError:
            hessian[np.diag_indices_from(hessian)] += lift
            lift *= 10
    raise NotConverged("the probe's Hessian has no Cholesky factor: features too large or singular")


def _fitted(sample: Sample, ridge: float, intercept: bool, x: Array, steps: int) -> ProbeFit:
    """The fit of theta and b, its gradient recomputed from the original features."""
    theta, offset = (x[:-1], float(x[-1])) if intercept else (x, 0.0)
    pull = expit(-sample.margins(theta, offset)) / sample.num_samples
    reached = sample.relative_balance(pull, ridge * theta, intercept)
    return ProbeFit(theta, offset, Certificate(gradient=reached), steps)
