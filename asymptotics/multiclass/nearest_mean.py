"""The nearest class mean, with means estimated from the sample (multiclass.md, nearest mean)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asymptotics.multiclass.geometry import BlockGeometry

Array = NDArray[np.float64]


def nearest_mean_logits(geometry: BlockGeometry) -> tuple[Array, Array]:
    """(M, Q) of the scores z.c_k - |c_k|^2/2, c_k the mean of the pi_k n samples of class k.

        M_jk = nu_j.nu_k - |nu_k|^2/2 - t_1/(2 delta pi_k),
        Q_kl = nu_k^T S nu_l + d_kl t_2/(delta pi_k),       t_j = sum_t w_t s_t^j:

    the noise of an estimated mean lengthens it, the more the rarer its class.
    """
    g = geometry
    gram = g.means @ g.means.T
    first, second = (np.sum(g.weights * g.bulk**j) for j in (1, 2))
    share = 1 / (g.sampling_ratio * g.priors)
    scores = gram - np.diag(gram) / 2 - first * share / 2
    return scores, (g.means * g.block) @ g.means.T + np.diag(second * share)
