"""The half of the fixed point that knows the features: block, bulk and ridge (multiclass.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.multiclass.mixture import MulticlassMixture

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BlockGeometry:
    """Means and spectrum in the eigenbasis of the block covariance.

    means: nu_ki, (K, r); block: s_i, (r,); priors: pi_k; bulk, weights: the atoms of the bulk;
    ridge: lambda; sampling_ratio: delta.
    """

    means: Array
    block: Array
    priors: Array
    bulk: Array
    weights: Array
    ridge: float
    sampling_ratio: float

    @classmethod
    def of(cls, mixture: MulticlassMixture, ridge: float, ratio: float) -> BlockGeometry:
        """Of a mixture behind its head."""
        values, vectors = np.linalg.eigh(mixture.covariance)
        return cls(
            mixture.means @ vectors,
            np.maximum(values, 0.0),
            mixture.priors,
            mixture.bulk_eigenvalues,
            mixture.bulk_weights,
            ridge,
            ratio,
        )

    def step(self, curvature: Array) -> Array:
        """Gamma = (1/delta) sum_t w_t s_t (lambda + s_t V)^{-1}, from V (d, d)."""
        share = self.weights * self.bulk / self.sampling_ratio
        return np.asarray(np.einsum("t,tij->ij", share, self._resolvents(self.bulk, curvature)))

    def logits(self, curvature: Array, pulls: Array, noise: Array) -> tuple[Array, Array]:
        """(M, Q): mean logits (K, d) and their covariance (d, d).

        With G_s = (lambda + s V)^{-1}: theta_i = G_{s_i} sum_k pi_k nu_ki h_k,
        M_j = sum_i nu_ji theta_i, and
        Q = sum_i s_i theta_i theta_i^T + (1/delta) sum_t w_t s_t^2 G_{s_t} Qhat G_{s_t}.

        pulls: h_k = E_k f, (K, d); noise: Qhat = E f f^T.
        """
        drive = self.means.T @ (self.priors[:, None] * pulls)
        theta = np.einsum("iab,ib->ia", self._resolvents(self.block, curvature), drive)
        resolvents = self._resolvents(self.bulk, curvature)
        share = self.weights * self.bulk**2 / self.sampling_ratio
        spread = np.einsum("t,tab,bc,tcd->ad", share, resolvents, noise, resolvents, optimize=True)
        spread = spread + (self.block * theta.T) @ theta
        return self.means @ theta, np.asarray((spread + spread.T) / 2)

    def _resolvents(self, values: Array, curvature: Array) -> Array:
        identity = np.eye(len(curvature))
        return np.asarray(np.linalg.inv(self.ridge * identity + values[:, None, None] * curvature))
