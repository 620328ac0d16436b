"""Spectral contrastive loss ``-2 E z1.z2 + E (z1.z')^2`` on a linear head.

With ``A = W^T W`` it is ``-2 tr(A C) + tr(A Sigma A Sigma)``, C the symmetrised second moment
across views, Sigma that of one view; z and z' come from the pool of all views, so for views of two
laws Sigma is the mean of their second moments. The loss is convex in A, and in each common
eigendirection minimised at ``A = C/Sigma^2``. Hence

    a^2 = (C_s/S^2) / (C_n/N^2),   C_s = R^2 + C_signal,  S = R^2 + (V_1+V_2)/2,  N = (N_1+N_2)/2,

which for isotropic noise is ``(R^2+1) D^2/(R^2+D)^2`` (docs/theory/contrastive.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive import exponents
from asymptotics.contrastive.minima import scan_grid
from asymptotics.contrastive.objective import Landscape, Objective, Setting
from asymptotics.contrastive.views import ViewPair
from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]


def eigenvalues(views: ViewPair) -> tuple[Array, Array]:
    """``(A_signal, A_noise)``: what W^T W is along the signal and across it at the optimum."""
    signal, v1, v2, signal_covariance, n1, n2, noise_covariance = views.arrays()
    energy = np.square(signal)
    along = (energy + signal_covariance) / np.square(energy + (v1 + v2) / 2)
    return np.asarray(along), np.asarray(noise_covariance / np.square((n1 + n2) / 2))


def gram_matrix(second_moment: Array, cross_moment: Array, outputs: int | None = None) -> Array:
    """W^T W of the spectral loss for any second moments, with at most `outputs` rows of W.

    ``Sigma^{1/2} W^T W Sigma^{1/2}`` = the top-k positive part of ``Sigma^{-1/2} C Sigma^{-1/2}``,
    Sigma = `second_moment` (p, p) of the pool of views, positive definite, C = `cross_moment`
    (p, p), symmetrised. K classes, layers of features and any noise covariance are cases of it.
    """
    values, vectors = np.linalg.eigh(np.asarray(second_moment, dtype=float))
    if values[0] <= 0:
        raise InvalidInput(
            f"second_moment has eigenvalue {values[0]:.3g}; it must be positive definite"
        )
    whitener = (vectors / np.sqrt(values)) @ vectors.T
    symmetric = (np.asarray(cross_moment) + np.asarray(cross_moment).T) / 2
    shares, directions = np.linalg.eigh(whitener @ symmetric @ whitener)
    kept = np.maximum(shares, 0.0)
    if outputs is not None:
        kept[: max(0, kept.size - outputs)] = 0.0
    root = whitener @ directions
    return np.asarray((root * kept) @ root.T)


def loss(log_gain: Array, best: Array, alignment: Array, noise_loss: Array) -> Array:
    """Loss with the noise eigenvalue at its optimum: ``(r^2 - 2r) A_s C_s + noise part``.

    ``r = a^2/a_*^2``; the noise part is ``-(d-1) C_n^2/N^2``.
    """
    ratio = np.exp(2.0 * (log_gain - best))
    return np.asarray((ratio - 2.0) * ratio * alignment + noise_loss)


def _slope(log_gain: Array, best: Array, *_: Array) -> Array:
    return np.tanh(log_gain - best)


def landscape(setting: Setting) -> Landscape:
    """The one-well landscape about the closed form ``log a_* = log(A_signal/A_noise)/2``."""
    along, across = eigenvalues(setting.views)
    signal, _, _, signal_covariance, _, _, noise_covariance = setting.views.arrays()
    with np.errstate(divide="ignore"):
        best = np.asarray(0.5 * (np.log(along) - np.log(across)))
    centre = np.where(np.isfinite(best), best, 0.0)
    alignment = along * (np.square(signal) + signal_covariance)
    return Landscape(
        parameters=(best, alignment, -(setting.dimension - 1) * across * noise_covariance),
        loss=loss,
        slope=_slope,
        refined_slope=_slope,
        grid=scan_grid(centre - 1.0, centre + 1.0, spacing=0.5, reach=1.0),
        loss_at_collapse=_loss_at_collapse,
    )


def _loss_at_collapse(best: Array, alignment: Array, noise_loss: Array) -> Array:
    """Collapse is the optimum iff the views share no noise; the noise eigenvalue is then 0."""
    return np.where(np.isinf(best), noise_loss - alignment, np.inf)


OBJECTIVE = Objective(
    name="spectral",
    needs=frozenset(),
    landscape=landscape,
    summary="spectral contrastive loss, linear head",
    log_negatives=exponents.linear,
)
