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
from validation.probes.newton_cg import LOGISTIC, minimise, with_intercept
from validation.probes.quadratic import fit_max_margin
from validation.probes.record import Certificate, NotSeparable, ProbeFit, Separable
from validation.probes.sample import Array, Sample


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
    rows, sizes, penalty = with_intercept(sample.features, sample.lengths, ridge, intercept)
    found = minimise(rows, penalty, LOGISTIC, sample.labels, sizes)
    fit = _fitted(sample, ridge, intercept, found.x, found.steps)
    if fit.certificate.worst <= 1e-13:
        return fit
    turned = sample.labels[:, None] * sample.coordinates
    rows, sizes, penalty = with_intercept(turned, sample.lengths, ridge, intercept)
    exact = _Exact(rows, penalty)
    found = minimise(
        rows, penalty, LOGISTIC, sample.labels, sizes, exact, 1e-16, tolerance, max_iterations
    )
    fit = _fitted(sample, ridge, intercept, _expanded(sample, found.x, intercept), found.steps)
    if not fit.certificate.worst <= tolerance:
        raise NotConverged(
            f"logistic probe: relative gradient {fit.certificate.worst:.1e} above {tolerance:.0e} "
            f"after {fit.iterations} Newton steps: rescale the features or raise the ridge"
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


class _Exact:
    """A^T D A + P, solved by Cholesky's factor."""

    def __init__(self, rows: Array, penalty: Array) -> None:
        self._rows, self._penalty = rows, penalty

    def weigh(self, curvature: Array) -> None:
        """Set D."""
        self._curvature = curvature

    def solve(self, right: Array, tolerance: float) -> Array:
        """H^{-1} right, to rounding whatever the `tolerance`.

        An H that is singular to rounding is lifted by the least multiple of the identity, 10^-14
        of its trace and up, that has a Cholesky factor.
        """
        weighted = np.sqrt(self._curvature)[:, None] * self._rows
        hessian = weighted.T @ weighted
        hessian[np.diag_indices_from(hessian)] += self._penalty
        lift = 1e-14 * np.trace(hessian) / len(hessian) + np.finfo(float).tiny
        for _attempt in range(16):
            try:
                return scipy.linalg.cho_solve(scipy.linalg.cho_factor(hessian, lower=True), right)
            except np.linalg.LinAlgError:
                hessian[np.diag_indices_from(hessian)] += lift
                lift *= 10
        raise NotConverged(
            "the probe's Hessian has no Cholesky factor: features too large or singular"
        )


def _fitted(sample: Sample, ridge: float, intercept: bool, x: Array, steps: int) -> ProbeFit:
    """The fit of theta and b, its gradient recomputed from the original features."""
    theta, offset = (x[:-1], float(x[-1])) if intercept else (x, 0.0)
    pull = expit(-sample.margins(theta, offset)) / sample.num_samples
    reached = sample.relative_balance(pull, ridge * theta, intercept)
    return ProbeFit(theta, offset, Certificate(gradient=reached), steps)
