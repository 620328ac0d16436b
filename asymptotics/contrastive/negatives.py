"""Finitely many negatives: the first correction in 1/N to the cosine loss and to its gain.

With ``X = cos(z_1, z')/tau``, N independent negatives and the positive not among them,

    E log[(1/N) sum_j exp X_j] = E_1 log E' e^X - (1/2N) E_1[ E' e^{2X}/(E' e^X)^2 - 1 ] + O(1/N^2).

At a typical anchor the ratio is ``M(a) = exp(U(tau/2) - 2 U(tau))``, U the uniformity term of the
loss ``L = -A/tau + U``; the alignment cancels, so that ``log M = L(tau/2) - 2 L(tau)`` is known as
exactly as the loss is. Averaging over anchors in the exponent is the one approximation (Jensen: it
understates the correction). The gain moves by ``dlog a = M (dlog M/dlog a)/(2 N L'')``.

Valid while M is well below N: when ``log N`` is not above ``log M`` a few extreme negatives carry
the average, and the infinite limit says nothing of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.differentiate import derivative

from asymptotics.contrastive.inputs import find_objective, read_pair, read_setting
from asymptotics.contrastive.objective import Landscape, Setting
from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.views import ViewPair

Array = NDArray[np.float64]
LARGEST_SHARE = 0.1  # of N that M may be for the first order to be called valid


@dataclass(frozen=True)
class FewNegatives:
    """Corrections of the "cosine" objective at its infinite-N gain; broadcast shape.

    ``log_gain``        at infinitely many negatives (nan or inf: no correction is given there)
    ``log_gain_shift``  to be added for N negatives
    ``loss_shift``      to be added to the loss at ``log_gain``
    ``log_moment``      log M; the infinite limit needs log N above it
    ``valid``           M <= N/10
    """

    log_gain: Array
    log_gain_shift: Array
    loss_shift: Array
    log_moment: Array
    valid: NDArray[np.bool_]


def few_negatives(
    *,
    negatives: ArrayLike,
    temperature: ArrayLike,
    dimension: ArrayLike,
    signal: ArrayLike | None = None,
    augmentation: ArrayLike | None = None,
    views: int = 2,
    pair: ViewPair | None = None,
) -> FewNegatives:
    """The module's corrections for `negatives` N; other arguments as in ``projector``.

    The exact loss at half the temperature must be within reach, see ``cosine``.
    """
    entry = find_objective("cosine")
    both = read_pair(signal, augmentation, views, pair)
    setting, log_count, shape = read_setting(entry, both, temperature, dimension, negatives)
    found = projector(
        "cosine", pair=setting.views, temperature=setting.temperature, dimension=setting.dimension
    )
    at = np.flatnonzero(np.isfinite(found.log_gain))
    shift, loss_shift, log_moment = (np.full(found.log_gain.shape, np.nan) for _ in range(3))
    here = Setting(
        ViewPair.of_arrays(tuple(field[at] for field in setting.views.arrays())),
        setting.temperature[at],
        setting.dimension[at],
    )
    full = entry.landscape(here)
    half = entry.landscape(Setting(here.views, here.temperature / 2, here.dimension))
    x = found.log_gain[at]
    log_moment[at] = half.loss(x, *half.parameters) - 2 * full.loss(x, *full.parameters)
    share = np.exp(log_moment[at] - log_count[at])
    loss_shift[at] = -(share - np.exp(-log_count[at])) / 2
    shift[at] = share * _steepness(half, x) / (2 * _curvature(full, x))
    valid = log_moment <= log_count + np.log(LARGEST_SHARE)
    return FewNegatives(
        log_gain=found.log_gain.reshape(shape),
        log_gain_shift=shift.reshape(shape),
        loss_shift=loss_shift.reshape(shape),
        log_moment=log_moment.reshape(shape),
        valid=np.asarray(valid).reshape(shape),
    )


def _steepness(landscape: Landscape, log_gain: Array) -> Array:
    """dL/dlog a."""

    def loss(x: Array, *parameters: Array) -> Array:
        flat = np.broadcast_arrays(x, *parameters)
        return landscape.loss(*(array.ravel() for array in flat)).reshape(flat[0].shape)

    return np.asarray(
        derivative(loss, log_gain, args=landscape.parameters, initial_step=0.1, order=6).df
    )


def _curvature(landscape: Landscape, log_gain: Array) -> Array:
    """d^2L/dlog a^2, a central difference of the slope."""
    step = 1e-2
    ahead, behind = (_steepness(landscape, log_gain + side * step) for side in (1, -1))
    return (ahead - behind) / (2 * step)
