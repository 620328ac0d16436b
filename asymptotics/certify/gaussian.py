"""Truncated moments of a standard normal in ball arithmetic."""

from __future__ import annotations

from flint import arb

from asymptotics.certify.exact import ends


def density(z: arb) -> arb:
    """phi(z)."""
    return (-z * z / 2).exp() / (2 * arb.pi()).sqrt()


def upper_tail(z: arb) -> arb:
    """P(Z > z), with its relative accuracy for z > 0."""
    return (z / arb(2).sqrt()).erfc() / 2


def truncated(low: arb | None, high: arb | None) -> tuple[arb, arb, arb]:
    """E[1], E[Z], E[Z^2] on low < Z < high; None stands for an infinite end."""
    at_low, at_high = (arb(0) if z is None else density(z) for z in (low, high))
    if low is not None and low.mid() > 0:  # the difference of the nearer tails
        mass = upper_tail(low) - (arb(0) if high is None else upper_tail(high))
    else:
        mass = (arb(1) if high is None else upper_tail(-high)) - (
            arb(0) if low is None else upper_tail(-low)
        )
    low_term = arb(0) if low is None else low * at_low
    high_term = arb(0) if high is None else high * at_high
    return mass, at_low - at_high, mass + low_term - high_term


def tail_bound(power: int, z: arb) -> arb:
    """An upper bound of E[|Z|^power; Z > z] for power 0, 1, 2, exact in the limit z -> infinity.

    At most 1, since E|Z|^power <= 1; the tail's own integral where z > 0.
    """
    if not z > 0:
        return arb(1)
    moment = (upper_tail(z), density(z), z * density(z) + upper_tail(z))[power]
    return moment.upper() if moment < 1 else arb(1)


def either_side(bound: arb) -> arb:
    """[-bound, bound]."""
    return arb(0, bound.upper())


def approximately(value: arb) -> float:
    """The midpoint as a float, for choices that no proof rests on."""
    return float(ends(value)[0])
