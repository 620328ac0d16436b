"""A limiting accuracy a point, for random ordinary points: R in [0.5, 2.5], n/p in [0.5, 5],
ridge in [0.01, 10], gain in [0.3, 3]. One process; the error estimate of a refined rule is
included.

Alternatives: `scipy.optimize.root` a point on the same residual with its exact Jacobian from the
same start; and the way of published codes, a damped fixed point with `scipy.integrate.quad` and a
scalar minimiser inside, which stops at 1e-6.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import root

from asymptotics import limit, make_problem
from benchmarks.published import overlap_ratio
from benchmarks.rows import Row, best_of

TITLE = "Points of a probe"

LOSSES = ("square", "logistic", "hinge", "squared-hinge", "max-margin")


def parameters(loss: str, count: int) -> dict[str, np.ndarray]:
    """Random ordinary points; max-margin below its threshold."""
    rng = np.random.default_rng(0)
    given = {
        "signal": rng.uniform(0.5, 2.5, count),
        "sampling_ratio": rng.uniform(0.5, 5, count),
        "ridge": 10 ** rng.uniform(-2, 1, count),
        "gain": 10 ** rng.uniform(-0.5, 0.5, count),
    }
    if loss == "max-margin":
        del given["ridge"]
        given["sampling_ratio"] = rng.uniform(0.2, 2, count)
    return given


def one_by_one(loss: str, given: dict[str, np.ndarray]) -> np.ndarray:
    """m/sqrt q of every point by scipy.optimize.root."""
    equations, _ = make_problem(loss=loss, **given).equations()
    found = []
    for k in range(equations.ridge.size):
        point = equations.take(np.array([k]))

        def residual(x: np.ndarray, point=point) -> tuple[np.ndarray, np.ndarray]:
            r, jacobian = point.residual(x[:, None], 128)
            return r[:, 0], jacobian[:, :, 0]

        with np.errstate(all="ignore"):
            x = root(residual, point.square_loss_solution()[:, 0], jac=True, tol=1e-12).x
        _, m, q, _ = point.order_parameters(x[:, None])
        found.append(float(m[0] / np.sqrt(q[0])))
    return np.array(found)


def measure(quick: bool) -> list[Row]:
    """Rows of seconds a point."""
    count, few, slow = (20_000, 40, 1) if quick else (100_000, 200, 3)
    rows = []
    for loss in LOSSES:
        given = parameters(loss, count)
        problem = make_problem(loss=loss, **given)
        limit(make_problem(loss=loss, **parameters(loss, 100)))  # imports
        seconds, batch = best_of(lambda problem=problem: limit(problem))
        ratio, size = batch.m / np.sqrt(batch.q), f"{loss}, a point"
        worst = np.max(batch.error_estimate)
        per_second = f"{count / seconds:.2g} points a second; estimate {worst:.0e} at most"
        rows.append(Row("batch", size, seconds / count, per_second))
        some = {name: values[:few] for name, values in given.items()}
        seconds, found = best_of(lambda loss=loss, some=some: one_by_one(loss, some), 1)
        apart = np.abs(found - ratio[:few])
        agree = f"{np.mean(apart < 1e-8):.0%} within 1e-8"
        rows.append(Row("scipy.optimize.root", size, seconds / few, agree))
        if loss == "logistic":
            points = [[float(v[k]) for v in given.values()] for k in range(slow)]
            seconds, found = best_of(lambda points=points: [overlap_ratio(*p) for p in points], 1)
            apart = np.max(np.abs(np.array(found) - ratio[:slow]))
            rows.append(Row("quad and a minimiser", size, seconds / slow, f"within {apart:.0e}"))
    return rows
