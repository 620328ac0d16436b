"""Solving the probe's equations for a whole grid at once, with evidence for every digit.

1. start from the exact solution of the square loss, which is algebraic but for one unknown;
2. damped Newton; where it fails, continuation in the ridge from the averaging limit;
3. polish with the undamped step of a finer rule, until the limiting accuracy agrees with that of
   a rule 1.5 times as large (for closed-form losses: of an independent quadrature).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr

from asymptotics.losses import LOSSES
from asymptotics.newton import continuation, largest, newton, newton_step
from asymptotics.saddle_point import SaddlePoint

Array = NDArray[np.float64]
Points = NDArray[np.intp]

# a hard constraint is the limit ridge -> 0 of a soft loss: where its start is found
_SOFTENED = {"margin-constraint": "squared-hinge", "label-constraint": "square"}

_COARSE_NODES, _FINE_NODES, _MOST_NODES = 64, 96, 1536
_ROUNDS = 7
_ROUGH = 1e-6  # residual at which the polish takes over
_ROW = 512  # points whose nodes fill the cache


@dataclass(frozen=True)
class Solution:
    """Unknowns of every point with their evidence.

    unknowns: (unknowns, points), as `SaddlePoint` orders them.
    residual: largest scale-free residual, recomputed at the returned point by the finest rule.
    error_estimate: change of the limiting accuracy under the refined rule, rounding included.
    """

    unknowns: Array
    residual: Array
    error_estimate: Array


def solve(equations: SaddlePoint) -> Solution:
    """Solve every point of `equations`; unsolved points have an infinite residual."""
    parts = []
    for first in range(0, equations.ridge.size, _ROW):
        points = np.arange(first, min(first + _ROW, equations.ridge.size))
        with np.errstate(all="ignore"):
            parts.append(_solve_row(equations.take(points)))
    return Solution(
        np.concatenate([p.unknowns for p in parts], axis=1),
        np.concatenate([p.residual for p in parts]),
        np.concatenate([p.error_estimate for p in parts]),
    )


def _solve_row(equations: SaddlePoint) -> Solution:
    x, size = newton(equations, _start(equations), _COARSE_NODES, _ROUGH, iterations=25)
    # a path is lost where its rule is too coarse to show a solution: follow it with a finer one
    for nodes in (_COARSE_NODES, 4 * _COARSE_NODES):
        lost = np.flatnonzero(size > _ROUGH)
        if lost.size:
            x[:, lost], size[lost] = _follow_ridge(equations.take(lost), nodes)
    lost = np.flatnonzero(size > _ROUGH)
    if equations.prior is not None and lost.size:
        found, left = _follow_prior(equations.take(lost))
        better = left < size[lost]
        x[:, lost[better]] = found[:, better]
    return _polish(equations, x)


def _follow_prior(equations: SaddlePoint) -> tuple[Array, Array]:
    """(unknowns, residual) by continuation in the log-odds of the classes, from 0."""
    assert equations.prior is not None
    odds = np.log(equations.prior) - np.log1p(-equations.prior)

    def at(points: Points, left: Array) -> SaddlePoint:
        return replace(equations.take(points), prior=expit(odds[points] * (1 - left)))

    balanced = _solve_row(replace(equations, prior=None)).unknowns
    x = _without_intercept(equations, balanced)
    start, end = np.ones_like(odds), np.zeros_like(odds)
    return continuation(at, x, start, end, 2 * _COARSE_NODES, _ROUGH, stride=0.2)


def square_loss_solution(equations: SaddlePoint) -> Array:
    """Unknowns of the square loss at the same geometry and ridge, exact (numerics.md, square loss).

    gamma solves T_1(lambda, 1/(1+gamma)) = delta gamma, whose left side over gamma decreases;
    then m = B_1 v/(1 + B_1 v) with v = 1/(1+gamma), and q is linear in m^2 and (1-m)^2. The
    intercept, if there is one, starts from zero.
    """
    geometry, ridge, delta = equations.geometry, equations.ridge, equations.sampling_ratio
    low, high = np.full_like(ridge, -100.0), np.full_like(ridge, 100.0)
    log_gamma = np.zeros_like(ridge)
    for _ in range(80):
        gamma = np.exp(log_gamma)
        v = 1 / (1 + gamma)
        traces, overlaps = geometry.resolvent_moments(ridge, v)
        excess = np.log(traces[0] / delta) - log_gamma
        low, high = np.where(excess > 0, log_gamma, low), np.where(excess < 0, log_gamma, high)
        step = excess / (1 - traces[1] / traces[0] * gamma * v**2)
        inside = (low < log_gamma + step) & (log_gamma + step < high)
        step = np.where(inside, step, 0.5 * (low + high) - log_gamma)
        if np.all(np.abs(step) < 1e-14):
            break
        log_gamma = log_gamma + step
    m = overlaps[0] * v / (1 + overlaps[0] * v)
    noise = traces[1] / delta * v**2
    q = (((1 - m) * v) ** 2 * overlaps[1] + (1 - m) ** 2 * noise) / (1 - noise)
    return _unknowns(equations, log_gamma, m, np.log(q))


def _balance(equations: SaddlePoint, x: Array, nodes: int) -> Array:
    """`x` with the intercept that solves E[y M'] = 0 at the other unknowns.

    E[y M'] increases in b: Newton inside a bracket, bisecting arcsinh(b) where Newton leaves it.
    """
    if equations.prior is None:
        return x
    gamma, m, q, b = equations.order_parameters(x)
    high = np.arcsinh(50 + np.abs(m) + 20 * np.sqrt(q) + 2 * gamma)
    low = -high
    for _ in range(80):
        x = equations.at_intercept(x, b)
        hats, slopes = equations.channel(x, nodes)
        tilt, slope = hats[3], slopes[3, 3] / equations.intercept_slopes(x)[2]
        if np.all(np.abs(tilt) <= 1e-3 * np.sqrt(hats[2])):
            break
        here = np.arcsinh(b)
        low, high = np.where(tilt < 0, here, low), np.where(tilt > 0, here, high)
        target = np.arcsinh(b - tilt / np.where(slope > 0, slope, np.inf))
        inside = (low < target) & (target < high) & (slope > 0) & (high - low < 1.0)
        b = np.sinh(np.where(inside, target, 0.5 * (low + high)))
    return x


def _unknowns(equations: SaddlePoint, log_gamma: Array, m: Array, log_q: Array) -> Array:
    scale = equations.mean_scale()
    log_m = np.log(np.where(scale > 0, m / np.where(scale > 0, scale, 1.0), 1.0))
    x = np.stack([log_gamma, log_m, log_q])
    return x if equations.prior is None else _without_intercept(equations, x)


def _without_intercept(equations: SaddlePoint, x: Array) -> Array:
    """The three unknowns `x` with a fourth that makes b = 0."""
    padded = np.concatenate([x, np.zeros((1, x.shape[1]))])
    return equations.at_intercept(padded, np.zeros(x.shape[1]))


def _start(equations: SaddlePoint) -> Array:
    """A start for Newton: the square loss, or the softened loss of a constraint."""
    if equations.loss.name in _SOFTENED:
        return _constrain(equations, 1e-3, _COARSE_NODES)
    return _balance(equations, square_loss_solution(equations), _COARSE_NODES)


def _averaging_scale(equations: SaddlePoint) -> Array:
    """The ridge at which the averaging classifier's margins are of order one."""
    one = np.ones_like(equations.ridge)
    traces, overlaps = equations.geometry.resolvent_moments(one, one)
    delta = equations.sampling_ratio
    return overlaps[0] + np.sqrt(overlaps[1] + traces[1] / delta) + traces[0] / delta


def _constrain(equations: SaddlePoint, depth: float, nodes: int) -> Array:
    """A constraint's unknowns from its softened loss at ridge `depth` times the natural one.

    Dividing the softened problem by its ridge leaves m and q and multiplies gamma by the ridge.
    """
    loss = LOSSES[_SOFTENED[equations.loss.name]]
    soft = replace(equations, loss=loss, ridge=depth * _averaging_scale(equations))
    start = _balance(soft, square_loss_solution(soft), nodes)
    x, size = newton(soft, start, nodes, _ROUGH, iterations=25)
    lost = np.flatnonzero(size > _ROUGH)
    if lost.size:
        x[:, lost], _ = _follow_ridge(soft.take(lost), nodes)
    x[0] += np.log(soft.ridge)
    return x


def _follow_ridge(equations: SaddlePoint, nodes: int) -> tuple[Array, Array]:
    """(unknowns, residual) by continuation in log ridge from the averaging limit."""
    if equations.loss.name in _SOFTENED:
        return _deepen(equations, nodes)
    scale = _averaging_scale(equations)
    first = np.maximum(equations.ridge, scale)
    # a vanishing ridge is reached by a last Newton from far below every other scale
    last = np.maximum(equations.ridge, 1e-13 * scale)

    def at(points: Points, log_ridge: Array) -> SaddlePoint:
        return replace(equations.take(points), ridge=np.exp(log_ridge))

    start = replace(equations, ridge=first)
    x, _ = newton(start, _balance(start, square_loss_solution(start), nodes), nodes, _ROUGH)
    x, _ = continuation(at, x, np.log(first), np.log(last), nodes, _ROUGH)
    return newton(equations, x, nodes, _ROUGH)


def _deepen(equations: SaddlePoint, nodes: int) -> tuple[Array, Array]:
    """(unknowns, residual) of a constraint from softer and softer versions of it."""
    x = np.full((equations.num_unknowns, equations.ridge.size), np.nan)
    size = np.full(equations.ridge.size, np.inf)
    for depth in (1e-5, 1e-7, 1e-9, 1e-11, 1e-13):
        left = np.flatnonzero(size > _ROUGH)
        if not left.size:
            break
        part = equations.take(left)
        x[:, left], size[left] = newton(part, _constrain(part, depth, nodes), nodes, _ROUGH)
    return x, size


def _polish(equations: SaddlePoint, x: Array) -> Solution:
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
        better = (found < 10 * size[left]) | (found < 1e-11)
        kept = left[better]
        x[:, kept], size[kept], error[kept] = result[:, better], found[better], moved[better]
        done = better & (moved < 1e-13) & (found < 1e-12)
        stalled = better & (moved < 1e-11) & (found < 1e-11) & (moved > 0.3 * previous)
        again = ~done & ~stalled
        left, previous = left[again], moved[again]
        if not left.size:
            break
        if nodes < _MOST_NODES and not closed:
            nodes *= 2
    return Solution(x, size, error)


def accuracy_change(equations: SaddlePoint, x: Array, y: Array) -> Array:
    """|change of the limiting test error| between unknowns x and y, relative accuracy kept."""
    changes = []
    for label in (1.0, -1.0):
        before, after = (_log_error(equations, unknowns, label) for unknowns in (x, y))
        larger = np.maximum(before, after)
        with np.errstate(invalid="ignore"):
            apart = np.where(before == after, 0.0, np.abs(after - before))
        changes.append(np.exp(larger) * -np.expm1(-apart))
    change = np.maximum(*changes)
    return np.where(np.isfinite(change), change, np.inf)


def _log_error(equations: SaddlePoint, x: Array, label: float) -> Array:
    _, m, q, intercept = equations.order_parameters(x)
    return np.asarray(log_ndtr(-(m + label * intercept) / np.sqrt(q)))
