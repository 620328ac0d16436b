r"""The saddle-point equations of a spectrum in mpmath, and Newton's method for them.

For atoms (eigenvalue s_k, weight w_k, squared mean c_k) and T_k = 1 / (ridge + vhat s_k):

    gamma    = (1/delta) sum w s T
    mean     = mhat sum c T
    variance = mhat^2 sum c s T^2 + (qhat/delta) sum w s^2 T^2
    vhat = E M''     mhat = -E M'     qhat = E M'^2     0 = E y M'   (b, if fitted)

with margins mean + y b + sqrt(variance) z.  Derivation: docs/theory/probe.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmath import mp

from asymptotics.reference_moments import Moments, Number, margin_moments

Atom = tuple[Number, Number, Number]


@dataclass(frozen=True)
class State:
    """gamma, mean and variance of the margin, and the intercept b."""

    gamma: Number
    mean: Number
    variance: Number
    intercept: Number

    def moved(self, step: mp.matrix, length: Number = mp.one) -> State:
        """A step in (log gamma, mean / s, log variance, b / s), s^2 = variance."""
        s = mp.sqrt(self.variance)
        return State(
            gamma=self.gamma * mp.exp(length * step[0]),
            mean=self.mean + length * step[1] * s,
            variance=self.variance * mp.exp(length * step[2]),
            intercept=self.intercept + length * step[3] * s,
        )


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
        cubic = mp.fsum(
            (mhat**2 * c + qhat * w * s / delta) * s**2 * t**3 for s, w, c, t in scaled
        )
        projected = mp.fsum(c * t for s, w, c, t in scaled)
        return mp.matrix(
            [[-noise, 0, 0], [-mhat * signal, projected, 0], [-2 * cubic, 2 * mhat * signal, noise]]
        )

    def newton_step(self, at: State, refinement: int) -> tuple[mp.matrix, mp.matrix] | None:
        """Scale-free residual, and the Newton step in (log gamma, mean / s, log variance, b / s)
        with s the standard deviation of the margin; ``None`` where either is undefined."""
        moments = self.class_moments(at, refinement)
        hats = self.channel(moments)
        if not all(mp.isfinite(hat) for hat in hats) or hats[0] < 0 or hats[2] <= 0:
            return None
        gamma, mean, variance = self.geometry(*hats)
        s = mp.sqrt(at.variance)
        inner = self.channel_jacobian(at, moments)
        outer = self.geometry_jacobian(*hats) * inner[:3, :]
        unknown_unit, equation_unit = (at.gamma, s, at.variance, s), (gamma, s, variance)
        jacobian, residual = mp.eye(4), mp.zeros(4, 1)
        residual[0] = mp.log(at.gamma / gamma)
        residual[1] = (at.mean - mean) / s
        residual[2] = mp.log(at.variance / variance)
        for column, unit in enumerate(unknown_unit):
            for row in range(3):
                jacobian[row, column] -= outer[row, column] * unit / equation_unit[row]
            if self.fits_intercept:
                jacobian[3, column] = inner[3, column] * unit / hats[1]
        if self.fits_intercept:
            signed = [prior * sign for prior, sign in self.classes()]
            residual[3] = mp.fdot(signed, [law["M1"] for law in moments]) / hats[1]
        try:
            return residual, mp.lu_solve(jacobian, -residual)
        except ZeroDivisionError:  # mpmath's name for a singular matrix
            return None


def newton(
    equations: Equations, start: State, tolerance: Number, refinement: int, most: int
) -> State | None:
    """Damped Newton; ``None`` when no step falls below the tolerance in ``most`` steps."""
    at, evaluated = start, equations.newton_step(start, refinement)
    for _ in range(most):
        if evaluated is None:
            return None
        residual, step = evaluated
        size = mp.norm(step, mp.inf)
        if size < tolerance:
            return at.moved(step)
        length = min(mp.one, 2 / size)
        while True:
            trial = at.moved(step, length)
            evaluated = equations.newton_step(trial, refinement)
            if evaluated and mp.norm(evaluated[0]) < (1 - length / 10) * mp.norm(residual):
                break
            length /= 2
            if length < mp.mpf(2) ** -7:
                return None
        at = trial
    return None
