"""Gradient flow of the population loss for any second moments, and what it ends in.

The state is the first layer, (k, d): the net is balanced, so that G = W_1^T W_1 gives the Gram
matrix G^l of every layer, and it stays balanced, which makes (layers.md, equation 17)

    dW_1/dt = 4 W_1 G^{L-1} (C - Sigma G^L Sigma) - 2 lambda W_1

exact for the flow of all L layers. Where no closed form of the optimum is known (decay, L >= 2,
no common eigenvectors) the end of this flow is what training finds. It is a stationary point,
certified by its residual; that it is the best one is not claimed: compare `loss` with `floor`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.layers.decay import check_decay, check_depth
from asymptotics.layers.flow import check_times
from asymptotics.layers.optimum import LayerWeights, check_layer
from asymptotics.layers.second_moments import SecondMoments

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LayerFlow:
    """A balanced net over time.

    time: (T,). first_layer: W_1(t) up to a rotation of its outputs, (T, k, d).
    loss: the loss with its decay term, (T,); it falls.
    error_estimate: largest change of W_1, relative to its largest entry, when integrated a
        hundred times less precisely.
    """

    time: Array
    first_layer: Array
    loss: Array
    depth: int
    error_estimate: float

    def gram(self, layer: int) -> Array:
        """(W_l ... W_1)^T (W_l ... W_1) = G^l at every time, (T, d, d); the identity at l = 0."""
        gram = np.swapaxes(self.first_layer, -1, -2) @ self.first_layer
        return np.asarray(np.linalg.matrix_power(gram, check_layer(layer, self.depth)))


def layer_flow(
    moments: SecondMoments,
    *,
    times: ArrayLike,
    start: ArrayLike,
    depth: int = 2,
    decay: float = 0.0,
    tolerance: float = 1e-6,
) -> LayerFlow:
    """The flow from a balanced start.

    times: (T,), >= 0, increasing. start: w0 > 0 for W(0) = w0 I, every layer w0^{1/L} I, or a
    matrix W(0), (k, d), k <= d, split evenly over the layers.
    Raises NotConverged if the error estimate exceeds `tolerance`.
    """
    L, strength, time = check_depth(depth), check_decay(decay), check_times(times)
    begin = _first_layer(moments, start, L)
    paths = [
        _integrate(moments, begin, time, L, strength, precision) for precision in (1e-11, 1e-9)
    ]
    error = float(np.max(np.abs(paths[1] - paths[0])) / np.max(np.abs(paths[0])))
    if not error <= tolerance:
        raise NotConverged(
            f"gradient flow is uncertain by {error:.1e} in W_1 against {tolerance:.1e}; try a "
            "larger start or tolerance, or shorter times"
        )
    losses = np.array([_net(moments, w, L, strength).loss for w in paths[0]])
    return LayerFlow(time, paths[0], losses, L, error)


def train(
    moments: SecondMoments,
    *,
    start: ArrayLike,
    depth: int = 2,
    decay: float = 0.0,
    tolerance: float = 1e-9,
) -> LayerWeights:
    """The end of the flow from a balanced `start` (as in `layer_flow`): a local statement.

    Integrated over doubling times until the residual of stationarity is below `tolerance`.
    With decay and L >= 2 a singular value v of W_1 dies, provably, once 2 v^{2L-2} |C| < lambda
    (layers.md, what training finds); when it has also become negligible it is set to 0.
    Raises NotConverged with the residual if that takes longer than 10^7 of the natural time.
    """
    L, strength = check_depth(depth), check_decay(decay)
    first = _first_layer(moments, start, L)
    pull = float(np.linalg.norm(moments.across, 2))
    if pull == 0:
        raise InvalidInput("across must not be zero: there is nothing to learn")
    # the rate of the linear flow, for a start or an optimum of order sqrt(C)/Sigma
    natural = (np.sqrt(pull) / np.linalg.norm(moments.one_view, 2)) ** (1 / L)
    size = float(max(np.linalg.norm(first, 2), natural))
    step = 1 / (8 * pull * size ** (2 * L - 2))
    last, residual = 1e7 * step, np.inf
    while step <= last:
        first = _integrate(moments, first, np.array([step]), L, strength, 0.01 * tolerance)[0]
        first = _without_the_dead(first, pull, size, L, strength)
        net = _net(moments, first, L, strength)
        residual = net.residual
        if residual < tolerance:
            return net
        step *= 2
    raise NotConverged(
        f"gradient flow is not at rest: residual {residual:.1e} against {tolerance:.1e}; try a "
        "larger tolerance, or a start further from the boundary of two basins"
    )


def _first_layer(moments: SecondMoments, start: ArrayLike, depth: int) -> Array:
    """W_1 of the balanced net of product W(0), (k, d)."""
    w = np.asarray(start, dtype=float)
    d = moments.dimension
    if w.ndim == 0:
        w = w * np.eye(d)
    if w.ndim != 2 or w.shape[1] != d or not 1 <= w.shape[0] <= d or not np.all(np.isfinite(w)):
        raise InvalidInput(
            f"start must be a number > 0 or a finite matrix of at most {d} rows and {d} columns, "
            f"got the shape {w.shape}"
        )
    if not np.any(w):
        raise InvalidInput("start must not be zero: w = 0 is stationary")
    _, values, vectors = np.linalg.svd(w, full_matrices=False)
    return np.asarray(values[:, None] ** (1 / depth) * vectors)


def _integrate(
    moments: SecondMoments, start: Array, time: Array, depth: int, decay: float, tolerance: float
) -> Array:
    """W_1 at the times, (T, k, d)."""
    sigma, cross = moments.one_view, moments.across
    end = float(time[-1])
    unit = end if 0 < end < 1 else 1.0  # LSODA does not take very short times

    def velocity(_: float, flat: Array) -> Array:
        w = flat.reshape(start.shape)
        gram = w.T @ w
        before_last = np.linalg.matrix_power(gram, depth - 1)
        force = cross - sigma @ (before_last @ gram) @ sigma
        return np.asarray(unit * (4 * w @ before_last @ force - 2 * decay * w)).ravel()

    found = solve_ivp(
        velocity,
        (0.0, end / unit if end > 0 else 1.0),
        start.ravel(),
        t_eval=time / unit,
        method="LSODA",
        rtol=tolerance,
        atol=tolerance * np.max(np.abs(start)) * 1e-3,
    )
    if found.y.shape[1] < time.size:
        raise NotConverged(f"gradient flow stopped at t = {found.t[-1:]}: {found.message}")
    return np.asarray(found.y.T.reshape(time.size, *start.shape))


def _without_the_dead(first: Array, pull: float, size: float, depth: int, decay: float) -> Array:
    """W_1 without the singular values that decay has won over, once they move nothing else."""
    if decay == 0 or depth == 1:
        return first
    left, values, right = np.linalg.svd(first, full_matrices=False)
    alive = (2 * values ** (2 * depth - 2) * pull >= decay) | (values**depth > 1e-8 * size**depth)
    return np.asarray((left[:, alive] * values[alive]) @ right[alive])


def _net(moments: SecondMoments, first: Array, depth: int, decay: float) -> LayerWeights:
    """The balanced net of this first layer."""
    d = moments.dimension
    _, values, right = np.linalg.svd(first)
    weights = np.zeros(d)
    weights[: values.size] = np.where(values > 1e-12 * values[0], values, 0.0) ** depth
    kept = weights > 0
    return LayerWeights(
        moments,
        weights[kept, None] * right[kept],
        depth,
        decay,
        first.shape[0],
        right.T,
        kept,
        np.zeros(d, dtype=bool),
    )
