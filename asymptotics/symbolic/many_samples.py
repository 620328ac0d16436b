r"""Does expansion help when samples abound?  The limit n/p -> infinity of the isotropic potential.

Stationarity in gamma and q gives q exactly, for any convex loss:

    q^2/m^2 = G/delta,    G = E M'^2 / (m (lambda + E M''))^2,

and as delta -> infinity the prox becomes the identity, so that E runs over w ~ N(R m, m^2) and m
solves the penalised population problem, R E loss' + m (E loss'' + lambda/a^2) = 0.  The gain
enters G through m alone and m grows with it: expansion helps exactly where G falls with m.

For the hinge losses all is a function of c = (1 - R m)/m.  As the ridge vanishes G falls with m
exactly below a signal: sqrt(pi/2) for the squared hinge and the logistic loss, 1.2240 for the
hinge (docs/theory/exact.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from asymptotics.symbolic.moments import M2, M11
from asymptotics.symbolic.potential import isotropic_potential

c = sp.Symbol("c", real=True)
DENSITY = sp.exp(-(c**2) / 2) / sp.sqrt(2 * sp.pi)
MASS = (1 + sp.erf(c / sp.sqrt(2))) / 2


def variance_ratio() -> sp.Expr:
    """G = delta q^2/m^2 in the symbols M11 and M2, solved from the potential."""
    potential = isotropic_potential()
    gamma, m, q = potential.unknowns
    delta = potential.parameters[1]
    law = potential.margins[0]
    moments = {M11(*law): sp.Symbol("M11", positive=True), M2(*law): sp.Symbol("M2", positive=True)}
    by_gamma, _, by_q = (e.subs(moments) for e in potential.equations().expressions)
    (step,) = sp.solve(by_q, gamma)
    squared = sp.Symbol("squared_q", positive=True)
    (q_solved,) = sp.solve(by_gamma.subs(q, sp.sqrt(squared)), squared)
    return sp.simplify(delta * q_solved.subs(gamma, step) / m**2)


@dataclass(frozen=True)
class Population:
    """A hinge loss without ridge and infinitely many samples, in c = (1 - R m)/m.

    ``excess`` is G, ``signal`` the R that has this c; c falls as m grows at fixed R.
    """

    excess: sp.Expr
    signal: sp.Expr

    def slope(self) -> sp.Expr:
        """d log G/dc: positive where expansion helps."""
        return sp.simplify(sp.diff(sp.log(self.excess), c))


def hinge() -> Population:
    """loss' = -1(w < 1): E loss'^2 = P, m E loss'' = p, and stationarity R P = p."""
    return Population(MASS / DENSITY**2, DENSITY / MASS)


def squared_hinge() -> Population:
    """loss' = -(1 - w)_+: E loss'^2 = m^2 [(1 + c^2) P + c p], E loss'' = P, R (c P + p) = P."""
    second = (1 + c**2) * MASS + c * DENSITY
    return Population(second / MASS**2, MASS / (c * MASS + DENSITY))


def logistic_balance(signal: sp.Expr) -> sp.Expr:
    """E (1 - 2 z^2)/cosh(R z), which has the sign of d log G/dm of the logistic loss, no ridge.

    Its zero R = sqrt(pi/2) is the point where x -> exp(-x^2/2)/cosh(R x) is its own Fourier dual.
    """
    z = sp.Symbol("z", real=True)
    weight = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    return sp.Integral((1 - 2 * z**2) / sp.cosh(signal * z) * weight, (z, -sp.oo, sp.oo))
