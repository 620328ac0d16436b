"""InfoNCE with inner products, ``-tr(A C)/tau + E log E' exp(h^T A h'/tau)``, A = W^T W.

The anchors h are first views, the negatives h' second views. (Were both views negatives, as in
NT-Xent, and their laws different, the louder law alone would matter as d -> infinity.) The loss is
convex in A and separates: with ``A = tau x`` along the signal and ``tau y`` across,

    y = C_n / (N_1 N_2),
    x minimises  -(R^2+C_signal) x + V_2 (R^2+V_1) x^2/2 + E log cosh(R x h),   h ~ N(R, V_1),

so ``a^2 = x/y`` and the temperature only sets the scale. The slope in x is increasing and its root
lies between ``(R^2+C_signal)/[(R^2+V_1)(R^2+V_2)]`` (tanh z <= z) and
``(R^2+C_signal)/[(R^2+V_1) V_2]`` (h tanh h >= 0). Isotropic noise: docs/theory/contrastive.md.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive import exponents
from asymptotics.contrastive.log_cosh import mean_h_tanh, mean_log_cosh
from asymptotics.contrastive.minima import local_minima, scan_grid
from asymptotics.contrastive.objective import Landscape, Objective, Setting, blocked

Array = NDArray[np.float64]
BLOCK = 2048


def loss(
    log_gain: Array,
    unit: Array,
    pull: Array,
    stiffness: Array,
    signal: Array,
    variance: Array,
    constant: Array,
) -> Array:
    """``-pull x + stiffness x^2/2 + E log cosh(R x h) + constant`` at ``x = unit a^2``."""
    x = unit * np.exp(2.0 * log_gain)
    spread = mean_log_cosh(signal * x, signal, variance)
    return np.asarray((stiffness * x / 2 - pull) * x + spread + constant)


def slope(
    refinement: float,
    log_gain: Array,
    unit: Array,
    pull: Array,
    stiffness: Array,
    signal: Array,
    variance: Array,
    constant: Array,
) -> Array:
    """dL/dx divided by ``pull + stiffness x``, which runs from -1 to 1."""
    x = unit * np.exp(2.0 * log_gain)
    tanh_term = signal * mean_h_tanh(signal * x, signal, variance, refinement)
    return np.asarray((stiffness * x - pull + tanh_term) / (pull + stiffness * x))


def convex_landscape(setting: Setting, unit: Array, multiplier: Array) -> Landscape:
    """The landscape of ``x = unit a^2`` under an extra pull `multiplier` on the signal.

    The free head has multiplier 0; a fixed norm adds its Lagrange multiplier.
    """
    signal, v1, v2, signal_covariance, n1, n2, noise_covariance = setting.views.arrays()
    energy = np.square(signal)
    pull = energy + signal_covariance + multiplier
    noise = unit * (unit * n1 * n2 / 2 - noise_covariance)
    stiffness = v2 * (energy + v1)
    constant = (setting.dimension - 1) * noise + multiplier * unit
    lowest = pull / ((energy + v1) * (energy + v2))
    scale = np.where(unit > 0, unit, 1.0)  # no shared noise: unit = 0, x = 0 for every finite gain
    lower, upper = (0.5 * np.log(bound / scale) for bound in (lowest, pull / stiffness))
    return Landscape(
        parameters=(unit, pull, stiffness, signal, v1, constant),
        loss=blocked(loss, BLOCK),
        slope=blocked(partial(slope, 1.0), BLOCK),
        refined_slope=blocked(partial(slope, 1.5), BLOCK),
        grid=scan_grid(lower - 0.25, upper + 0.25, spacing=0.5, reach=0.5),
        loss_at_collapse=_loss_at_collapse,
    )


def _loss_at_collapse(unit: Array, *rest: Array) -> Array:
    """inf, but where the views share no noise: there y = 0, and x is found as for y = 1."""
    out = np.full_like(unit, np.inf)
    lone = unit == 0
    if lone.any():
        one = np.ones(int(lone.sum()))
        pull, stiffness, signal, variance, constant = (parameter[lone] for parameter in rest)
        parameters = (one, pull, stiffness, signal, variance, constant)
        reach = np.log1p(signal**2)
        grid = scan_grid(
            0.5 * np.log(pull / stiffness) - reach, 0.5 * np.log(pull / stiffness), 0.5, 0.5
        )
        out[lone] = loss(local_minima(partial(slope, 1.0), grid, parameters).position, *parameters)
    return out


def landscape(setting: Setting) -> Landscape:
    """The free head: the unit of x is the noise eigenvalue ``y = C_n/(N_1 N_2)``."""
    *_, n1, n2, noise_covariance = setting.views.arrays()
    unit = noise_covariance / (n1 * n2)
    return convex_landscape(setting, unit, np.zeros_like(unit))


OBJECTIVE = Objective(
    name="inner-product",
    needs=frozenset(),
    landscape=landscape,
    summary="InfoNCE, inner product, infinitely many negatives",
    log_negatives=exponents.inner_product,
)
