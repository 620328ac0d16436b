"""Where the limits exist: linear separability and interpolation.

    delta* = max_{rho, b} (1 - rho^2) / E_y E[(Z - R rho - y b)_+^2]     (probe.md, separability)

with b = 0 unless an intercept is fitted. R is the invariant signal sqrt(nu^T S^+ nu), so delta*
does not depend on an invertible projector; a rank deficient one scales it by rank/p. Squares
interpolate below delta = rank/p.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx, ndtri, roots_laguerre

from asymptotics.bracketed_newton import decreasing_root
from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.gauss import MarginMoments, margin_moments
from asymptotics.losses import LOSSES

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Separability:
    """The threshold delta* and where its maximum is attained; arrays of one shape.

    threshold: n/p above which two classes are not linearly separable.
    cosine: the maximiser rho, cosine between the last separating direction and the signal.
    intercept: the maximiser b, in units of the margin's standard deviation.
    """

    threshold: Array
    cosine: Array
    intercept: Array


def separability(signal: ArrayLike, prior: ArrayLike | None = None) -> Separability:
    """delta*(R) of the module, with an intercept where `prior` = P(y = 1) is given.

    `signal` (R >= 0) and `prior` broadcast. R = 0 without intercept is Cover's 2. The threshold
    overflows to infinity near R = 38. Raises InvalidInput for a negative R or a prior outside
    (0, 1). Source: Candes-Sur and Montanari-Ruan-Sohn-Yan; the mixture's form in probe.md.
    """
    radius = np.asarray(signal, dtype=float)
    share = np.asarray(0.5 if prior is None else prior, dtype=float)
    if not np.all((radius >= 0) & np.isfinite(radius)):
        raise InvalidInput(f"signal must be finite and >= 0, got {radius.min()}")
    if not np.all((share > 0) & (share < 1)):
        raise InvalidInput(f"prior must lie strictly between 0 and 1, got {share.min()}")
    radius, share = np.broadcast_arrays(radius, share)
    # beyond 1e10 the threshold is infinite, rho = 1 and b = 0
    radius = np.minimum(radius, 1e10)
    rho, complement = _best_cosine(radius, share)
    b = _best_intercept(radius * rho, share)
    with np.errstate(over="ignore"):
        threshold = complement * np.exp(-_log_excess(radius * rho, b, share))
    return Separability(threshold, rho, b)


def hinge_collapse(signal: ArrayLike, prior: ArrayLike) -> Array:
    """n/p above which the hinge probe with an intercept is theta = 0, at any ridge and gain.

    With unequal classes the intercept rests on the majority's kink. In the limit gamma -> 0 at
    w = 1 + gamma (mu + s z) the equations close at delta_c (probe.md, 17a):

        P(-1 < w < 0) = 1/(delta pi_max),    E min(1, (-w)_+) = r = pi_min/pi_max,
        s^2 = (2 pi_min R delta)^2 + delta (pi_max E min(1, (-w)_+)^2 + pi_min),   w = mu + s z.

    Infinite unless R < phi(z)/(2 r) with Phi(-z) = r, so for balanced classes. `signal` and
    `prior` broadcast. Ours, heuristic; checked against fitted machines in the tests.
    """
    radius, share = np.broadcast_arrays(np.asarray(signal, float), np.asarray(prior, float))
    rare = np.minimum(share, 1 - share)
    ratio = rare / (1 - rare)
    quantile = -ndtri(ratio)
    finite = (share != 0.5) & (2 * radius * ratio < np.exp(-0.5 * quantile**2) / sqrt(2 * pi))
    threshold = np.full(radius.shape, np.inf)
    if np.any(finite):
        r, p = radius[finite], rare[finite]
        log_s = _root(_hinge_variance, np.full(r.shape, -8.0), np.full(r.shape, 60.0), r, p)
        threshold[finite] = _hinge_scaling(log_s, p)[0]
    return threshold


def _hinge_variance(log_s: Array, radius: Array, rare: Array) -> Array:
    """log of s^2 over its right-hand side in `hinge_collapse`."""
    delta, second = _hinge_scaling(log_s, rare)
    variance = (2 * rare * radius * delta) ** 2 + delta * ((1 - rare) * second + rare)
    return 2 * log_s - np.log(variance)


def _hinge_scaling(log_s: Array, rare: Array) -> tuple[Array, Array]:
    """(delta, E min(1, (-w)_+)^2) at s, with mu from the balance of the classes."""
    s = np.exp(log_s)

    def law(mu: Array, s: Array) -> MarginMoments:
        # gamma = 1 puts the hinge's kink interval at 0 < w < 1, here moved to -1 < w < 0
        return margin_moments(LOSSES["hinge"], np.ones_like(s), 1 + mu, s, nodes=1)

    def balance(mu: Array, s: Array, rare: Array) -> Array:
        return 1 + law(mu, s).m1 * (1 - rare) / rare

    reach = 2 + 40 * s
    found = law(_root(balance, -reach, reach, s, rare), s)
    return 1 / ((1 - rare) * found.m2), found.m11


def _best_cosine(radius: Array, prior: Array) -> tuple[Array, Array]:
    """The maximiser rho and 1 - rho^2, from stationarity at the best b (numerics.md, 12).

    rho/(1 - rho^2) = R c, c = E_y E(Z - R rho - y b)_+ / E_y E(Z - R rho - y b)_+^2, in its
    logarithm. rho = 0 at R = 0.
    """
    none = radius == 0
    r = np.where(none, 1.0, radius)

    def excess(log_ratio: Array) -> tuple[Array, Array]:
        ratio = np.exp(log_ratio)
        rho = 2 * ratio / (1 + np.hypot(1, 2 * ratio))
        offset = r * rho
        c, shrinks = _excess_ratio(offset, prior)
        turn = rho / (1 + rho**2) / ratio  # d log rho / d log ratio, 1 - rho^2 = rho/ratio
        return np.log(r * c) - log_ratio, offset * turn * (2 * c - shrinks) - 1

    guess = np.log(r * (r + np.sqrt(r**2 + 10)) / 4)
    log_ratio = decreasing_root(excess, guess - 60, guess + 60, guess)
    if np.any(np.isnan(log_ratio)):
        raise NotConverged(
            f"separability: no direction found at signal {radius[np.isnan(log_ratio)].flat[0]}; "
            "please report this point"
        )
    ratio = np.exp(log_ratio)
    rho = 2 * ratio / (1 + np.hypot(1, 2 * ratio))
    return np.where(none, 0.0, rho), np.where(none, 1.0, rho / ratio)


def _excess_ratio(offset: Array, prior: Array) -> tuple[Array, Array]:
    """(c, -d log E_y E(Z - B - y b)_+/dB) at the best b, which moves with B.

    There both classes have the same share of E_y E(Z - B - y b)_+: both are harmonic means.
    """
    b = _best_intercept(offset, prior)
    sides = [offset + b, offset - b] if np.any(b) else [offset]
    inverse, spans = np.zeros_like(offset), np.zeros_like(offset)
    for at in sides:
        first, second = _over_density(at)
        inverse += second / first
        spans += 1 / (at + second / first)
    return len(sides) / inverse, len(sides) / spans


def _best_intercept(offset: Array, prior: Array) -> Array:
    """The b that minimises E_y E[(Z - offset - y b)_+^2]; 0 for balanced classes."""
    if np.all(prior == 0.5):
        return np.zeros(np.broadcast_shapes(np.shape(offset), np.shape(prior)))
    odds = np.log(prior) - np.log1p(-prior)
    offset, odds = np.broadcast_arrays(offset, odds)

    def balance(b: Array) -> tuple[Array, Array]:
        # d log E(Z - x)_+/dx = -x - E(Z - x)_+^2/E(Z - x)_+
        (first, second), (other, its_second) = _over_density(offset + b), _over_density(offset - b)
        value = odds + np.log(first / other) - 2 * offset * b
        return value, -(second / first + its_second / other + 2 * offset)

    # E(Z - b)_+ <= exp(-b^2/2) E(Z + b)_+ for b >= 0, and a signal asks for less
    reach = np.sqrt(2 * np.abs(odds))
    return decreasing_root(balance, -reach, reach, np.zeros_like(odds))


def _log_excess(offset: Array, b: Array, prior: Array) -> Array:
    """log E_y E[(Z - offset - y b)_+^2]."""
    if not np.any(b):
        return log_hinge(offset, 2)
    return np.logaddexp(
        np.log(prior) + log_hinge(offset + b, 2), np.log1p(-prior) + log_hinge(offset - b, 2)
    )


def log_hinge(at: Array, power: int) -> Array:
    """log E[(Z - B)_+^power], power 1 or 2, without cancellation in the tail."""
    b = np.asarray(at, dtype=float)
    return np.log(_over_density(b)[power - 1]) - 0.5 * b**2 - 0.5 * np.log(2 * pi)


def _over_density(b: Array) -> tuple[Array, Array]:
    """E[(Z - B)_+^k]/phi(B), k = 1 and 2.

    E[(Z - B)_+^k] = phi(B) int_0^inf t^k exp(-B t - t^2/2) dt: closed in erfcx, and by
    Gauss-Laguerre in B t where the closed form cancels.
    """
    middle = np.minimum(b, 8.0)
    mills = sqrt(pi / 2) * erfcx(np.maximum(middle, -37.3) / sqrt(2))
    first, second = 1 - middle * mills, (1 + middle**2) * mills - middle
    far = b > 8.0
    if np.any(far):
        x, weight = roots_laguerre(40)
        beyond = np.atleast_1d(b)[np.atleast_1d(far)]
        inside = np.exp(-0.5 * (x / beyond[:, None]) ** 2)
        first, second = np.array(first), np.array(second)
        first[far] = inside @ (weight * x) / beyond**2
        second[far] = inside @ (weight * x**2) / beyond**3
    return np.asarray(first), np.asarray(second)


def _root(function, lower: Array, upper: Array, *args: Array) -> Array:  # type: ignore[no-untyped-def]
    """The root of a monotone function inside each bracket, checked by its sign change."""
    # takes as long to import as everything else together
    from scipy.optimize.elementwise import find_root

    found = find_root(function, (lower, upper), args=args)
    if not np.all(found.success | ~np.isfinite(found.x)):
        raise NotConverged("hinge: its collapse was not found; please report this point")
    return np.asarray(found.x)
