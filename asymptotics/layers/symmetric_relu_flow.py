"""Gradient flow of the diagonal two-layer network with a symmetric ReLU.

The encoder multiplies feature i by v_1, the head by v_2, and somewhere stands the symmetric ReLU:

    hidden:  h = v_1 x,  z = v_2 S(h; b)          output:  h = v_1 x,  z = S(v_2 v_1 x; b).

Both are z = w S(x; k), w = v_1 v_2, with the effective threshold k = b/v_1 or b/w. The spectral
loss is a sum over features, L = -2 w^2 c(k) + w^4 s(k)^2, and its gradient flow

    d log v_l/dt = -[w L_w - n_l k L_k]/v_l^2,    n = (1, 0) hidden, (1, 1) output.

Derivation: symmetric-relu.md, loss and gradient flow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.layers.second_moments import Features
from asymptotics.layers.symmetric_relu import non_negative, tail_moments

Array = NDArray[np.float64]

# head -> powers (n_1, n_2) of the weights in the scale of the symmetric ReLU's argument
HEADS: dict[str, tuple[int, int]] = {"hidden": (1, 0), "output": (1, 1)}

_TOLERANCE = 1e-9
# error of log v_l or log t beyond which nothing is reported. Late escapes are sudden: at the moment
# of one, d log v/d log t is of order t, and so is the loss of accuracy
_ACCEPTED = 1e-3
# evaluations after which an integration is given up: most need a tenth of it
_EVALUATIONS = 10_000
# largest |log v| of a flow that has not lost its way
_FARTHEST = 200.0
# start and threshold keep the fourth power of k/sigma, and all weights, within range
_STARTS, _HIGHEST, _FARTHEST_BELOW = (1e-20, 1e20), 1e50, 1e30
# points on the way to the threshold at which a rest point is looked for
_SCAN = 400
# rest points below the threshold of a hidden head were found for kept < 0.012 alone
_LEAST_KEPT = 0.02


@dataclass(frozen=True)
class DiagonalNetwork:
    """Flat arrays of one length N: features, threshold b, and the start (v_1, v_2), (2, N)."""

    strength: Array
    noise: Array
    correlation: Array
    kept: Array
    threshold: Array
    start: Array
    powers: tuple[int, int]

    def take(self, chosen: NDArray[np.bool_]) -> DiagonalNetwork:
        """The features chosen by a mask, (N,)."""
        arrays: dict[str, Any] = {
            name: x[..., chosen] for name, x in vars(self).items() if isinstance(x, np.ndarray)
        }
        return replace(self, **arrays)

    def effective_threshold(self, weights: Array) -> Array:
        """k = b/(v_1^n1 v_2^n2), 0 if b = 0; weights (2, N)."""
        scale = weights[0] ** self.powers[0] * weights[1] ** self.powers[1]
        active = self.threshold > 0
        return np.asarray(np.where(active, self.threshold / np.where(active, scale, 1.0), 0.0))

    def velocity(self, log_weights: Array) -> tuple[Array, Array]:
        """(exp(e) d log v/dt, e), e = max((k - phi)/sigma, 0)^2: the flow without its tail.

        log_weights: (2, ..., N), as the flow; e: (..., N).
        -w L_w = 4 w^2 (rho M^2 - w^2 s^2), k L_k = 4 w^2 k (rho M P - w^2 s A), P = -dM/dk and
        A = -(ds/dk)/2. Source: symmetric-relu.md, equation 8.
        """
        weights = np.exp(log_weights)
        k = self.effective_threshold(weights)
        at = tail_moments(self.strength, self.noise, self.kept, k)
        square, powers = (
            np.square(weights[0] * weights[1]),
            np.reshape(self.powers, (2, *[1] * k.ndim)),
        )
        lift = self.correlation * at.mean * (at.mean + powers * k * at.passing)
        drag = square * at.second * (at.second + powers * k * at.size)
        return 4 * square / np.square(weights) * (lift - drag), 2 * at.exponent

    def rests_below(self) -> NDArray[np.bool_]:
        """Whether the flow meets a rest point on its way from below to k = phi, (N,).

        Behind the output head the force has the sign of a function of w alone, which is scanned.
        Behind the hidden one there is none, but for dropout that leaves next to nothing
        (symmetric-relu.md, with noise never dead exponentially late): then NotConverged.
        """
        if self.powers != HEADS["output"]:
            if np.any(self.kept < _LEAST_KEPT):
                raise NotConverged(
                    f"a feature may rest below the threshold at kept = {np.min(self.kept):g}; "
                    f"escape times need kept >= {_LEAST_KEPT}"
                )
            return np.zeros(self.strength.shape, dtype=bool)
        below, above = self.start[0] * self.start[1], self.threshold / self.strength
        product = np.geomspace(below, above, _SCAN)
        force, _ = self.velocity(np.log(np.stack([product, np.ones_like(product)])))
        return np.asarray(np.min(force[0], axis=0) <= 0)


def diagonal_network(
    features: Features,
    threshold: ArrayLike,
    start: tuple[ArrayLike, ArrayLike],
    head: str = "hidden",
) -> tuple[DiagonalNetwork, tuple[int, ...]]:
    """The network of every feature at every threshold, flat, and the shape (thresholds) + (d,).

    threshold: b of any shape, in [0, 1e50]. start: (v_1, v_2) in [1e-20, 1e20] (S is odd: signs may
    be dropped), scalars or (..., d). head: one of HEADS. The effective threshold k is at most phi +
    1e30 sigma. Raises InvalidInput outside these domains, also for spuriously correlated features:
    the loss is a sum over features only if they are independent.
    """
    if head not in HEADS:
        raise InvalidInput(f"head must be one of {', '.join(HEADS)}, got {head!r}")
    if features.spurious is not None:
        raise InvalidInput("the diagonal network needs independent features: spurious must be None")
    first, second = (non_negative("start", value) for value in start)
    b = non_negative("threshold", threshold)[..., None]
    low, high = _STARTS
    for value in (first, second):
        if np.any((value < low) | (value > high)):
            bad = value[(value < low) | (value > high)].flat[0]
            raise InvalidInput(
                f"start must lie in [{low:g}, {high:g}] in both layers, got {bad:g}: the flow does "
                "not leave a zero"
            )
    if np.any(b > _HIGHEST):
        raise InvalidInput(f"threshold must be at most {_HIGHEST:g}, got {b.max():g}")
    given = (features.strength, features.noise, features.correlation, features.kept)
    arrays = np.broadcast_arrays(*given, b, first, second)
    phi, sigma, rho, kappa, b, v1, v2 = (np.ravel(np.asarray(x, dtype=float)) for x in arrays)
    network = DiagonalNetwork(phi, sigma, rho, kappa, b, np.stack([v1, v2]), HEADS[head])
    k = network.effective_threshold(network.start)
    buried = (sigma > 0) & (k - phi > _FARTHEST_BELOW * sigma)
    if np.any(buried):
        raise InvalidInput(
            f"threshold, over the start of the weights before it, must be at most "
            f"{_FARTHEST_BELOW:g} times the noise above the strength, got {k[buried][0]:g} at "
            f"noise {sigma[buried][0]:g}"
        )
    return network, arrays[0].shape


def weights_after(network: DiagonalNetwork, time: float) -> tuple[Array, float]:
    """(v_1, v_2) at a finite `time`, (2, N), and the error of their logarithms.

    The error is the largest change when the flow is computed ten times less exactly.
    Raises NotConverged if it exceeds 1e-3.
    """

    def velocity(t: float, state: Array) -> Array:
        if not np.max(np.abs(state)) < _FARTHEST:
            raise NotConverged(
                f"the gradient flow was lost before time {time:g}, at t = {t:.3g}: the rates of "
                "the weights cancel there beyond rounding; try a shorter time"
            )
        force, exponent = network.velocity(state.reshape(-1, 2).T)
        return np.asarray((force * np.exp(-exponent)).T.ravel())

    def solve(tolerance: float) -> Array:
        start: Array = np.log(network.start)
        if time > 0:
            found = integrate(velocity, (0.0, time), start.T.ravel(), tolerance, 1)
            start = found.y[:, -1].reshape(-1, 2).T
        return start

    log_weights, error = checked(solve)
    return np.exp(log_weights), error


def checked(solve: Callable[[float], Array]) -> tuple[Array, float]:
    """The solution at the tolerance, and its distance from the one at ten times that."""
    fine, coarse = solve(_TOLERANCE), solve(10 * _TOLERANCE)
    moved = fine != coarse  # never is inf in both
    error = float(np.max(np.abs(fine[moved] - coarse[moved]), initial=0.0))
    if not error < _ACCEPTED:
        raise NotConverged(
            f"the gradient flow is known to {error:.1e} only, in log v or log t; "
            "move the time or the start"
        )
    return fine, error


def integrate(
    velocity: Callable[[float, Array], Array],
    span: tuple[float, float],
    start: Array,
    tolerance: float,
    band: int,
    event: Any = None,
) -> Any:
    """LSODA with a banded Jacobian: features do not see each other."""
    calls = 0

    def counted(t: float, state: Array) -> Array:
        nonlocal calls
        calls += 1
        if calls > _EVALUATIONS:
            raise NotConverged(
                f"the gradient flow was given up after {_EVALUATIONS} evaluations of its velocity; "
                "try a start nearer to (1, 1), a lower threshold or a shorter time"
            )
        return velocity(t, state)

    exact = {"method": "LSODA", "rtol": tolerance, "atol": tolerance, "lband": band, "uband": band}
    found = solve_ivp(counted, span, start, events=event, **exact)
    if not found.success or not np.all(np.isfinite(found.y[:, -1])):
        raise NotConverged(f"the gradient flow stopped at t = {found.t[-1]:.3g}: {found.message}")
    return found
