"""The geometry of K classes with one covariance, estimated, for curvatures that are matrices.

In the eigenbasis of the K-class curvature V = U diag(v_a) U^T the equations (multiclass.md,
equations 2 and 3) read the features through two functions of one number,

    T(v) = tr[S G_v],   A_jk(v) = nu_j^T G_v nu_k,   G_v = (ridge + v S)^{-1},

and their divided differences, since G_a S G_b = -(G_a - G_b)/(v_a - v_b). Both are those of
`estimated_geometry`: a pair (j, k) is a data set of its own whose squared means are the products
of the two means' components (features.md, equation 16).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import NotConverged
from validation.class_covariances import EstimatedCovariances
from validation.estimated_geometry import EstimatedGeometry

Array = NDArray[np.float64]

# curvatures nearer than this, relatively, take the slope at their middle for the difference
_NEAR = 1e-4


@dataclass(frozen=True)
class EstimatedClasses:
    """Stands where `asymptotics.multiclass.geometry.BlockGeometry` does in the softmax equations.

    pairs: estimates of T and A_jk, a batch of the K (K + 1)/2 pairs j <= k.
    means: nuhat_k in the eigenbasis of Shat, (K, p). priors: pi_k. ridge: lambda.
    num_samples: n.
    """

    pairs: EstimatedGeometry
    means: Array
    priors: Array
    ridge: float
    num_samples: int

    @classmethod
    def of(
        cls, estimate: EstimatedCovariances, priors: Array, ridge: float, num_samples: int
    ) -> EstimatedClasses:
        """From means and a pooled covariance."""
        values, vectors = np.linalg.eigh(estimate.covariances[0])
        # the rank of Shat is at most its degrees of freedom
        rank = min(values.size, int(estimate.freedom[0]))
        values = np.where(np.arange(values.size) >= values.size - rank, values, 0.0)
        values = np.where(values > values[-1] * values.size * np.finfo(float).eps, values, 0.0)
        parts = estimate.means @ vectors
        j, k = np.triu_indices(len(priors))
        pairs = EstimatedGeometry(
            np.broadcast_to(values, (j.size, values.size)),
            parts[j] * parts[k],
            np.full(j.size, estimate.freedom[0]),
            estimate.mean_noise[j, k, 0],
        )
        return cls(pairs, parts, priors, ridge, num_samples)

    @property
    def sampling_ratio(self) -> float:
        """n/p."""
        return self.num_samples / self.pairs.dimension

    def step(self, curvature: Array) -> Array:
        """Gamma = U diag(T(v_a)/n) U^T, from V (d, d)."""
        v, u = np.linalg.eigh(curvature)
        traces, _ = self._functions(v)
        return np.asarray((u * (traces[0] / self.num_samples)) @ u.T)

    def logits(self, curvature: Array, pulls: Array, noise: Array) -> tuple[Array, Array]:
        """(M, Q): mean logits (K, d) and their covariance (d, d), with P_ka = pi_k (h_k U)_a

            M U = [A(v_a) P_:a]_a,
            (U^T Q U)_ab = -P_:a^T A[v_a, v_b] P_:b - (U^T Qhat U)_ab T[v_a, v_b]/n.

        pulls: h_k, (K, d); noise: Qhat, (d, d). [., .] are divided differences.
        """
        v, u = np.linalg.eigh(curvature)
        drive = self.priors[:, None] * (pulls @ u)
        traces, overlaps = self._functions(v)
        means = np.einsum("ajk,ka->ja", overlaps[0], drive)
        by_trace, by_overlap = self._differences(v, traces, overlaps)
        spread = -np.einsum("ja,abjk,kb->ab", drive, by_overlap, drive)
        spread -= (u.T @ noise @ u) * by_trace / self.num_samples
        return means @ u.T, np.asarray(u @ (spread + spread.T) @ u.T / 2)

    def _functions(self, v: Array) -> tuple[Array, Array]:
        """T and A_jk, and minus their slopes, at each v: (2, v), (2, v, K, K)."""
        (count,), classes = self.pairs.shape, len(self.priors)
        batch = self.pairs.broadcast_to((v.size, count)).take(np.arange(v.size * count))
        with np.errstate(invalid="ignore"):
            traces, overlaps = batch.resolvent_moments(
                np.full(v.size * count, self.ridge), np.repeat(v, count), terms=2
            )
        if not np.all(np.isfinite(traces)):
            raise NotConverged(
                "a curvature is beyond the reach of the estimated covariance; use fewer samples"
            )
        full = np.empty((2, v.size, classes, classes))
        j, k = np.triu_indices(classes)
        full[:, :, j, k] = full[:, :, k, j] = overlaps.reshape(2, v.size, count)
        by_value = traces.reshape(2, v.size, count)[:, :, 0] * self.pairs.dimension
        return by_value, full

    def _differences(self, v: Array, traces: Array, overlaps: Array) -> tuple[Array, Array]:
        """T[v_a, v_b] and A[v_a, v_b], (d, d) and (d, d, K, K)."""
        gap = v[:, None] - v
        near = np.abs(gap) <= _NEAR * np.maximum(np.abs(v), np.abs(v[:, None]))
        a, b = np.nonzero(near)
        middle_traces, middle_overlaps = self._functions((v[a] + v[b]) / 2)
        gap = np.where(near, 1.0, gap)
        by_trace = (traces[0][:, None] - traces[0]) / gap
        by_overlap = (overlaps[0][:, None] - overlaps[0]) / gap[..., None, None]
        by_trace[a, b], by_overlap[a, b] = -middle_traces[1], -middle_overlaps[1]
        return by_trace, by_overlap
