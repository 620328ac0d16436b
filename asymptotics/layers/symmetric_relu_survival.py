"""What a symmetric-ReLU head leaves of each feature, before and after it, against the threshold.

Without noise everything is closed: a feature that starts with k >= phi is absent after the head
for ever and keeps v_1(0) before it; the others end at w (phi - k) = sqrt(rho)/kappa after the head.
With weight decay the global optimum drops a feature at a known strength of the decay. With noise
the flow is integrated. Derivation: symmetric-relu.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import elementwise
from scipy.special import ndtr

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.layers.second_moments import Features
from asymptotics.layers.symmetric_relu import mean_given_label, non_negative, signal_to_noise
from asymptotics.layers.symmetric_relu_escape import log_escape_time
from asymptotics.layers.symmetric_relu_flow import (
    HEADS,
    DiagonalNetwork,
    diagonal_network,
    weights_after,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """What gradient flow has made of each feature by `time`; arrays of shape (thresholds) + (d,).

    weight_before: v_1, the factor of the feature in h. weight_after: w M(k)/phi, the factor of its
        label in z (the limit as phi -> 0 if phi = 0). Both are the linear network's at b = 0.
    head_weight: v_2. effective_threshold: k, in units of the feature.
    survives: k < phi and w > 0, the label itself passes the threshold and reaches z. So a feature
        that no two views share, rho = 0, may start above the threshold (log_escape_time -inf) and
        does not survive training without end, which takes its head weight to 0.
    log_escape_time: logarithm of the time at which k falls to phi: -inf if it starts there, inf
        if it never does.
    signal_to_noise_before, signal_to_noise_after: mean over deviation given the label, of h and z.
    error_estimate: of the logarithms of the weights and of the escape times.
    """

    threshold: Array
    time: float
    head: str
    weight_before: Array
    weight_after: Array
    head_weight: Array
    effective_threshold: Array
    survives: NDArray[np.bool_]
    log_escape_time: Array
    signal_to_noise_before: Array
    signal_to_noise_after: Array
    error_estimate: float

    @property
    def surviving_fraction(self) -> Array:
        """weight_after/weight_before: 0 where the head lets nothing of the label through."""
        return np.asarray(self.weight_after / self.weight_before)


def survival(
    features: Features,
    threshold: ArrayLike,
    *,
    start: tuple[ArrayLike, ArrayLike],
    time: float = np.inf,
    head: str = "hidden",
) -> Survival:
    """Gradient flow up to `time` from v(0) = start, for every feature at every threshold.

    threshold, start, head: as in `diagonal_network`. time: inf gives the end point (10), for
    features without noise alone: with noise the hidden head has none, v_1 grows for ever
    (symmetric-relu.md, equation 14). Raises InvalidInput, or NotConverged with the error reached.
    """
    network, shape = diagonal_network(features, threshold, start, head)
    if np.isnan(time) or time < 0:
        raise InvalidInput(f"time must be >= 0, got {time}")
    phi, sigma = network.strength, network.noise
    if np.isfinite(time):
        (v1, v2), error = weights_after(network, time)
    elif np.any(sigma > 0):
        raise InvalidInput("time must be finite where a feature has noise: its flow has no end")
    else:
        (v1, v2), error = _end_without_noise(network), 0.0
    k = network.effective_threshold(np.stack([v1, v2]))
    loud = phi > 0
    ratio = mean_given_label(phi, sigma, k) / np.where(loud, phi, 1.0)
    faint = 2 * ndtr(-k / np.where(sigma > 0, sigma, 1.0))
    escape, escape_error = log_escape_time(network)
    values = {
        "threshold": network.threshold,
        "weight_before": v1,
        "weight_after": v1 * v2 * np.where(loud, ratio, faint),
        "head_weight": v2,
        "effective_threshold": k,
        "survives": (k < phi) & (v1 * v2 > 0),
        "log_escape_time": escape,
        "signal_to_noise_before": signal_to_noise(phi, sigma, 0.0),
        "signal_to_noise_after": signal_to_noise(phi, sigma, k),
    }
    arrays: dict[str, Any] = {name: value.reshape(shape) for name, value in values.items()}
    return Survival(time=float(time), head=head, error_estimate=max(error, escape_error), **arrays)


def critical_decay(features: Features, threshold: ArrayLike, head: str = "hidden") -> Array:
    """Weight decay beyond which the global optimum drops a feature, (thresholds) + (d,).

    The loss is L + decay (v_1^2 + v_2^2), without noise. The optimum keeps the feature (with a
    jump) iff decay < critical_decay:

        hidden: 2 rho m^3/(2 b + 3 m), m^3 (2 b + 3 m) = 2 rho phi^2/kappa^2;
        output: 2 phi y q,  4 b q + y (3 q - rho) = 0,  q = rho - kappa^2 y^2.

    (2/3)^{3/2} C^{3/2}/Sigma at b = 0, and rho^2 phi^2/(kappa b)^2 for a large b before a hidden
    head. Raises InvalidInput if a feature has noise. Source: symmetric-relu.md, weight decay.
    """
    if head not in HEADS:
        raise InvalidInput(f"head must be one of {', '.join(HEADS)}, got {head!r}")
    if np.any(np.asarray(features.noise) > 0):
        raise InvalidInput("critical_decay is for features without noise: noise must be 0")
    b = non_negative("threshold", threshold)[..., None]
    given = (features.strength, features.correlation, features.kept, b)
    phi, rho, kappa, b = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in given))
    shared = np.where(rho > 0, rho, 1.0)
    solve = _decay_of_hidden if head == "hidden" else _decay_of_output
    return np.asarray(np.where(rho > 0, solve(phi, shared, kappa, b), 0.0))


def _decay_of_hidden(phi: Array, rho: Array, kappa: Array, b: Array) -> Array:
    right = 2 * rho * np.square(phi / kappa)
    highest = (right / 3) ** 0.25
    # at the lower end both terms are at most a half of the right-hand side
    lowest = np.minimum((right / 6) ** 0.25, np.cbrt(right / (4 * np.where(b > 0, b, 1.0))))
    lowest = np.where(b > 0, lowest, (right / 6) ** 0.25)

    def excess(m: Array, b: Array, right: Array) -> Array:
        return np.asarray(m**3 * (2 * b + 3 * m) / right - 1)

    m = _root(excess, (lowest, highest * (1 + 1e-12)), (b, right))
    return np.asarray(2 * rho * m**3 / (2 * b + 3 * m))


def _decay_of_output(phi: Array, rho: Array, kappa: Array, b: Array) -> Array:
    largest = np.sqrt(rho) / kappa
    unit = b / largest

    def excess(x: Array, unit: Array) -> Array:  # x = y/largest
        return np.asarray(4 * unit * (1 - np.square(x)) + x * (2 - 3 * np.square(x)))

    lowest = np.full_like(unit, np.sqrt(2 / 3) * (1 - 1e-12))
    x = _root(excess, (lowest, np.ones_like(unit)), (unit,))
    return np.asarray(2 * phi * largest * x * rho * (1 - np.square(x)))


def _root(function: Any, bracket: tuple[Array, Array], args: tuple[Array, ...]) -> Array:
    found = elementwise.find_root(function, bracket, args=args)
    residual = np.max(np.abs(function(found.x, *args)), initial=0.0)
    if not residual < 1e-9:
        raise NotConverged(f"the critical decay was not found: residual {residual:.1e}")
    return np.asarray(found.x)


def _end_without_noise(network: DiagonalNetwork) -> Array:
    """Where the flow ends if sigma = 0, (2, N): symmetric-relu.md, equation 10."""
    phi, b, (v1, v2) = network.strength, network.threshold, network.start
    label = np.sqrt(network.correlation) / network.kept
    alive = network.effective_threshold(network.start) < phi
    if network.powers == HEADS["hidden"]:
        margin, head = _split(np.square(phi * v1 - b) - np.square(phi * v2), phi * label)
        end = np.stack([b + margin, head]) / phi
    else:
        end = np.stack(_split(np.square(v1) - np.square(v2), (b + label) / phi))
    return np.where(alive, end, network.start)


def _split(difference: Array, product: Array) -> tuple[Array, Array]:
    """x, y >= 0 with x^2 - y^2 = difference and x y = product."""
    root = np.hypot(difference, 2 * product)
    larger = np.sqrt((np.abs(difference) + root) / 2)
    smaller = product / np.where(larger > 0, larger, 1.0)
    first = difference > 0
    return np.where(first, larger, smaller), np.where(first, smaller, larger)
