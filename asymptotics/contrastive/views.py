"""The two views of a contrastive pair, coordinate by coordinate.

A representation is ``x = y R muhat + g``. View i sees, along the signal direction and along
each of the ``d - 1`` noise directions,

    signal   s_i = y R + xi_i,   Var xi_i = signal_variances[i],   Cov(xi_1, xi_2) = signal_covariance
    noise    g_i,                Var g_i  = noise_variances[i],    Cov(g_1, g_2)   = noise_covariance

so that isotropic Gaussian noise of standard deviation sigma on both views has variances
``D = 1 + sigma^2`` and covariances 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def gaussian_noise(signal: ArrayLike, augmentation: ArrayLike, views: int = 2) -> ViewPair:
    """Isotropic Gaussian noise of standard deviation `augmentation` on both views, or on one.

    ``views=2``: both variances are ``1 + sigma^2``; ``views=1``: ``(1, 1 + sigma^2)``.
    """
    noisy = 1.0 + np.square(np.asarray(augmentation, dtype=float))
    clean = noisy if views == 2 else np.ones_like(noisy)
    return ViewPair(signal, (clean, noisy), 1.0, (clean, noisy), 1.0)
