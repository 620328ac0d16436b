"""How the fixed point's coefficients move with one parameter: the explicit part of a derivative.

With G = (lambda I + Vhat S)^{-1}, g = G nu and h = G S g, and with a head that moves along the
mean, dS = u k^T + k u^T, the moments at fixed lambda and Vhat move by

    dB_1 = 2 dnu.g - 2 Vhat (u.g)(k.g)
    dB_2 = 2 dnu.h + 2 (u.g)(k.g) - 2 Vhat [(u.g)(k.h) + (k.g)(u.h)]
    dT_j = (2 j/p) lambda u.(S G)^{j-1} G^2 k,     j = 1, 2,

and with the ridge by dT_j = -j tr[S^j G^{j+1}]/p, dB_j = -j nu.S^{j-1} G^{j+1} nu.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.geometry import Spectrum
from asymptotics.problem import Problem
from asymptotics.saddle_point import SaddlePoint

Array = NDArray[np.float64]
Points = NDArray[np.intp]
Moments = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True)
class Direction:
    """The derivatives of a point's coefficients in one parameter, each (points,).

    moments: Vhat -> the slopes of (T_1, T_2) and of (B_1, B_2) at fixed Vhat, each (2, points).
    """

    sampling_ratio: Array
    prior: Array
    moments: Moments


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

    def still(curvature: Array) -> tuple[Array, Array]:
        return np.zeros((2, points.size)), np.zeros((2, points.size))

    moments: Moments = still
    if parameter == "ridge":
        assert isinstance(equations.geometry, Spectrum)
        moments = _ridge_moments(equations.geometry, equations.ridge)
    elif parameter in ("signal", "gain"):
        moments = _Block.of(problem, parameter, shape, points).moments(equations.ridge)
    return Direction(
        sampling_ratio=one if parameter == "sampling_ratio" else zero,
        prior=one if parameter == "prior" else zero,
        moments=moments,
    )


def _ridge_moments(spectrum: Spectrum, ridge: Array) -> Moments:
    s, w, c = spectrum.eigenvalues, spectrum.weights, spectrum.squared_means

    def moments(curvature: Array) -> tuple[Array, Array]:
        inverse = _inverse(ridge, curvature, s)
        traces = [-j * np.sum(w * s**j * inverse ** (j + 1), axis=-1) for j in (1, 2)]
        overlaps = [-j * np.sum(c * s ** (j - 1) * inverse ** (j + 1), axis=-1) for j in (1, 2)]
        return np.stack(traces), np.stack(overlaps)

    return moments


def _inverse(ridge: Array, curvature: Array, eigenvalues: Array) -> Array:
    denominator = ridge[:, None] + curvature[:, None] * eigenvalues
    with np.errstate(divide="ignore"):
        return np.where(denominator > 0, 1 / denominator, 0.0)


@dataclass(frozen=True)
class _Block:
    """The block behind the head in the eigenbasis of S, and its slope in one parameter.

    eigenvalues, mean, mean_slope, first (u), second (k): (points or 1, block).
    free_slope: (points or 1,), of nu^T S^{-1} nu along collapsed directions. weight: of one
    direction.
    """

    eigenvalues: Array
    mean: Array
    mean_slope: Array
    first: Array
    second: Array
    free_slope: Array
    weight: float

    @classmethod
    def of(cls, problem: Problem, parameter: str, shape: tuple[int, ...], points: Points) -> _Block:
        """The slope in "gain" (dW = muhat muhat^T) or in "signal" (dmu = muhat)."""
        mean, covariance = problem.mixture.symmetric_pair()
        head = problem.projector.matrix(mean)
        collapsed = problem.projector.collapsed()
        length = np.linalg.norm(mean, axis=-1, keepdims=True)
        first_axis = np.eye(mean.shape[-1])[0]
        axis = np.where(length > 0, mean / np.where(length > 0, length, 1.0), first_axis)
        sigma = head @ covariance @ np.swapaxes(head, -1, -2)
        values, vectors = np.linalg.eigh(sigma)
        rounding = 4 * mean.shape[-1] * np.finfo(float).eps
        top = np.abs(values).max(axis=-1, keepdims=True)
        values = np.where(values <= rounding * top, 0.0, values)

        def rotated(vector: Array) -> Array:
            return np.einsum("...ij,...i->...j", vectors, vector)

        still = np.zeros_like(values)
        free = np.zeros(collapsed.shape)
        if parameter == "gain":
            moves = ~collapsed[..., None]
            slope, u = length * rotated(axis) * moves, rotated(axis) * moves
            k = rotated(np.einsum("...ij,...j->...i", head @ covariance, axis))
        else:
            slope, u, k = rotated(np.einsum("...ij,...j->...i", head, axis)), still, still
            free = np.where(collapsed, 2 * length[..., 0] / covariance[..., 0, 0], 0.0)
        nu = rotated(np.einsum("...ij,...j->...i", head, mean))
        arrays = values, nu, slope, u, k, free[..., None]
        batch = np.broadcast_shapes(*(x.shape[:-1] for x in arrays))
        flat = [np.broadcast_to(x, (*batch, x.shape[-1])).reshape(-1, x.shape[-1]) for x in arrays]
        size = flat[0].shape[0]
        of_point = np.broadcast_to(np.arange(size).reshape(batch), shape).ravel()
        # one geometry for all points stays one
        values, nu, slope, u, k, free = (x[of_point[points]] if size > 1 else x for x in flat)
        return cls(values, nu, slope, u, k, free[:, 0], problem.mixture.block_weight)

    def moments(self, ridge: Array) -> Moments:
        """The module's formulas at the points' ridges."""
        s, n, dn, u, k = self.eigenvalues, self.mean, self.mean_slope, self.first, self.second

        def moments(v: Array) -> tuple[Array, Array]:
            inverse = _inverse(ridge, v, s)
            g, h = n * inverse, n * s * inverse**2
            ug, kg, uh, kh = ((x * y).sum(-1) for x, y in ((u, g), (k, g), (u, h), (k, h)))
            overlap = 2 * (dn * g).sum(-1) - 2 * v * ug * kg
            second = 2 * (dn * h).sum(-1) + 2 * ug * kg - 2 * v * (ug * kh + kg * uh)
            traces = [
                2 * j * self.weight * ridge * np.sum(u * k * s ** (j - 1) * inverse ** (j + 1), -1)
                for j in (1, 2)
            ]
            with np.errstate(divide="ignore", invalid="ignore"):
                free = [np.where(self.free_slope > 0, self.free_slope / v**j, 0.0) for j in (1, 2)]
            return np.stack(traces), np.stack([overlap, second]) + free

        return moments
