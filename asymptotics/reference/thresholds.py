r"""Separability and collapse thresholds to any number of digits (mpmath).

    delta* = max over rho (and b) of (1 - rho^2) / E_y E (z - R rho - y b)_+^2,   z ~ N(0, 1)

The denominator is convex in (rho, b) and the numerator concave, so the ratio has one maximum
(docs/theory/probe.md).  Stationarity is solved by bracketing: in b inside, in rho outside.  The
second threshold is that above which a hinge probe with an intercept and unequal priors is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpmath import mp
from mpmath import mpf as Number

from asymptotics.errors import InvalidInput
from asymptotics.reference.moments import margin_moments


@dataclass(frozen=True)
class ReferenceThreshold:
    """The threshold, its maximisers (cosine rho, intercept b) and the stationarity residual."""

    sampling_ratio: Number
    cosine: Number
    intercept: Number
    residual: Number


def reference_separability(
    signal: float | int | str | Number,
    prior: float | int | str | Number = "0.5",
    intercept: bool = False,
    digits: int = 30,
) -> ReferenceThreshold:
    """delta* above; ``intercept`` also maximises over b, with P(y = 1) = ``prior``.

    Raises ``InvalidInput`` for a negative signal or a prior outside (0, 1).
    """
    with mp.workdps(digits + 15):
        r, probability = mp.mpf(signal), mp.mpf(prior)
        if not (mp.isfinite(r) and r >= 0):
            raise InvalidInput(f"signal must be finite and >= 0, got {signal}")
        if not 0 < probability < 1:
            raise InvalidInput(f"prior must lie in (0, 1), got {prior}")
        classes = ((probability, 1), (1 - probability, -1)) if intercept else ((mp.one, 0),)

        def best_intercept(rho: Number) -> Number:
            if not intercept or probability == mp.mpf(1) / 2:
                return mp.zero
            return increasing_root(
                lambda b: -mp.fsum(w * y * _tail_mean(r * rho + y * b) for w, y in classes)
            )

        def slope(rho: Number) -> Number:
            b = best_intercept(rho)
            first = mp.fsum(w * _tail_mean(r * rho + y * b) for w, y in classes)
            second = mp.fsum(w * _tail_square(r * rho + y * b) for w, y in classes)
            return rho * second / first - r * (1 - rho) * (1 + rho)

        rho = _bracketed_root(slope, mp.zero, mp.one) if r > 0 else mp.zero
        b = best_intercept(rho)
        with mp.extradps(15):
            value = (
                (1 - rho)
                * (1 + rho)
                / mp.fsum(w * _tail_square(r * rho + y * b) for w, y in classes)
            )
            residual = abs(slope(rho))
        return ReferenceThreshold(value, rho, b, residual)


def reference_collapse(
    signal: float | int | str | Number,
    prior: float | int | str | Number,
    digits: int = 30,
) -> Number:
    r"""Sampling ratio above which the hinge probe with an intercept is theta = 0, at any ridge.

    With r = min(pi, 1 - pi) / max(pi, 1 - pi), ``inf`` unless R < phi(z) / (2 r), Phi_N(-z) = r.
    Else the delta at which the equations, scaled by gamma -> 0 at the majority's kink, close:

        P(-1 < w < 0) = 1 / (delta pi_max)     E min(1, (-w)_+) = r     w = mu + s z
        s^2 = (2 pi_min R delta)^2 + delta (pi_max E min(1, (-w)_+)^2 + pi_min)
    """
    with mp.workdps(digits + 15):
        r, probability = mp.mpf(signal), mp.mpf(prior)
        rare = min(probability, 1 - probability)
        common = 1 - rare
        quantile = -mp.sqrt(2) * mp.erfinv(2 * rare / common - 1) if rare < common else mp.zero
        if rare == common or 2 * r * rare >= common * mp.npdf(quantile):
            return mp.inf

        def scaled(spread: Number) -> tuple[Number, Number]:
            """(delta, log of s^2 over its right-hand side) at s = spread."""

            def excess(mu: Number) -> Number:
                return rare + common * margin_moments("hinge", mp.one, 1 + mu, spread**2)["M1"]

            law = margin_moments("hinge", mp.one, 1 + increasing_root(excess), spread**2)
            delta = 1 / (common * law["M2"])
            variance = (2 * rare * r * delta) ** 2 + delta * (common * law["M11"] + rare)
            return delta, mp.log(spread**2 / variance)

        high = mp.one
        while scaled(mp.exp(high))[1] < 0:
            high *= 2
        root = _bracketed_root(lambda x: scaled(mp.exp(x))[1], -mp.mpf(8), high)
        return scaled(mp.exp(root))[0]


def _tail_mean(x: Number) -> Number:
    """E (z - x)_+."""
    with mp.extradps(10 + int(2 * mp.log10(2 + abs(x)))):
        return mp.npdf(x) - x * mp.ncdf(-x)


def _tail_square(x: Number) -> Number:
    """E (z - x)_+^2."""
    with mp.extradps(10 + int(4 * mp.log10(2 + abs(x)))):
        return (1 + x * x) * mp.ncdf(-x) - x * mp.npdf(x)


def increasing_root(
    function: Callable[[Number], Number], tolerance: Number | None = None
) -> Number:
    """Root of an increasing function on the line, its bracket widened by doubling."""
    width = mp.one
    while function(-width) > 0 or function(width) < 0:
        width *= 2
    return _bracketed_root(function, -width, width, tolerance)


def _bracketed_root(
    function: Callable[[Number], Number],
    low: Number,
    high: Number,
    tolerance: Number | None = None,
) -> Number:
    """Root of an increasing function in [low, high]: secant steps kept inside a bisection.

    The bracket must halve every third step.  ``tolerance`` is relative to the root, by default
    the working precision.
    """
    close = mp.eps if tolerance is None else tolerance
    previous, value = low, function(low)
    root, width = (low + high) / 2, high - low
    for count in range(8 * mp.prec):
        new = function(root)
        low, high = (low, root) if new > 0 else (root, high)
        if new == 0 or high - low <= close * (abs(low) + abs(high)):
            break
        step = root - new * (root - previous) / (new - value) if new != value else low
        if count % 3 == 2:
            step, width = (step, high - low) if high - low < width / 2 else (low, high - low)
        if not low < step < high:
            step = (low + high) / 2
        previous, value, moved = root, new, abs(step - root)
        root = step
        if moved <= close * abs(root):
            break
    return root
