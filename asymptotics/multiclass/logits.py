"""The laws of the logits of a problem: closed forms, or the softmax by lattices or replicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import NotConverged
from asymptotics.multiclass.argmax import NESTED_CLASSES, confusion_matrix
from asymptotics.multiclass.gaussian_rule import GaussianRule, lattice_rule, sobol_rules
from asymptotics.multiclass.geometry import BlockGeometry
from asymptotics.multiclass.mixture import contrast_basis
from asymptotics.multiclass.nearest_mean import nearest_mean_logits
from asymptotics.multiclass.problem import MulticlassProblem
from asymptotics.multiclass.softmax import Orders, SoftmaxEquations, first_orders
from asymptotics.multiclass.square import square_logits

Array = NDArray[np.float64]

# of the finest lattice, and of each Sobol replicate
_LATTICE_NODES = 20_000
_LOG2_POINTS = 11
REPLICATES = 8
# residual of a replicate, whose own error is above 1e-5
_SAMPLED = 1e-8
# nodes of each nested integral of an orthant
NESTED_NODES = 60


@dataclass(frozen=True)
class Logits:
    """Means (K, K), covariance and step Gamma (K, K) of the logits, those of mean 0.

    residual: of the fixed point. distance: estimated relative error of the order parameters.
    """

    means: Array
    covariance: Array
    step: Array
    residual: float
    distance: float


def closed_logits(problem: MulticlassProblem) -> Logits:
    """Of square or nearest-mean, whose order parameters need no integral."""
    geometry = problem.geometry()
    classes = problem.mixture.classes
    if problem.loss == "square":
        found = square_logits(geometry, problem.intercept)
        step = found.gamma * np.eye(classes)
        return Logits(_centred(found.means), found.covariance, step, found.residual, found.rounding)
    means, spread = nearest_mean_logits(geometry)
    spread = _centred(_centred(spread).T)
    return Logits(_centred(means), spread, np.full((classes, classes), np.nan), 0.0, 1e-14)


def softmax_logits(problem: MulticlassProblem, seed: int) -> tuple[list[Logits], float]:
    """(logits, error of the confusion matrix beyond the spread of the logits), any means.

    Up to K = 5 one set of logits, from lattices refined until the confusion matrix moves by less
    than 1e-8 or the largest lattice is reached: the error is the last move. Above, one set for
    each replicate of the Sobol points. Raises NotConverged.
    """
    geometry, classes = problem.geometry(), problem.mixture.classes
    if classes > NESTED_CLASSES:
        found = []
        rules = sobol_rules(classes, _LOG2_POINTS, REPLICATES, seed)
        start = first_orders(geometry, rules[0], problem.intercept)
        for rule in rules:
            start, replicate = _solve(geometry, rule, problem.intercept, start, _SAMPLED)
            found.append(replicate)
        return found, max(x.distance for x in found)
    spacing = {2: 0.04, 3: 0.6, 4: 1.2, 5: 1.7}[classes]
    coarse = lattice_rule(classes, spacing)
    start = first_orders(geometry, coarse, problem.intercept)
    start, logits = _solve(geometry, coarse, problem.intercept, start)
    last = confusion_matrix(logits.means, logits.covariance, NESTED_NODES)
    move = np.inf
    while move > 1e-8:
        spacing *= 0.8
        try:
            rule = lattice_rule(classes, spacing, _LATTICE_NODES)
        except NotConverged:
            break
        start, logits = _solve(geometry, rule, problem.intercept, start)
        here = confusion_matrix(logits.means, logits.covariance, NESTED_NODES)
        move, last = float(np.abs(here - last).max()), here
    return [logits], move + logits.distance


def _solve(
    geometry: BlockGeometry,
    rule: GaussianRule,
    intercept: bool,
    start: Orders,
    tolerance: float = 1e-10,
) -> tuple[Orders, Logits]:
    equations = SoftmaxEquations(geometry, rule, intercept)
    orders, residual, distance = equations.solve(start, tolerance)
    basis = contrast_basis(len(geometry.priors))
    means, spread = geometry.logits(orders.curvature, orders.pulls, orders.noise)
    step = geometry.step(orders.curvature)
    return orders, Logits(
        (means + orders.offset) @ basis.T,
        basis @ spread @ basis.T,
        basis @ step @ basis.T,
        residual,
        distance,
    )


def _centred(logits: Array) -> Array:
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))
