r"""Series of the limiting accuracy of the square loss, to second order, and the signs they prove.

T of ``exact`` is rational in gamma along the curve that the quadratic draws in the ridge or in
1/delta, so a series in either is a reversion of two power series in gamma.  For any loss, the
response to the gain comes from the Hessian of the isotropic potential.  Statements and proofs:
docs/theory/exact.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from asymptotics.symbolic.exact import square_loss
from asymptotics.symbolic.moments import MOMENTS
from asymptotics.symbolic.potential import isotropic_potential

_ORDER = 2
_t = sp.Symbol("t", positive=True)


@dataclass(frozen=True)
class Series:
    """T = sum_k squared_t[k] x^k + O(x^3) in the variable called ``variable``."""

    variable: str
    squared_t: tuple[sp.Expr, sp.Expr, sp.Expr]

    def argument(self) -> tuple[sp.Expr, ...]:
        """The coefficients of t = sqrt(T)."""
        first, second, third = self.squared_t
        root = sp.sqrt(first)
        return root, second / (2 * root), third / (2 * root) - second**2 / (8 * root**3)

    def accuracy(self) -> tuple[sp.Expr, ...]:
        """The coefficients of Phi_N(t)."""
        t0, t1, t2 = self.argument()
        density = sp.exp(-(t0**2) / 2) / sp.sqrt(2 * sp.pi)
        return (1 + sp.erf(t0 / sp.sqrt(2))) / 2, density * t1, density * (t2 - t0 * t1**2 / 2)


def log_gain_series() -> Series:
    """In log a about a = 1, in terms of gamma, which the gain does not move."""
    solved = square_loss()
    gain, x = solved.parameters[3], sp.Symbol("x")
    along = solved.squared_t.subs(gain, sp.exp(x))
    return Series("log_gain", _taylor(along, x))


def inverse_sampling_ratio_series() -> Series:
    """In 1/delta about 0, at any ridge and gain."""
    solved = square_loss()
    ratio, squared_t = solved.along(solved.parameters[1])
    return _reverted("1/sampling_ratio", 1 / ratio, squared_t, solved.gamma)


def ridge_series(overdetermined: bool) -> Series:
    """In the ridge about 0: from least squares (delta > 1) or from min-norm (delta < 1)."""
    solved = square_loss()
    ridge, squared_t = solved.along(solved.parameters[2])
    delta, step = solved.parameters[1], sp.Symbol("x")
    gamma = 1 / (delta - 1) - step if overdetermined else 1 / step
    moved, along = (sp.cancel(sp.together(e.subs(solved.gamma, gamma))) for e in (ridge, squared_t))
    return _reverted("ridge", moved, along, step)


def inverse_ridge_series() -> Series:
    """In 1/ridge about the averaging classifier."""
    solved = square_loss()
    ridge, squared_t = solved.along(solved.parameters[2])
    return _reverted("1/ridge", 1 / ridge, squared_t, solved.gamma)


def _reverted(variable: str, value: sp.Expr, squared_t: sp.Expr, step: sp.Symbol) -> Series:
    """T in powers of ``value``, both given in powers of ``step``, with value(0) = 0."""
    _, v1, v2 = _taylor(sp.cancel(value), step)
    t0, t1, t2 = _taylor(sp.cancel(squared_t), step)
    return Series(variable, (t0, sp.factor(t1 / v1), sp.factor((t2 - t1 * v2 / v1) / v1**2)))


def _taylor(expression: sp.Expr, x: sp.Symbol) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    derivatives = [sp.diff(expression, x, k).subs(x, 0) for k in range(_ORDER + 1)]
    first, second, third = (sp.factor(d / sp.factorial(k)) for k, d in enumerate(derivatives))
    return first, second, third


def ratio_slope(parameter: str) -> sp.Expr:
    """d log(m^2/q^2)/d parameter, factored: accuracy moves in its direction.

    "log_gain": at fixed gamma.  "gamma": along the curve of the ridge, which falls as gamma grows.
    """
    solved = square_loss()
    signal, gain = solved.parameters[0], solved.parameters[3]
    squared_t = solved.squared_t
    if parameter == "gamma":
        _, squared_t = solved.along(solved.parameters[2])
    ratio = sp.factor(squared_t / (signal**2 - squared_t))
    if parameter == "gamma":
        return sp.factor(sp.diff(ratio, solved.gamma) / ratio)
    return sp.factor(gain * sp.diff(ratio, gain) / ratio)


def gain_response() -> tuple[sp.Expr, dict[sp.Expr, sp.Symbol]]:
    r"""d log(m/q)/d log a of any convex loss, and the symbol of each moment in it.

    With H the Hessian of the potential, d(gamma, m, q)/d log a = 2 ridge m/a^2 H^{-1} e_m.
    """
    potential = isotropic_potential()
    _, m, q = potential.unknowns
    ridge, gain = potential.parameters[2:]
    symbols = {moment(*potential.margins[0]): sp.Symbol(moment.__name__) for moment in MOMENTS}
    hessian = potential.equations().jacobian().subs(symbols)
    names = sp.Matrix(3, 3, sp.symbols("h:9"))
    names = sp.Matrix(3, 3, lambda i, j: names[min(i, j), max(i, j)])
    along_m, along_q = (names.cofactor(1, i) / names.det() for i in (1, 2))
    response = 2 * ridge * m / gain**2 * (along_m / m - along_q / q)
    values = {names[i, j]: hessian[i, j] for i in range(3) for j in range(i, 3)}
    return response.subs(values), symbols
