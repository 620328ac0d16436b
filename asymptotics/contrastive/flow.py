"""Gradient flow ``dW/dt = -grad L(W)`` of the population loss from W = I, as a trajectory.

By symmetry W stays ``alpha muhat muhat^T + beta (I - muhat muhat^T)``. Its length element is
``|dW|^2 = dalpha^2 + (d-1) dbeta^2``, so that

    dalpha/dt = -dL/dalpha,      dbeta/dt = -(1/(d-1)) dL/dbeta.

*Spectral*, A = alpha^2 or beta^2 with moments (C, S) in its direction: ``dA/dt = 8 A (C - A S^2)``.
*Inner product*: ``dlog alpha/dt = -(2/tau) [V_2 S_1 x - (R^2+C_s) + R E h tanh(R x h)]``,
``x = alpha^2/tau``; ``dlog beta/dt = -(2/tau) [N_1 N_2 beta^2/tau - C_n]``. With the norm fixed and
d -> infinity, beta stays 1 and its force is subtracted from both.
*Cosine* (exact and in its limits): L depends on a = alpha/beta alone and the norm ``alpha^2 +
(d-1) beta^2 = d`` is conserved. With ``alpha = sqrt(d) sin(theta)``,

    d theta/dt = -(1/d) dL/dtheta = -(1/d) (dL/dlog a) / (sin theta cos theta),

which stays finite at theta = pi/2. Collapse is approached, not reached: near it the loss of the
large-signal limit is quadratic in pi/2 - theta.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.differentiate import derivative
from scipy.integrate import solve_ivp

from asymptotics.contrastive.inputs import find_objective, read_pair, read_setting
from asymptotics.contrastive.log_cosh import mean_h_tanh
from asymptotics.contrastive.objective import Landscape, Setting
from asymptotics.contrastive.views import ViewPair
from asymptotics.errors import InvalidInput, NotConverged

Array = NDArray[np.float64]
Velocity = Callable[[float, Array], Array]


@dataclass(frozen=True)
class Trajectory:
    """W(t) at the times asked for, each array of shape (T,).

    ``signal_scale``, ``noise_scale``  alpha and beta
    ``log_gain``                       log(alpha/beta)
    """

    objective: str
    time: Array
    signal_scale: Array
    noise_scale: Array
    log_gain: Array


def gradient_flow(
    objective: str,
    *,
    times: ArrayLike,
    dimension: float,
    signal: float | None = None,
    augmentation: float | None = None,
    temperature: float | None = None,
    views: int = 2,
    pair: ViewPair | None = None,
    tolerance: float = 1e-9,
) -> Trajectory:
    """The trajectory from W = I of one point; arguments as in ``projector``.

    `times` (T,) increase from 0 or later; `tolerance` is the relative one of ``solve_ivp``.
    Raises ``InvalidInput`` as ``projector`` does, ``NotConverged`` if the integration stops early.
    """
    entry = find_objective(objective)
    both = read_pair(signal, augmentation, views, pair)
    setting, _, shape = read_setting(entry, both, temperature, dimension, np.inf)
    if shape != ():
        raise InvalidInput(f"gradient_flow takes one point, not an array of shape {shape}")
    time = np.atleast_1d(np.asarray(times, dtype=float))
    if np.any(time < 0) or np.any(np.diff(time) <= 0):
        raise InvalidInput("times must be >= 0 and increasing")
    if objective in _TWO_SCALES:
        log_scales = _integrate(_TWO_SCALES[objective](setting), np.zeros(2), time, tolerance)
        alpha, beta = np.exp(log_scales)
        return Trajectory(objective, time, alpha, beta, log_scales[0] - log_scales[1])
    return _on_the_sphere(objective, setting, entry.landscape(setting), time, tolerance)


def _integrate(velocity: Velocity, start: Array, time: Array, tolerance: float) -> Array:
    span = (0.0, float(time[-1]))
    result = solve_ivp(
        velocity, span, start, t_eval=time, method="LSODA", rtol=tolerance, atol=tolerance
    )
    if result.y.shape[1] < time.size:
        raise NotConverged(f"gradient flow stopped at t={result.t[-1:]}: {result.message}")
    return np.asarray(result.y)


def _spectral(setting: Setting) -> Velocity:
    signal, v1, v2, signal_covariance, n1, n2, noise_covariance = setting.views.arrays()
    energy = np.square(signal)
    cross = np.concatenate([energy + signal_covariance, noise_covariance])
    second = np.concatenate([energy + (v1 + v2) / 2, (n1 + n2) / 2])

    def velocity(_: float, log_scale: Array) -> Array:
        return np.asarray(4 * (cross - np.exp(2 * log_scale) * np.square(second)))

    return velocity


def _inner_product(setting: Setting) -> Velocity:
    signal, v1, v2, signal_covariance, n1, n2, noise_covariance = setting.views.arrays()
    tau, energy = setting.temperature, np.square(signal)

    def velocity(_: float, log_scale: Array) -> Array:
        x, y = np.exp(2 * log_scale)[:, None] / tau
        tanh_term = signal * mean_h_tanh(signal * x, signal, v1)
        along = v2 * (energy + v1) * x - (energy + signal_covariance) + tanh_term
        across = n1 * n2 * y - noise_covariance
        return -2 / tau * np.concatenate([along, across])

    return velocity


def _inner_product_fixed_norm(setting: Setting) -> Velocity:
    free = _inner_product(setting)

    def velocity(time: float, log_scale: Array) -> Array:
        force = free(time, log_scale)
        return np.array([force[0] - force[1], 0.0])

    return velocity


_TWO_SCALES: dict[str, Callable[[Setting], Velocity]] = {
    "spectral": _spectral,
    "inner-product": _inner_product,
    "inner-product-fixed-norm": _inner_product_fixed_norm,
}


def _on_the_sphere(
    objective: str, setting: Setting, landscape: Landscape, time: Array, tolerance: float
) -> Trajectory:
    """The flow of theta; t is in units of d inside, so that the range of speeds stays moderate."""
    dimension = float(setting.dimension[0])
    root = np.sqrt(dimension - 1)

    def loss(log_gain: Array) -> Array:
        repeated = (np.full(log_gain.size, parameter[0]) for parameter in landscape.parameters)
        return landscape.loss(log_gain.ravel(), *repeated).reshape(log_gain.shape)

    def velocity(_: float, theta: Array) -> Array:
        log_gain = np.log(root * np.tan(theta))
        precise = {"rtol": tolerance}
        slope = derivative(loss, log_gain, initial_step=0.1, order=8, tolerances=precise).df
        return np.asarray(-slope / (np.sin(theta) * np.cos(theta)))

    start = np.array([np.arctan(1 / root)])
    theta = _integrate(velocity, start, time / dimension, tolerance)[0]
    alpha = np.sqrt(dimension) * np.sin(theta)
    beta = np.sqrt(dimension) * np.cos(theta) / root
    return Trajectory(objective, time, alpha, beta, np.log(root * np.tan(theta)))
