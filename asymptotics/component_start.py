"""The square loss on a mixture of any components: where Newton starts for every other loss.

At given gamma_s the means solve a linear system, and so do the variances (components.md, start).
With draws d of component c, of sign e_d = +-1 (wrong label: -1), probability pi_d and weight w_d,

    v_d = pi_d w_d/(1 + w_d gamma_s),     mhat_c = sum_d v_d (e_d - m_c - y_c b),
    m_c = nu_c^T G sum_c' mhat_c' nu_c',     sum_c y_c mhat_c = 0 with an intercept,
    q_s = theta_bar^T S_s theta_bar + sum_u t_su qhat_u/delta,
    qhat_u = sum_d (v_d^2/pi_d) [(e_d - m_c - y_c b)^2 + q_u].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from asymptotics.component_equations import ComponentSaddlePoint

Array = NDArray[np.float64]

_SWEEPS = 400


def square_loss_solution(equations: ComponentSaddlePoint) -> Array:
    """The unknowns of the module's solution, exact up to the sweeps for gamma.

    gamma -> t_s(gamma)/delta is monotone in gamma, so that the sweeps from gamma = 0 rise to the
    least solution; next to interpolation they stop short of it, which a start may.
    """
    geometry, delta = equations.geometry, equations.sampling_ratio
    of, points, num_s = geometry.covariance_of, equations.ridge.size, geometry.num_covariances
    member = (of == np.arange(num_s)[:, None]).astype(float)  # (S, C)
    sign = np.array([1.0, -1.0])[:, None, None]  # (draws, 1, 1)
    share = equations.priors * np.stack([1 - equations.flipped, equations.flipped])[:, None]
    positive = (sign[:, :, 0] * geometry.labels > 0)[..., None]  # (draws, C, 1)
    w = np.where(positive, equations.loss_weights[0], equations.loss_weights[1])
    gamma = np.zeros((num_s, points))
    for _ in range(_SWEEPS):
        rate = w / (1 + w * gamma[of])
        resolvent = geometry.resolvent(equations.ridge, member @ np.sum(share * rate, axis=0))
        t1, t2, _ = resolvent.traces()
        moved = t1 / delta
        settled = np.all(np.abs(moved - gamma) <= 1e-10 * moved)
        gamma = moved
        if settled:
            break
    overlaps = np.einsum("pci,pdi->pcd", geometry.means, resolvent.images(geometry.means))
    v, pulled = np.sum(share * rate, axis=0), np.sum(sign * share * rate, axis=0)
    pull, b = _pull(equations, overlaps, v, pulled)
    theta = resolvent.images(np.einsum("cp,pci->pi", pull, geometry.means))
    energy = np.einsum("pi,psij,pj->sp", theta, geometry.covariances, theta)
    mean = np.einsum("pcd,dp->cp", overlaps, pull)
    weight = share * rate**2
    squares = member @ np.sum(weight * (sign - mean - geometry.labels[:, None] * b) ** 2, axis=0)
    spread = member @ np.sum(weight, axis=0)
    system = np.eye(num_s) - np.moveaxis(t2 * spread / delta, -1, 0)
    fixed = energy + np.einsum("sup,up->sp", t2, squares) / delta
    q = np.linalg.solve(system, fixed.T[..., None])[..., 0].T
    x = np.concatenate([np.log(gamma), np.log(q), mean / np.sqrt(q)[of]])
    return equations.at_intercept(x, b) if equations.intercept else x


def _pull(
    equations: ComponentSaddlePoint, overlaps: Array, v: Array, pulled: Array
) -> tuple[Array, Array]:
    """(mhat_c, b) of the linear system mhat + v (B mhat + y b) = pulled, sum_c y_c mhat_c = 0.

    A component of prior 0 has v = 0: it pulls nothing.
    """
    num_c, points = v.shape
    size, labels = num_c + equations.intercept, equations.geometry.labels
    matrix, right = np.zeros((points, size, size)), np.zeros((points, size))
    matrix[:, :num_c, :num_c] = v.T[:, :, None] * overlaps
    matrix[:, np.arange(num_c), np.arange(num_c)] += 1
    right[:, :num_c] = pulled.T
    if not equations.intercept:
        return np.linalg.solve(matrix, right[..., None])[..., 0].T, np.zeros(points)
    matrix[:, :num_c, num_c], matrix[:, num_c, :num_c] = v.T * labels, labels
    solved = np.linalg.solve(matrix, right[..., None])[..., 0].T
    return solved[:num_c], solved[num_c]
