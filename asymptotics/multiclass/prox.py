"""The prox of the softmax loss l(u; y) = log sum_k e^{u_k} - u_y, for a scalar or matrix step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax, wrightomega

from asymptotics.errors import NotConverged
from asymptotics.multiclass.mixture import contrast_basis

Array = NDArray[np.float64]


def prox_probabilities(shifted: Array, gamma: float) -> Array:
    """p = softmax(u) at u = prox(a) with the step gamma I; `shifted` = a + gamma e_y, (..., K).

    u_k + gamma p_k = shifted_k, so with L = log sum e^u

        gamma p_k = omega(shifted_k - L + log gamma),      sum_k p_k = 1,

    omega being Wright's function (omega + log omega = x). The sum is convex and decreasing in L;
    Newton from the left, where the largest p is 1, climbs to the root and cannot pass it
    (multiclass.md, prox). Raises NotConverged.
    """
    level = shifted.max(axis=-1, keepdims=True) - gamma
    log_gamma = np.log(gamma)
    for _ in range(100):
        w = wrightomega(shifted - level + log_gamma)
        excess = w.sum(axis=-1, keepdims=True) / gamma - 1
        step = excess * gamma / np.sum(w / (1 + w), axis=-1, keepdims=True)
        level = level + step
        if np.all(np.abs(excess) < 1e-9):
            # quadratic: the step just taken leaves rounding
            w = wrightomega(shifted - level + log_gamma)
            return np.asarray(w / w.sum(axis=-1, keepdims=True))
    raise NotConverged(f"softmax prox at step {gamma:.3g}: off by {np.abs(excess).max():.1e}")


def matrix_prox(a: Array, step: Array, label: int, start: Array) -> tuple[Array, Array]:
    """(c, p): minimiser of l(B c; y) + (c - a)^T Gamma^{-1} (c - a)/2 and softmax(B c).

    a, start: (N, K - 1), coordinates in `contrast_basis`; step: Gamma, (K-1, K-1), positive
    definite. Newton with a step halved until the objective falls. Raises NotConverged.
    """
    d = a.shape[1]
    basis = contrast_basis(d + 1)
    metric: Array = np.asarray(np.linalg.inv(step), dtype=float)
    target = basis[label]
    scale = np.abs(metric).sum(axis=0).max()
    c = start.copy()
    active = np.arange(len(c))
    for _ in range(200):
        here, goal = c[active], a[active]
        p = softmax(here @ basis.T, axis=1)
        pull = (here - goal) @ metric
        gradient = p @ basis - target + pull
        # rounding of c - a, behind the metric
        rounding = 1e-13 + 4e-15 * scale * (np.abs(here) + np.abs(goal)).max(axis=1)
        live = np.abs(gradient).max(axis=1) > rounding
        active, here, goal = active[live], here[live], goal[live]
        if not active.size:
            return c, softmax(c @ basis.T, axis=1)
        p, gradient = p[live], gradient[live]
        hessian = softmax_curvature(p) + metric
        move = -np.linalg.solve(hessian, gradient[..., None])[..., 0]
        fall = np.sum(gradient * move, axis=1)
        length = np.ones(len(here))
        before = _objective(here, goal, metric, basis, target)
        for _ in range(40):
            after = _objective(here + length[:, None] * move, goal, metric, basis, target)
            # near the minimum the objective is all rounding, and the full step is right
            bad = (after > before + 1e-3 * length * fall) & (fall < -1e-10 * (1 + np.abs(before)))
            if not bad.any():
                break
            length[bad] *= 0.5
        c[active] = here + length[:, None] * move
    raise NotConverged(
        f"softmax prox: {active.size} of {len(c)} points above rounding after 200 Newton steps"
    )


def softmax_curvature(p: Array) -> Array:
    """B^T (diag p - p p^T) B of each row of p, (N, K - 1, K - 1)."""
    basis = contrast_basis(p.shape[1])
    d = basis.shape[1]
    squares = (basis[:, :, None] * basis[:, None, :]).reshape(-1, d * d)
    mean = p @ basis
    found = (p @ squares).reshape(-1, d, d)
    return np.asarray(found - mean[:, :, None] * mean[:, None, :])


def _objective(c: Array, a: Array, metric: Array, basis: Array, target: Array) -> Array:
    gap = c - a
    loss = logsumexp(c @ basis.T, axis=1) - c @ target
    return np.asarray(loss + 0.5 * np.sum((gap @ metric) * gap, axis=1))
