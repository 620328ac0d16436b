"""What a probe's equations read of class means and covariances, estimated from a sample.

The equations see K means nu_c and S covariances S_s through functions of the curvatures V_s alone:

    T_s = tr[S_s G],   A_cd = nu_c^T G nu_d,   G = (ridge + sum_s V_s S_s)^{-1},

and their slopes -dT_s/dV_u = tr[S_s G S_u G], -dA_cd/dV_s = nu_c^T G S_s G nu_d. With sample
covariances Shat_s of M_s degrees of freedom, Ghat = (ridge + sum_s w_s Shat_s)^{-1} and
a_s = tr[Shat_s Ghat], the deterministic equivalents are (features.md, several covariances)

    V_s = w_s kappa_s,   kappa_s = 1 - w_s a_s/M_s,   T_s = a_s/kappa_s,
    A_cd = nuhat_c^T Ghat nuhat_d - sum_s v_cds T_s,

v_cds S_s summed over s being the covariance of the errors of nuhat_c and nuhat_d.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CovarianceMoments:
    """The module's functions at one w, for S covariances and K means.

    curvature: V_s, (S,). traces: T_s, (S,). pair_traces: tr[S_s G S_u G], (S, S).
    overlaps: A_cd, (K, K). pair_overlaps: nu_c^T G S_s G nu_d, (S, K, K).
    curvature_slopes, trace_slopes: dV_s/dw_u and dT_s/dw_u, (S, S).
    """

    curvature: Array
    traces: Array
    pair_traces: Array
    overlaps: Array
    pair_overlaps: Array
    curvature_slopes: Array
    trace_slopes: Array


@dataclass(frozen=True)
class EstimatedCovariances:
    """Sample means and covariances of K classes, and what their errors are.

    covariances: Shat_s, (S, p, p), S = 1 (pooled) or K. freedom: M_s, (S,).
    covariance_of: (K,), which of them each class has.
    means: nuhat_c less their unweighted mean, (K, p). mean_noise: v_cds, (K, K, S).
    """

    covariances: Array = field(repr=False)
    freedom: Array
    covariance_of: NDArray[np.intp]
    means: Array = field(repr=False)
    mean_noise: Array = field(repr=False)

    @property
    def feature_variance(self) -> float:
        """tr(Shat)/p of the covariance pooled within the classes."""
        traces = np.einsum("sii->s", self.covariances)
        pooled = self.freedom @ traces / self.freedom.sum()
        return float(pooled) / self.covariances.shape[-1]

    def in_natural_units(self) -> tuple[EstimatedCovariances, float]:
        """(the estimate of the features over u, u^2), u^2 = `feature_variance`.

        A probe's accuracy is unchanged when its ridge is divided by u^2 as well.
        """
        unit = self.feature_variance
        scaled = replace(
            self, covariances=self.covariances / unit, means=self.means / np.sqrt(unit)
        )
        return scaled, unit

    def moments(self, ridge: float, weight: Array) -> CovarianceMoments:
        """The functions at Ghat = (ridge + sum_s w_s Shat_s)^{-1}, w = `weight` (S,)."""
        size, m = self.covariances.shape[-1], self.freedom
        ghat = np.linalg.inv(ridge * np.eye(size) + np.tensordot(weight, self.covariances, axes=1))
        products = self.covariances @ ghat
        images = self.means @ ghat
        a = np.einsum("sii->s", products)
        pairs = np.einsum("sij,uji->su", products, products, optimize=True)
        bends = images @ self.covariances @ images.T
        kappa = 1 - weight * a / m
        curvature, traces = weight * kappa, a / kappa
        trace_slopes = (np.diag(a**2 / m) - pairs) / kappa[:, None] ** 2
        curvature_slopes = np.diag(kappa - weight * a / m) + (weight**2 / m)[:, None] * pairs
        overlap_slopes = -bends - np.einsum("cds,su->ucd", self.mean_noise, trace_slopes)
        back = -np.linalg.inv(curvature_slopes)
        return CovarianceMoments(
            curvature,
            traces,
            trace_slopes @ back,
            images @ self.means.T - self.mean_noise @ traces,
            np.tensordot(back.T, overlap_slopes, axes=1),
            curvature_slopes,
            trace_slopes,
        )


def estimate_covariances(
    features: Array, labels: NDArray[np.intp], *, shared: bool
) -> EstimatedCovariances:
    """Class means and covariances of one sample: pooled within the classes, or one for each.

    features: N x p; labels: N values 0..K-1. Raises InvalidInput for a class with fewer than two
    samples.
    """
    classes = int(labels.max()) + 1
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < 2:
        raise InvalidInput(f"each class needs two samples or more, got {counts.tolist()}")
    means = np.array([features[labels == k].mean(axis=0) for k in range(classes)])
    rest = features - means[labels]
    if shared:
        freedom = np.array([float(len(labels) - classes)])
        covariances = (rest.T @ rest / freedom[0])[None]
        of = np.zeros(classes, dtype=np.intp)
    else:
        freedom = counts - 1.0
        covariances = np.stack([rest[labels == k].T @ rest[labels == k] for k in range(classes)])
        covariances /= freedom[:, None, None]
        of = np.arange(classes)
    centre = np.eye(classes) - 1 / classes
    own = np.zeros((classes, freedom.size))
    own[np.arange(classes), of] = 1 / counts
    noise = np.einsum("cl,dl,ls->cds", centre, centre, own)
    return EstimatedCovariances(covariances, freedom, of, centre @ means, noise)
