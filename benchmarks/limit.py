"""The batched solver against two ways of solving a point at a time, in one run.

    python benchmarks/limit.py [POINTS]

Alternatives, written from the same equations (docs/theory/probe.md):

    root        scipy.optimize.root a point on the equations' residual, from the same start
    quad        the damped fixed point of published codes: scipy.integrate.quad over the margin
                with a scalar minimiser for the prox inside

Prints seconds a point and ratios; times on a shared machine are noisy, ratios less so.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize_scalar, root

from asymptotics import limit, make_problem

SLOW_POINTS = 3


def points(count: int) -> dict[str, np.ndarray]:
    """Ordinary logistic points."""
    rng = np.random.default_rng(0)
    return {
        "signal": rng.uniform(0.5, 2.5, count),
        "sampling_ratio": rng.uniform(0.5, 5, count),
        "ridge": 10 ** rng.uniform(-2, 1, count),
        "gain": 10 ** rng.uniform(-0.5, 0.5, count),
    }


def one_by_one(given: dict[str, np.ndarray]) -> np.ndarray:
    """Accuracy of every point by scipy.optimize.root with the analytic Jacobian."""
    equations, _ = make_problem(loss="logistic", **given).equations()
    found = []
    for k in range(equations.ridge.size):
        point = equations.take(np.array([k]))

        def residual(x: np.ndarray, point=point) -> tuple[np.ndarray, np.ndarray]:
            r, jacobian = point.residual(x[:, None], 128)
            return r[:, 0], jacobian[:, :, 0]

        x = root(residual, point.square_loss_solution()[:, 0], jac=True, tol=1e-12).x
        _, m, q, _ = point.order_parameters(x[:, None])
        found.append(float(m[0] / np.sqrt(q[0])))
    return np.array(found)


def prox(w: float, gamma: float) -> float:
    """The prox of the logistic loss by a scalar minimiser."""

    def objective(u: float) -> float:
        return np.logaddexp(0, -u) + (u - w) ** 2 / (2 * gamma)

    return minimize_scalar(objective, tol=1e-10).x


def margin_means(gamma: float, m: float, s: float) -> list[float]:
    """E[-M'], E M'^2 and E M'' = E[M' z]/s by adaptive quadrature over the margin."""

    def pull(z: float) -> float:
        w = m + s * z
        return (prox(w, gamma) - w) / gamma

    integrands = (pull, lambda z: pull(z) ** 2, lambda z: -pull(z) * z / s)
    return [
        quad(
            lambda z, f=f: f(z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi),
            -8,
            8,
            epsabs=1e-7,
            epsrel=1e-7,
        )[0]
        for f in integrands
    ]


def published_way(radius: float, delta: float, ridge: float, gain: float) -> float:
    """m/sqrt q by damped iteration of the fixed point."""
    state = np.array([1.0, 0.5, 1.0])
    for _ in range(400):
        gamma, m, q = state
        force, square, bend = margin_means(gamma, m, np.sqrt(q))
        bulk, spike = ridge + bend, ridge + bend * gain**2
        new = np.array(
            [
                1 / (delta * bulk),
                force * (gain * radius) ** 2 / spike,
                (force * gain**2 * radius / spike) ** 2 + square / (delta * bulk**2),
            ]
        )
        change = np.max(np.abs(new - state))
        state = 0.5 * (new + state)
        if change < 1e-6:
            break
    return state[1] / np.sqrt(state[2])


def main() -> None:
    """Time the three ways on the same points and compare their answers."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    given = points(count)
    limit(make_problem(loss="logistic", **points(10)))  # imports and caches
    start = time.perf_counter()
    batch = limit(make_problem(loss="logistic", **given))
    ours = (time.perf_counter() - start) / count
    exact = batch.m / np.sqrt(batch.q)
    few = {name: values[:100] for name, values in given.items()}
    start = time.perf_counter()
    by_root = one_by_one(few)
    root_time = (time.perf_counter() - start) / 100
    start = time.perf_counter()
    by_quad = [published_way(*(float(v[k]) for v in given.values())) for k in range(SLOW_POINTS)]
    quad_time = (time.perf_counter() - start) / SLOW_POINTS
    print(f"batched   {ours:.2e} s a point over {count} points, refined error estimate included")
    print(f"          worst error estimate {np.max(batch.error_estimate):.1e}")
    for name, seconds, found in (("root", root_time, by_root), ("quad", quad_time, by_quad)):
        gap = np.max(np.abs(np.asarray(found) - exact[: len(found)]))
        print(
            f"{name:<10}{seconds:.2e} s a point, ratio {seconds / ours:.0f}, differs by {gap:.1e}"
        )


if __name__ == "__main__":
    main()
