r"""The losses of contrastive training on the family of heads W_a, in sympy, once each.

Two views of x = y R muhat + g, both with isotropic Gaussian noise sigma, D = 1 + sigma^2; s and n
stand for the eigenvalues of W^T W along the signal and across it.  Stationarity comes from
differentiation.  Expectations over the signal coordinate h ~ N(R, D) stay opaque functions that
know their derivatives.  Derivations: docs/theory/contrastive.md and docs/theory/cosine.md; tests
hold every loss to the numeric landscape of ``asymptotics.contrastive``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp


class LogCosh(sp.Function):
    """E log cosh(k h), h ~ N(R, D); derivative in k: HTanh."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return HTanh(self.args[0])


class HTanh(sp.Function):
    """E h tanh(k h), h ~ N(R, D)."""

    nargs = 1


class Alignment(sp.Function):
    """E cos(z_1, z_2) of a positive pair."""

    nargs = 1


class Uniformity(sp.Function):
    """E log E' exp(cos(z, z')/tau) of independent views."""

    nargs = 1


@dataclass(frozen=True)
class HeadLoss:
    """A loss, stationary in ``unknowns`` at its minimum, and the squared gain there.

    ``opaque`` names the functions that ``expression`` leaves unevaluated.
    """

    expression: sp.Expr
    unknowns: tuple[sp.Symbol, ...]
    squared_gain: sp.Expr
    opaque: tuple[str, ...] = ()

    def equations(self) -> tuple[sp.Expr, ...]:
        """d expression / d unknown, in the order of the unknowns."""
        return tuple(sp.diff(self.expression, unknown) for unknown in self.unknowns)


R, D, tau, d = sp.symbols("R D tau d", positive=True)
s, n, u, kappa, t, gain = sp.symbols("s n u kappa t a", positive=True)
c = sp.Symbol("c", positive=True)
# c(t) of the cosine loss at t = d tau
STIFFNESS = (2 / t**2) / (1 + sp.sqrt(1 + 4 / t**2))


def spectral() -> HeadLoss:
    """-2 tr(A C) + tr(A Sigma A Sigma), Sigma = R^2 + D along and D across, C = R^2 + 1 and 1."""
    along = -2 * s * (R**2 + 1) + s**2 * (R**2 + D) ** 2
    across = -2 * n + n**2 * D**2
    return HeadLoss(along + (d - 1) * across, (s, n), s / n)


def inner_product() -> HeadLoss:
    """-tr(A C)/tau + E log E' exp(h A h'/tau) in units of tau: A = tau s along, tau n across."""
    across = (d - 1) * (-n + D**2 * n**2 / 2)
    return HeadLoss(_inner_product_along(s, 0) + across, (s, n), s / n, ("LogCosh",))


def inner_product_fixed_norm() -> HeadLoss:
    """The same with |W|_F fixed and d -> infinity: its multiplier D^2/tau - 1 pulls on s."""
    return HeadLoss(_inner_product_along(s, D**2 / tau - 1), (s,), tau * s, ("LogCosh",))


def _inner_product_along(scale: sp.Expr, multiplier: sp.Expr) -> sp.Expr:
    pull, stiffness = R**2 + 1 + multiplier, D * (R**2 + D)
    return -pull * scale + stiffness * scale**2 / 2 + LogCosh(R * scale)


def cosine_large_signal() -> HeadLoss:
    """Norms replaced by their means; u is the signal's share of the energy, at most 1."""
    energy = R**2 + D
    aligned = -u * R**2 * (D - 1) / (tau * D * energy)
    expression = aligned + sp.log(sp.cosh(u * R**2 / (energy * tau)))
    return HeadLoss(expression, (u,), (d - 1) * u * D / ((1 - u) * energy))


def cosine_scaled() -> HeadLoss:
    """d -> infinity at t = d tau, in s = a^2; c stands for ``STIFFNESS``."""
    stretch = 1 + c * s
    expression = (
        -s * R**2 * (D - 1) / (t * D**2)
        - c * s * (R**2 + D) / (2 * D)
        - sp.log(stretch) / 2
        + (s**2 * (R**2 + D) / (2 * D * t**2) - c * s * R**2 / (2 * D)) / stretch
        + LogCosh(s * R / (t * D * stretch))
    )
    return HeadLoss(expression, (s,), s, ("LogCosh", "stiffness"))


def cosine_fixed_temperature() -> HeadLoss:
    """d -> infinity at fixed tau, in kappa = (d - 1) D/a^2."""
    expression = -Alignment(kappa) / tau + Uniformity(kappa)
    return HeadLoss(expression, (kappa,), (d - 1) * D / kappa, ("normalised",))


def cosine() -> HeadLoss:
    """Exact at finite d, in the gain a itself."""
    expression = -Alignment(gain) / tau + Uniformity(gain)
    return HeadLoss(expression, (gain,), gain**2, ("exact",))


HEADS: dict[str, Callable[[], HeadLoss]] = {
    "spectral": spectral,
    "inner-product": inner_product,
    "inner-product-fixed-norm": inner_product_fixed_norm,
    "cosine": cosine,
    "cosine-large-signal": cosine_large_signal,
    "cosine-fixed-temperature": cosine_fixed_temperature,
    "cosine-scaled": cosine_scaled,
}
