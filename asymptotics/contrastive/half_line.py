"""Nodes on the half line for integrands with a narrow feature at zero and a Gaussian further out.

    h(u) = w asinh((eps/w) sinh u)

is odd and analytic in ``|Im u| < pi/2``, geometric between eps and w, linear beyond w. An even
integrand is summed by the trapezoidal rule in u (half weight at zero), with geometric convergence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def half_line_nodes(
    narrow: Array, spacing: Array, reach: Array, step: float
) -> tuple[Array, Array]:
    """Nodes h and weights, both (N, P), for integrals over [0, reach].

    `narrow` (eps) is the distance of the nearest singularity from the real line at zero, `spacing`
    the largest step in h, `step` the largest step in u; each row of the last axis has its own rule.
    """
    wide = spacing / step
    narrow = np.minimum(narrow, wide)
    end = np.arcsinh(wide / narrow * np.sinh(reach / wide))
    count = int(np.ceil(np.max(end, initial=step) / step))
    u = end * np.linspace(0.0, 1.0, count + 1)[:, None]
    share = narrow / wide * np.sinh(u)
    weights = end / count * narrow * np.cosh(u) / np.sqrt(1.0 + share**2)
    weights[0] /= 2
    return wide * np.arcsinh(share), weights


def normal_density(h: Array, mean: Array, variance: Array) -> Array:
    """The density of N(mean, variance) at h."""
    return np.asarray(np.exp(-np.square(h - mean) / (2 * variance)) / np.sqrt(2 * np.pi * variance))
