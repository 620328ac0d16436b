r"""The potential of the probe's limit, in sympy; its equations come from differentiation.

A potential is written once, with the loss inside one opaque function F (see
asymptotics/symbolic/moments.py).  Two forms: isotropic with a gain, and a spectrum whose
stationarity holds both the geometry and the channel half of the fixed point; eliminating the
conjugate variables of the second gives the first (tests; docs/theory/probe.md).

Nothing else in the package imports this module at import time; tests hold the kernels to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from asymptotics.symbolic.equations import Equations, Margin
from asymptotics.symbolic.moments import F


@dataclass(frozen=True)
class Potential:
    """A potential, stationary in ``unknowns`` at given ``parameters``.

    ``margins`` is that of :class:`Equations`.
    """

    expression: sp.Expr
    unknowns: tuple[sp.Symbol, ...]
    parameters: tuple[sp.Symbol, ...]
    margins: tuple[Margin, ...]

    def equations(self) -> Equations:
        """d expression / d unknown, in the order of the unknowns."""
        return Equations(
            expressions=tuple(sp.diff(self.expression, unknown) for unknown in self.unknowns),
            unknowns=self.unknowns,
            parameters=self.parameters,
            margins=self.margins,
        )


def isotropic_potential(intercept: bool = False) -> Potential:
    r"""The potential in (gamma, m, q), m along the class mean and q across it:

    Phi = E M(R m + sqrt(m^2 + q^2) z) - q^2/(2 gamma delta) + (ridge/2)(q^2 + m^2/a^2)

    Parameters (R, delta, ridge, a): signal, sampling ratio, ridge, gain.  With ``intercept`` the
    unknown b is added to the mean with the sign of the class, and the parameter pi = P(y = 1).
    """
    gamma, q = sp.symbols("gamma q", positive=True)
    m = sp.Symbol("m", real=True)
    signal, delta, ridge, gain = sp.symbols("R delta lambda a", positive=True)
    mean, variance, b, pi = signal * m, m**2 + q**2, *_intercept_symbols()
    rest = -(q**2) / (2 * gamma * delta) + ridge / 2 * (q**2 + m**2 / gain**2)
    unknowns, parameters = (gamma, m, q), (signal, delta, ridge, gain)
    return _with_classes(rest, unknowns, parameters, (gamma, mean, variance), (b, pi), intercept)


def spectral_potential(num_atoms: int, intercept: bool = False) -> Potential:
    r"""The potential of a spectrum, in (gamma, m, q, vhat, mhat, qhat), m and q the margin's mean
    and variance:

    Phi = E M(m + sqrt(q) z) + m mhat + gamma qhat/2 - q vhat/2
          - sum_k (mhat^2 c_k + qhat w_k s_k/delta) / (2 (ridge + vhat s_k))

    Atom k: eigenvalue s_k, weight w_k, squared mean c_k.  Parameters (delta, ridge, s_1.., w_1..,
    c_1..), and pi last with ``intercept``.  Stationarity in (vhat, mhat, qhat) is the geometry
    half of the fixed point, in (gamma, m, q) the channel half.
    """
    gamma, q, vhat, qhat = sp.symbols("gamma q vhat qhat", positive=True)
    m, mhat = sp.symbols("m mhat", real=True)
    delta, ridge = sp.symbols("delta lambda", positive=True)
    s = sp.symbols(f"s1:{num_atoms + 1}", positive=True)
    w = sp.symbols(f"w1:{num_atoms + 1}", nonnegative=True)
    c = sp.symbols(f"c1:{num_atoms + 1}", nonnegative=True)
    geometry = sum(
        (mhat**2 * ck + qhat * wk * sk / delta) / (2 * (ridge + vhat * sk))
        for sk, wk, ck in zip(s, w, c, strict=True)
    )
    rest = m * mhat + gamma * qhat / 2 - q * vhat / 2 - geometry
    return _with_classes(
        rest,
        (gamma, m, q, vhat, mhat, qhat),
        (delta, ridge, *s, *w, *c),
        (gamma, m, q),
        _intercept_symbols(),
        intercept,
    )


def _intercept_symbols() -> tuple[sp.Symbol, sp.Symbol]:
    return sp.Symbol("b", real=True), sp.Symbol("pi", positive=True)


def _with_classes(
    rest: sp.Expr,
    unknowns: tuple[sp.Symbol, ...],
    parameters: tuple[sp.Symbol, ...],
    margin: Margin,
    symbols: tuple[sp.Symbol, sp.Symbol],
    intercept: bool,
) -> Potential:
    """Add the mean envelope: one margin law, or pi F(mean + b) + (1 - pi) F(mean - b)."""
    if not intercept:
        return Potential(F(*margin) + rest, unknowns, parameters, (margin,))
    (gamma, mean, variance), (b, pi) = margin, symbols
    margins = ((gamma, mean + b, variance), (gamma, mean - b, variance))
    envelope = pi * F(*margins[0]) + (1 - pi) * F(*margins[1])
    return Potential(envelope + rest, (*unknowns, b), (*parameters, pi), margins)


def eliminate_conjugates(potential: Potential) -> Equations:
    r"""The fixed point of a spectral potential in (gamma, m, q) and b, the conjugates eliminated.

    vhat = E M'', mhat = -E M' and qhat = E M'^2 solve the channel equations and are put into the
    geometry ones, which then read, with T = 1/(ridge + vhat s),

        gamma - (1/delta) sum w s T,    m - mhat sum c T,
        q - sum (mhat^2 c s + qhat w s^2/delta) T^2

    and, with an intercept, d Phi / d b = E y M' unchanged.
    """
    gamma, m, q, vhat, mhat, qhat = potential.unknowns[:6]
    equations = dict(zip(potential.unknowns, potential.equations().expressions, strict=True))
    conjugates = {
        conjugate: sp.solve(equations[unknown], conjugate)[0]
        for unknown, conjugate in ((gamma, qhat), (m, mhat), (q, vhat))
    }
    geometry = (2 * equations[qhat], equations[mhat], -2 * equations[vhat])
    extra = potential.unknowns[6:]
    return Equations(
        expressions=tuple(
            expression.subs(conjugates)
            for expression in (*geometry, *(equations[unknown] for unknown in extra))
        ),
        unknowns=(gamma, m, q, *extra),
        parameters=potential.parameters,
        margins=potential.margins,
    )
