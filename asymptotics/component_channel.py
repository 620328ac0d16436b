"""The channel of a mixture of components: what its loss answers, and how that moves.

    Vhat_s = sum_{d in s} pi_d E M'',   mhat_c = -sum_{d in c} pi_d e_d E M',
    qhat_s = sum_{d in s} pi_d E M'^2,  and the tilt sum_d pi_d e_d y_c E M'

over the draws d of the components, e_d = -1 for a wrong label, M the envelope of the weighted loss
(components.md, channel). It knows nothing of the geometry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asymptotics.channel import answer, weighted
from asymptotics.gauss import margin_moments

if TYPE_CHECKING:
    from asymptotics.component_equations import ComponentSaddlePoint

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """Vhat_s, mhat_c, qhat_s and sum_c E[y_c M'], each with its slopes in the unknowns.

    Shapes (S, points), (C, points), (S, points), (points,); slopes have an axis of the unknowns
    before the last.
    """

    curvature: Array
    pull: Array
    noise: Array
    tilt: Array
    d_curvature: Array
    d_pull: Array
    d_noise: Array
    d_tilt: Array


def component_channel(
    equations: ComponentSaddlePoint, x: Array, nodes: int, quadrature: bool = False
) -> Channel:
    """Means over the components and their draws; `nodes` and `quadrature` as in `gauss`."""
    gamma, q, t, b = equations.parts(x)
    (num_s, points), num_c, u = gamma.shape, len(t), equations.num_unknowns
    result = Channel(
        np.zeros((num_s, points)),
        np.zeros((num_c, points)),
        np.zeros((num_s, points)),
        np.zeros(points),
        np.zeros((num_s, u, points)),
        np.zeros((num_c, u, points)),
        np.zeros((num_s, u, points)),
        np.zeros((u, points)),
    )
    by_intercept = equations.intercept_slopes(x)
    for c, y in enumerate(equations.geometry.labels):
        s = equations.geometry.covariance_of[c]
        deviation = np.sqrt(q[s])
        mean = t[c] * deviation + y * b
        # how the mean moves with each unknown
        mean_slopes = y * by_intercept
        mean_slopes[num_s + s] += 0.5 * t[c] * deviation
        mean_slopes[2 * num_s + c] += deviation
        for sign, share in ((1.0, 1 - equations.flipped), (-1.0, equations.flipped)):
            if not np.any(share):
                continue
            w = equations.loss_weights[0 if sign * y > 0 else 1]
            k = margin_moments(
                equations.loss, gamma[s] * w, sign * mean, deviation, nodes, quadrature
            )
            found = answer(weighted(k, w, sign), gamma[s], deviation, y)
            slopes = found.by_mean[:, None] * mean_slopes
            slopes[:, s] += found.by_log_gamma
            slopes[:, num_s + s] += found.by_log_q
            v = equations.priors[c] * share
            _accumulate(result, s, c, v * found.value, v * slopes)
    return result


def _accumulate(h: Channel, s: int, c: int, values: Array, slopes: Array) -> None:
    """Add one draw's (Vhat, mhat, qhat, tilt) and their slopes to a channel, in place."""
    h.curvature[s] += values[0]
    h.pull[c] += values[1]
    h.noise[s] += values[2]
    h.tilt[:] += values[3]
    h.d_curvature[s] += slopes[0]
    h.d_pull[c] += slopes[1]
    h.d_noise[s] += slopes[2]
    h.d_tilt[:] += slopes[3]
