"""A certificate: a problem, a box, digits; proved when it is made and again when it is checked.

The verb searches for a box with floats and Newton's method, which prove nothing, then hands it to
`prove`. `check` hands the stored box to the same `prove`, in the stored problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from flint import arb, ctx

from asymptotics.certify.exact import ball, enclosure, rational, rounded_up, shown
from asymptotics.certify.failures import NotCertified
from asymptotics.certify.krawczyk import (
    GUARD_BITS,
    Box,
    System,
    approximate_root,
    observed,
    proved_root,
)
from asymptotics.errors import InvalidInput

FORMAT = "asymptotics certificate 1"
FEWEST_DIGITS, MOST_DIGITS = 1, 1000
_MOST_BITS = 16_000
_ATTEMPTS = 9


class Problem(Protocol):
    """What can be certified: `ProbeProblem`, `SeparabilityProblem`, `GainProblem`."""

    @property
    def quantity(self) -> str:
        """Name of the answer."""
        ...

    def statement(self) -> dict[str, Any]:
        """Keyword arguments that give the problem back, numbers as exact strings."""
        ...

    def system(self) -> System:
        """Its equations, at the working precision of the moment."""
        ...

    def start(self) -> list[Fraction]:
        """A point near the root; nothing rests on it."""
        ...

    def proved(self) -> list[str]:
        """What a certificate proves."""
        ...

    def not_proved(self) -> list[str]:
        """What it does not."""
        ...


@dataclass(frozen=True)
class Certificate:
    """A proved enclosure: the quantity is within `radius` of `value`, both decimal strings.

    others: further quantities at the same root, name: (value, radius).
    bits: working precision of the proof; slope_bits: that of the Jacobian's integrals.
    root: the box that holds the root, by name of the unknown.
    """

    problem: Problem
    digits: int
    value: str
    radius: str
    others: Mapping[str, tuple[str, str]]
    bits: int
    slope_bits: int
    root: Box

    def to_json(self) -> dict[str, Any]:
        """A JSON object of decimal strings, which `check` takes."""
        with ctx.workprec(64):
            names = self.problem.system().unknowns
        box = zip(names, self.root.centre, self.root.radius, strict=True)
        content: dict[str, Any] = {
            "format": FORMAT,
            "quantity": self.problem.quantity,
            "problem": self.problem.statement(),
            "digits": self.digits,
            self.problem.quantity: self.value,
            "radius": self.radius,
        }
        for name, (value, radius) in self.others.items():
            content |= {name: value, f"{name}_radius": radius}
        return content | {
            "bits": self.bits,
            "slope_bits": self.slope_bits,
            "root": {n: {"centre": shown(c), "radius": rounded_up(r)} for n, c, r in box},
            "proved": self.problem.proved(),
            "not_proved": self.problem.not_proved(),
            "certified": True,
        }


def issue(problem: Problem, digits: int) -> Certificate:
    """A certificate of radius at most 10^-digits, or NotCertified, NoLimit, InvalidInput.

    Each attempt doubles the room between the box and the precision; the digits asked for do not
    change.
    """
    if not (isinstance(digits, int) and FEWEST_DIGITS <= digits <= MOST_DIGITS):
        raise InvalidInput(f"digits must lie in {FEWEST_DIGITS} to {MOST_DIGITS}, got {digits}")
    start = problem.start()
    failure = NotCertified("no attempt was made")
    for attempt in range(_ATTEMPTS):
        places = max(digits + 2, 14) + 5 * attempt * (attempt + 1) // 2
        bits = int((40 + 3.33 * places) * 1.35**attempt) + 8
        slope_bits = 44 + 16 * attempt
        if bits > _MOST_BITS:
            break
        try:
            with ctx.workprec(bits + GUARD_BITS):
                system = problem.system()
            where = approximate_root(system, start, places, bits, slope_bits)
            return _certificate(problem, where, digits, bits, slope_bits)
        except NotCertified as error:
            failure = error
    raise NotCertified(f"{problem.quantity}: no proof to 1e-{digits}; last attempt: {failure}")


def _certificate(
    problem: Problem, where: Box, digits: int, bits: int, slope_bits: int
) -> Certificate:
    """The certificate of a box, from the proof alone; NotCertified where its radius is too wide."""
    with ctx.workprec(bits + GUARD_BITS):
        system = problem.system()
    answers = observed(system, proved_root(system, where, bits, slope_bits), bits)
    for name, answer in answers.items():
        if not answer.is_finite():
            raise NotCertified(f"{name} has no finite enclosure at {bits} bits")
    printed = {name: enclosure(answer, digits + 3) for name, answer in answers.items()}
    for name, (_, radius) in printed.items():
        if Fraction(radius) > Fraction(10) ** -digits:
            raise NotCertified(f"the radius of {name} is {radius}, above 1e-{digits}")
    value, radius = printed.pop(problem.quantity)
    return Certificate(problem, digits, value, radius, printed, bits, slope_bits, where)


def verify(content: Mapping[str, Any], problem: Problem) -> Certificate:
    """Prove a stored certificate of `problem` anew; NotCertified says what does not hold.

    The stored box is tested by Krawczyk's operator at a quarter more bits than stored; every
    stored value must then contain what was proved, no radius may exceed 10^-digits, and nothing
    else may be said than a certificate of that problem says.
    """
    digits, bits, slope_bits = (_whole(content, n) for n in ("digits", "bits", "slope_bits"))
    with ctx.workprec(64):
        names = problem.system().unknowns
    where = _stored_box(content, names)
    precision = bits + bits // 4
    with ctx.workprec(precision + GUARD_BITS):
        system = problem.system()
        root = proved_root(system, where, precision, slope_bits)
        answers = observed(system, root, precision)
        printed = {name: _printed(content, name, problem.quantity) for name in answers}
        for name, (value, radius) in printed.items():
            _require(name, answers[name], Fraction(value), Fraction(radius), digits)
    value, radius = printed.pop(problem.quantity)
    found = Certificate(problem, digits, value, radius, printed, bits, slope_bits, where)
    for name in content.keys() | found.to_json().keys():
        if content.get(name) != found.to_json().get(name):
            raise NotCertified(f"{name!r} is not what a certificate of this problem says")
    return found


def _require(name: str, truth: arb, value: Fraction, radius: Fraction, digits: int) -> None:
    if not 0 <= radius <= Fraction(10) ** -digits:
        raise NotCertified(f"the radius of {name} is not within 1e-{digits}")
    if not (truth >= ball(value - radius) and truth <= ball(value + radius)):
        raise NotCertified(
            f"{name} is {truth.str(12, radius=False)}, not within the stated radius of the "
            "stated value"
        )


def _stored_box(content: Mapping[str, Any], names: tuple[str, ...]) -> Box:
    root = content.get("root")
    if not isinstance(root, Mapping) or set(root) != set(names):
        raise NotCertified(f"the certificate needs a root in {', '.join(names) or 'no unknown'}")
    sides = {}
    for side in ("centre", "radius"):
        values = (root[n].get(side) if isinstance(root[n], Mapping) else None for n in names)
        sides[side] = tuple(
            _exact(f"root {n} {side}", v) for n, v in zip(names, values, strict=True)
        )
    if any(radius <= 0 for radius in sides["radius"]):
        raise NotCertified("the root's box has a radius that is not positive")
    return Box(**sides)


def _printed(content: Mapping[str, Any], name: str, quantity: str) -> tuple[str, str]:
    """(value, radius) as stored, both decimal strings."""
    keys = name, "radius" if name == quantity else f"{name}_radius"
    for key in keys:
        _exact(key, content.get(key))
    return str(content[keys[0]]), str(content[keys[1]])


def _exact(name: str, value: Any) -> Fraction:
    if not isinstance(value, str):
        raise NotCertified(f"the certificate needs a decimal string {name!r}")
    try:
        return rational(name, value)
    except InvalidInput as error:
        raise NotCertified(str(error)) from None


def _whole(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_BITS:
        raise NotCertified(f"the certificate needs a whole number {name!r} of 1 to {_MOST_BITS}")
    return value
