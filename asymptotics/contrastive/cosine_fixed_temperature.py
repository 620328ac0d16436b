"""InfoNCE with cosine similarity as d -> infinity at fixed temperature: gains of order sqrt(d).

With ``kappa_i = (d-1) N_i/a^2`` and ``q_i = h_i/sqrt(h_i^2 + kappa_i)``, h_i the signal coordinate
of view i, and ``rho = C_noise/sqrt(N_1 N_2)``,

    L = -(1/tau) E[q_1 q_2 + rho sqrt((1-q_1^2)(1-q_2^2))] + E_q log E' exp(q q'/tau),

q and q' independent views, each of either law alike (as in NT-Xent, where all views of a batch
are anchors and negatives), the angle between independent noise parts having died out. Where the
loss falls towards a = o(sqrt d) (no signal, or no augmentation) this limit has no minimum;
``cosine_scaled`` resolves it. Slopes in ``log a`` follow from ``dq/dlog a = q (1-q^2)``.

*Alignment.* Given h_1, h_2 is Gaussian with mean m and variance v, and
``1/sqrt(x) = (2/sqrt pi) int_0^inf exp(-x s^2) ds`` leaves one smooth integral:

    E[q_2 | h_1] = (2/sqrt pi) int m (1+2vs^2)^{-3/2} exp(-kappa s^2 - s^2 m^2/(1+2vs^2)) ds,
    E[sqrt(1-q_2^2) | h_1] = (2/sqrt pi) sqrt(kappa) int (1+2vs^2)^{-1/2} exp(same) ds.

*Uniformity.* q_2' takes both signs alike, so that exp is cosh and both variables run over the half
line. The maximum of ``q_1 q'/tau - (h'-R)^2/(2V)`` lies no further out than
``R + min(V/(tau sqrt kappa), (V kappa/tau)^{1/4})``, and is no narrower than ``sqrt(V)/2``.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import owens_t

from asymptotics.contrastive.half_line import half_line_nodes, normal_density
from asymptotics.contrastive.log_cosh import log_cosh
from asymptotics.contrastive.minima import scan_grid
from asymptotics.contrastive.objective import Landscape, Objective, Setting, blocked

Array = NDArray[np.float64]
BLOCK = 64
WINDOW = 9.0  # standard deviations
STEP = 0.3  # in the variables of half_line; refinement divides it


def _scaled(log_gain: Array, parameters: tuple[Array, ...]) -> tuple[Array, ...]:
    """tau, R, V_1, V_2, C_signal, rho, kappa_1, kappa_2."""
    tau, noise_dimension, signal, v1, v2, signal_covariance, n1, n2, noise_covariance = parameters
    scale = noise_dimension * np.exp(-2 * log_gain)
    rho = noise_covariance / np.sqrt(n1 * n2)
    return tau, signal, v1, v2, signal_covariance, rho, n1 * scale, n2 * scale


def _anchor(signal: Array, variance: Array, narrow: Array, step: float) -> tuple[Array, Array]:
    """Nodes and plain weights for the signal coordinate h_1 >= 0 of the anchor."""
    deviation = np.sqrt(variance)
    return half_line_nodes(narrow, 1.6 * step * deviation, signal + WINDOW * deviation, step)


def _partner(mean: Array, variance: Array, kappa: Array, step: float) -> tuple[Array, Array]:
    """``E[q_2 | h_1]`` and ``E[sqrt(1-q_2^2) | h_1]``, ``h_2 ~ N(mean, variance)``; mean (N, P)."""
    largest = np.sqrt(np.max(mean**2, axis=0) + variance + kappa)
    end = np.arcsinh(6.5 * largest / np.sqrt(kappa))
    count = int(np.ceil(np.max(end) / (0.6 * step)))
    u = end * np.linspace(0.0, 1.0, count + 1)[:, None]
    weights = np.cosh(u) * end / (count * largest) * 2 / np.sqrt(np.pi)
    weights[0] /= 2
    square = np.square(np.sinh(u) / largest)
    widening = 1.0 + 2.0 * variance * square
    flat = weights * np.exp(-kappa * square) / np.sqrt(widening)
    decay = np.exp(-(square / widening)[:, None] * np.square(mean))
    aligned = mean * np.einsum("sp,shp->hp", flat / widening, decay)
    return aligned, np.sqrt(kappa) * np.einsum("sp,shp->hp", flat, decay)


def _alignment(
    signal: Array,
    variances: tuple[Array, Array],
    covariance: Array,
    rho: Array,
    kappas: tuple[Array, Array],
    step: float,
) -> tuple[Array, Array]:
    """``E[q_1 q_2 + rho s_1 s_2]`` and the share of its slope that comes from view 1."""
    (v1, v2), (k1, k2) = variances, kappas
    h, weights = _anchor(signal, v1, np.minimum(np.sqrt(k1), np.sqrt(k2)), step)
    q, s = h / np.sqrt(h * h + k1), np.sqrt(k1 / (h * h + k1))
    total, slope = np.zeros_like(signal), np.zeros_like(signal)
    for side in (1.0, -1.0):
        mean = side * signal + covariance / v1 * (h - side * signal)
        aligned, noisy = _partner(mean, v2 - covariance**2 / v1, k2, step)
        density = weights * normal_density(h, side * signal, v1)
        total += np.sum(density * (q * aligned + rho * s * noisy), axis=0)
        slope += np.sum(density * q * (s * s * aligned - rho * s * q * noisy), axis=0)
    return total, slope


def _uniformity(
    tau: Array,
    signal: Array,
    anchor: tuple[Array, Array],
    partners: tuple[tuple[Array, Array], ...],
    step: float,
) -> tuple[Array, Array]:
    """``E_h log E' exp(q q'/tau)``, q' drawn from all `partners` alike, and tau times its slope.

    `anchor` and each of `partners` are the (V, kappa) of a view.
    """
    variance, kappa = anchor
    softest = np.min([k / (signal**2 + v) for v, k in partners], axis=0)
    kink = np.sqrt(kappa) * np.minimum(1.0, tau * np.sqrt(1.0 + softest))
    h, weights = _anchor(signal, variance, kink, step)
    q = h / np.sqrt(h * h + kappa)
    terms = [_negatives(q, tau, signal, v, k, step) for v, k in partners]
    log_means = np.array([log_mean for log_mean, _, _ in terms])
    top = np.max(log_means, axis=0)
    shares = np.exp(log_means - top)
    mean = np.sum(shares, axis=0)
    pull = sum(share * term[1] for share, term in zip(shares, terms, strict=True)) / mean
    bend = sum(share * term[2] for share, term in zip(shares, terms, strict=True)) / mean
    density = weights * np.exp(_log_folded(h, signal, variance))
    total = np.sum(density * (top + np.log(mean / len(terms))), axis=0)
    slope = np.sum(density * q * (kappa / (h * h + kappa) * pull + bend), axis=0)
    return total, slope


def _negatives(
    q: Array, tau: Array, signal: Array, variance: Array, kappa: Array, step: float
) -> tuple[Array, Array, Array]:
    """``log E' e^X``, ``<q'>``, ``<q' (1-q'^2)>`` under ``e^X``, ``X = q q'/tau``; q is (N, P)."""
    deviation = np.sqrt(variance)
    shift = np.minimum(variance / (tau * np.sqrt(kappa)), (variance * kappa / tau) ** 0.25)
    reach = signal + shift + WINDOW * deviation
    h, measure = half_line_nodes(np.sqrt(kappa), 1.2 * step * deviation, reach, step)
    other = h / np.sqrt(h * h + kappa)
    exponent = (q / tau)[:, None] * other
    logit = exponent + np.log(measure) + _log_folded(h, signal, variance)
    peak = np.max(logit, axis=1)
    ahead = np.exp(logit - peak[:, None])
    odd = ahead * np.expm1(-2 * exponent)
    mean = np.einsum("hjp->hp", ahead) + 0.5 * np.einsum("hjp->hp", odd)
    pull = -0.5 * np.einsum("hjp,jp->hp", odd, other) / mean
    bend = -0.5 * np.einsum("hjp,jp->hp", odd, other * kappa / (h * h + kappa)) / mean
    return peak + np.log(mean), pull, bend


def _log_folded(h: Array, mean: Array, variance: Array) -> Array:
    """Log density of |h|, h ~ N(mean, variance)."""
    ahead = -np.square(h - mean) / (2 * variance) - 0.5 * np.log(2 * np.pi * variance)
    return np.asarray(ahead + np.log1p(np.exp(-2 * mean * h / variance)))


def _terms(
    log_gain: Array, parameters: tuple[Array, ...], step: float
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Value and slope of the alignment and of the uniformity, both views taken as anchor."""
    tau, signal, v1, v2, covariance, rho, k1, k2 = _scaled(log_gain, parameters)
    value, slope = _alignment(signal, (v1, v2), covariance, rho, (k1, k2), step)
    if np.array_equal(v1, v2) and np.array_equal(k1, k2):
        return (value, 2 * slope), _uniformity(tau, signal, (v1, k1), ((v1, k1),), step)
    slope = slope + _alignment(signal, (v2, v1), covariance, rho, (k2, k1), step)[1]
    both = ((v1, k1), (v2, k2))
    first, second = (_uniformity(tau, signal, anchor, both, step) for anchor in both)
    return (value, slope), ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)


def loss(log_gain: Array, *parameters: Array) -> Array:
    """L of the module's formula."""
    aligned, uniform = _terms(log_gain, parameters, STEP)
    return uniform[0] - aligned[0] / parameters[0]


def _scaled_slope(refinement: float, log_gain: Array, *parameters: Array) -> Array:
    """``tau dL/dlog a (1+e)^{3/2}/e``, finite at both ends; e is signal over noise energy."""
    aligned, uniform = _terms(log_gain, parameters, STEP / refinement)
    _, signal, v1, _, _, _, k1, _ = _scaled(log_gain, parameters)
    energy = (signal**2 + v1) / k1
    return np.asarray((uniform[1] - aligned[1]) * (1 + energy) ** 1.5 / energy)


def landscape(setting: Setting) -> Landscape:
    """The landscape over log a, its core where the energy fraction goes from about tau to 1."""
    signal, v1, _, _, n1, _, _ = setting.views.arrays()
    noise_dimension, tau = setting.dimension - 1, setting.temperature
    centre = 0.5 * np.log(noise_dimension * n1 / (signal**2 + v1))
    return Landscape(
        parameters=(tau, noise_dimension, *setting.views.arrays()),
        loss=blocked(loss, BLOCK),
        slope=blocked(partial(_scaled_slope, 1.0), BLOCK),
        refined_slope=blocked(partial(_scaled_slope, 1.5), BLOCK),
        grid=scan_grid(centre + 0.5 * np.log(tau / (1 + tau)) - 1, centre + 2, 0.5, 14.0),
        loss_at_collapse=_loss_at_collapse,
    )


def _loss_at_collapse(*parameters: Array) -> Array:
    """At kappa = 0 only signs are left: ``log cosh(1/tau) - E[sign h_1 sign h_2]/tau``."""
    tau, _, signal, v1, v2, covariance, *_ = parameters
    agreement = _sign_agreement(signal, v1, v2, covariance)
    return np.asarray(log_cosh(1 / tau) - agreement / tau)


def _sign_agreement(signal: Array, v1: Array, v2: Array, covariance: Array) -> Array:
    """``E sign(h_1) sign(h_2) = 1 - 4 T(R/sqrt V_1, b_1) - 4 T(R/sqrt V_2, b_2)``, Owen's T.

    ``b_i = (V_i - C)/sqrt(V_1 V_2 - C^2)``; 0 where the views agree (determinant 0).
    """
    root = np.sqrt(np.maximum(v1 * v2 - covariance**2, 0.0))
    apart = root > 0
    agreement = np.ones_like(root)
    for v in (v1, v2):
        b = np.divide(v - covariance, root, out=np.zeros_like(root), where=apart)
        agreement -= 4.0 * owens_t(signal / np.sqrt(v), b)
    return agreement


OBJECTIVE = Objective(
    name="cosine-fixed-temperature",
    needs=frozenset({"temperature", "dimension"}),
    landscape=landscape,
    summary="InfoNCE, cosine similarity, d -> infinity at fixed temperature",
)
