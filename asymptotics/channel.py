"""What a loss answers to a margin, and how the answer moves with the margin's law.

From the moments of the envelope at one label y (probe.md, channel and the slopes of section 2):

    answer = E[M'', -M', M'^2, y M'],

its slopes in log gamma, in the mean of the margin, and in log q at a fixed mean, each (4, points).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.gauss import MarginMoments

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """The module's four means and their slopes, each (4, points)."""

    value: Array
    by_log_gamma: Array
    by_mean: Array
    by_log_q: Array


def answer(k: MarginMoments, gamma: Array, deviation: Array, label: float) -> Answer:
    """Equations 5 and 6 of probe.md, by Gaussian integration by parts."""
    s = deviation
    return Answer(
        np.stack([k.m2, -k.m1, k.m11, label * k.m1]),
        gamma * np.stack([-k.m12z / s, k.m12, -2 * k.m112, -label * k.m12]),
        np.stack([k.m2z / s, -k.m2, 2 * k.m12, label * k.m2]),
        0.5 * np.stack([k.m2zz - k.m2, -k.m2z * s, 2 * k.m12z * s, label * k.m2z * s]),
    )


def weighted(k: MarginMoments, weight: Array, sign: float) -> MarginMoments:
    """Moments of w -> omega M_{omega gamma}(e w) from those of M_{omega gamma} at the margin e w.

    The loss counts `weight` = omega times and the label is wrong at `sign` e = -1: every M' brings
    a factor omega e, every M'' a factor omega, every z a factor e (components.md, equation 2).
    """
    w, e = weight, sign
    return MarginMoments(
        m1=e * w * k.m1,
        m2=w * k.m2,
        m11=w**2 * k.m11,
        m12=e * w**2 * k.m12,
        m112=w**3 * k.m112,
        m2z=e * w * k.m2z,
        m2zz=w * k.m2zz,
        m12z=w**2 * k.m12z,
    )
