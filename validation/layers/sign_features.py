"""Labelled features behind a layer, as a probe sees them: noisy signs, one of them the label."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asymptotics.layers.second_moments import Features
from validation.data import GaussianFeatures

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SignFeatures(GaussianFeatures):
    """z_i = u_i (phi_i s_i + sigma_i xi_i), s_i = +-1 and xi_i ~ N(0, 1), s_carrier = y.

    The sample has these signs; `accuracy` is that of normal numbers of their variances in their
    place, which by the central limit theorem differs by O(1/p). across, along: u_i phi_i and
    u_i sigma_i, (p,).
    """

    across: Array = field(repr=False, kw_only=True)
    along: Array = field(repr=False, kw_only=True)
    carrier: int = field(kw_only=True)

    def draw(self, num_samples: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """(features, labels): n x p and n values +-1."""
        shape = (num_samples, self.dimension)
        signs = np.where(rng.random(shape) < 0.5, 1.0, -1.0)
        sample = self.across * signs + self.along * rng.standard_normal(shape)
        return sample, signs[:, self.carrier].copy()


def sign_features(law: Features, weights: Array, label: int, dimension: int) -> SignFeatures:
    """p = `dimension` features, the kinds of `law` in equal numbers, without augmentation.

    weights: u, one a kind. The first feature of the kind `label` carries y. All are divided by
    their root mean square, so that one ridge means the same behind every layer.
    """
    copies = dimension // law.dimension
    phi, sigma, u = (
        np.repeat(np.asarray(x, dtype=float), copies) for x in (law.strength, law.noise, weights)
    )
    u /= np.sqrt(np.mean(u**2 * (phi**2 + sigma**2)))
    carrier = label * copies
    mean, variance = np.zeros(dimension), u**2 * (phi**2 + sigma**2)
    mean[carrier] = u[carrier] * phi[carrier]
    variance[carrier] = (u[carrier] * sigma[carrier]) ** 2
    return SignFeatures(
        mean,
        np.zeros((0, 0)),
        np.sqrt(variance),
        across=u * phi,
        along=u * sigma,
        carrier=carrier,
    )
