"""The geometry of real features, estimated without their covariance's spectrum.

The saddle point reads S and nu through tr[(S G)^j]/p and nu^T G (S G)^{j-1} nu alone, with
G = (ridge + Vhat S)^{-1}. With a pooled covariance Shat of M = N - 2 degrees of freedom and
nuhat = nu + sqrt(v) S^{1/2} xi, v = (1/N_+ + 1/N_-)/4, the deterministic equivalents are

    Ghat = (ridge + w Shat)^{-1} ~ G       with Vhat = w (1 - tr[w Shat Ghat]/M),   (features.md, 3)
    tr[S G]     = tr[Shat Ghat] / (1 - tr[w Shat Ghat]/M),                          (features.md, 4)
    nu^T G nu   = nuhat^T Ghat nuhat - v tr[S G].                                   (features.md, 5)

Both are functions of Vhat with d/dVhat tr[(S G)^j] = -j tr[(S G)^{j+1}], and likewise for the
second, so the moments are Taylor coefficients: the map w -> Vhat is inverted as a power series.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.power_series import compose, multiply, reciprocal, revert

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EstimatedGeometry:
    """A batch of estimates, one a data set; the same interface as `asymptotics.geometry`.

    eigenvalues, squared_means: (..., p), of Shat, and nuhat's squared components along its
        eigenvectors.
    degrees_of_freedom: (...), M of Shat.
    mean_noise: (...), v of nuhat.

    Only Vhat below ridge (1/M) sum 1/eigenvalue is reachable when p >= M; a probe of n <= M
    samples never asks for more (features.md, reach). Beyond it the moments are nan.
    """

    eigenvalues: Array = field(repr=False)
    squared_means: Array = field(repr=False)
    degrees_of_freedom: Array
    mean_noise: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch."""
        return self.eigenvalues.shape[:-1]

    @property
    def dimension(self) -> int:
        """p."""
        return self.eigenvalues.shape[-1]

    def take(self, points: NDArray[np.intp]) -> EstimatedGeometry:
        """The estimates of flat indices `points`."""
        p = self.dimension
        return EstimatedGeometry(
            self.eigenvalues.reshape(-1, p)[points],
            self.squared_means.reshape(-1, p)[points],
            self.degrees_of_freedom.ravel()[points],
            self.mean_noise.ravel()[points],
        )

    def broadcast_to(self, shape: tuple[int, ...]) -> EstimatedGeometry:
        """The same estimates over a batch of the given shape."""
        p = self.dimension
        return EstimatedGeometry(
            np.broadcast_to(self.eigenvalues, (*shape, p)),
            np.broadcast_to(self.squared_means, (*shape, p)),
            np.broadcast_to(self.degrees_of_freedom, shape),
            np.broadcast_to(self.mean_noise, shape),
        )

    def in_natural_units(self) -> tuple[EstimatedGeometry, Array]:
        """(the geometry of the features over u, 1/u^2) with u^2 = 2 tr[Shat]/M, per data set.

        A probe's accuracy is unchanged when its ridge is divided by u^2 as well, and the moments
        at ridge = Vhat = 1, from which the solver takes its scales, are then within reach:
        tr[Shat^+]/M >= M/tr[Shat] = 2.
        """
        factor = 0.5 * self.degrees_of_freedom / np.sum(self.eigenvalues, axis=-1)
        scaled = replace(
            self,
            eigenvalues=self.eigenvalues * factor[..., None],
            squared_means=self.squared_means * factor[..., None],
        )
        return scaled, factor

    def resolvent_moments(
        self, ridge: Array, curvature: Array, terms: int = 3
    ) -> tuple[Array, Array]:
        """(tr[(S G)^j]/p, nu^T G (S G)^{j-1} nu) for j = 1..terms, each (terms, points)."""
        weight = self._sample_curvature(ridge, curvature)
        inverse = self._sample_resolvent(ridge, weight)
        ratio = -self.eigenvalues * inverse
        # expansions of tr[Ghat ranged], tr[Shat Ghat] and nuhat^T Ghat nuhat about w
        bare, trace, overlap = [], [], []
        ranged = np.where(self.eigenvalues == 0, 0.0, inverse)
        means = self.squared_means * inverse
        for _ in range(terms):
            bare.append(np.sum(ranged, axis=-1))
            trace.append(np.sum(self.eigenvalues * ranged, axis=-1))
            overlap.append(np.sum(means, axis=-1))
            ranged, means = ranged * ratio, means * ratio
        m = self.degrees_of_freedom
        shrink = ridge * np.stack(bare) / m
        shrink[0] += 1 - self._rank() / m
        line = np.zeros_like(shrink)
        line[0] = weight
        if terms > 1:
            line[1] = 1.0
        step = revert(multiply(line, shrink))
        traces = compose(multiply(np.stack(trace), reciprocal(shrink)), step)
        overlaps = compose(np.stack(overlap), step) - self.mean_noise * traces
        sign = (-1.0) ** np.arange(terms).reshape(-1, *[1] * weight.ndim)
        return sign * traces / self.dimension, sign * overlaps

    def separation(self) -> Array:
        """sqrt(nu^T S^{-1} nu), infinite where p >= M leaves it out of reach.

        nan where the estimate of its square is negative: the signal is below the noise.
        """
        one = np.ones(self.shape)
        with np.errstate(invalid="ignore", divide="ignore"):
            squared = self.resolvent_moments(0 * one, one, terms=1)[1][0]
            known = self._rank() < self.degrees_of_freedom
            return np.where(known, np.sqrt(squared), np.inf)

    def rank_fraction(self) -> Array:
        """rank(S)/p; 1 where Shat has full rank M <= p, which says nothing about S."""
        rank = self._rank()
        return np.where(rank < self.degrees_of_freedom, rank / self.dimension, 1.0)

    def overlap_covariance(self, ridge: Array, curvature: Array) -> tuple[Array, Array, Array]:
        """Var O_1, Cov(O_1, O_2) and Var O_2 of the estimated O_j = nu^T G (S G)^{j-1} nu.

        Cov[O_1(V), O_1(V')] = [(2/M) V V' h^2 + 4 v h + 2 v^2 t] / (1 - V V' t/M)  (features.md, 8)

        with h = nu^T G S G' nu and t = tr[S G S G'], evaluated at the estimates; O_2 = -dO_1/dV.
        """
        traces, overlaps = self.resolvent_moments(ridge, curvature, terms=4)
        t = _Kernel(*(self.dimension * traces[1:] * np.array([1, -1, 1])[:, None]))
        h = _Kernel(*(overlaps[1:] * np.array([1, -1, 1])[:, None]))
        product = _Kernel(curvature**2, curvature, np.ones_like(curvature))
        m, v = self.degrees_of_freedom, self.mean_noise
        loop = (product * t).scaled(-1 / m)
        numerator = product * h * h
        numerator = numerator.scaled(2 / m) + h.scaled(4 * v) + t.scaled(2 * v**2)
        kernel = numerator * replace(loop, value=1 + loop.value).reciprocal()
        return kernel.value, -kernel.slope, kernel.mixed

    def _rank(self) -> Array:
        return np.sum(self.eigenvalues > 0, axis=-1)

    def _sample_resolvent(self, ridge: Array, weight: Array) -> Array:
        """Eigenvalues of Ghat; 0 on constant features when there is no ridge."""
        denominator = ridge[..., None] + weight[..., None] * self.eigenvalues
        with np.errstate(divide="ignore"):
            return np.where(denominator == 0, 0.0, 1 / denominator)

    def _sample_curvature(self, ridge: Array, curvature: Array) -> Array:
        """w >= Vhat with w (1 - tr[w Shat Ghat]/M) = Vhat; nan beyond reach.

        The left side is increasing and concave in w, so Newton's method from w = Vhat, where it
        is too small, rises to the root without a safeguard. Its supremum is infinite for
        rank < M, and ridge tr[Shat^+]/M for rank = M.
        """
        m, rank, s = self.degrees_of_freedom, self._rank(), self.eigenvalues
        inverse_trace = np.sum(1 / np.where(s > 0, s, np.inf), axis=-1)
        reach = np.where(rank < m, np.inf, ridge * inverse_trace / m)
        weight = np.where(curvature < reach, curvature, np.nan)
        with np.errstate(all="ignore"):
            for _ in range(200):
                left = ridge[..., None] * self._sample_resolvent(ridge, weight)
                left = np.where(self.eigenvalues == 0, 0.0, left)  # 1 - (fitted fraction)
                reached = weight * (1 - rank / m + np.sum(left, axis=-1) / m)
                slope = 1 - rank / m + np.sum(left**2, axis=-1) / m
                step = (curvature - reached) / slope
                weight = weight + step
                if not np.any(np.abs(step) > 1e-15 * weight):
                    break
            found = np.abs(curvature - reached) <= 1e-11 * curvature
        return np.where(found, weight, np.nan)


@dataclass(frozen=True)
class _Kernel:
    """A symmetric k(V, V') at V = V': its value, dk/dV, and d^2k/dV dV'."""

    value: Array
    slope: Array
    mixed: Array

    def __add__(self, other: _Kernel) -> _Kernel:
        return _Kernel(self.value + other.value, self.slope + other.slope, self.mixed + other.mixed)

    def __mul__(self, other: _Kernel) -> _Kernel:
        return _Kernel(
            self.value * other.value,
            self.value * other.slope + self.slope * other.value,
            self.value * other.mixed + 2 * self.slope * other.slope + self.mixed * other.value,
        )

    def scaled(self, factor: Array) -> _Kernel:
        return _Kernel(factor * self.value, factor * self.slope, factor * self.mixed)

    def reciprocal(self) -> _Kernel:
        return _Kernel(
            1 / self.value,
            -self.slope / self.value**2,
            -self.mixed / self.value**2 + 2 * self.slope**2 / self.value**3,
        )


def estimate_geometry(features: Array, labels: Array) -> EstimatedGeometry:
    """Shat and nuhat of one sample, as eigenvalues and squared components.

    nuhat = (zbar_+ - zbar_-)/2 and Shat the pooled covariance within the classes, with N - 2
    degrees of freedom: neither depends on where the features are centred. `features` is N x p,
    `labels` N values +-1. Raises InvalidInput when a class has fewer than two samples, or where
    the classes differ along a direction in which neither varies.
    """
    positive, negative = labels > 0, labels < 0
    counts = np.count_nonzero(positive), np.count_nonzero(negative)
    if min(counts) < 2:
        raise InvalidInput(f"each class needs two samples or more, got {counts}")
    plus, minus = features[positive].mean(axis=0), features[negative].mean(axis=0)
    nu = 0.5 * (plus - minus)
    centred = features - np.where(positive[:, None], plus, minus)
    n, p = features.shape
    freedom = n - 2
    _, spread, directions = scipy.linalg.svd(centred, full_matrices=False)
    rank = min(freedom, int(np.sum(spread > max(n, p) * np.finfo(float).eps * spread[0])))
    values, squared = np.zeros(p), np.zeros(p)
    values[:rank] = spread[:rank] ** 2 / freedom
    squared[:rank] = (directions[:rank] @ nu) ** 2
    outside = nu @ nu - np.sum(squared)
    if rank < min(freedom, p) or rank == p:
        if outside > 1e-10 * (nu @ nu):
            raise InvalidInput(
                "the classes differ along a direction in which no sample varies within its "
                "class: drop that feature, it separates them exactly"
            )
    else:
        squared[rank] = max(outside, 0.0)
    noise = 0.25 * (1 / counts[0] + 1 / counts[1])
    return EstimatedGeometry(values, squared, np.array(float(freedom)), np.array(noise))
