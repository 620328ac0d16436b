"""Newton's method for a smooth probe, its steps found by conjugate gradients:

    f(x) = (1/n) sum_i loss(u_i) + (1/2) sum_j penalty_j x_j^2,     u = y * (Z x).

The Hessian Z^T D Z + P, D = loss''(u)/n, is only applied, in single precision: twice the speed of
double, and enough for a step, since every gradient is in double and the next step corrects the
last. Where many applications do not suffice, a Cholesky factor of the Hessian, in single precision
as well, preconditions all that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.special import expit

from asymptotics.blocks import slices
from validation.probes.line_search import step_length
from validation.probes.sample import Array

_LEAST, _MOST = 1e-4, 0.1  # relative residuals of a step: single precision, and a first guess
_ENOUGH = 0.2  # of the slope at its start, at the end of a step
_BLOCK = 2**20  # bytes of rows that stay in the cache
_PATIENCE = 40  # applications of the Hessian before a factor is worth its cost


@dataclass(frozen=True)
class Curve:
    """A loss of the margin: pull(u) = -loss'(u) and bend(u) = loss''(u), elementwise."""

    pull: Callable[[Array], Array]
    bend: Callable[[Array], Array]
    constant: bool = False  # bend is one number: a factor serves every step


LOGISTIC = Curve(lambda u: expit(-u), lambda u: expit(u) * expit(-u))
SQUARE = Curve(lambda u: 1 - u, np.ones_like, constant=True)
SQUARED_HINGE = Curve(lambda u: np.maximum(1 - u, 0.0), lambda u: np.where(u < 1, 1.0, 0.0))


@dataclass(frozen=True)
class Minimum:
    """The best point, its relative gradient |sum of terms|/sum of |terms|, and the steps taken."""

    x: Array
    reached: float
    steps: int


class Steps(Protocol):
    """Solves systems with Z^T D Z + P."""

    def weigh(self, curvature: Array) -> None:
        """Set D."""
        ...

    def solve(self, right: Array, tolerance: float) -> Array:
        """x with |(Z^T D Z + P) x - right| <= tolerance |right|, or better."""
        ...


def minimise(
    rows: Array,
    penalty: Array,
    curve: Curve,
    signs: Array,
    sizes: Array,
    hessian: Steps | None = None,
    at_rest: float = 1e-14,
    near: float = 1e-8,
    max_steps: int = 60,
) -> Minimum:
    """The minimum of f from x = 0; `reached` says how close, and can be far if f is ill-posed.

    `rows` is Z, `signs` y and `sizes` |Z_i|. By default `hessian` is a `Hessian`. Ends at a
    relative gradient below `at_rest`, or three steps after it has stopped falling below `near`.
    """
    hessian = hessian or Hessian(rows, penalty, float(sizes.max()), factorised=curve.constant)
    x, margins = np.zeros(rows.shape[1]), np.zeros(len(rows))
    best, stalled = Minimum(x, np.inf, 0), 0
    for steps in range(max_steps):
        pull = curve.pull(margins) / len(rows)
        gradient = penalty * x - (signs * pull) @ rows
        size = np.abs(pull) @ sizes + np.linalg.norm(penalty * x)
        reached = float(np.linalg.norm(gradient) / size) if size > 0 else 0.0
        stalled = stalled + 1 if reached > 0.5 * best.reached and best.reached < near else 0
        if reached < best.reached:
            best = Minimum(x, reached, steps)
        if best.reached < at_rest or stalled == 3:
            break
        hessian.weigh(curve.bend(margins) / len(rows))
        step = -hessian.solve(gradient, min(max(0.3 * reached**0.5, _LEAST), _MOST))
        if reached > 1e-8:
            along = signs * (rows @ step)
            length = _length(x, step, margins, along, penalty, curve)
            x, margins = x + length * step, margins + length * along
        else:
            # close to the optimum the slope along the step is rounding: then take the whole step
            x = x + step
            margins = signs * (rows @ x)
    return best


def _length(
    x: Array, step: Array, margins: Array, along: Array, penalty: Array, curve: Curve
) -> float:
    """How much of the step to take; `along` is how it moves the margins."""

    def slope(t: float) -> float:
        pull = curve.pull(margins + t * along) / len(along)
        return float((penalty * (x + t * step)) @ step - pull @ along)

    return step_length(slope, _ENOUGH)


def _blocks(rows: NDArray[np.floating[Any]]) -> list[slice]:
    """Slices of the rows of a megabyte, or of sixteen rows if that is more."""
    return slices(len(rows), max(16, _BLOCK // (rows.itemsize * rows.shape[1])))


def with_intercept(
    rows: Array, sizes: Array, ridge: float, intercept: bool
) -> tuple[Array, Array, Array]:
    """Rows with a last column of ones for an intercept, their lengths, and every penalty."""
    penalty = np.full(rows.shape[1], float(ridge))
    if not intercept:
        return rows, sizes, penalty
    rows = np.column_stack([rows, np.ones(len(rows))])
    return rows, np.hypot(sizes, 1.0), np.append(penalty, 0.0)


class Hessian:
    """Z^T D Z + P in single precision, and the solution of systems with it.

    `longest` is the length of the longest row. `factorised`: from the start, where one factor
    serves every D that will be set.
    """

    def __init__(
        self, rows: Array, penalty: Array, longest: float, factorised: bool = False
    ) -> None:
        # single precision holds squares of numbers of this size
        self._scale = 1.0 if 1e-6 < longest < 1e6 else longest or 1.0
        scaled = rows if self._scale == 1.0 else rows / self._scale
        self._rows = scaled.astype(np.float32)
        self._penalty = penalty
        self._factor: Array | None = None
        self._waits = factorised and rows.shape[0] >= rows.shape[1]

    def weigh(self, curvature: Array) -> None:
        """Set D; rows that it leaves out are dropped where they are many."""
        self._size = float(curvature.max()) or 1.0
        weights = (curvature / self._size).astype(np.float32)
        bent = weights > 0
        few = np.count_nonzero(bent) < 0.8 * bent.size
        self._weights = weights[bent] if few else weights
        self._bent = self._rows[bent] if few else self._rows
        if self._waits:
            self.factorise()
            self._waits = False

    def _times(self, v: Array) -> Array:
        length = np.linalg.norm(v) or 1.0
        single = (v / length).astype(np.float32)
        total = np.zeros_like(single)
        for part in _blocks(self._bent):
            image = self._bent[part] @ single
            image *= self._weights[part]
            total += image @ self._bent[part]
        return (self._size * self._scale**2 * length) * total + self._penalty * v

    def solve(self, right: Array, tolerance: float) -> Array:
        """x with |H x - right| <= tolerance |right|, or as near as single precision comes."""
        x, done = self.gradients(right, tolerance, _PATIENCE)
        if not done and len(self._rows) >= self._penalty.size:
            self.factorise()
            x, _ = self.gradients(right, tolerance, 3 * _PATIENCE)
        return x

    def gradients(self, right: Array, tolerance: float, most: int) -> tuple[Array, bool]:
        """(Preconditioned) conjugate gradients from zero: x, and whether it is there."""
        x, residual = np.zeros_like(right), right.copy()
        goal = tolerance * np.linalg.norm(right)
        towards = self._precondition(residual)
        direction, power = towards, residual @ towards
        for _ in range(most):
            image = self._times(direction)
            curvature = direction @ image
            if not curvature > 0:
                return x, False
            length = power / curvature
            x += length * direction
            residual -= length * image
            if np.linalg.norm(residual) <= goal:
                return x, True
            towards = self._precondition(residual)
            before, power = power, residual @ towards
            direction = towards + (power / before) * direction
        return x, False

    def _precondition(self, v: Array) -> Array:
        if self._factor is None:
            return v
        size = np.linalg.norm(v) or 1.0
        solved, _ = lapack.spotrs(self._factor, (v / size).astype(np.float32), lower=1)
        return size * solved.astype(float)

    def factorise(self) -> None:
        """Cholesky's factor of H over its own scale; none if single precision cannot hold one."""
        weighted = self._bent
        if np.any(self._weights != 1):
            weighted = weighted * np.sqrt(self._weights)[:, None]
        unit = self._size * self._scale**2
        matrix = weighted.T @ weighted
        matrix[np.diag_indices_from(matrix)] += (self._penalty / unit).astype(np.float32)
        factor, failed = lapack.spotrf(matrix, lower=1, clean=0)
        self._factor = None if failed else factor
