"""How the fixed point's coefficients move with one parameter: the explicit part of a derivative.

With G = (lambda I + Vhat S)^{-1}, g = G nu and h = G S g, moments at fixed lambda and Vhat move

    with nu alone        dB_1 = 2 dnu.g,              dB_2 = 2 dnu.h
    with the ridge       dB_j = -j nu.S^{j-1} G^{j+1} nu,     dT_j = -j tr[S^j G^{j+1}]/p
    with dW = K W        dB_1 = 2 lambda g.K g,       dB_2 = 4 lambda g.K h,
                         dT_j = 2 j lambda tr[K S^j G^{j+1}]/p,      j = 1, 2.

The gain a has K = u u^T/a, u = muhat: nothing cancels, however small the ridge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asymptotics.geometry import Spectrum
from asymptotics.problem import Problem
from asymptotics.saddle_point import SaddlePoint

Array = NDArray[np.float64]
Points = NDArray[np.intp]


class MomentSlopes(Protocol):
    """The slopes of the resolvent moments at fixed Vhat, for a batch of points."""

    def take(self, points: Points) -> MomentSlopes:
        """Those of some of the points."""
        ...

    def __call__(self, ridge: Array, curvature: Array) -> tuple[Array, Array]:
        """(dT_1, dT_2) and (dB_1, dB_2), each (2, points)."""
        ...


@dataclass(frozen=True)
class Direction:
    """The derivatives of every point's coefficients in one parameter, each (points,)."""

    sampling_ratio: Array
    prior: Array
    moments: MomentSlopes

    def take(self, points: Points) -> Direction:
        """The direction of some of the points."""
        return Direction(self.sampling_ratio[points], self.prior[points], self.moments.take(points))


def direction_of(
    problem: Problem,
    parameter: str,
    equations: SaddlePoint,
    shape: tuple[int, ...],
    points: Points,
) -> Direction:
    """The direction of "signal", "sampling_ratio", "ridge", "gain" or "prior".

    `equations` are those of the flat `points` of a grid of the given shape.
    """
    zero, one = np.zeros(points.size), np.ones(points.size)
    moments: MomentSlopes = _Still()
    if parameter == "ridge":
        assert isinstance(equations.geometry, Spectrum)
        moments = _ByRidge(equations.geometry)
    elif parameter in ("signal", "gain"):
        moments = _ByHead.of(problem, parameter, shape, points)
    return Direction(
        sampling_ratio=one if parameter == "sampling_ratio" else zero,
        prior=one if parameter == "prior" else zero,
        moments=moments,
    )


class _Still:
    """Moments that do not move."""

    def take(self, points: Points) -> _Still:
        return self

    def __call__(self, ridge: Array, curvature: Array) -> tuple[Array, Array]:
        return np.zeros((2, ridge.size)), np.zeros((2, ridge.size))


@dataclass(frozen=True)
class _ByRidge:
    """Slopes in the ridge."""

    spectrum: Spectrum

    def take(self, points: Points) -> _ByRidge:
        return _ByRidge(self.spectrum.take(points))

    def __call__(self, ridge: Array, curvature: Array) -> tuple[Array, Array]:
        s, w, c = self.spectrum.eigenvalues, self.spectrum.weights, self.spectrum.squared_means
        inverse = _inverse(ridge, curvature, s)
        traces = [-j * np.sum(w * s**j * inverse ** (j + 1), axis=-1) for j in (1, 2)]
        overlaps = [-j * np.sum(c * s ** (j - 1) * inverse ** (j + 1), axis=-1) for j in (1, 2)]
        return np.stack(traces), np.stack(overlaps)


def _inverse(ridge: Array, curvature: Array, eigenvalues: Array) -> Array:
    denominator = ridge[:, None] + curvature[:, None] * eigenvalues
    with np.errstate(divide="ignore"):
        return np.where(denominator > 0, 1 / denominator, 0.0)


@dataclass(frozen=True)
class _ByHead:
    """Slopes in the gain, K = rate u u^T, or in the signal, dnu; the block in the eigenbasis of S.

    eigenvalues, mean, mean_slope, axis (u): (points or 1, block). rate, free_slope: (points or
    1,), 1/a and the slope of nu^T S^{-1} nu along collapsed directions. weight: of a direction.
    """

    eigenvalues: Array
    mean: Array
    mean_slope: Array
    axis: Array
    rate: Array
    free_slope: Array
    weight: float

    @classmethod
    def of(
        cls, problem: Problem, parameter: str, shape: tuple[int, ...], points: Points
    ) -> _ByHead:
        """At the flat `points` of a grid of the given shape."""
        mean, covariance = problem.mixture.symmetric_pair()
        head, collapsed = problem.projector.matrix(mean), problem.projector.collapsed()
        length = np.linalg.norm(mean, axis=-1, keepdims=True)
        first = np.eye(mean.shape[-1])[0]
        axis = np.where(length > 0, mean / np.where(length > 0, length, 1.0), first)
        values, vectors = np.linalg.eigh(head @ covariance @ np.swapaxes(head, -1, -2))
        rounding = 4 * mean.shape[-1] * np.finfo(float).eps
        values = np.where(values <= rounding * np.abs(values).max(-1, keepdims=True), 0.0, values)

        def behind(vector: Array) -> Array:
            return np.einsum("...ij,...ik,...k->...j", vectors, head, vector, optimize=True)

        along = np.einsum("...ij,...i->...j", vectors, axis)
        by_gain = parameter == "gain"
        gain = np.einsum("...i,...ij,...j->...", axis, head, axis)
        with np.errstate(divide="ignore"):
            rate = np.where(by_gain & ~collapsed & (gain > 0), 1 / gain, 0.0)
        free = np.where(collapsed & (not by_gain), 2 * length[..., 0], 0.0) / covariance[..., 0, 0]
        arrays: tuple[Array, ...] = (
            *(values, behind(mean), behind(axis) * (not by_gain), along),
            *(rate[..., None], free[..., None]),
        )
        batch = np.broadcast_shapes(*(x.shape[:-1] for x in arrays))
        flat = [np.broadcast_to(x, (*batch, x.shape[-1])).reshape(-1, x.shape[-1]) for x in arrays]
        size = flat[0].shape[0]
        of_point = np.broadcast_to(np.arange(size).reshape(batch), shape).ravel()
        # one geometry for all points stays one
        s, nu, slope, u, rate, free = (x[of_point[points]] if size > 1 else x for x in flat)
        return cls(s, nu, slope, u, rate[:, 0], free[:, 0], problem.mixture.block_weight)

    def take(self, points: Points) -> _ByHead:
        if self.rate.size == 1:
            return self
        names = ("eigenvalues", "mean", "mean_slope", "axis", "rate", "free_slope")
        return replace(self, **{name: getattr(self, name)[points] for name in names})

    def __call__(self, ridge: Array, curvature: Array) -> tuple[Array, Array]:
        s, nu, u = self.eigenvalues, self.mean, self.axis
        inverse = _inverse(ridge, curvature, s)
        g, h = nu * inverse, nu * s * inverse**2
        pull = 2 * ridge * self.rate
        first = 2 * (self.mean_slope * g).sum(-1) + pull * (u * g).sum(-1) ** 2
        second = 2 * (self.mean_slope * h).sum(-1) + 2 * pull * (u * g).sum(-1) * (u * h).sum(-1)
        traces = [
            j * self.weight * pull * np.sum(u**2 * s**j * inverse ** (j + 1), axis=-1)
            for j in (1, 2)
        ]
        with np.errstate(divide="ignore", invalid="ignore"):
            free = [
                np.where(self.free_slope > 0, self.free_slope / curvature**j, 0.0) for j in (1, 2)
            ]
        return np.stack(traces), np.stack([first, second]) + free
