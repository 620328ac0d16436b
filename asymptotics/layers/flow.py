"""Gradient flow of the population loss of independent features: when each layer learns what.

For independent features and W_l(0) = w0^{1/L} I the flow dW_l/dt = -d loss/dW_l separates: with v
the weight of a feature in each layer (layers.md, equation 18),

    dv/dt = 4 v^{2L-1} (C - v^{2L} Sigma^2) - 2 lambda v,      w = v^L.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad_vec, solve_ivp

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.layers.decay import (
    barrier_share,
    check_decay,
    check_depth,
    feature_moments,
    reduced_decay,
    stable_share,
)
from asymptotics.layers.optimum import check_layer

Array = NDArray[np.float64]

# relative tolerances of the integrator; the second run is the error estimate of the first
_PRECISIONS = (1e-13, 1e-11)
_STARTS = (1e-100, 1e20)


@dataclass(frozen=True)
class FeatureFlow:
    """Weights of independent features over time.

    time: (T,). weight: w_i(t), end to end, (T, ..., d). final: w_i at t = infinity, (..., d).
    error_estimate: largest change of log w when integrated a hundred times less precisely.
    """

    time: Array
    weight: Array
    final: Array
    depth: int
    error_estimate: float

    def layer(self, layer: int) -> Array:
        """w_i(t)^{l/L}, (T, ..., d): the weight after layer l; 1 at l = 0, the input."""
        return np.asarray(self.weight ** (check_layer(layer, self.depth) / self.depth))

    def learned(self, share: float = 0.5) -> NDArray[np.bool_]:
        """(T, ..., d): whether a feature has `share` of its final weight. Lost ones never have."""
        return (self.final > 0) & (self.weight >= share * self.final)


def feature_flow(
    one_view: ArrayLike,
    across: ArrayLike,
    *,
    times: ArrayLike,
    start: float,
    depth: int = 2,
    decay: float = 0.0,
    tolerance: float = 1e-5,
) -> FeatureFlow:
    """The flow of independent features (the module's dv/dt), any batch (..., d) of them.

    times: (T,), >= 0, increasing. start: w0 in [1e-100, 1e20], the weight of every feature end to
    end; w0^{1/L} at each layer. Raises NotConverged if the error estimate exceeds `tolerance`:
    growth amplifies errors of the start by about (w_final/w0)^{2-2/L}.
    """
    variance, shared = feature_moments(one_view, across)
    L, strength, time = check_depth(depth), check_decay(decay), check_times(times)
    begin = np.full(variance.size, 2 / L * np.log(check_start(start)))
    c, s2 = np.ravel(shared), np.ravel(variance) ** 2

    def rate(u: Array) -> Array:  # u = log v^2
        return np.asarray(8 * np.exp((L - 1) * u) * (c - np.exp(L * u) * s2) - 4 * strength)

    # LSODA sees a time of order one of the fastest feature, or the whole of a shorter time
    fastest = float(np.max(np.abs(rate(begin))))
    end = float(time[-1])
    unit = min(end, max(1 / fastest, 1e-200 * end)) if fastest > 0 else end
    unit = unit if unit > 0 else 1.0

    def velocity(_: float, u: Array) -> Array:
        return unit * rate(u)

    def slope(_: float, u: Array) -> Array:  # the diagonal of the Jacobian, LSODA's banded form
        pull, push = (L - 1) * np.exp((L - 1) * u) * c, (2 * L - 1) * np.exp((2 * L - 1) * u) * s2
        return np.asarray(8 * unit * (pull - push))[None, :]

    paths = []
    for precision in _PRECISIONS:
        found = solve_ivp(
            velocity,
            (0.0, end / unit if end > 0 else 1.0),
            begin,
            t_eval=time / unit,
            method="LSODA",
            jac=slope,
            lband=0,
            uband=0,
            rtol=precision,
            atol=precision,
        )
        if found.y.shape[1] < time.size:
            raise NotConverged(f"gradient flow stopped at t = {found.t[-1:]}: {found.message}")
        paths.append(0.5 * L * found.y.T)
    error = float(np.max(np.abs(paths[1] - paths[0])))
    if not error <= tolerance:
        raise NotConverged(
            f"gradient flow is uncertain by {error:.1e} in log w against {tolerance:.1e}; try a "
            "larger start or tolerance, or shorter times"
        )
    weight = np.exp(paths[0]).reshape(time.size, *variance.shape)
    final = final_weight(variance, shared, start=start, depth=L, decay=strength)
    return FeatureFlow(time, weight, final, L, error)


def basin_boundary(
    one_view: ArrayLike, across: ArrayLike, *, depth: int = 2, decay: float = 0.0
) -> Array:
    """w_u, (..., d): a feature grows iff it starts above it, and decays to 0 below.

    0 without decay; infinite where no start grows; about (lambda/(2 C))^{L/(2L-2)} for weak decay,
    that is lambda/(2 C) at L = 2 (layers.md, equation 19).
    """
    variance, shared = feature_moments(one_view, across)
    ell = reduced_decay(variance, shared, check_depth(depth), check_decay(decay))
    return np.asarray(np.sqrt(barrier_share(ell, depth)) * _scale(variance, shared, ell))


def final_weight(
    one_view: ArrayLike, across: ArrayLike, *, start: float, depth: int = 2, decay: float = 0.0
) -> Array:
    """w_i at the end of training from w0 = `start`: the local minimum above the barrier, or 0.

    Not always the global minimum: a feature that is worth its decay stays at 0 if w0 <= w_u, and
    one that is not, stays at its local minimum until that ceases to exist.
    """
    variance, shared = feature_moments(one_view, across)
    grows = check_start(start) > basin_boundary(variance, shared, depth=depth, decay=decay)
    ell = np.where(grows, reduced_decay(variance, shared, depth, decay), 0.0)
    top = np.sqrt(stable_share(ell, depth)) * np.sqrt(np.maximum(shared, 0.0)) / variance
    return np.asarray(np.where(grows, top, 0.0))


def learning_time(
    one_view: ArrayLike,
    across: ArrayLike,
    *,
    start: float,
    depth: int = 2,
    decay: float = 0.0,
    share: float = 0.5,
) -> Array:
    """When each feature reaches `share` of its final weight, (..., d): the integral of dt/dw dw.

    0 if it starts there; infinite for a feature that ends at 0. For w0 -> 0 without decay it is
    `learning_delay`. Raises NotConverged if the quadrature is worse than 1e-8 relatively.
    """
    if not 0 < share < 1:
        raise InvalidInput(f"share must be in (0, 1), got {share}")
    variance, shared = feature_moments(one_view, across)
    L, strength = check_depth(depth), check_decay(decay)
    final = final_weight(variance, shared, start=start, depth=L, decay=strength)
    time = np.where(final > 0, 0.0, np.inf)
    rising = final * share > start
    if not np.any(rising):
        return time
    c, variance = shared[rising], variance[rising]
    scale = np.sqrt(c) / variance
    # u = log of v^2 in units of its value at the optimum without decay
    first = 2 / L * np.log(start / scale)
    last = 2 / L * np.log(share * final[rising] / scale)
    half_decay = 0.5 * reduced_decay(variance, c, L, strength)
    unit = np.exp((L - 1) * first)  # the delay grows as 1/unit

    def integrand(r: float) -> Array:
        u = first + r * (last - first)
        return np.asarray(
            (last - first) * unit / (np.exp((L - 1) * u) * -np.expm1(L * u) - half_decay)
        )

    value, error = quad_vec(integrand, 0.0, 1.0, epsabs=1e-13, epsrel=1e-11, norm="max", limit=2000)
    if not error < 1e-8 * np.min(np.abs(value)):
        raise NotConverged(
            f"the learning time is uncertain by {error:.1e}; try a start further from the barrier"
        )
    time[rising] = value / (8 * c * scale ** (2 - 2 / L) * unit)
    return time


def learning_delay(across: ArrayLike, *, start: float, depth: int = 2) -> Array:
    """w0^{2/L-2}/(8 (L-1) C), the leading learning time for w0 -> 0 without decay, L >= 2.

    1/(8 C w0) at L = 2. Infinite for C <= 0. (At L = 1 the delay is only logarithmic.)
    """
    shared = np.asarray(across, dtype=float)
    if check_depth(depth) == 1:
        raise InvalidInput("depth must be >= 2: one layer has a logarithmic delay, learning_time")
    with np.errstate(divide="ignore"):
        delay = check_start(start) ** (2 / depth - 2) / (8 * (depth - 1) * np.maximum(shared, 0))
    return np.asarray(delay)


def _scale(variance: Array, shared: Array, ell: Array) -> Array:
    """sqrt(C)/Sigma, the weight without decay; 1 where it is 0 and no start grows."""
    return np.where(np.isfinite(ell), np.sqrt(np.maximum(shared, 0.0)) / variance, 1.0)


def check_times(times: ArrayLike) -> Array:
    """(T,), >= 0 and increasing."""
    time = np.atleast_1d(np.asarray(times, dtype=float))
    if time.ndim != 1 or time.size == 0 or not np.all(np.isfinite(time)):
        raise InvalidInput("times must be a non-empty list of finite numbers")
    if time[0] < 0 or np.any(np.diff(time) <= 0):
        raise InvalidInput("times must be >= 0 and increasing")
    return time


def check_start(start: float) -> float:
    """w0, of which powers up to (w0 phi)^4 are numbers."""
    low, high = _STARTS
    if not low <= start <= high:
        raise InvalidInput(
            f"start must lie in [{low:g}, {high:g}], got {start:g}: powers of the weights overflow"
        )
    return float(start)
