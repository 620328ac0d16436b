"""Least squares on one-hot labels: one scalar root, then linear algebra (multiclass.md, square)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from asymptotics.multiclass.geometry import BlockGeometry

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SquareLogits:
    """The laws of the logits: means M + b (K, K), covariance Q (K, K); gamma; b (K,).

    residual: of gamma's equation, relative. rounding: error of Q, relative, large only where
    Q diverges (n = p as the ridge vanishes).
    """

    means: Array
    covariance: Array
    offset: Array
    gamma: float
    residual: float
    rounding: float


def square_logits(geometry: BlockGeometry, intercept: bool) -> SquareLogits:
    """The logits of ridge regression on one-hot labels.

    gamma = (1/delta) sum_t w_t s_t/(lambda + s_t v), v = 1/(1 + gamma); with y_k the labels less
    1/K, A_jk = nu_j^T (lambda + v S)^{-1} nu_k, Pi = diag pi and C = 1 - 1 pi^T with an intercept,
    1 without,

        (1 + v A Pi C) M = v A Pi C Y,    b = sum_k pi_k (y_k - M_k),
        Q (1 - c v^2) = theta^T S theta + c v^2 sum_k pi_k (y_k - M_k - b)(y_k - M_k - b)^T,
        c = (1/delta) sum_t w_t s_t^2/(lambda + s_t v)^2.

    M: (K, K), row j the mean logits of class j.
    """
    g, ratio = geometry, geometry.sampling_ratio

    def step(v: float) -> float:
        return float(np.sum(g.weights * g.bulk / (g.ridge + g.bulk * v)) / ratio)

    # gamma falls with v and v with gamma: one root
    v = float(brentq(lambda x: x * (1 + step(x)) - 1, 0.0, 1.0, xtol=1e-300, rtol=1e-15))
    gamma = step(v)
    classes = len(g.priors)
    labels = np.eye(classes) - 1 / classes
    resolvent = 1 / (g.ridge + v * g.block)
    kernel = (g.means * resolvent) @ g.means.T
    centre = np.eye(classes) - (g.priors if intercept else 0.0)
    drive = v * kernel @ (g.priors[:, None] * centre)
    means = np.linalg.solve(np.eye(classes) + drive, drive @ labels)
    offset = g.priors @ (labels - means) if intercept else np.zeros(classes)
    gap = labels - means - offset
    theta = v * resolvent[:, None] * (g.means.T @ (g.priors[:, None] * gap))
    noise = v**2 * np.sum(g.weights * g.bulk**2 / (g.ridge + g.bulk * v) ** 2) / ratio
    spread = (g.block * theta.T) @ theta + noise * (g.priors * gap.T) @ gap
    return SquareLogits(
        means + offset,
        spread / (1 - noise),
        offset,
        gamma,
        abs(v * (1 + gamma) - 1),
        1e-14 + float(np.finfo(float).eps / (1 - noise)),
    )
