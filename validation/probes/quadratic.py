"""The probes of the dual box (`active_set`), and the two that are one linear solve."""

from __future__ import annotations

from math import inf

import numpy as np
import scipy.linalg

from asymptotics.errors import InvalidInput, NotConverged
from validation.probes.active_set import Box, examined, solve_dual
from validation.probes.newton_cg import SQUARE, SQUARED_HINGE, Curve, minimise, with_intercept
from validation.probes.record import Certificate, ProbeFit
from validation.probes.sample import Array, Sample, contrasts


def fit_square(
    sample: Sample, ridge: float, intercept: bool = False, tolerance: float = 1e-9
) -> ProbeFit:
    """argmin (1/2n) sum_i (1 - u_i)^2 + (ridge/2)|theta|^2."""
    box = Box("square", -inf, inf, sample.num_samples * ridge)
    return _smooth(sample, box, SQUARE, ridge, intercept, tolerance)


def fit_squared_hinge(
    sample: Sample, ridge: float, intercept: bool = False, tolerance: float = 1e-9
) -> ProbeFit:
    """argmin (1/2n) sum_i (1 - u_i)_+^2 + (ridge/2)|theta|^2."""
    box = Box("squared-hinge", 0.0, inf, sample.num_samples * ridge)
    return _smooth(sample, box, SQUARED_HINGE, ridge, intercept, tolerance)


def _smooth(
    sample: Sample, box: Box, curve: Curve, ridge: float, intercept: bool, tolerance: float
) -> ProbeFit:
    """Newton's method in the primal; the dual's where that does not come to rest.

    The multipliers of a soft margin are explicit: a = clip((1 - u)/(n ridge)).
    """
    rows, sizes, penalty = with_intercept(sample.features, sample.lengths, ridge, intercept)
    found = minimise(rows, penalty, curve, sample.labels, sizes, max_steps=15)
    theta = found.x[:-1] if intercept else found.x
    offset = float(found.x[-1]) if intercept else None
    if found.reached <= 1e-12:
        a = (1 - sample.margins(theta, offset or 0.0)) / box.softness
        fit = examined(sample, box, a, theta, offset, found.steps)
        if fit.certificate.worst <= 1e-12:
            return fit
    return solve_dual(sample, box, intercept, tolerance)


def fit_hinge(
    sample: Sample, ridge: float, intercept: bool = False, tolerance: float = 1e-9
) -> ProbeFit:
    """argmin (1/n) sum_i (1 - u_i)_+ + (ridge/2)|theta|^2.

    Where the optimal b is an interval (every sample below margin 1) one point of it is returned.
    """
    box = Box("hinge", 0.0, 1 / (sample.num_samples * ridge), 0.0)
    return solve_dual(sample, box, intercept, tolerance)


def fit_max_margin(sample: Sample, intercept: bool = False, tolerance: float = 1e-9) -> ProbeFit:
    """argmin |theta|^2 subject to u_i >= 1 for all i: the hard-margin support vector machine.

    Raises `NotSeparable`, with a proof, when no theta has positive margins.
    """
    return solve_dual(sample, Box("max-margin", 0.0, inf, 0.0), intercept, tolerance)


def fit_min_norm(sample: Sample, intercept: bool = False, tolerance: float = 1e-9) -> ProbeFit:
    """argmin |theta|^2 subject to u_i = 1 for all i: interpolation of the labels.

    The limit ridge -> 0 of the square loss while n <= p (n <= p + 1 with an intercept).
    """
    n, p = sample.features.shape
    if n > p + intercept:
        raise InvalidInput(
            f"min-norm: {n} samples cannot be interpolated by {p} features: use least-squares"
        )
    return solve_dual(sample, Box("min-norm", -inf, inf, 0.0), intercept, tolerance)


def fit_least_squares(
    sample: Sample, intercept: bool = False, tolerance: float = 1e-11
) -> ProbeFit:
    """argmin (1/2n) sum_i (1 - u_i)^2: the limit ridge -> 0 of the square loss for n > p.

    The features must have full column rank (after centring, with an intercept).
    """
    n, p = sample.features.shape
    if n <= p + intercept:
        raise InvalidInput(
            f"least-squares needs more samples than features, got {n} and {p}: use min-norm"
        )
    z, y = sample.features, sample.labels
    if intercept:
        z, y = contrasts(z), contrasts(y)
    rotation, triangle = scipy.linalg.qr(z, mode="economic")
    pivots = np.abs(np.diag(triangle))
    if np.min(pivots) <= 1e-13 * np.max(pivots):
        raise InvalidInput("least-squares: the features are linearly dependent; drop some")
    theta = scipy.linalg.solve_triangular(triangle, rotation.T @ y)
    theta += scipy.linalg.solve_triangular(triangle, rotation.T @ (y - z @ theta))
    offset = _mean_residual(sample, theta) if intercept else 0.0
    weights = 1 - sample.margins(theta, offset)
    balance = sample.relative_balance(weights, np.zeros_like(theta), intercept)
    if not balance <= tolerance:
        raise NotConverged(
            f"least-squares: relative gradient {balance:.1e} above {tolerance:.0e}: the features "
            "are nearly dependent; drop some or use a ridge"
        )
    return ProbeFit(theta, offset, Certificate(gradient=balance), 1)


def fit_averaging(sample: Sample) -> ProbeFit:
    """theta = (1/n) sum_i y_i z_i, the direction of every penalised probe as ridge -> infinity."""
    theta = sample.labels @ sample.features / sample.num_samples
    return ProbeFit(theta, 0.0, Certificate(gradient=0.0), 0)


def _mean_residual(sample: Sample, theta: Array) -> float:
    return float(np.mean(sample.labels - sample.features @ theta))
