"""The limiting accuracy and confusion matrix of a K-class probe, with their evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import NotConverged
from asymptotics.multiclass.argmax import NESTED_CLASSES, confusion_matrix, exchangeable_error
from asymptotics.multiclass.gaussian_rule import student_error
from asymptotics.multiclass.logits import (
    NESTED_NODES,
    REPLICATES,
    Logits,
    closed_logits,
    softmax_logits,
)
from asymptotics.multiclass.mixture import contrast_basis
from asymptotics.multiclass.problem import MulticlassProblem
from asymptotics.multiclass.simplex import SimplexEquations, softmax_on_simplex

Array = NDArray[np.float64]

# log2 of the Sobol points of an orthant, where replicates of the logits join in and where not
_LOG2_POINTS = 10
_LOG2_POINTS_ALONE = 12


@dataclass(frozen=True)
class MulticlassLimit:
    """Order parameters of the logits and what follows from them, for one problem.

    accuracy, test_error: sum_k pi_k C_kk and its complement.
    confusion: C_jk = P(answer k | class j), (K, K).
    logit_means: row j the mean logits of class j, intercept included, (K, K), each of mean 0 over
        the logits; logit_covariance: Q, (K, K), of the logits less their mean; step: Gamma,
        (K, K), nan for nearest-mean.
    residual: of the fixed point, scale-free, recomputed at the returned point; 0 without one.
    error_estimate: of accuracy and of each entry of the confusion matrix, absolute: rounding, the
        last change between two rules, or half the width of a 99% interval over replicates.
    """

    problem: MulticlassProblem
    accuracy: float
    test_error: float
    confusion: Array
    logit_means: Array
    logit_covariance: Array
    step: Array
    residual: float
    error_estimate: float


def multiclass_limit(
    problem: MulticlassProblem, *, seed: int = 0, tolerance: float = 1e-3
) -> MulticlassLimit:
    """The limit n, p -> infinity at n/p = `sampling_ratio` (multiclass.md).

    Square and nearest-mean are closed forms for any means, softmax a fixed point. seed: of the
    Sobol points that six or more classes in general position need. Raises NotConverged where the
    fixed point is not found or the error estimate exceeds `tolerance`.
    """
    try:
        # what leaves the range of doubles on the way shows in the residuals, which are checked
        with np.errstate(all="ignore"):
            limit = _limit(problem, seed)
            _check_distances(limit)
    except np.linalg.LinAlgError as error:
        raise NotConverged(
            f"{_named(problem)}: {error}; signal, ridge, gain or a prior is too extreme"
        ) from None
    if not limit.error_estimate <= tolerance:
        raise NotConverged(
            f"{_named(problem)}: error estimate {limit.error_estimate:.1e} exceeds "
            f"{tolerance:g}; try a larger ridge or tolerance"
        )
    return limit


def _named(problem: MulticlassProblem) -> str:
    ridge = "" if problem.ridge is None else f", ridge {problem.ridge:g}"
    classes = problem.mixture.classes
    return f"{problem.loss} with {classes} classes at n/p = {problem.sampling_ratio:g}{ridge}"


def _limit(problem: MulticlassProblem, seed: int) -> MulticlassLimit:
    radius = problem.behind.simplex_radius()
    if problem.loss != "softmax":
        found = closed_logits(problem)
        if radius is None:
            return _judged(problem, [found], found.distance, seed)
        return _exchangeable(problem, found, found.distance)
    if radius is None:
        return _judged(problem, *softmax_logits(problem, seed), seed)
    return _simplex_softmax(problem, radius, seed)


def _check_distances(limit: MulticlassLimit) -> None:
    """Refuse logits that separate two classes better than the features do.

    (M_j - M_l)^T Q^+ (M_j - M_l) <= (nu_j - nu_l)^T S^{-1} (nu_j - nu_l), as a linear map cannot
    lengthen a Mahalanobis distance.
    """
    g = limit.problem.geometry()
    basis = contrast_basis(limit.problem.mixture.classes)
    spread = basis.T @ limit.logit_covariance @ basis
    gaps = limit.logit_means[:, None] - limit.logit_means
    reached = np.einsum("jlk,kd,jld->jl", gaps, basis @ np.linalg.inv(spread), gaps @ basis)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = (g.means[:, None] - g.means) ** 2 / g.block
        there = np.sum(np.where(g.means[:, None] == g.means, 0.0, parts), axis=2)
    worst = float(np.max(reached - there))
    if not worst <= 1e-8 * (1 + float(np.max(reached))) + 100 * limit.error_estimate:
        raise NotConverged(
            f"{_named(limit.problem)}: the logits separate two classes by {worst:.1e} more than "
            "the features can; try a larger ridge"
        )


def _simplex_softmax(problem: MulticlassProblem, radius: float, seed: int) -> MulticlassLimit:
    g = problem.geometry()
    k = problem.mixture.classes
    variance = float(problem.behind.covariance[0, 0])
    equations = SimplexEquations(k, radius, variance, g.bulk, g.weights, g.ridge, g.sampling_ratio)
    found = softmax_on_simplex(equations, seed)
    projection = np.eye(k) - 1 / k
    logits = Logits(
        found.m * projection,
        found.q * projection,
        found.gamma * projection,
        found.residual,
        found.error_estimate,
    )
    return _exchangeable(problem, logits, found.error_estimate)


def _exchangeable(problem: MulticlassProblem, found: Logits, error: float) -> MulticlassLimit:
    """From equal classes: one integral, and all wrong answers alike."""
    k = problem.mixture.classes
    m = found.means[0, 0] - found.means[0, 1]
    q = found.covariance[0, 0] - found.covariance[0, 1]
    wrong = float(exchangeable_error(m, q, k))
    confusion = np.full((k, k), wrong / (k - 1))
    np.fill_diagonal(confusion, 1 - wrong)
    return _record(problem, found, confusion, wrong, error)


def _judged(
    problem: MulticlassProblem, found: list[Logits], error: float, seed: int
) -> MulticlassLimit:
    """From logits in general position; several are replicates, whose spread joins the error."""
    classes = problem.mixture.classes
    if classes <= NESTED_CLASSES:
        (only,) = found
        sizes = (NESTED_NODES, NESTED_NODES * 2 // 3) if classes > 3 else (1,)
        matrices = np.array([confusion_matrix(only.means, only.covariance, n) for n in sizes])
        error += float(np.ptp(matrices, axis=0).max())
        matrices = matrices[:1]
    else:
        children = np.random.SeedSequence([seed, 1]).spawn(REPLICATES)
        size = _LOG2_POINTS_ALONE if len(found) == 1 else _LOG2_POINTS
        pairs = [(found[i % len(found)], child) for i, child in enumerate(children)]
        matrices = np.array([confusion_matrix(x.means, x.covariance, size, c) for x, c in pairs])
        error += float(student_error(matrices).max())
    confusion = matrices.mean(axis=0)
    # from the wrong answers alone, which keeps the digits of a small error
    wrong = float(problem.mixture.priors @ (confusion * (1 - np.eye(classes))).sum(axis=1))
    mean = Logits(
        np.mean([x.means for x in found], axis=0),
        np.mean([x.covariance for x in found], axis=0),
        np.mean([x.step for x in found], axis=0),
        max(x.residual for x in found),
        max(x.distance for x in found),
    )
    return _record(problem, mean, confusion, wrong, error)


def _record(
    problem: MulticlassProblem, found: Logits, confusion: Array, wrong: float, error: float
) -> MulticlassLimit:
    return MulticlassLimit(
        problem,
        float(problem.mixture.priors @ np.diag(confusion)),
        wrong,
        confusion,
        found.means,
        found.covariance,
        found.step,
        found.residual,
        error,
    )
