"""The loss of ``cosine_scaled`` when the two views have different laws (one view augmented).

Anchors and negatives are drawn from the pool of both views, as in NT-Xent. With ``s = a^2``,
``c`` the stiffness of ``cosine_scaled``, ``B_j = 1 + c s V_j/N_j``, an anchor of view i with signal
coordinate h meets negatives of view j with

    A_ij(h) = -c s h^2/(2 N_i) - log(B_j)/2
              + [s^2 h^2 V_j/(N_i N_j t^2) - c s R^2/N_j]/(2 B_j)
              + log cosh(s h R/(t sqrt(N_i N_j) B_j)),

    L = -s e/t + (1/2) sum_i E log[(1/2) sum_j exp A_ij(h)],      h ~ N(R, V_i).

With one law this is the closed form of ``cosine_scaled``, which a test holds it to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.half_line import half_line_nodes, normal_density
from asymptotics.contrastive.log_cosh import log_cosh

Array = NDArray[np.float64]
STEP = 0.3
WINDOW = 9.0


def _pair_term(
    h: Array, s: Array, t: Array, c: Array, signal: Array, anchor: Array, law: tuple[Array, Array]
) -> tuple[Array, Array]:
    """``A_ij(h)`` and its derivative in s; `anchor` is N_i, `law` is (V_j, N_j), h is (N, P)."""
    variance, noise = law
    bend = c * variance / noise
    stretch = 1.0 + bend * s
    tilt = np.square(h) * variance / (anchor * noise * np.square(t))
    pull = h * signal / (t * np.sqrt(anchor * noise))
    value = (
        -c * s * np.square(h) / (2 * anchor)
        - np.log1p(bend * s) / 2
        + (s * tilt - c * np.square(signal) / noise) * s / (2 * stretch)
        + log_cosh(pull * s / stretch)
    )
    slope = (
        -c * np.square(h) / (2 * anchor)
        - bend / (2 * stretch)
        + tilt * s * (1.0 + 1.0 / stretch) / (2 * stretch)
        - c * np.square(signal) / (2 * noise * np.square(stretch))
        + pull * np.tanh(pull * s / stretch) / np.square(stretch)
    )
    return value, slope


def uniformity(
    s: Array,
    t: Array,
    c: Array,
    signal: Array,
    laws: tuple[tuple[Array, Array], tuple[Array, Array]],
    refinement: float = 1.0,
) -> tuple[Array, Array]:
    """The uniformity term of L and its derivative in s; `laws` are (V_i, N_i), arrays (P,)."""
    total, slope = np.zeros_like(s), np.zeros_like(s)
    step = STEP / refinement
    for variance, noise in laws:
        deviation = np.sqrt(variance)
        sharpest = np.max([s * signal / (t * np.sqrt(noise * n) + c * s * v) for v, n in laws], 0)
        narrow = 1.0 / (1.0 / deviation + sharpest)
        h, weights = half_line_nodes(
            narrow, 1.2 * step * deviation, signal + WINDOW * deviation, step
        )
        density = normal_density(h, signal, variance) + normal_density(h, -signal, variance)
        terms = [_pair_term(h, s, t, c, signal, noise, law) for law in laws]
        gap = terms[0][0] - terms[1][0]
        mean = np.logaddexp(terms[0][0], terms[1][0]) - np.log(2.0)
        share = 0.5 * (1.0 + np.tanh(gap / 2))
        total += 0.5 * np.sum(weights * density * mean, axis=0)
        tangent = share * terms[0][1] + (1 - share) * terms[1][1]
        slope += 0.5 * np.sum(weights * density * tangent, axis=0)
    return total, slope
