"""Softmax regression on the simplex: three scalar equations (multiclass.md, simplex).

By the symmetry of K equal classes, on the logits of sum zero Gamma = gamma, Q = q, M_j = m e_j,
and

    gamma = (1/delta) sum_t w_t s_t/(lambda + s_t v),     m = h R^2/((K-1)(lambda + v s)),
    q = h^2 s R^2/(K (K-1)(lambda + v s)^2) + (qhat/delta) sum_t w_t s_t^2/(lambda + s_t v)^2,

with R and s the radius and variance of the block behind the head, and the means over K normals

    h = E(1 - p_y) K/(K-1),   qhat = E|e_y - p|^2/(K-1),   v = E[sum p' - sum p'^2/sum p']/(K-1),

p' = p/(1 + gamma p), p the softmax at the prox.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import approx_fprime, root

from asymptotics.errors import NotConverged
from asymptotics.multiclass.argmax import exchangeable_error
from asymptotics.multiclass.gaussian_rule import (
    GaussianRule,
    left_out,
    orbit_rule,
    sobol_rules,
    student_error,
)
from asymptotics.multiclass.prox import prox_probabilities

Array = NDArray[np.float64]

_TOLERANCE = 1e-11
# a short first step: the start is near
_HYBR = {"xtol": 1e-13, "factor": 1.0}
# of the lattices, each 0.8 of the one before
_SPACINGS = 1.8 * 0.8 ** np.arange(20)
_MOST_ORBITS = 80_000


@dataclass(frozen=True)
class SimplexEquations:
    """The equations of K classes of radius R, variance s in the block, and a bulk.

    radius, variance: R and s behind the head; bulk, weights: atoms of the bulk.
    """

    classes: int
    radius: float
    variance: float
    bulk: Array
    weights: Array
    ridge: float
    sampling_ratio: float

    def channel(self, x: Array, rule: GaussianRule) -> tuple[float, float, float]:
        """(h, qhat, v) at x = (log gamma, m, log q)."""
        k = self.classes
        gamma, m, q = np.exp(x[0]), x[1], np.exp(x[2])
        shifted = np.sqrt(q) * rule.nodes
        shifted[:, 0] += m + gamma
        p = prox_probabilities(shifted, gamma)
        wrong = p[:, 1:].sum(axis=1)
        bend = p / (1 + gamma * p)
        total = bend.sum(axis=1)
        curvature = total - np.sum(bend**2, axis=1) / total
        size = wrong**2 + np.sum(p[:, 1:] ** 2, axis=1)
        h, qhat, v = rule.weights @ np.stack([wrong, size, curvature], axis=1)
        return h * k / (k - 1), qhat / (k - 1), v / (k - 1)

    def images(self, x: Array, rule: GaussianRule) -> tuple[float, float, float]:
        """(gamma, m, q) that the right-hand sides give at x."""
        h, qhat, v = self.channel(x, rule)
        k, resolvent = self.classes, 1 / (self.ridge + self.bulk * v)
        block = self.ridge + v * self.variance
        gamma = np.sum(self.weights * self.bulk * resolvent) / self.sampling_ratio
        spread = np.sum(self.weights * (self.bulk * resolvent) ** 2) / self.sampling_ratio
        signal = self.variance * (h * self.radius / block) ** 2 / (k * (k - 1))
        return gamma, h * self.radius**2 / ((k - 1) * block), signal + spread * qhat

    def residual(self, x: Array, rule: GaussianRule) -> Array:
        """Scale-free: log ratios of gamma and q, and the change of m over sqrt q."""
        gamma, m, q = self.images(x, rule)
        return np.array([np.log(gamma) - x[0], (m - x[1]) / np.exp(x[2] / 2), np.log(q) - x[2]])

    def error(self, x: Array) -> float:
        """P(wrong) at x."""
        return float(exchangeable_error(x[1], np.exp(x[2]), self.classes))

    def solve(
        self, rule: GaussianRule, start: Array, model: GaussianRule | None = None
    ) -> tuple[Array, float]:
        """(x, largest residual recomputed at x), from a nearby start. Raises NotConverged.

        model: a coarser rule, for the first Jacobian.
        """
        coarse = rule if model is None else model

        def jacobian(x: Array, _: GaussianRule) -> Array:
            return np.asarray(approx_fprime(x, self.residual, 1e-7, coarse))

        found = root(self.residual, start, (rule,), "hybr", jacobian, options=_HYBR)
        size = float(np.abs(self.residual(found.x, rule)).max())
        if not size < _TOLERANCE:
            raise NotConverged(
                f"softmax on the simplex: residual {size:.1e} at n/p = {self.sampling_ratio:g}, "
                f"ridge {self.ridge:g}; try a larger ridge"
            )
        return found.x, size

    def first_solution(self, rule: GaussianRule) -> Array:
        """A solution on a coarse rule: followed down from a ridge that shrinks the probe to zero.

        There p = 1/K, and the right-hand sides no longer depend on x.
        """
        scale = float(np.max(self.bulk)) + self.variance + self.radius**2
        here, end = np.log(max(30.0 * scale, self.ridge)), np.log(self.ridge)
        x = np.array([np.log(scale / self.sampling_ratio) - here, 0.0, np.log(1e-4)])
        x, _ = replace(self, ridge=float(np.exp(here))).solve(rule, x)
        slope, stride = np.zeros(3), 1.0
        while here > end:
            there = max(here - stride, end)
            guess = x + slope * (there - here)
            try:
                found, _ = replace(self, ridge=float(np.exp(there))).solve(rule, guess)
            except NotConverged as error:
                stride /= 3
                if stride < 1e-3:
                    raise NotConverged(f"{error}, on the way to {self.ridge:g}") from None
                continue
            slope = (found - x) / (there - here)
            x, here, stride = found, there, min(1.5 * stride, 2.0)
        return x


@dataclass(frozen=True)
class SimplexSolution:
    """gamma, m and q of the module; error: P(wrong); error_estimate: of it, absolute."""

    gamma: float
    m: float
    q: float
    error: float
    residual: float
    error_estimate: float


def softmax_on_simplex(equations: SimplexEquations, seed: int = 0) -> SimplexSolution:
    """Solve on finer and finer lattices until the error probability moves by less than 1e-11.

    The estimate is the last move, as the sum of what the moves of m and q do to it one at a time,
    so that they cannot cancel. Where the largest lattice that is affordable leaves more than 1e-5
    (K >= 7 at a small ridge), scrambled Sobol points are tried and the better of the two returned.
    Raises NotConverged.
    """
    lattice = _on_lattices(equations)
    if lattice.error_estimate < 1e-5:
        return lattice
    start = np.array([np.log(lattice.gamma), lattice.m, np.log(lattice.q)])
    sampled = _on_replicates(equations, start, seed)
    return min(lattice, sampled, key=lambda solution: solution.error_estimate)


def _on_lattices(equations: SimplexEquations) -> SimplexSolution:
    k = equations.classes
    first = _coarse(k)
    coarse = orbit_rule(k, _SPACINGS[first])
    x = equations.first_solution(coarse)
    estimate = residual = np.inf
    for spacing in _SPACINGS[first + 1 :]:
        try:
            rule = orbit_rule(k, spacing, most_nodes=_MOST_ORBITS)
        except NotConverged:
            break
        last = x
        x, residual = equations.solve(rule, last, coarse)
        error = equations.error(x)
        partly = ([x[0], last[1], x[2]], [x[0], x[1], last[2]])
        estimate = sum(abs(equations.error(np.array(y)) - error) for y in partly)
        if estimate < 1e-11:
            break
    return _solution(equations, x, equations.error(x), residual, estimate + left_out(k))


def _on_replicates(equations: SimplexEquations, start: Array, seed: int) -> SimplexSolution:
    rules = sobol_rules(equations.classes, 11, 8, seed)
    found = [equations.solve(rule, start) for rule in rules]
    errors = np.array([equations.error(x) for x, _ in found])
    x = np.mean([x for x, _ in found], axis=0)
    residual = max(size for _, size in found)
    return _solution(equations, x, float(errors.mean()), residual, float(student_error(errors)))


def _solution(
    equations: SimplexEquations, x: Array, error: float, residual: float, estimate: float
) -> SimplexSolution:
    gamma, q = np.exp(x[[0, 2]])
    return SimplexSolution(float(gamma), float(x[1]), float(q), error, residual, float(estimate))


@lru_cache
def _coarse(classes: int) -> int:
    """The finest spacing of few nodes: on fewer still the equations can lose their solution."""
    for i, spacing in enumerate(_SPACINGS):
        try:
            orbit_rule(classes, spacing, most_nodes=400 if classes < 6 else 2500)
        except NotConverged:
            return max(i - 1, 0)
    return len(_SPACINGS) - 6
