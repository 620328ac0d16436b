"""Krawczyk's operator: a proof that a box holds exactly one root (docs/theory/certificates.md).

For F: R^n -> R^n, a box X with centre c and any matrix Y,

    K(X) = c - Y F(c) + (I - Y F'(X)) (X - c).

If K(X) lies in the interior of X, then F has one root in X, and it lies in K(X).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from flint import arb, arb_mat, ctx

from asymptotics.certify.exact import ball, box, decimal, ends
from asymptotics.certify.failures import NotCertified

GUARD_BITS = 32
_MOST_STEPS = 80


class System(Protocol):
    """Equations in ball arithmetic: every method returns enclosures over the balls it is given.

    `bits` is the relative accuracy to which an integral is worth computing; it is a matter of
    effort, and the ball that comes back holds the true value at any `bits`.
    """

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the unknowns; empty where the answer is a closed form."""
        ...

    def residual(self, x: Sequence[arb], bits: int) -> list[arb]:
        """F(x)."""
        ...

    def jacobian(self, x: Sequence[arb], bits: int) -> list[list[arb]]:
        """F'(x), a row per equation."""
        ...

    def observe(self, x: Sequence[arb]) -> dict[str, arb]:
        """What is asked for, at the root."""
        ...


@dataclass(frozen=True)
class Box:
    """A box of exact centre and radius per unknown."""

    centre: tuple[Fraction, ...]
    radius: tuple[Fraction, ...]


def proved_root(system: System, where: Box, bits: int, slope_bits: int) -> list[arb]:
    """An enclosure of the one root in `where`, or NotCertified. Trusts nothing but the box."""
    if not system.unknowns:
        return []
    with ctx.workprec(bits + GUARD_BITS):
        centre = [ball(c) for c in where.centre]
        wide = [box(c, r) for c, r in zip(where.centre, where.radius, strict=True)]
        slopes = _finite(system.jacobian(wide, slope_bits))
        inverse = _inverse(slopes)
        newton = inverse * arb_mat([[f] for f in _finite([system.residual(centre, bits)])[0]])
        size = len(centre)
        identity = arb_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])
        spread = arb_mat([[x - c] for x, c in zip(wide, centre, strict=True)])
        change = (identity - inverse * arb_mat(slopes)) * spread
        image = [centre[i] - newton[i, 0] + change[i, 0] for i in range(size)]
        for name, k, c, r in zip(system.unknowns, image, where.centre, where.radius, strict=True):
            if not (k > ball(c - r) and k < ball(c + r)):
                raise NotCertified(
                    f"Krawczyk's test fails in {name}: the box of radius {float(r):.1e} is not "
                    "mapped into itself"
                )
        return image


def approximate_root(
    system: System, start: Sequence[Fraction], places: int, bits: int, slope_bits: int
) -> Box:
    """A box of radius 10^-places about a root near `start`, by Newton; proves nothing.

    The Jacobian is kept as long as the steps shrink tenfold. NotCertified where they do not.
    """
    goal = Fraction(10) ** -(places + 2)
    with ctx.workprec(bits + GUARD_BITS):
        x, inverse, previous = [ball(value) for value in start], None, arb(2)
        for _ in range(_MOST_STEPS if system.unknowns else 0):
            fresh = inverse is None
            if inverse is None:
                inverse = _inverse(_finite(system.jacobian(x, slope_bits)))
            moved = inverse * arb_mat([[f] for f in _finite([system.residual(x, bits)])[0]])
            step = [moved[i, 0].mid() for i in range(len(x))]
            size = max((abs(s) for s in step), key=float)
            if size > previous / 10 and not fresh:
                inverse = None
                continue
            shorter = arb(1) / (size if size > 1 else 1)
            x = [(a - shorter * s).mid() for a, s in zip(x, step, strict=True)]
            if size * (size / previous if size < previous else 1) < ball(goal):
                break
            previous = size
        else:
            if system.unknowns:
                raise NotCertified(f"Newton's steps stay above 1e-{places}")
        centre = tuple(Fraction(decimal(ends(value)[0], places + 3)) for value in x)
    return Box(centre, (Fraction(10) ** -places,) * len(centre))


def _inverse(slopes: list[list[arb]]) -> arb_mat:
    """An approximate inverse of the midpoint matrix: exact numbers, any of which will do."""
    try:
        inverse = arb_mat([[x.mid() for x in row] for row in slopes]).inv()
    except ZeroDivisionError:
        raise NotCertified(
            "the Jacobian is singular at the root to the working precision"
        ) from None
    return arb_mat([[x.mid() for x in row] for row in inverse.tolist()])


def _finite(rows: list[list[arb]]) -> list[list[arb]]:
    if not all(value.is_finite() for row in rows for value in row):
        raise NotCertified("the equations have no finite enclosure at the working precision")
    return rows


def observed(system: System, root: Sequence[arb], bits: int) -> Mapping[str, arb]:
    """The answers over the enclosure of the root."""
    with ctx.workprec(bits + GUARD_BITS):
        return system.observe(root)
