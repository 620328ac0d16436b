"""InfoNCE with cosine similarity as d -> infinity at fixed t = d tau: where the boundary a = 1 lives.

With ``s = a^2``, view i of variance V_i along the signal and N_i across it, ``N = sqrt(N_1 N_2)``,

    c = (2/t^2) / (1 + sqrt(1 + 4/t^2)),      B = 1 + c s V_2/N_2,
    e = (R^2 + C_signal)/N - (C_noise/N) [(R^2+V_1)/N_1 + (R^2+V_2)/N_2]/2,
    L = -s e/t - c s (R^2+V_1)/(2 N_1) - log(B)/2
        + [s^2 V_2 (R^2+V_1)/(2 N^2 t^2) - c s R^2/(2 N_2)]/B
        + E log cosh(s R h/(t N B)),                             h ~ N(R, V_1).

For isotropic noise V_i = N_i = D, C = 1. The loss is measured in units in which its isotropic part
(of order d) is left out. Ours: docs/theory/contrastive.md, "The scaled limit".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.log_cosh import mean_h_tanh, mean_log_cosh
from asymptotics.contrastive.minima import scan_grid
from asymptotics.contrastive.objective import Landscape, Objective, Setting, blocked

Array = NDArray[np.float64]
BLOCK = 2048


@dataclass(frozen=True)
class _Coefficients:
    """The numbers that (s, t)-independent terms of L reduce to; see the module's formula."""

    temperature: Array  # t = d tau
    alignment: Array  # e
    anchor: Array  # (R^2 + V_1)/N_1
    negative: Array  # R^2/N_2
    ratio: Array  # V_2/N_2
    noise: Array  # N
    signal: Array  # R
    variance: Array  # V_1

    @classmethod
    def of(cls, setting: Setting) -> _Coefficients:
        signal, v1, v2, signal_covariance, n1, n2, noise_covariance = setting.views.arrays()
        energy, noise = np.square(signal), np.sqrt(n1 * n2)
        mean_square = ((energy + v1) / n1 + (energy + v2) / n2) / 2
        return cls(
            temperature=setting.temperature * setting.dimension,
            alignment=(energy + signal_covariance - noise_covariance * mean_square) / noise,
            anchor=(energy + v1) / n1,
            negative=energy / n2,
            ratio=v2 / n2,
            noise=noise,
            signal=signal,
            variance=v1,
        )

    def arrays(self) -> tuple[Array, ...]:
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


def critical_temperature(setting: Setting) -> Array:
    """The t below which the loss still falls as a -> infinity: ``t_c = 2 e N_1/(R^2 + V_1)``.

    Isotropic noise: ``2 R^2 (D-1)/[D (R^2+D)]``. Below t_c the gain grows like sqrt(d), and
    training on a batch sees it only with ``log N`` of order ``d/(2 t^2)`` negatives.
    """
    reduced = _Coefficients.of(setting)
    return 2.0 * reduced.alignment / reduced.anchor


def _stiffness(t: Array) -> Array:
    """c(t), written so that it neither overflows at small t nor cancels at large t."""
    return 2.0 / (t * (t + np.sqrt(t * t + 4.0)))


def loss(log_gain: Array, *parameters: Array) -> Array:
    """L of the module's formula at s = exp(2 log_gain)."""
    p = _Coefficients(*parameters)
    s, t, c = np.exp(2.0 * log_gain), p.temperature, _stiffness(p.temperature)
    stretch = 1.0 + c * s * p.ratio
    spread = s * s * p.ratio * p.anchor / (2 * np.square(t)) - c * s * p.negative / 2
    k = s * p.signal / (t * p.noise * stretch)
    return (
        -s * p.alignment / t
        - c * s * p.anchor / 2
        - np.log1p(c * s * p.ratio) / 2
        + spread / stretch
        + mean_log_cosh(k, p.signal, p.variance)
    )


def _scaled_slope(refinement: float, log_gain: Array, *parameters: Array) -> Array:
    """dL/ds divided by ``1/t + s/(t^2 B)``, which tends to constants at both ends."""
    p = _Coefficients(*parameters)
    s, t, c = np.exp(2.0 * log_gain), p.temperature, _stiffness(p.temperature)
    bend = c * p.ratio
    stretch = 1.0 + bend * s
    share = s / stretch
    k = share * p.signal / (t * p.noise)
    tanh_term = p.signal / (t * p.noise) * mean_h_tanh(k, p.signal, p.variance, refinement)
    q = p.ratio * p.anchor / (2 * np.square(t))
    slope = (
        -p.alignment / t
        - c * p.anchor / 2
        - bend / (2 * stretch)
        + q * share * (1.0 + 1.0 / stretch)
        + (tanh_term - c * p.negative / 2) / np.square(stretch)
    )
    return np.asarray(slope / (1.0 / t + share / np.square(t)))


def landscape(setting: Setting) -> Landscape:
    """The landscape over log a; its core reaches from 1/(R + sqrt V) to sqrt(1 + t^2), widened."""
    signal, v1, v2, _, n1, n2, _ = setting.views.arrays()
    t = setting.temperature * setting.dimension
    lower = 0.5 * np.log(np.minimum(n1 / (v1 + signal**2), n2 / (v2 + signal**2))) - 1.0
    upper = 0.5 * np.log((1.0 + t * t) * np.maximum(n1 / v1, n2 / v2)) + 1.0
    return Landscape(
        parameters=_Coefficients.of(setting).arrays(),
        loss=blocked(loss, BLOCK),
        slope=blocked(partial(_scaled_slope, 1.0), BLOCK),
        refined_slope=blocked(partial(_scaled_slope, 1.5), BLOCK),
        grid=scan_grid(lower, upper, spacing=0.5, reach=14.0),
        loss_at_collapse=_loss_at_collapse,
    )


def _loss_at_collapse(*parameters: Array) -> Array:
    """-infinity below t_c, where the loss falls linearly in s; +infinity above."""
    p = _Coefficients(*parameters)
    return np.where(p.temperature < 2 * p.alignment / p.anchor, -np.inf, np.inf)


OBJECTIVE = Objective(
    name="cosine-scaled",
    needs=frozenset({"temperature", "dimension"}),
    landscape=landscape,
    summary="InfoNCE, cosine similarity, d -> infinity at fixed t = d tau",
)
