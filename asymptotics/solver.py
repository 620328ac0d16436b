"""Solving the probe's equations for a whole grid at once, with evidence for every digit.

1. start from the exact solution of the square loss, which is algebraic but for one unknown;
2. ordinary points take the quick way: Newton by a small rule, two steps by a larger one, and the
   check of a third;
3. the others damped Newton; where it fails, continuation in the ridge from the averaging limit;
4. and a polish with the undamped step of a finer rule, until the limiting accuracy agrees with that
   of a rule 1.5 times as large (for closed-form losses: of an independent quadrature).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.equations import Equations
from asymptotics.losses import LOSSES
from asymptotics.newton import continuation, largest, newton, newton_step

Array = NDArray[np.float64]
Points = NDArray[np.intp]

# a hard constraint is the limit ridge -> 0 of a soft loss: where its start is found
_SOFTENED = {"margin-constraint": "squared-hinge", "label-constraint": "square"}

_QUICK_NODES, _CLOSE_NODES, _CHECK_NODES = 24, 48, 72
_COARSE_NODES, _FINE_NODES, _MOST_NODES = 64, 96, 1536
_ROUNDS = 7
_NEAR = 1e-4  # residual from which two undamped steps reach rounding
_ROUGH = 1e-6  # residual at which the polish takes over


@dataclass(frozen=True)
class Solution:
    """Unknowns of every point with their evidence.

    unknowns: (unknowns, points), as `Equations` orders them.
    residual: largest scale-free residual, recomputed at the returned point by the finest rule.
    error_estimate: change of the limiting accuracy under the refined rule, rounding included.
    """

    unknowns: Array
    residual: Array
    error_estimate: Array


def solve(equations: Equations) -> Solution:
    """Solve every point of `equations`; unsolved points have an infinite residual."""
    parts = []
    size = equations.ridge.size
    for first in range(0, size, equations.batch):
        points = np.arange(first, min(first + equations.batch, size))
        with np.errstate(all="ignore"):
            parts.append(_solve_row(equations.take(points)))
    return Solution(
        np.concatenate([p.unknowns for p in parts], axis=1),
        np.concatenate([p.residual for p in parts]),
        np.concatenate([p.error_estimate for p in parts]),
    )


def _solve_row(equations: Equations) -> Solution:
    start = _start(equations)
    found = _quickly(equations, start)
    x, size, error = found.unknowns, found.residual, found.error_estimate
    left = np.flatnonzero(~_settled(size, error))
    if left.size:
        rest = _thoroughly(equations.take(left), start[:, left])
        x[:, left], size[left], error[left] = rest.unknowns, rest.residual, rest.error_estimate
    return Solution(x, size, error)


def _settled(size: Array, error: Array) -> NDArray[np.bool_]:
    """Whether a residual and an error estimate are at rounding."""
    return np.asarray((error < 1e-13) & (size < 1e-12))


def _quickly(equations: Equations, start: Array) -> Solution:
    """Newton by a small rule, two undamped steps by a larger one, and its check by a third.

    Enough for ordinary points: what the check finds there is below rounding.
    """
    x, size = newton(equations, start, _QUICK_NODES, _NEAR, iterations=12)
    near = np.flatnonzero(size <= _NEAR)
    part, here = equations.take(near), x[:, near]
    for _ in range(2):
        here = here + newton_step(*part.residual(here, _CLOSE_NODES))
    residual, jacobian = part.residual(here, _CHECK_NODES, equations.loss.closed_form)
    size, error = np.full(size.size, np.inf), np.full(size.size, np.inf)
    moved = accuracy_change(part, here, here + newton_step(residual, jacobian))
    x[:, near], size[near], error[near] = here, largest(residual), moved
    return Solution(x, size, error)


def _thoroughly(equations: Equations, start: Array) -> Solution:
    x, size = newton(equations, start, _COARSE_NODES, _ROUGH, iterations=25)
    # a path is lost where its rule is too coarse to show a solution: follow it with a finer one
    for nodes in (_COARSE_NODES, 4 * _COARSE_NODES):
        lost = np.flatnonzero(size > _ROUGH)
        if lost.size:
            x[:, lost], size[lost] = _follow_ridge(equations.take(lost), nodes)
    lost = np.flatnonzero(size > _ROUGH)
    if equations.fits_intercept and lost.size:
        found, left = _follow_prior(equations.take(lost))
        better = left < size[lost]
        x[:, lost[better]] = found[:, better]
    return _polish(equations, x)


def _follow_prior(equations: Equations) -> tuple[Array, Array]:
    """(unknowns, residual) by continuation in the log-odds of the classes, from 0."""

    def at(points: Points, left: Array) -> Equations:
        return equations.take(points).less_unequal(left)

    x = equations.at_zero_intercept(_solve_row(equations.without_intercept()).unknowns)
    start, end = np.ones_like(equations.ridge), np.zeros_like(equations.ridge)
    return continuation(at, x, start, end, 2 * _COARSE_NODES, _ROUGH, stride=0.2)


def _start(equations: Equations) -> Array:
    """A start for Newton: the square loss, for a constraint at a tenth of the natural ridge."""
    if equations.loss.name in _SOFTENED:
        soft = _soften(equations, 0.1)
        return soft.rescaled(soft.start(_COARSE_NODES), soft.ridge)
    return equations.start(_COARSE_NODES)


def _soften(equations: Equations, depth: float) -> Equations:
    """The softened loss of a constraint at ridge `depth` times the natural one.

    Dividing the softened problem by its ridge leaves m and q and multiplies gamma by the ridge.
    """
    loss = LOSSES[_SOFTENED[equations.loss.name]]
    return equations.penalised(depth * equations.averaging_scale(), loss)


def _follow_ridge(equations: Equations, nodes: int) -> tuple[Array, Array]:
    """(unknowns, residual) by continuation in log ridge from the averaging limit."""
    if equations.loss.name in _SOFTENED:
        return _deepen(equations, nodes)
    scale = equations.averaging_scale()
    first = np.maximum(equations.ridge, scale)
    # a vanishing ridge is reached by a last Newton from far below every other scale
    last = np.maximum(equations.ridge, 1e-13 * scale)

    def at(points: Points, log_ridge: Array) -> Equations:
        return equations.take(points).penalised(np.exp(log_ridge))

    start = equations.penalised(first)
    x, _ = newton(start, start.start(nodes), nodes, _ROUGH)
    x, _ = continuation(at, x, np.log(first), np.log(last), nodes, _ROUGH)
    return newton(equations, x, nodes, _ROUGH)


def _deepen(equations: Equations, nodes: int) -> tuple[Array, Array]:
    """(unknowns, residual) of a constraint from softer and softer versions of it."""
    x = np.full((equations.num_unknowns, equations.ridge.size), np.nan)
    size = np.full(equations.ridge.size, np.inf)
    for depth in (0.03, 1e-5, 1e-7, 1e-9, 1e-11, 1e-13):
        left = np.flatnonzero(size > _ROUGH)
        if not left.size:
            break
        part = equations.take(left)
        soft = _soften(part, depth)
        near, softened = newton(soft, soft.start(nodes), nodes, _ROUGH, iterations=25)
        lost = np.flatnonzero(softened > _ROUGH)
        if lost.size:
            near[:, lost], _ = _follow_ridge(soft.take(lost), nodes)
        x[:, left], size[left] = newton(part, soft.rescaled(near, soft.ridge), nodes, _ROUGH)
    return x, size


def _polish(equations: Equations, x: Array) -> Solution:
    """Undamped steps with finer and finer rules until a refinement moves the accuracy no more.

    Each round takes one step by a rule and one by the refined rule; what the second moves is the
    error estimate. A point is done when that is negligible or has stopped falling (rounding).
    """
    x = x.copy()
    size, error = np.full(x.shape[1], np.inf), np.full(x.shape[1], np.inf)
    left, nodes, previous = np.arange(x.shape[1]), _FINE_NODES, np.full(x.shape[1], np.inf)
    closed = equations.loss.closed_form
    for _ in range(_ROUNDS):
        part = equations.take(left)
        refined_nodes = nodes + nodes // 2
        coarse = x[:, left] + newton_step(*part.residual(x[:, left], nodes))
        refined = coarse + newton_step(*part.residual(coarse, refined_nodes, quadrature=closed))
        moved = accuracy_change(part, coarse, refined)
        result = coarse if closed else refined
        found = largest(part.residual(result, refined_nodes)[0])
        # a finer rule is trusted with a larger residual, except where both are at rounding
        least = np.where(error[left] < 1e-13, 1, 10) * size[left]
        better = (found < least) | (found < 1e-11)
        kept = left[better]
        x[:, kept], size[kept], error[kept] = result[:, better], found[better], moved[better]
        done = better & _settled(found, moved)
        stalled = better & (moved < 1e-11) & (found < 1e-11) & (moved > 0.3 * previous)
        again = ~done & ~stalled
        left, previous = left[again], moved[again]
        if not left.size:
            break
        if nodes < _MOST_NODES and not closed:
            nodes *= 2
    return Solution(x, size, error)


def accuracy_change(equations: Equations, x: Array, y: Array) -> Array:
    """Largest |change of a component's test error| between unknowns x and y, from the tail."""
    before, after = (equations.margin_laws(unknowns).log_errors() for unknowns in (x, y))
    with np.errstate(invalid="ignore"):
        apart = np.where(before == after, 0.0, np.abs(after - before))
    change = np.max(np.exp(np.maximum(before, after)) * -np.expm1(-apart), axis=0)
    return np.where(np.isfinite(change), change, np.inf)
