"""The separability threshold as a problem to certify.

    delta* = max over rho, b of (1 - rho^2)/A_2,      A_j = E_y E (Z - R rho - y b)_+^j,

is stationary where, with B_1 = E_y y E (Z - R rho - y b)_+ and d/dx E(Z - x)_+ = -P(Z > x),

    R (1 - rho^2) A_1/A_2 - rho = 0,        B_1/A_1 = 0 (with an intercept).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb

from asymptotics.certify.exact import Real, ball, rational, shown
from asymptotics.certify.gaussian import density, upper_tail
from asymptotics.errors import InvalidInput
from asymptotics.thresholds import separability


@dataclass(frozen=True)
class Stationarity:
    """The two equations; `prior` is None without an intercept, and R = 0 fixes rho = 0."""

    signal: arb
    has_signal: bool
    prior: arb | None

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names, in the order of the equations."""
        return ("cosine",) * self.has_signal + ("intercept",) * (self.prior is not None)

    def _means(self, x: Sequence[arb]) -> tuple[arb, dict[str, arb]]:
        """(rho, means over the classes of the truncated powers and tails, plain and times y)."""
        at = dict(zip(self.unknowns, x, strict=True))
        rho, b = at.get("cosine", arb(0)), at.get("intercept", arb(0))
        classes = [(1, arb(1))]
        if self.prior is not None:
            classes = [(1, self.prior), (-1, 1 - self.prior)]
        total = dict.fromkeys(("first", "second", "tail", "y_first", "y_tail"), arb(0))
        for label, weight in classes:
            edge = self.signal * rho + label * b
            tail, height = upper_tail(edge), density(edge)
            first = height - edge * tail
            total["first"] += weight * first
            total["second"] += weight * ((1 + edge * edge) * tail - edge * height)
            total["tail"] += weight * tail
            total["y_first"] += label * weight * first
            total["y_tail"] += label * weight * tail
        return rho, total

    def residual(self, x: Sequence[arb], bits: int) -> list[arb]:
        """The module's equations."""
        rho, k = self._means(x)
        rows = []
        if self.has_signal:
            rows.append(self.signal * (1 - rho * rho) * k["first"] / k["second"] - rho)
        return rows + [k["y_first"] / k["first"]] * (self.prior is not None)

    def jacobian(self, x: Sequence[arb], bits: int) -> list[list[arb]]:
        """Their derivatives in rho (which moves the edge by R) and in b (by y)."""
        rho, k = self._means(x)
        rows, room = [], 1 - rho * rho
        ratio = k["first"] / k["second"]
        # derivatives of A_1/A_2 per unit of edge, moved alike in both classes or by y
        alike = (2 * k["first"] ** 2 - k["tail"] * k["second"]) / k["second"] ** 2
        apart = (2 * k["first"] * k["y_first"] - k["y_tail"] * k["second"]) / k["second"] ** 2
        r, has_b = self.signal, self.prior is not None
        if self.has_signal:
            row = [r * (room * r * alike - 2 * rho * ratio) - 1]
            rows.append(row + [r * room * apart] * has_b)
        if has_b:
            along = (k["y_first"] * k["tail"] - k["y_tail"] * k["first"]) / k["first"] ** 2
            across = (k["y_first"] * k["y_tail"] - k["tail"] * k["first"]) / k["first"] ** 2
            rows.append([r * along] * self.has_signal + [across])
        return rows

    def observe(self, x: Sequence[arb]) -> dict[str, arb]:
        """delta* at the stationary point."""
        rho, k = self._means(x)
        return {"separability": (1 - rho * rho) / k["second"]}


@dataclass(frozen=True)
class SeparabilityProblem:
    """Exact R and prior of `asymptotics.separability`; the prior is None without an intercept."""

    signal: Fraction
    prior: Fraction | None
    quantity = "separability"

    @classmethod
    def read(cls, *, signal: Real, prior: Real | None = None) -> SeparabilityProblem:
        """Exact numbers from numbers or strings; InvalidInput outside R >= 0, 0 < prior < 1."""
        radius = rational("signal", signal)
        share = None if prior is None else rational("prior", prior)
        if radius < 0:
            raise InvalidInput(f"signal must be finite and >= 0, got {float(radius):g}")
        if share is not None and not 0 < share < 1:
            raise InvalidInput(f"prior must lie strictly between 0 and 1, got {float(share):g}")
        return cls(radius, share)

    def statement(self) -> dict[str, Any]:
        """The keyword arguments of `read`, numbers as exact strings."""
        stated = {"signal": shown(self.signal)}
        return stated if self.prior is None else stated | {"prior": shown(self.prior)}

    def system(self) -> Stationarity:
        """The equations at the working precision of the moment."""
        prior = None if self.prior is None else ball(self.prior)
        return Stationarity(ball(self.signal), self.signal > 0, prior)

    def start(self) -> list[Fraction]:
        """The float solver's maximiser."""
        prior = None if self.prior is None else float(self.prior)
        found = separability(float(self.signal), prior)
        values = {"cosine": found.cosine, "intercept": found.intercept}
        return [Fraction(float(values[name])) for name in self.system().unknowns]

    def proved(self) -> list[str]:
        """What the certificate proves, in words."""
        return [
            "the quotient (10) of docs/theory/certificates.md has a stationary point in `root`",
            "it is the only one, and the maximum: the quotient is quasi-concave",
            "its value there is within `radius` of `separability`",
        ]

    def not_proved(self) -> list[str]:
        """What it leaves to theory."""
        return ["that samples cease to be separable at this n/p (docs/theory/probe.md, section 5)"]
