"""When a feature escapes from below a symmetric ReLU: the logarithm of an exponentially long time.

With noise the flow creeps by the tail exp(-e), e = ((k - phi)/sigma)^2, of what the threshold lets
through, and takes a time of order exp(e(0)) to reach k = phi. It is followed by its length in
log v, without that factor. Derivation: symmetric-relu.md, with noise never dead exponentially late.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import NotConverged
from asymptotics.layers.symmetric_relu_flow import DiagonalNetwork, checked, integrate

Array = NDArray[np.float64]

# an escape is followed over this length of log v at most, and until the rest of the way takes less
# than exp(-_SETTLED) of the time so far
_LONGEST, _TOGETHER, _SETTLED = 1e4, 1e-10, 40.0
# from this e(0) on the leading term of the escape time is right to _LAPLACE/e(0)
_DEEP, _LAPLACE = 2e4, 10.0


def log_escape_time(network: DiagonalNetwork) -> tuple[Array, float]:
    """log of the time at which k falls to phi, (N,), and its error: -inf if it starts below phi.

    inf: never, that is without noise, with rho = 0, or if the flow comes to rest below the
    threshold (the output head does for weak features). The leading term is ((k - phi)/sigma)^2 at
    the start: symmetric-relu.md, equation 12. Raises NotConverged.
    """
    moving = (network.noise > 0) & (network.correlation > 0) & (network.strength > 0)
    k, phi = network.effective_threshold(network.start), network.strength
    above = (k < phi) | (moving & (k == phi))
    result, error = np.where(above, -np.inf, np.inf), 0.0
    waiting = ~above & moving
    waiting[waiting] = ~network.take(waiting).rests_below()
    deep = np.zeros_like(waiting)
    deep[waiting], leading = _leading_escape(network.take(waiting))
    result[deep] = leading
    if np.any(deep):
        depth = np.square((k - phi)[deep] / network.noise[deep])
        error = float(np.max(_LAPLACE / depth))
    followed = waiting & ~deep
    if np.any(followed):
        part = network.take(followed)
        result[followed], other = checked(lambda tolerance: _escape(part, tolerance))
        error = max(error, other)
    return result, error


def _leading_escape(network: DiagonalNetwork) -> tuple[NDArray[np.bool_], Array]:
    """(which features are so deep that the leading term holds, its log t for these).

    t = int exp(e) dt' in the clock t' of the flow without its tail, and e falls from e(0) at the
    rate -de/dt' = (2/sigma^2) (k - phi) k (n.f), f = d log v/dt': T = exp(e(0))/(-de/dt') (1 +
    O(1/e(0))) as long as k falls at once. Source: symmetric-relu.md, equation 12.
    """
    force, exponent = network.velocity(np.log(network.start))
    k, phi, sigma = network.effective_threshold(network.start), network.strength, network.noise
    falls = np.reshape(network.powers, (2, 1)) * force
    # a rate that is a small difference of the two forces changes at once
    steady = falls.sum(axis=0) > 0.1 * np.abs(force).max(axis=0)
    deep = (exponent > _DEEP) & steady
    rate = 2 * (k - phi) / sigma * (k / sigma) * falls.sum(axis=0)
    return deep, exponent[deep] - np.log(rate[deep])


def _escape(network: DiagonalNetwork, tolerance: float) -> Array:
    """log t at k = phi, every feature followed until the rest of the way takes no time.

    The flow runs by its length in (log v_1, log v_2), which is of order one however deep the
    feature; the third unknown, u = t exp(-e(0)), keeps t within range.
    """
    depth = network.velocity(np.log(network.start))[1]
    state = np.column_stack([*np.log(network.start), np.zeros(depth.size)])
    left, result = np.arange(depth.size), np.empty(depth.size)
    while left.size:
        state = _first_crossing(network, depth[left], state, tolerance)
        # features alike cross together, to rounding
        crossed = _left(network, depth[left], state)[0] < _TOGETHER
        result[left[crossed]] = np.log(state[crossed, 2]) + depth[left[crossed]]
        network, left, state = network.take(~crossed), left[~crossed], state[~crossed]
    return result


def _left(network: DiagonalNetwork, depth: Array, state: Array) -> tuple[Array, Array]:
    """(what is left of the way, du over the length), of states (log v_1, log v_2, u) in rows.

    The first falls to 0 at k = phi, or before it when du/u does not count any more: e falls along
    the way, and with it du.
    """
    force, exponent = network.velocity(state[:, :2].T)
    with np.errstate(over="ignore", divide="ignore"):
        rate = np.exp(exponent - depth) / np.hypot(*force)
        settled = np.log(rate) - np.log(state[:, 2]) + _SETTLED
    level = network.effective_threshold(np.exp(state[:, :2].T)) / network.strength
    return np.minimum(level - 1, settled), rate


def _first_crossing(
    network: DiagonalNetwork, depth: Array, start: Array, tolerance: float
) -> Array:
    def velocity(_: float, flat: Array) -> Array:
        force, exponent = network.velocity(flat.reshape(-1, 3)[:, :2].T)
        with np.errstate(over="ignore"):  # the solver stops at an infinite speed, and says so
            rates = np.column_stack([*force, np.exp(exponent - depth)])
            return np.asarray((rates / np.hypot(*force)[:, None]).ravel())

    def first(_: float, flat: Array) -> float:
        return float(np.min(_left(network, depth, flat.reshape(-1, 3))[0]))

    first.terminal = True  # type: ignore[attr-defined]
    found = integrate(velocity, (0.0, _LONGEST), start.ravel(), tolerance, 2, first)
    if found.status != 1:
        raise NotConverged(
            f"a feature is still below the threshold after log v has moved by {_LONGEST:g}"
        )
    return np.asarray(found.y[:, -1].reshape(-1, 3))
