"""How published codes solve a logistic point: written from the equations (docs/theory/probe.md).

A damped fixed point, every Gaussian mean by scipy.integrate.quad over the margin, every prox in it
by a scalar minimiser.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize_scalar


def prox(w: float, gamma: float) -> float:
    """The prox of the logistic loss."""

    def objective(u: float) -> float:
        return float(np.logaddexp(0, -u) + (u - w) ** 2 / (2 * gamma))

    return float(minimize_scalar(objective, tol=1e-10).x)


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


def overlap_ratio(radius: float, delta: float, ridge: float, gain: float) -> float:
    """m/sqrt q by damped iteration of the fixed point until it moves by less than 1e-6."""
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
    return float(state[1] / np.sqrt(state[2]))
