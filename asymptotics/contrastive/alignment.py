"""The alignment term ``A = E cos(z_1, z_2)`` at finite dimension, with two derivatives.

``1/|z| = pi^(-1/2) int alpha^(-1/2) exp(-alpha |z|^2) d alpha``, used for both views, makes every
coordinate a Gaussian integral. With b = a^2, n = d - 1, ``l = b alpha``, ``m = b beta``,

    A = (1/pi) int int (alpha beta)^(-1/2) S N (J + n C_n/D_n) d alpha d beta,
    D_n = 1 + 2 (alpha N_1 + beta N_2) + 4 alpha beta (N_1 N_2 - C_n^2),    N = D_n^(-n/2),
    D_s = 1 + 2 (l V_1 + m V_2) + 4 l m (V_1 V_2 - C_s^2),
    E = R^2 [l + m + 2 l m (V_1 + V_2 - 2 C_s)],    S = D_s^(-1/2) exp(-E/D_s),
    J = b [R^2 (1 + 2 m (V_2 - C_s)) (1 + 2 l (V_1 - C_s)) + C_s D_s]/D_s^2,

with S and N the mean exponentials along and across the signal. The substitution ``alpha = q^2``,
``q = Q sinh t`` removes the root and the scales. docs/theory/cosine.md, equations (10)-(12).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_BLOCK = 1 << 16
_STEP = 0.15


def alignment(
    log_gain2: Array, views: tuple[Array, ...], dimension: Array, *, resolution: float = 1.0
) -> tuple[Array, Array, Array]:
    """A and its two derivatives in ``log a^2``; 1-D arrays of one length, +-inf allowed.

    `views` is ``ViewPair.arrays()``; `resolution` multiplies the number of nodes in each variable.
    """
    keys = np.stack([log_gain2, dimension - 1.0, *views])
    rows, inverse = np.unique(keys, axis=1, return_inverse=True)
    symmetric = np.array_equal(rows[3], rows[4]) and np.array_equal(rows[6], rows[7])
    scale = _scale(rows)
    reach = _reach(rows, scale)
    order = np.argsort(reach)
    out = np.empty((3, rows.shape[1]))
    while order.size:
        count = int(np.ceil(reach[order[-1]] * resolution / _STEP))
        block, order = np.split(order, [-max(1, _BLOCK // count**2)])[::-1]
        q, weights = _pairs(count, _STEP / resolution, symmetric)
        values = _integrand(rows[:, block, None], *(scale[block, None] * np.square(q[:, None])))
        out[:, block] = np.einsum("kij,j->ki", values, weights) * scale[block] * 4 / np.pi
    out[1:, ~np.isfinite(rows[0])] = 0.0
    return out[0, inverse], out[1, inverse], out[2, inverse]


def _scale(rows: Array) -> Array:
    """Q^2, where the exponent reaches one half, in units of 1/(b + 1)."""
    gain2, n, signal, v1, v2, _, n1, n2, _ = rows
    along = expit(gain2) * (signal**2 + np.maximum(v1, v2))
    return np.asarray(0.5 / (along + expit(-gain2) * n * np.maximum(n1, n2)))


def _reach(rows: Array, scale: Array) -> Array:
    """The t beyond which the integrand, with its Jacobian, is below 1e-17 of its peak.

    Along either variable, and along the diagonal, it falls like ``D_s^(-1/2) D_n^(-n/2)`` times the
    share of signal and noise in the inner product, the first like 1/D_s and the second like 1/D_n.
    """
    gain2, n, signal, v1, v2, c, n1, n2, cn = rows[:, :, None]
    gain, inverse = expit(gain2), expit(-gain2)
    t = np.arange(0.5, 80.0, 0.5)
    q2 = scale[:, None] * np.square(np.sinh(t))

    def fall(along: Array, across: Array) -> Array:
        share = gain * (signal**2 + v1) * np.exp(-along) + inverse * n * n1 * np.exp(-across)
        return t - 0.5 * along - 0.5 * n * across + np.log(2 * scale[:, None] * share)

    alone = fall(
        np.log1p(2 * gain * np.minimum(v1, v2) * q2),
        np.log1p(2 * inverse * np.minimum(n1, n2) * q2),
    )
    diagonal = t + fall(
        _log_determinant(gain * q2, v1, v2, c), _log_determinant(inverse * q2, n1, n2, cn)
    )
    return np.asarray(t[np.argmax(np.maximum(alone, diagonal) < -39.0, axis=1)])


def _log_determinant(q2: Array, first: Array, second: Array, covariance: Array) -> Array:
    return np.log1p(2 * (first + second) * q2 + 4 * (first * second - covariance**2) * q2**2)


def _pairs(count: int, step: float, symmetric: bool) -> tuple[Array, Array]:
    """Pairs ``sinh t`` of the midpoint rule, shape (2, pairs), and their weights."""
    t = step * (np.arange(count) + 0.5)
    first, second = (
        np.tril_indices(count) if symmetric else np.indices((count, count)).reshape(2, -1)
    )
    q, width = np.sinh(t), step * np.cosh(t)
    weights = width[first] * width[second]
    if symmetric:
        weights *= np.where(first == second, 1.0, 2.0)
    return np.stack([q[first], q[second]]), weights


def _integrand(rows: Array, alpha: Array, beta: Array) -> Array:
    """``S N (J + T)``, T = n C_n/D_n, and its first two derivatives in log b.

    A is a function of signal and noise scales of degree 0, so b d/db may act on the signal's
    factors or, with the other sign, on the noise's: the integrals agree, the integrands do not.
    Each is used where it is small, at u = 0 and at u = 1, u the energy fraction of the signal; in
    between they are mixed so that isotropic views have the slope 0 node by node.
    """
    gain2, n, signal, v1, _, _, n1, *_ = rows
    gain, inverse = expit(gain2), expit(-gain2)
    log_s, s1, s2, j, j1, j2 = _along(rows, gain, alpha, beta)
    log_n, n_1, n_2, t, t1, t2 = _across(rows, inverse, alpha, beta)
    weight, total = np.exp(log_s + log_n), j + t
    fraction = gain * (signal**2 + v1) / (gain * (signal**2 + v1) + inverse * n * n1)
    mix = np.where(fraction < 0.5, fraction, 1 - 2 * (1 - fraction) ** 2)
    slope = (1 - mix) * (s1 * total + j1) - mix * (n_1 * total + t1)
    curvature = (1 - mix) * ((s2 + s1**2) * total + 2 * s1 * j1 + j2)
    curvature += mix * ((n_2 + n_1**2) * total + 2 * n_1 * t1 + t2)
    return np.stack([weight * total, weight * slope, weight * curvature])


def _along(rows: Array, gain: Array, alpha: Array, beta: Array) -> tuple[Array, ...]:
    """``log S`` and J, each with its first two derivatives in log b at fixed alpha and beta.

    A polynomial in b is differentiated by weighting its terms with their powers.
    """
    _, _, signal, v1, v2, c, *_ = rows
    l, m, r2 = gain * alpha, gain * beta, signal**2
    linear, quadratic = 2 * (v1 * l + v2 * m), 4 * (v1 * v2 - c**2) * l * m
    d = 1 + linear + quadratic
    d1, d2 = (linear + 2 * quadratic) / d, (linear + 4 * quadratic) / d
    linear_e, quadratic_e = r2 * (l + m) / d, 2 * r2 * (v1 + v2 - 2 * c) * l * m / d
    e, e1, e2 = (linear_e + power * quadratic_e for power in (1, 2, 4))
    s1 = -0.5 * d1 - e1 + e * d1
    s2 = -0.5 * (d2 - d1**2) - e2 + 2 * e1 * d1 + e * (d2 - 2 * d1**2)
    first = gain * (r2 + c) / d**2
    second = gain * (2 * r2 * (m * (v2 - c) + l * (v1 - c)) + c * linear) / d**2
    third = gain * (4 * r2 * (v1 - c) * (v2 - c) * l * m + c * quadratic) / d**2
    j, j1, j2 = (first + 2**k * second + 3**k * third for k in (0, 1, 2))
    j1, j2 = j1 - 2 * j * d1, j2 - 4 * j1 * d1 + j * (6 * d1**2 - 2 * d2)
    return -0.5 * np.log(d) - e, s1, s2, j, j1, j2


def _across(rows: Array, scale: Array, alpha: Array, beta: Array) -> tuple[Array, ...]:
    """``log N`` and T, each with its first two derivatives in the log of the noise's scale."""
    _, n, *_, n1, n2, c = rows
    alpha, beta = scale * alpha, scale * beta
    linear, quadratic = 2 * (n1 * alpha + n2 * beta), 4 * (n1 * n2 - c**2) * alpha * beta
    d = 1 + linear + quadratic
    d1, d2 = (linear + 2 * quadratic) / d, (linear + 4 * quadratic) / d
    t = scale * n * c / d
    bend = d2 - d1**2
    return (
        -0.5 * n * np.log1p(linear + quadratic),
        -0.5 * n * d1,
        -0.5 * n * bend,
        t,
        t * (1 - d1),
        t * ((1 - d1) ** 2 - bend),
    )
