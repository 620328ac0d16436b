"""Probes whose loss is quadratic or linear in pieces, solved exactly through their dual.

    min_{theta, b} (1/2)|theta|^2 + sum_i h(u_i),   u = A theta + y b,
    max_a  sum a - (softness/2)|a|^2 - (1/2)|A^T a|^2   over floor <= a_i <= cap, with y.a = 0
           where b is free;   theta = A^T a.

    probe           floor        cap            softness
    square          -infinity    infinity       n ridge
    min-norm        -infinity    infinity       0
    squared hinge   0            infinity       n ridge
    hinge           0            1/(n ridge)    0
    max-margin      0            infinity       0

Proximal method of multipliers: each round adds (width/2)|a - a_old|^2, which turns the primal into
a piecewise quadratic that a semismooth Newton method minimises in finitely many steps; `width`
shrinks from round to round. A step that moves many samples from group to group (at the floor,
between, at the cap) is found by conjugate gradients in single precision, one that moves few
exactly. Once the groups are right, one linear solve gives the exact optimum, and every condition
is checked before it is returned.

The intercept is one more coordinate, theta_0 = b / `reach`, with the proximal penalty
(1/2)(theta_0 - theta_0_old)^2, which vanishes at convergence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from asymptotics.errors import NotConverged
from validation.probes.line_search import step_length
from validation.probes.newton_cg import Hessian
from validation.probes.record import Certificate, NotSeparable, ProbeFit
from validation.probes.sample import Array, Sample

Mask = NDArray[np.bool_]

_SETTLED = 0.005  # share of samples still changing groups below which a step is worth a factor
_LOOSE = 0.02  # share that may still change when an early round ends: its width is not the last


@dataclass(frozen=True)
class Box:
    """The bounds of the multipliers and the softness of the margins, as in the table above."""

    name: str
    floor: float
    cap: float
    softness: float


@dataclass(frozen=True)
class _Dual:
    """The dual of one sample: rows of the margins (intercept's column last) and their box."""

    rows: Array
    reach: float  # 0 without an intercept
    box: Box
    sizes: Array  # |rows_i|

    def multipliers(self, margins: Array, old: Array, width: float) -> Array:
        """Maximisers of the proximal dual, clip((1 - u + width a_old)/(softness + width))."""
        free = (1 - margins + width * old) / (self.box.softness + width)
        return np.clip(free, self.box.floor, self.box.cap)

    def between(self, multipliers: Array) -> Mask:
        """Samples whose multiplier is at neither bound: their margin equation is active."""
        return (multipliers > self.box.floor) & (multipliers < self.box.cap)


def solve_dual(sample: Sample, box: Box, intercept: bool, tolerance: float) -> ProbeFit:
    """The optimum of the problem above; `NotConverged`, or `NotSeparable` with its proof."""
    rows = sample.coordinates
    sizes = sample.lengths
    size = float(np.mean(sizes**2))
    reach = 3 * np.sqrt(size + box.softness + 1 / box.cap) if intercept else 0.0
    if intercept:
        rows = np.column_stack([rows, reach * sample.labels])
        sizes = np.hypot(sizes, reach)
    dual = _Dual(rows, reach, box, sizes)
    hessian = Hessian(rows, np.ones(rows.shape[1]), float(sizes.max()))
    x, old, centre = np.zeros(rows.shape[1]), np.zeros(len(rows)), np.zeros(rows.shape[1])
    # with a cap the groups settle slowly, and small strides save more steps than they cost
    width, shrink = (0.3 * size, 0.4) if box.cap < np.inf else (0.01 * size, 0.1)
    steps, reached = 0, np.inf
    best: ProbeFit | None = None
    group = np.full(len(rows), np.inf)
    while width > 1e-30 * size:
        allowed = _LOOSE * len(rows) if width > 0.004 * size and not intercept else 0.0
        x, used = _proximal_round(dual, hessian, x, old, centre, width, allowed)
        steps += used
        old = dual.multipliers(rows @ x, old, width)
        if intercept:
            centre[-1] = x[-1]
        if box.cap == np.inf and box.floor == 0 and box.softness == 0:
            _raise_if_balanced(sample, dual, dual.between(old))
        width *= shrink
        group, before = np.sign(old - box.floor) + np.sign(old - box.cap), group
        if np.count_nonzero(group != before) > 0.01 * len(rows):
            continue  # the groups are not right yet: nothing to polish
        found = min(
            (_examined(sample, dual, *pair, steps) for pair in (_polished(dual, old, x), (old, x))),
            key=lambda fit: fit.certificate.worst,
        )
        improved = found.certificate.worst < 0.1 * reached
        if improved or best is None:
            best, reached = found, found.certificate.worst
        if reached <= 1e-12 or (reached <= tolerance and not improved):
            return best
    raise NotConverged(
        f"{box.name} probe: certificate {reached:.1e} above {tolerance:.0e} after {steps} steps: "
        "rescale the features, or raise the ridge"
    )


def _proximal_round(
    dual: _Dual,
    hessian: Hessian,
    x: Array,
    old: Array,
    centre: Array,
    width: float,
    allowed: float,
    max_steps: int = 200,
) -> tuple[Array, int]:
    """Minimise (1/2)|x - centre|^2 + the smoothed loss, by semismooth Newton; x and its steps.

    gradient = x - centre - rows^T a(x),  Hessian = I + rows_B^T rows_B / (softness + width), B the
    samples between the bounds. Ends when a whole step moves at most `allowed` samples to another
    group, or when the gradient is rounding.
    """
    rows, margins = dual.rows, dual.rows @ x
    shifted = len(rows)  # samples that the last step moved to another group
    for taken in range(max_steps):
        multipliers = dual.multipliers(margins, old, width)
        between = dual.between(multipliers)
        gradient = x - centre - multipliers @ rows
        rounding = 1e-14 * (np.linalg.norm(x) + np.abs(multipliers) @ dual.sizes)
        if np.linalg.norm(gradient) <= rounding:
            return x, taken
        # an intercept's column, far longer than the others, is too much for single precision
        rough = shifted > _SETTLED * len(rows) and not dual.reach
        step, exact = _step(dual, hessian, between, gradient, width, rough)
        along = rows @ step

        def slope(
            t: float,
            x: Array = x,
            step: Array = step,
            margins: Array = margins,
            along: Array = along,
        ) -> float:
            return float(
                (x + t * step - centre) @ step
                - dual.multipliers(margins + t * along, old, width) @ along
            )

        length = step_length(slope, enough=0.1)
        if length == 0.0:
            return x, taken
        x, margins = x + length * step, margins + length * along
        after = dual.multipliers(margins, old, width)
        capped = (multipliers == dual.box.cap) != (after == dual.box.cap)
        shifted = int(np.count_nonzero((between != dual.between(after)) | capped))
        # a last round (nothing allowed) may not end with a step in single precision
        if length == 1.0 and shifted <= allowed and (allowed or exact):
            return x, taken + 1
    return x, max_steps


def _step(
    dual: _Dual, hessian: Hessian, between: Mask, gradient: Array, width: float, rough: bool
) -> tuple[Array, bool]:
    """(-H^{-1} gradient, whether exactly): `rough` is by conjugate gradients, where they arrive."""
    softness = dual.box.softness + width
    if rough:
        hessian.weigh(between / softness)
        step, found = hessian.gradients(gradient, 0.03, 60)
        if found:
            return -step, False
    return -_solve_low_rank(dual.rows[between], softness, gradient), True


def _solve_low_rank(rows: Array, width: float, gradient: Array) -> Array:
    """(I + rows^T rows / width)^{-1} gradient, in the smaller of the two dimensions."""
    k, d = rows.shape
    if k == 0:
        return gradient
    if k > d:
        normal = rows.T @ rows / width
        normal[np.diag_indices(d)] += 1.0
        return scipy.linalg.cho_solve(scipy.linalg.cho_factor(normal), gradient)
    gram = rows @ rows.T
    gram[np.diag_indices(k)] += width
    inner = scipy.linalg.cho_solve(scipy.linalg.cho_factor(gram), rows @ gradient)
    return gradient - inner @ rows


def _polished(dual: _Dual, old: Array, x: Array) -> tuple[Array, Array]:
    """The exact optimum if the groups are right: u_i + softness a_i = 1 on B.

    Unknowns a on B and b; (rows_B rows_B^T + softness) = T^T T by QR of (rows_B^T; sqrt softness),
    with two refinements. The intercept's column only shifts b, since y.a = 0 fixes its share.
    """
    rows, between = dual.rows, dual.between(old)
    count = np.count_nonzero(between)
    if count == 0 or count > rows.shape[1]:
        return old, x
    active, softness = rows[between], dual.box.softness
    tall = (
        np.vstack([active.T, np.sqrt(softness) * np.identity(int(count))]) if softness else active.T
    )
    triangle = scipy.linalg.qr(tall, mode="r", check_finite=False)[0][:count]
    pivots = np.abs(np.diag(triangle))
    if np.min(pivots) <= 1e-13 * np.max(pivots):
        return old, x

    def solve(right: Array) -> Array:
        half = scipy.linalg.solve_triangular(triangle, right, trans="T")
        return scipy.linalg.solve_triangular(triangle, half)

    a, column = np.where(between, 0.0, old), active[:, -1]
    theta_0 = 0.0
    response = solve(column)
    for _refinement in range(3):
        point = a @ rows
        if dual.reach:
            point[-1] = theta_0
        change = solve(1.0 - active @ point - softness * a[between])
        if dual.reach:  # shift theta_0 so that the multipliers balance: rows[:, -1].a = 0
            shift = (column @ change + a @ rows[:, -1]) / (column @ response)
            change, theta_0 = change - shift * response, theta_0 + float(shift)
        a[between] += change
    point = a @ rows
    if dual.reach:
        point[-1] = theta_0
    if not softness:  # cancellation in A^T a must not move the margins off their edge
        point = point + solve(1.0 - active @ point) @ active
    return a, point


def _examined(sample: Sample, dual: _Dual, a: Array, x: Array, steps: int) -> ProbeFit:
    """The fit of coordinates x, with its certificate."""
    if not dual.reach:
        return examined(sample, dual.box, a, sample.theta(x), None, steps)
    return examined(sample, dual.box, a, sample.theta(x[:-1]), float(x[-1] * dual.reach), steps)


def examined(
    sample: Sample, box: Box, a: Array, theta: Array, offset: float | None, steps: int
) -> ProbeFit:
    """The fit with its certificate, every condition recomputed from the original features.

    `a` are its multipliers; `offset` is None where no intercept is fitted.
    """
    intercept, b = offset is not None, offset or 0.0
    a = np.clip(a, box.floor, box.cap)
    short = 1 - sample.margins(theta, b) - box.softness * a
    at_cap, at_floor = a >= box.cap, a <= box.floor
    broken = np.where(at_cap, -short, np.where(at_floor, short, np.abs(short)))
    broken = np.maximum(broken, 0.0)
    value = 0.5 * theta @ theta + 0.5 * box.softness * (a @ a)
    if np.any(at_cap):
        value += box.cap * np.sum(np.maximum(short[at_cap], 0))
    certificate = Certificate(
        gradient=sample.relative_balance(a, theta, intercept),
        violation=float(np.max(broken)),
        duality_gap=float((np.abs(a) @ broken + abs(b * (a @ sample.labels))) / value),
        support=int(np.count_nonzero(a)),
    )
    return ProbeFit(theta, b, certificate, steps)


def _raise_if_balanced(sample: Sample, dual: _Dual, between: Mask) -> None:
    """Raise `NotSeparable` when the residuals 1 - u of least squares on B are all positive.

    Those residuals are orthogonal to the rows, so they are the weights of Gordan's alternative.
    A separable sample has at most as many samples between as coordinates, generically.
    """
    if np.count_nonzero(between) <= dual.rows.shape[1]:
        return
    active = dual.rows[between]
    x, *_ = scipy.linalg.lstsq(active, np.ones(len(active)), lapack_driver="gelsy")
    weights = np.zeros(len(dual.rows))
    weights[between] = 1 - active @ x
    if np.min(weights[between]) <= 0:
        return
    residual = sample.relative_balance(
        weights, np.zeros(sample.features.shape[1]), intercept=bool(dual.reach)
    )
    if residual < 1e-12:
        raise NotSeparable(weights, residual)
