"""InfoNCE with cosine similarity when the class signal dominates: norms replaced by their means.

With ``g = a^2/(d-1)``, ``S_i = R^2 + V_i``, ``Z_i = g S_i + N_i`` the mean square norm of view i,

    L = -(1/tau) [g (R^2+C_signal) + C_n]/sqrt(Z_1 Z_2) + log cosh(g R^2/(tau sqrt(Z_1 Z_2)))

(anchors of one view, negatives of the other).
For isotropic noise, in the signal's energy fraction ``u = g S/Z``, the minimum is where
``tanh(u R^2/[(R^2+D) tau]) = (D-1)/D``, that is ``u = min(1, tau/tau_*)`` with

    tau_* = 2 R^2 / [(R^2+D) log(1 + 2 sigma^2)].

The figure of Gui, Ma and Zhong (arXiv 2306.03335) shows these thresholds; the loss above is our
reading of them. It neglects the fluctuation of norms within a class: 1% off at R = 5, a factor of
two at R = 2, and its sharp clip at u = 1 is an artefact of that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.log_cosh import log_cosh
from asymptotics.contrastive.minima import scan_grid
from asymptotics.contrastive.objective import Landscape, Objective, Setting

Array = NDArray[np.float64]


def collapse_temperature(signal: Array, augmentation: Array) -> Array:
    """``tau_* = 2 R^2/[(R^2+D) log(1+2 sigma^2)]``: from there on only the signal is kept."""
    noise = np.square(augmentation)
    energy = np.square(signal)
    return np.asarray(2 * energy / ((energy + 1 + noise) * np.log1p(2 * noise)))


def loss(log_gain: Array, *parameters: Array) -> Array:
    """L of the module's formula."""
    tau, dimension, signal, v1, v2, signal_covariance, n1, n2, noise_covariance = parameters
    energy, g = np.square(signal), np.exp(2 * log_gain) / (dimension - 1)
    norm = np.sqrt((g * (energy + v1) + n1) * (g * (energy + v2) + n2))
    aligned = g * (energy + signal_covariance) + noise_covariance
    return np.asarray(log_cosh(g * energy / (tau * norm)) - aligned / (tau * norm))


def slope(log_gain: Array, *parameters: Array) -> Array:
    """``tau dL/du``, u the signal's energy fraction (of the geometric mean of the two norms)."""
    tau, dimension, signal, v1, v2, signal_covariance, n1, n2, noise_covariance = parameters
    energy, g = np.square(signal), np.exp(2 * log_gain) / (dimension - 1)
    z1, z2 = g * (energy + v1) + n1, g * (energy + v2) + n2
    norm, noise_share = np.sqrt(z1 * z2), (n1 / z1 + n2 / z2) / 2
    signal_share = (g * (energy + v1) / z1 + g * (energy + v2) / z2) / 2
    pull = energy * np.tanh(g * energy / (tau * norm)) - (energy + signal_covariance)
    rise = g * pull * noise_share + noise_covariance * signal_share
    return np.asarray(rise / (norm * noise_share * signal_share))


def _loss_at_collapse(*parameters: Array) -> Array:
    tau, _, signal, v1, v2, signal_covariance, *_ = parameters
    energy = np.square(signal)
    norm = tau * np.sqrt((energy + v1) * (energy + v2))
    return np.asarray(log_cosh(energy / norm) - (energy + signal_covariance) / norm)


def landscape(setting: Setting) -> Landscape:
    """The landscape over log a, its core where the energy fraction goes from tau to 1 - 1e-2."""
    signal, v1, v2, _, n1, n2, _ = setting.views.arrays()
    tau, dimension = setting.temperature, setting.dimension
    ratio = np.sqrt(n1 * n2 / ((signal**2 + v1) * (signal**2 + v2))) * (dimension - 1)
    centre = 0.5 * np.log(ratio)
    return Landscape(
        parameters=(tau, dimension, *setting.views.arrays()),
        loss=loss,
        slope=slope,
        refined_slope=slope,
        grid=scan_grid(centre + 0.5 * np.log(tau / (1 + tau)) - 2, centre + 2, 0.5, 14.0),
        loss_at_collapse=_loss_at_collapse,
    )


OBJECTIVE = Objective(
    name="cosine-large-signal",
    needs=frozenset({"temperature", "dimension"}),
    landscape=landscape,
    summary="InfoNCE, cosine similarity, class signal much larger than the spread within a class",
)
