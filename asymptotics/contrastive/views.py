"""The two views of a contrastive pair, coordinate by coordinate, and the augmentations behind them.

A representation is ``x = y R muhat + g``. View i sees, along the signal direction and along
each of the ``d - 1`` noise directions,

    signal  s_i = y R + xi_i,  Var xi_i = signal_variances[i],  Cov(xi_1, xi_2) = signal_covariance
    noise   g_i,               Var g_i  = noise_variances[i],   Cov(g_1, g_2)   = noise_covariance

so that isotropic Gaussian noise of standard deviation sigma on both views has variances
``D = 1 + sigma^2`` and covariances 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.contrastive.domain import at_least, share
from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ViewPair:
    """Jointly Gaussian views given the class (see the module's formula).

    Every field is a number or an array; fields broadcast against one another, one point of a
    grid per element.
    """

    signal: ArrayLike
    signal_variances: tuple[ArrayLike, ArrayLike]
    signal_covariance: ArrayLike
    noise_variances: tuple[ArrayLike, ArrayLike]
    noise_covariance: ArrayLike

    def arrays(self) -> tuple[Array, ...]:
        """R, V_1, V_2, C_signal, N_1, N_2, C_noise, in this order."""
        fields = (
            self.signal,
            *self.signal_variances,
            self.signal_covariance,
            *self.noise_variances,
            self.noise_covariance,
        )
        return tuple(np.asarray(field, dtype=float) for field in fields)

    @classmethod
    def of_arrays(cls, arrays: tuple[Array, ...]) -> ViewPair:
        """The pair whose :meth:`arrays` these are."""
        signal, v1, v2, signal_covariance, n1, n2, noise_covariance = arrays
        return cls(signal, (v1, v2), signal_covariance, (n1, n2), noise_covariance)


def gaussian_noise(signal: ArrayLike, augmentation: ArrayLike, views: int = 2) -> ViewPair:
    """Isotropic Gaussian noise of standard deviation `augmentation` on both views, or on one.

    ``views=2``: both variances are ``1 + sigma^2``; ``views=1``: ``(1, 1 + sigma^2)``.
    """
    strength = at_least("augmentation", augmentation, 0.0)
    return anisotropic_noise(signal, strength, strength, views)


def _count(views: int) -> None:
    if views not in (1, 2):
        raise InvalidInput(f"views={views!r} must be 1 or 2")


def anisotropic_noise(
    signal: ArrayLike, along: ArrayLike, across: ArrayLike, views: int = 2
) -> ViewPair:
    """Gaussian noise of standard deviation `along` the signal and `across` it.

    Variances ``1 + along^2`` and ``1 + across^2``, covariances 1; ``views=1`` leaves view 1 clean.
    """
    _count(views)
    noisy_signal = 1.0 + np.square(at_least("along", along, 0.0))
    noisy_noise = 1.0 + np.square(at_least("across", across, 0.0))
    clean_signal = noisy_signal if views == 2 else np.ones_like(noisy_signal)
    clean_noise = noisy_noise if views == 2 else np.ones_like(noisy_noise)
    return ViewPair(signal, (clean_signal, noisy_signal), 1.0, (clean_noise, noisy_noise), 1.0)


def class_redraw(signal: ArrayLike, redrawn: ArrayLike) -> ViewPair:
    """A view of the same class in which a share `redrawn` of the within-class variance is new.

    ``g_2 = sqrt(1-r) g_1 + sqrt(r) g_new``: variances 1, covariances ``sqrt(1 - r)``. At r = 1 the
    views share nothing but the class, and every objective keeps nothing but the signal.
    """
    kept = np.sqrt(1.0 - share("redrawn", redrawn))
    return ViewPair(signal, (1.0, 1.0), kept, (1.0, 1.0), kept)


def masking(signal: ArrayLike, masked: ArrayLike, dimension: ArrayLike, views: int = 2) -> ViewPair:
    """Second moments of views whose coordinates are set to zero with probability q = `masked`.

    The class mean is spread evenly, ``mu_i = +- R/sqrt(d)``. With ``k = 1 - q`` a masked view has
    mean ``k y mu`` and covariance ``k (1 + q R^2/d) I`` about it, and two independently masked
    views have covariance ``k^2 I`` (one masked view: ``k I``). The moments are exact at every d;
    the law is not Gaussian, so only an objective that reads second moments alone (the spectral
    loss) is exact here.

    Both views are divided by k, or the one masked: no objective's gain depends on a view's scale.
    """
    _count(views)
    mean_square = np.square(at_least("signal", signal, 0.0)) / at_least("dimension", dimension, 2.0)
    kept = 1.0 - share("masked", masked, below_one=True)
    noisy = (1.0 + (1.0 - kept) * mean_square) / kept
    clean = noisy if views == 2 else np.ones_like(noisy)
    return ViewPair(signal, (clean, noisy), 1.0, (clean, noisy), 1.0)
