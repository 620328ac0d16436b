"""Two augmented views of samples made of features, drawn as the feature model says.

A draw holds B pairs as 2B rows; rows i and i + B are two views of one sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.layers.second_moments import Features, SecondMoments
from validation.training.sampling import Stream

Array = NDArray[np.float64]


class Views(Protocol):
    """A law of two views of one sample."""

    @property
    def dimension(self) -> int: ...

    def draw(self, num_pairs: int, stream: Stream) -> Array:
        """(2B, d): rows i and i + B are a pair."""
        ...


@dataclass(frozen=True)
class SignViews:
    """x_i = phi_i m_i f_i s_i + sigma_i xi_i: signs that augmentation drops and flips.

    s_i = +-1 is the sample's feature; m_i in {0, 1}, P(m_i = 1) = kappa_i, and f_i = +-1,
    P(f_i = 1) = (1 + sqrt(rho_i)/kappa_i)/2, are drawn anew in each view, as is xi_i ~ N(0, 1):

        E (m f)^2 = kappa_i,      E (m f)(m' f') = rho_i.

    Raises InvalidInput for spurious features, a batch of settings, and rho_i > kappa_i^2, which
    independent drops cannot have.
    """

    features: Features

    def __post_init__(self) -> None:
        if np.ndim(self.features.strength) != 1 or self.features.spurious is not None:
            raise InvalidInput("signs are drawn for one setting of independent features")
        rho, kept = np.asarray(self.features.correlation), np.asarray(self.features.kept)
        if np.any(rho > kept**2 * (1 + 1e-12)):
            raise InvalidInput(
                f"signs dropped independently need correlation <= kept^2, got {rho} and {kept}"
            )

    @property
    def dimension(self) -> int:
        """d."""
        return self.features.dimension

    def draw(self, num_pairs: int, stream: Stream) -> Array:
        """(2B, d)."""
        phi, sigma, rho, kept = (
            np.asarray(getattr(self.features, name))
            for name in ("strength", "noise", "correlation", "kept")
        )
        views = stream.normal.standard_normal((2, num_pairs, self.dimension)) * sigma
        uniform = stream.uniform.random((3, num_pairs, self.dimension))
        sign = np.where(uniform[0] < 0.5, phi, -phi)
        # one uniform number a view: below u+ the sign stays, up to kappa it is flipped
        stays = 0.5 * (kept + np.sqrt(rho))
        for view, drawn in zip(views, uniform[1:], strict=True):
            view += np.where(drawn < stays, sign, np.where(drawn < kept, -sign, 0.0))
        return views.reshape(2 * num_pairs, self.dimension)


@dataclass(frozen=True)
class MomentViews:
    """Jointly Gaussian views of given second moments (Sigma, C; C, Sigma).

    h_{1,2} = (g_+ +- g_-)/sqrt(2) with independent g_+- ~ N(0, Sigma +- C).
    """

    moments: SecondMoments

    @property
    def dimension(self) -> int:
        """d."""
        return self.moments.dimension

    @cached_property
    def _roots(self) -> tuple[Array, Array]:
        sigma, across = self.moments.one_view, self.moments.across
        found = []
        for covariance in (sigma + across, sigma - across):
            values, vectors = np.linalg.eigh(covariance)
            # rounding may leave a semidefinite matrix an eigenvalue of -1e-17
            found.append((vectors * np.sqrt(np.maximum(values, 0.0) / 2)).T)
        return found[0], found[1]

    def draw(self, num_pairs: int, stream: Stream) -> Array:
        """(2B, d)."""
        normal = stream.normal.standard_normal((2, num_pairs, self.dimension))
        common, odd = normal[0] @ self._roots[0], normal[1] @ self._roots[1]
        return np.concatenate([common + odd, common - odd])


def feature_views(features: Features) -> Views:
    """Signs where drops and flips can make the features' moments, else Gaussian views."""
    try:
        return SignViews(features)
    except InvalidInput:
        return MomentViews(features.second_moments())
