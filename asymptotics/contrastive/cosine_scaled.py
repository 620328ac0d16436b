"""InfoNCE with cosine similarity, d -> infinity at fixed t = d tau: where the boundary a = 1 lives.

With ``s = a^2`` and views of one law (variance V along the signal and N across it),

    c = (2/t^2) / (1 + sqrt(1 + 4/t^2)),      B = 1 + c s V/N,
    e = (R^2 + C_signal)/N - (C_noise/N) (R^2+V)/N,
    L = -s e/t - c s (R^2+V)/(2N) - log(B)/2
        + [s^2 V (R^2+V)/(2 N^2 t^2) - c s R^2/(2N)]/B
        + E log cosh(s R h/(t N B)),                             h ~ N(R, V).

For isotropic noise V = N = D, C = 1. The isotropic part of the loss, of order d, is left out.
Views of two laws: ``cosine_scaled_two_laws``. Ours: docs/theory/contrastive.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive import exponents
from asymptotics.contrastive.cosine_scaled_two_laws import uniformity
from asymptotics.contrastive.log_cosh import mean_h_tanh, mean_log_cosh
from asymptotics.contrastive.minima import scan_grid
from asymptotics.contrastive.objective import Landscape, Objective, Setting, blocked

Array = NDArray[np.float64]

_BLOCK = 16384  # points whose numbers fill the cache
_BLOCK_OF_NODES = 2048  # the same where all nodes of a point are held


@dataclass(frozen=True)
class _Coefficients:
    """The numbers that (s, t)-independent terms of L reduce to; see the module's formula."""

    temperature: Array  # t = d tau
    alignment: Array  # e, with N = sqrt(N_1 N_2) and the mean of (R^2+V_i)/N_i
    signal: Array  # R
    first_variance: Array  # V_1
    second_variance: Array  # V_2
    first_noise: Array  # N_1
    second_noise: Array  # N_2

    @classmethod
    def of(cls, setting: Setting) -> _Coefficients:
        signal, v1, v2, signal_covariance, n1, n2, noise_covariance = setting.views.arrays()
        energy, noise = np.square(signal), np.sqrt(n1 * n2)
        mean_square = ((energy + v1) / n1 + (energy + v2) / n2) / 2
        aligned = (energy + signal_covariance - noise_covariance * mean_square) / noise
        return cls(setting.temperature * setting.dimension, aligned, signal, v1, v2, n1, n2)

    def have_one_law(self) -> bool:
        return np.array_equal(self.first_variance, self.second_variance) and np.array_equal(
            self.first_noise, self.second_noise
        )

    def laws(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        first = self.first_variance, self.first_noise
        return first, (self.second_variance, self.second_noise)

    def arrays(self) -> tuple[Array, ...]:
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


def critical_temperature(setting: Setting) -> Array:
    """The t below which the loss of views of one law still falls as a -> infinity.

    ``t_c = 2 e N/(R^2 + V)``; for isotropic noise ``2 R^2 (D-1)/[D (R^2+D)]``. Below t_c the gain
    grows like sqrt(d), and a batch shows it only with ``log N`` of order ``d/(2 t^2)`` negatives.
    """
    p = _Coefficients.of(setting)
    return 2.0 * p.alignment * p.first_noise / (np.square(p.signal) + p.first_variance)


def _stiffness(t: Array) -> Array:
    """c(t), written so that it neither overflows at small t nor cancels at large t."""
    return 2.0 / (t * (t + np.sqrt(t * t + 4.0)))


def loss(log_gain: Array, *parameters: Array) -> Array:
    """L of the module's formula at s = exp(2 log_gain)."""
    p = _Coefficients(*parameters)
    s, t, c = np.exp(2.0 * log_gain), p.temperature, _stiffness(p.temperature)
    if not p.have_one_law():
        return uniformity(s, t, c, p.signal, p.laws())[0] - s * p.alignment / t
    v, n, energy = p.first_variance, p.first_noise, np.square(p.signal)
    stretch = 1.0 + c * s * v / n
    spread = s * v * (energy + v) / np.square(n * t) - c * energy / n
    return np.asarray(
        -s * p.alignment / t
        - c * s * (energy + v) / (2 * n)
        - np.log1p(c * s * v / n) / 2
        + s * spread / (2 * stretch)
        + mean_log_cosh(s * p.signal / (t * n * stretch), p.signal, v)
    )


def _one_law_slope(p: _Coefficients, s: Array, c: Array, refinement: float) -> Array:
    """dL/ds + e/t for views of one law."""
    v, n, t = p.first_variance, p.first_noise, p.temperature
    anchor, bend = (np.square(p.signal) + v) / n, c * v / n
    stretch = 1.0 + bend * s
    share = s / stretch
    pull = p.signal / (t * n)
    tanh_term = pull * mean_h_tanh(pull * share, p.signal, v, refinement)
    return np.asarray(
        -c * anchor / 2
        - bend / (2 * stretch)
        + v * anchor / (2 * n * np.square(t)) * share * (1.0 + 1.0 / stretch)
        + (tanh_term - c * np.square(p.signal) / (2 * n)) / np.square(stretch)
    )


def _scaled_slope(refinement: float, log_gain: Array, *parameters: Array) -> Array:
    """dL/ds divided by ``1/t + s/(t^2 B)``, which tends to constants at both ends."""
    p = _Coefficients(*parameters)
    s, t, c = np.exp(2.0 * log_gain), p.temperature, _stiffness(p.temperature)
    if p.have_one_law():
        slope = _one_law_slope(p, s, c, refinement)
    else:
        slope = uniformity(s, t, c, p.signal, p.laws(), refinement)[1]
    stretch = 1.0 + c * s * p.first_variance / p.first_noise
    return np.asarray((slope - p.alignment / t) / (1.0 / t + s / (stretch * np.square(t))))


def _scan_slope(log_gain: Array, *parameters: Array) -> Array:
    """`_scaled_slope` of one law to 1e-6 of its largest term, and to rounding next to zero."""
    slope = blocked(partial(_scaled_slope, 0.75), _BLOCK)(log_gain, *parameters)
    p = _Coefficients(*parameters)
    largest = 1 + p.signal * (p.signal + np.sqrt(p.first_variance)) / p.first_noise
    near = np.flatnonzero(np.abs(slope) < 1e-5 * largest)
    slope[near] = _scaled_slope(1.0, log_gain[near], *(x[near] for x in parameters))
    return slope


def landscape(setting: Setting) -> Landscape:
    """The landscape over log a; its core reaches from 1/(R + sqrt V) to sqrt(1 + t^2), widened."""
    signal, v1, v2, _, n1, n2, _ = setting.views.arrays()
    t = setting.temperature * setting.dimension
    lower = 0.5 * np.log(np.minimum(n1 / (v1 + signal**2), n2 / (v2 + signal**2))) - 1.0
    upper = 0.5 * np.log((1.0 + t * t) * np.maximum(n1 / v1, n2 / v2)) + 1.0
    coefficients = _Coefficients.of(setting)
    one_law = coefficients.have_one_law()
    size = _BLOCK if one_law else _BLOCK_OF_NODES
    return Landscape(
        parameters=coefficients.arrays(),
        loss=blocked(loss, size),
        slope=blocked(partial(_scaled_slope, 1.0), size),
        refined_slope=blocked(partial(_scaled_slope, 1.5), size),
        grid=scan_grid(lower, upper, spacing=0.5, reach=14.0),
        loss_at_collapse=_loss_at_collapse,
        scan_slope=_scan_slope if one_law else None,
    )


def _loss_at_collapse(*parameters: Array) -> Array:
    """-inf: where the loss still falls at the end of the scan, it falls linearly in s."""
    return np.full_like(parameters[0], -np.inf)


OBJECTIVE = Objective(
    name="cosine-scaled",
    needs=frozenset({"temperature", "dimension"}),
    landscape=landscape,
    summary="InfoNCE, cosine similarity, d -> infinity at fixed t = d tau",
    log_negatives=exponents.cosine_scaled,
)
