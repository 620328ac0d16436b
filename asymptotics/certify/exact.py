"""Exact rational numbers: what a problem states, and the boxes and digits that a proof is about.

Strings are taken at their exact decimal (or p/q) value, floats at their exact binary value.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from flint import arb, fmpq

from asymptotics.errors import InvalidInput

Real: TypeAlias = float | int | str | Fraction

# a decimal exponent beyond this makes an integer too long to be meant
_LARGEST_EXPONENT = 5000
_FINEST_BITS = 20_000


def rational(name: str, value: Real) -> Fraction:
    """`value` as an exact fraction; InvalidInput names it where it is not a finite number."""
    try:
        if isinstance(value, str):
            exponent = value.lower().partition("e")[2]
            if exponent and abs(int(exponent)) > _LARGEST_EXPONENT:
                raise ValueError
            value = Fraction(value)
        exact = value if isinstance(value, (Fraction, int)) else float(value)
        float(exact)  # the float solver takes it too
        return Fraction(exact)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        raise InvalidInput(f"{name} must be a finite number, got {value!r}") from None


def shown(value: Fraction) -> str:
    """The exact value as text: a decimal where it terminates, else p/q."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return decimal(value, max(twos, fives)) if rest == 1 else str(value)


def decimal(value: Fraction, places: int) -> str:
    """`value` rounded to that many decimal places."""
    digits = round(value * 10**places)
    return format(Decimal((digits < 0, tuple(map(int, str(abs(digits)))), -places)), "f")


def ball(value: Fraction) -> arb:
    """The rational as an arb at the working precision, its rounding enclosed."""
    return arb(fmpq(value.numerator, value.denominator))


def box(centre: Fraction, radius: Fraction) -> arb:
    """[centre - radius, centre + radius], rounded outwards."""
    return ball(centre) + arb(0, ball(radius).upper())


def ends(value: arb) -> tuple[Fraction, Fraction]:
    """(midpoint, radius) of a ball that holds the finite ball `value`.

    Exact but for parts below 2^-20000, which go into the radius: the tail of a Gaussian may have an
    exponent of any length.
    """
    middle, lost = _dyadic(value.mid())
    radius, blurred = _dyadic(value.rad())
    return middle, radius + lost + blurred


def _dyadic(value: arb) -> tuple[Fraction, Fraction]:
    """The exact number and 0, or 0 and a bound where it is too small to write out."""
    mantissa, exponent = (int(part) for part in value.man_exp())
    if mantissa and exponent + mantissa.bit_length() < -_FINEST_BITS:
        return Fraction(0), Fraction(1, 2**_FINEST_BITS)
    return Fraction(mantissa) * Fraction(2) ** exponent, Fraction(0)


def rounded_up(radius: Fraction) -> str:
    """A decimal `d.dde-k` of three digits that is not below `radius` > 0; "0" for zero."""
    if radius == 0:
        return "0"
    # within one of the decimal exponent, whatever the size of the fraction
    exponent = math.floor(
        (radius.numerator.bit_length() - radius.denominator.bit_length()) * math.log10(2)
    )
    while radius >= Fraction(10) ** exponent:
        exponent += 1
    exponent -= 3
    digits = math.ceil(radius / Fraction(10) ** exponent)
    while digits >= 1000:
        digits, exponent = -(-digits // 10), exponent + 1
    text = f"{digits:03d}"
    return f"{text[0]}.{text[1:]}e{exponent + 2}"


def enclosure(value: arb, places: int) -> tuple[str, str]:
    """(digits, radius) as decimals: the ball lies within `radius` of the digits."""
    middle, spread = ends(value)
    digits = decimal(middle, places)
    radius = spread + abs(middle - Fraction(digits))
    # a tail far below the digits asked for needs no exponent of its own
    return digits, rounded_up(max(radius, Fraction(1, 100**places)) if radius else radius)
