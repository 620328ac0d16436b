r"""The saddle-point equations of a spectrum in mpmath, and Newton's method for them.

For atoms (eigenvalue s_k, weight w_k, squared mean c_k) and T_k = 1 / (ridge + vhat s_k):

    gamma    = (1/delta) sum w s T
    mean     = mhat sum c T
    variance = mhat^2 sum c s T^2 + (qhat/delta) sum w s^2 T^2
    vhat = E M''     mhat = -E M'     qhat = E M'^2     0 = E y M'   (b, if fitted)

with margins mean + y b + sqrt(variance) z.  Derivation: docs/theory/probe.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from mpmath import mp

from asymptotics.reference.moments import AFFINE_PIECES, Moments, Number, margin_moments
from asymptotics.reference.thresholds import increasing_root

Atom: TypeAlias = tuple[Number, Number, Number]


@dataclass(frozen=True)
class State:
    """gamma, mean and variance of the margin, and the intercept b."""

    gamma: Number
    mean: Number
    variance: Number
    intercept: Number


@dataclass(frozen=True)
class Equations:
    """Residual and Jacobian of one problem; atoms, sampling ratio and prior are mpmath numbers."""

    loss: str
    ridge: Number
    sampling_ratio: Number
    atoms: tuple[Atom, ...]
    prior: Number
    fits_intercept: bool

    def classes(self) -> tuple[tuple[Number, int], ...]:
        """(prior, sign of b) of each margin law; one law when the intercept is absent."""
        if not self.fits_intercept:
            return ((mp.one, 0),)
        return ((self.prior, 1), (1 - self.prior, -1))

    def class_moments(self, at: State, refinement: int) -> list[Moments]:
        return [
            margin_moments(
                self.loss, at.gamma, at.mean + sign * at.intercept, at.variance, refinement
            )
            for _, sign in self.classes()
        ]

    def channel(self, moments: list[Moments]) -> tuple[Number, Number, Number]:
        """(vhat, mhat, qhat)."""
        weights = [prior for prior, _ in self.classes()]
        return (
            mp.fdot(weights, [law["M2"] for law in moments]),
            -mp.fdot(weights, [law["M1"] for law in moments]),
            mp.fdot(weights, [law["M11"] for law in moments]),
        )

    def channel_jacobian(self, at: State, moments: list[Moments]) -> mp.matrix:
        """Rows (vhat, mhat, qhat, E y M'), columns (gamma, mean, variance, b)."""
        s, rows = mp.sqrt(at.variance), mp.zeros(4)
        for (prior, sign), law in zip(self.classes(), moments, strict=True):
            second_mean = law["M2z"] / s
            slopes = {
                0: (-law["M12z"] / s, second_mean, (law["M2zz"] - law["M2"]) / (2 * at.variance)),
                1: (law["M12"], -law["M2"], -second_mean / 2),
                2: (-2 * law["M112"], 2 * law["M12"], law["M12z"] / s),
                3: (-sign * law["M12"], sign * law["M2"], sign * second_mean / 2),
            }
            for row, (by_gamma, by_mean, by_variance) in slopes.items():
                for column, value in enumerate((by_gamma, by_mean, by_variance, sign * by_mean)):
                    rows[row, column] += prior * value
        return rows

    def geometry(self, vhat: Number, mhat: Number, qhat: Number) -> tuple[Number, Number, Number]:
        """(gamma, mean, variance)."""
        delta, ridge = self.sampling_ratio, self.ridge
        scaled = [(s, w, c, 1 / (ridge + vhat * s)) for s, w, c in self.atoms]
        return (
            mp.fsum(w * s * t for s, w, c, t in scaled) / delta,
            mhat * mp.fsum(c * t for s, w, c, t in scaled),
            mp.fsum((mhat**2 * c + qhat * w * s / delta) * s * t**2 for s, w, c, t in scaled),
        )

    def geometry_jacobian(self, vhat: Number, mhat: Number, qhat: Number) -> mp.matrix:
        """Rows (gamma, mean, variance), columns (vhat, mhat, qhat)."""
        delta, ridge = self.sampling_ratio, self.ridge
        scaled = [(s, w, c, 1 / (ridge + vhat * s)) for s, w, c in self.atoms]
        signal = mp.fsum(c * s * t**2 for s, w, c, t in scaled)
        noise = mp.fsum(w * s**2 * t**2 for s, w, c, t in scaled) / delta
        cubic = mp.fsum((mhat**2 * c + qhat * w * s / delta) * s**2 * t**3 for s, w, c, t in scaled)
        projected = mp.fsum(c * t for s, w, c, t in scaled)
        return mp.matrix(
            [[-noise, 0, 0], [-mhat * signal, projected, 0], [-2 * cubic, 2 * mhat * signal, noise]]
        )

    def alignment(self) -> Number:
        """1 / nu.S^-1 nu: the least variance of a margin of unit mean (0 without a signal)."""
        strength = mp.fsum(c / s for s, _, c in self.atoms)
        return 1 / strength if strength > 0 else mp.zero

    def newton_step(self, at: State, refinement: int) -> tuple[mp.matrix, mp.matrix] | None:
        """Scale-free residual and Newton step; ``None`` where either is undefined.

        The unknowns are (log gamma, log mean, log excess, b / t): excess is the part of the
        variance that the mean does not force, variance - mean^2 / nu.S^-1 nu, and t^2 is one
        plus the variance.  Without a signal the second unknown is mean / sqrt(variance).
        """
        moments = self.class_moments(at, refinement)
        hats, kappa, s = self.channel(moments), self.alignment(), mp.sqrt(at.variance)
        if not all(mp.isfinite(hat) for hat in hats) or hats[0] < 0 or min(hats[1:]) <= 0:
            return None
        gamma, mean, variance = self.geometry(*hats)
        excess = variance - kappa * mean**2
        inner = self.channel_jacobian(at, moments)
        outer = self.geometry_jacobian(*hats) * inner[:3, :]
        t = mp.sqrt(1 + at.variance)
        unit = (mean, at.mean) if kappa > 0 else (s, s)
        outer[2, :] -= 2 * kappa * mean * outer[1, :]
        old_excess = at.variance - kappa * at.mean**2
        scale = mp.eye(4)  # d(gamma, mean, variance, b) / d(unknowns)
        scale[0, 0], scale[1, 1], scale[2, 2], scale[3, 3] = at.gamma, unit[1], old_excess, t
        scale[2, 1] = 2 * kappa * at.mean * unit[1]
        moved, jacobian, residual = outer * scale, mp.eye(4), mp.zeros(4, 1)
        for row, size in enumerate((gamma, unit[0], excess)):
            jacobian[row, :] -= moved[row, :] / size
        residual[0] = mp.log(at.gamma / gamma)
        residual[1] = mp.log(at.mean / mean) if kappa > 0 else (at.mean - mean) / s
        residual[2] = mp.log(old_excess / excess)
        if self.fits_intercept:
            signed = [prior * sign for prior, sign in self.classes()]
            residual[3] = mp.fdot(signed, [law["M1"] for law in moments]) / hats[1]
            jacobian[3, :] = inner[3, :] * scale / hats[1]
        try:
            return residual, mp.lu_solve(jacobian, -residual)
        except ZeroDivisionError:  # mpmath's name for a singular matrix
            return None

    def moved(self, at: State, step: mp.matrix, length: Number = mp.one) -> State:
        """The state after a step in the unknowns of :meth:`newton_step`."""
        kappa = self.alignment()
        excess = (at.variance - kappa * at.mean**2) * mp.exp(length * step[2])
        if kappa > 0:
            mean = at.mean * mp.exp(length * step[1])
        else:
            mean = at.mean + length * step[1] * mp.sqrt(at.variance)
        return State(
            gamma=at.gamma * mp.exp(length * step[0]),
            mean=mean,
            variance=excess + kappa * mean**2,
            intercept=at.intercept + length * step[3] * mp.sqrt(1 + at.variance),
        )


def balanced(equations: Equations, at: State) -> State:
    """The state with the intercept that solves E y M' = 0 at the others' values.

    To working precision where the moments are closed forms: a kinked loss with unequal priors
    pins b to the scale of the margin's deviation, which may be far below b.  To five digits for
    the logistic loss, whose moments cost more.
    """
    if not equations.fits_intercept or equations.prior == mp.mpf(1) / 2:
        return at

    def imbalance(b: Number) -> Number:
        moments = equations.class_moments(replace(at, intercept=b), 0)
        signed = [prior * sign for prior, sign in equations.classes()]
        return mp.fdot(signed, [law["M1"] for law in moments])

    tolerance = mp.eps if equations.loss in AFFINE_PIECES else mp.mpf(10) ** -5
    return replace(at, intercept=increasing_root(imbalance, tolerance))


def newton(
    equations: Equations, start: State, tolerance: Number, refinement: int, most: int
) -> State | None:
    """Damped Newton; ``None`` when no step falls below the tolerance in ``most`` steps.

    For the hinge, whose intercept sits at a kink, every trial is given its own best intercept.
    """
    rebalance = equations.loss == "hinge"
    at, evaluated = start, equations.newton_step(start, refinement)
    for _ in range(most):
        if evaluated is None:
            return None
        residual, step = evaluated
        size = mp.norm(step, mp.inf)
        if size < tolerance:
            return equations.moved(at, step)
        length = min(mp.one, 2 / size)
        while True:
            trial = equations.moved(at, step, length)
            if rebalance:
                trial = balanced(equations, trial)
            evaluated = equations.newton_step(trial, refinement)
            if evaluated and mp.norm(evaluated[0]) < (1 - length / 10) * mp.norm(residual):
                break
            length /= 2
            if length < mp.mpf(2) ** -7:
                return None
        at = trial
    return None
