r"""What sympy solves exactly: the square loss at any ridge, its limits, spectral boundaries.

Everything is derived from the potentials.  At the square loss E M is a polynomial in the mean and
the variance, and the equations of the isotropic potential are solved one by one: a quadratic for
gamma, a linear equation for m, q^2 explicit.  The accuracy is Phi_N(sqrt(T)) with

    T = R^2 m^2/(m^2 + q^2),

rational in gamma.  The quadratic is linear in the ridge and in 1/delta, so T is a rational
function along either, with gamma as the parameter of the curve: limits and series need no root.
Derivations and what follows from them: docs/theory/exact.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sympy as sp

from asymptotics.symbolic.heads import D, n, s, spectral
from asymptotics.symbolic.losses import LOSSES, margin
from asymptotics.symbolic.moments import F
from asymptotics.symbolic.potential import isotropic_potential


def square_mean_envelope(step: sp.Expr, mean: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """E M(mean + sqrt(variance) z) of the square loss, from its own minimisation and moments."""
    w, z, g = sp.symbols("w z g")
    inside = LOSSES["square"] + (margin - w) ** 2 / (2 * g)
    (minimiser,) = sp.solve(sp.diff(inside, margin), margin)
    polynomial = sp.Poly(sp.expand(inside.subs(margin, minimiser).subs(w, mean + z)), z)
    # E z^k = 0, variance for k = 1, 2
    moments = {0: sp.Integer(1), 1: sp.Integer(0), 2: variance}
    total = sum(coefficient * moments[power] for (power,), coefficient in polynomial.terms())
    return sp.factor(total).subs(g, step)


@dataclass(frozen=True)
class SquareLoss:
    """The square loss solved: isotropic classes, a gain, any ridge, no intercept.

    ``quadratic`` vanishes at gamma; ``m`` and ``squared_q`` follow from gamma, and ``squared_t`` is
    T of the module, each in the parameters R, delta, lambda, a of the potential.
    """

    gamma: sp.Symbol
    parameters: tuple[sp.Symbol, sp.Symbol, sp.Symbol, sp.Symbol]
    quadratic: sp.Expr
    m: sp.Expr
    squared_q: sp.Expr
    squared_t: sp.Expr

    def positive_root(self) -> sp.Expr:
        """gamma itself: the one positive root."""
        roots = sp.solve(self.quadratic, self.gamma)
        at_one = dict.fromkeys(self.parameters, 1)
        (positive,) = (root for root in roots if root.subs(at_one) > 0)
        return positive

    def along(self, parameter: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
        """(parameter, T) as functions of gamma: the curve that the quadratic draws.

        ``parameter`` is the ridge or the sampling ratio, in which the quadratic is linear.
        """
        (value,) = sp.solve(self.quadratic, parameter)
        return sp.factor(value), sp.factor(self.squared_t.subs(parameter, value))


@cache
def square_loss() -> SquareLoss:
    """Solve the stationarity of the isotropic potential at the square loss."""
    potential = isotropic_potential()
    gamma, m, q = potential.unknowns
    expression = potential.expression.replace(F, square_mean_envelope)
    by_gamma, by_m, by_q = (sp.diff(expression, unknown) for unknown in potential.unknowns)
    squared = sp.Symbol("squared_q", positive=True)
    quadratic = sp.numer(sp.together(by_q / q))
    (m_solved,) = sp.solve(by_m, m)
    (q_solved,) = sp.solve(sp.expand(by_gamma).subs(q, sp.sqrt(squared)), squared)
    q_solved = sp.factor(q_solved.subs(m, m_solved))
    signal = potential.parameters[0]
    squared_t = sp.factor(signal**2 * m_solved**2 / (m_solved**2 + q_solved))
    return SquareLoss(
        gamma, potential.parameters, sp.expand(quadratic), m_solved, q_solved, squared_t
    )


def min_norm() -> sp.Expr:
    """T as ridge -> 0 with delta < 1: along the curve, gamma -> infinity."""
    return _ridge_limit(sp.oo)


def least_squares() -> sp.Expr:
    """T as ridge -> 0 with delta > 1: gamma -> the zero of the ridge on the curve, 1/(delta-1)."""
    solved = square_loss()
    ridge, _ = solved.along(solved.parameters[2])
    (zero,) = sp.solve(sp.numer(ridge), solved.gamma)
    return _ridge_limit(zero)


def averaging() -> sp.Expr:
    """T as ridge -> infinity: gamma -> 0."""
    return _ridge_limit(0)


def _ridge_limit(gamma: sp.Expr) -> sp.Expr:
    solved = square_loss()
    _, squared_t = solved.along(solved.parameters[2])
    return sp.factor(sp.limit(squared_t, solved.gamma, gamma))


def bayes() -> sp.Expr:
    """T as delta -> infinity at any ridge and gain: gamma -> 0 on the curve of delta."""
    solved = square_loss()
    _, squared_t = solved.along(solved.parameters[1])
    return sp.factor(sp.limit(squared_t, solved.gamma, 0))


def collapsed_head() -> sp.Expr:
    """T as the gain -> infinity, gamma kept: the most that expansion can give at this ridge."""
    solved = square_loss()
    return sp.factor(sp.limit(solved.squared_t, solved.parameters[3], sp.oo))


def spectral_squared_gain() -> sp.Expr:
    """a^2 of the spectral contrastive loss, its stationarity solved."""
    head = spectral()
    (solution,) = sp.solve(head.equations(), (s, n), dict=True)
    return sp.factor(head.squared_gain.subs(solution))


def spectral_boundary(gain: sp.Expr | int = 1) -> sp.Expr:
    """The sigma^2 at which the spectral loss trains the given gain; 1: shrinkage meets expansion.

    One value, since the gain grows with sigma; not negative for 1/(1+R^2) <= a^2 < 1+R^2 only.
    """
    variance = sp.Symbol("v", positive=True)  # sigma^2
    trained = sp.sqrt(spectral_squared_gain()).subs(D, 1 + variance)
    (root,) = sp.solve(trained - gain, variance)
    return sp.simplify(sp.radsimp(root))


def squared_gain_slope() -> sp.Expr:
    """d log a^2/d D of the spectral loss, factored: positive, so that each a^2 has one boundary."""
    return sp.factor(sp.diff(sp.log(spectral_squared_gain()), D))
