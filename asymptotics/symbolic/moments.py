r"""The Gaussian mean of a Moreau envelope as a sympy function that knows its derivatives.

F(gamma, mean, variance) = E M(mean + sqrt(variance) z), M the Moreau envelope of the loss at step
gamma and z ~ N(0, 1).  Its derivatives are eight moments:

    M1 = E M'     M11 = E M'^2     M2 = E M''     M12 = E M' M''     M112 = E M'^2 M''
    M2z = E M'' z     M2zz = E M'' z^2     M12z = E M' M'' z

From dM/dgamma = -M'^2 / 2 (Hamilton-Jacobi) and Gaussian integration by parts,

    dF/dgamma = -M11/2     dF/dmean = M1     dF/dvariance = M2/2

and so on in ``_DERIVATIVES``; M'' may jump (kinks), none of its derivatives is used.  Derivation:
docs/theory/probe.md.
"""

from __future__ import annotations

import sympy as sp


class Moment(sp.Function):
    """A moment at (gamma, mean, variance) that differentiates into moments."""

    nargs = 3

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        table = _DERIVATIVES.get(type(self))
        if table is None:
            raise NotImplementedError(f"{type(self).__name__} is differentiated no further")
        return table(*self.args)[argindex - 1]


class F(Moment):
    """E M, the Gaussian mean of the Moreau envelope."""


class M1(Moment):
    """E M'."""


class M11(Moment):
    """E M'^2."""


class M2(Moment):
    """E M''."""


class M12(Moment):
    """E M' M''."""


class M112(Moment):
    """E M'^2 M''."""


class M2z(Moment):
    """E M'' z."""


class M2zz(Moment):
    """E M'' z^2."""


class M12z(Moment):
    """E M' M'' z."""


# (d/dgamma, d/dmean, d/dvariance) at (g, m, q); docs/theory/probe.md derives each.
_DERIVATIVES = {
    F: lambda g, m, q: (-M11(g, m, q) / 2, M1(g, m, q), M2(g, m, q) / 2),
    M1: lambda g, m, q: (-M12(g, m, q), M2(g, m, q), M2z(g, m, q) / (2 * sp.sqrt(q))),
    M11: lambda g, m, q: (-2 * M112(g, m, q), 2 * M12(g, m, q), M12z(g, m, q) / sp.sqrt(q)),
    M2: lambda g, m, q: (
        -M12z(g, m, q) / sp.sqrt(q),
        M2z(g, m, q) / sp.sqrt(q),
        (M2zz(g, m, q) - M2(g, m, q)) / (2 * q),
    ),
}

# In the order in which numeric functions take them.
MOMENTS: tuple[type[Moment], ...] = (M1, M11, M2, M12, M112, M2z, M2zz, M12z)
