"""The gain that a contrastive objective trains, as a problem to certify.

spectral                   a closed form
inner-product(-fixed-norm) the root of an increasing function
cosine-scaled              a root of the loss's slope where the slope increases: a local minimum

Equations: docs/theory/certificates.md, equations (11)-(12); their derivation: contrastive.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from flint import arb

from asymptotics.certify.exact import Real, ball, rational, shown
from asymptotics.certify.krawczyk import System
from asymptotics.certify.tanh_moments import mean_h2_sech2, mean_h_tanh
from asymptotics.contrastive.inputs import find_objective
from asymptotics.contrastive.projector import projector
from asymptotics.errors import InvalidInput, NoLimit

CERTIFIED_OBJECTIVES = ("spectral", "inner-product", "inner-product-fixed-norm", "cosine-scaled")


@dataclass(frozen=True)
class ClosedGain:
    """A gain without an equation."""

    gain: arb
    unknowns: tuple[str, ...] = ()

    def residual(self, x: Sequence[arb], bits: int) -> list[arb]:
        """No equations."""
        return []

    def jacobian(self, x: Sequence[arb], bits: int) -> list[list[arb]]:
        """No equations."""
        return []

    def observe(self, x: Sequence[arb]) -> dict[str, arb]:
        """The gain."""
        return {"gain": self.gain}


@dataclass(frozen=True)
class InnerProduct:
    """V_2 (R^2 + V_1) x + R E[h tanh(R x h)] = pull at x = unit a^2, over the pull."""

    signal: arb
    variances: tuple[arb, arb]
    unit: arb
    pull: arb
    unknowns: tuple[str, ...] = ("log_gain",)

    def _stiffness(self) -> arb:
        return self.variances[1] * (self.signal**2 + self.variances[0])

    def residual(self, x: Sequence[arb], bits: int) -> list[arb]:
        """The equation."""
        at = self.unit * (2 * x[0]).exp()
        spread = mean_h_tanh(self.signal * at, self.signal, self.variances[0], bits)
        return [(self._stiffness() * at + self.signal * spread) / self.pull - 1]

    def jacobian(self, x: Sequence[arb], bits: int) -> list[list[arb]]:
        """Its derivative in log a, which is positive."""
        at = self.unit * (2 * x[0]).exp()
        bend = mean_h2_sech2(self.signal * at, self.signal, self.variances[0], bits)
        return [[2 * at * (self._stiffness() + self.signal**2 * bend) / self.pull]]

    def observe(self, x: Sequence[arb]) -> dict[str, arb]:
        """The gain."""
        return {"gain": x[0].exp()}


@dataclass(frozen=True)
class CosineScaled:
    """t dL/ds = 0 at s = a^2, for the loss L of the cosine objective at fixed t = d tau.

    V = N = D = 1 + sigma^2; c = (2/t^2)/(1 + sqrt(1 + 4/t^2)), B = 1 + c s, u = R/(t D).
    """

    signal: arb
    variance: arb
    temperature: arb
    unknowns: tuple[str, ...] = ("log_gain",)

    def _parts(self, x: Sequence[arb]) -> tuple[arb, arb, arb, arb, arb, arb]:
        """(s, c, B, u, (R^2 + D)/D, c R^2/(2 D))."""
        t, r, d = self.temperature, self.signal, self.variance
        s = (2 * x[0]).exp()
        c = 2 / (t * (t + (t * t + 4).sqrt()))
        return s, c, 1 + c * s, r / (t * d), (r * r + d) / d, c * r * r / (2 * d)

    def residual(self, x: Sequence[arb], bits: int) -> list[arb]:
        """The equation."""
        s, c, b, u, anchor, still = self._parts(x)
        t, d = self.temperature, self.variance
        pull = u * mean_h_tanh(u * s / b, self.signal, d, bits)
        aligned = self.signal**2 * (d - 1) / (t * d**2)
        quadratic = anchor / (2 * t**2) * (s / b) * (1 + 1 / b)
        return [t * (quadratic + (pull - still) / b**2 - c / (2 * b) - c * anchor / 2 - aligned)]

    def jacobian(self, x: Sequence[arb], bits: int) -> list[list[arb]]:
        """Its derivative in log a."""
        s, c, b, u, anchor, still = self._parts(x)
        t, d = self.temperature, self.variance
        pull = u * mean_h_tanh(u * s / b, self.signal, d, bits)
        bend = u * u * mean_h2_sech2(u * s / b, self.signal, d, bits) / b**4
        quadratic = anchor / (2 * t**2) * ((1 + 1 / b) / b**2 - c * s / b**3)
        slope = quadratic + bend - 2 * c * (pull - still) / b**3 + c * c / (2 * b * b)
        return [[2 * s * t * slope]]

    def observe(self, x: Sequence[arb]) -> dict[str, arb]:
        """The gain, where the loss curves upwards; an infinite ball elsewhere."""
        minimum = self.jacobian(x, 30)[0][0] > 0
        return {"gain": x[0].exp() if minimum else arb(0, arb.pos_inf())}


@dataclass(frozen=True)
class GainProblem:
    """Exact parameters of `asymptotics.projector`, isotropic noise on two views or on one."""

    objective: str
    signal: Fraction
    augmentation: Fraction
    temperature: Fraction | None
    dimension: Fraction
    views: int
    quantity = "gain"

    @classmethod
    def read(
        cls,
        *,
        objective: str,
        signal: Real,
        augmentation: Real,
        dimension: Real,
        temperature: Real | None = None,
        views: int = 2,
    ) -> GainProblem:
        """Exact numbers from numbers or strings; InvalidInput as `asymptotics.projector` raises."""
        if objective not in CERTIFIED_OBJECTIVES:
            find_objective(objective)
            raise InvalidInput(
                f"objective {objective!r} has no certified gain; "
                f"those that do: {', '.join(CERTIFIED_OBJECTIVES)}"
            )
        if "temperature" in find_objective(objective).needs and temperature is None:
            raise InvalidInput(f"temperature is required by objective {objective!r}")
        if objective == "cosine-scaled" and views != 2:
            raise InvalidInput("cosine-scaled has a certified gain for two augmented views only")
        if views not in (1, 2):
            raise InvalidInput(f"views={views!r} must be 1 or 2")
        numbers = {"signal": signal, "augmentation": augmentation, "dimension": dimension}
        exact = {name: rational(name, value) for name, value in numbers.items()}
        tau = None if temperature is None else rational("temperature", temperature)
        for name, value, bound in (
            ("signal", exact["signal"], 0),
            ("augmentation", exact["augmentation"], 0),
            ("dimension", exact["dimension"], 2),
        ):
            if value < bound:
                raise InvalidInput(f"{name}={float(value):g} must be a finite number >= {bound}")
        if tau is not None and tau <= 0:
            raise InvalidInput(f"temperature={float(tau):g} must be a finite number > 0")
        return cls(objective=objective, temperature=tau, views=views, **exact)

    def statement(self) -> dict[str, Any]:
        """The keyword arguments of `read`, numbers as exact strings."""
        stated: dict[str, Any] = {"objective": self.objective}
        for name in ("signal", "augmentation", "temperature", "dimension"):
            value = getattr(self, name)
            if value is not None:
                stated[name] = shown(value)
        return stated | {"views": self.views}

    def system(self) -> System:
        """The equation at the working precision of the moment."""
        r, noisy = ball(self.signal), ball(1 + self.augmentation**2)
        first = noisy if self.views == 2 else arb(1)
        if self.objective == "spectral":
            mean = (first + noisy) / 2
            return ClosedGain((r * r + 1).sqrt() * mean / (r * r + mean))
        if self.objective == "cosine-scaled":
            assert self.temperature is not None
            return CosineScaled(r, noisy, ball(self.temperature * self.dimension))
        pull, unit = r * r + 1, 1 / (first * noisy)
        if self.objective == "inner-product-fixed-norm":
            assert self.temperature is not None
            unit = 1 / ball(self.temperature)
            pull += first * noisy * unit - 1
        return InnerProduct(r, (first, noisy), unit, pull)

    def start(self) -> list[Fraction]:
        """log a of the float solver's lowest minimum; NoLimit at collapse."""
        if not self.system().unknowns:
            return []
        tau = None if self.temperature is None else float(self.temperature)
        found = projector(
            self.objective,
            signal=float(self.signal),
            augmentation=float(self.augmentation),
            temperature=tau,
            dimension=float(self.dimension),
            views=self.views,
        )
        if not isfinite(found.log_gain):
            raise NoLimit(
                f"{self.objective}: the loss falls all the way to collapse, gain infinite"
            )
        return [Fraction(float(found.log_gain))]

    def proved(self) -> list[str]:
        """What the certificate proves, in words."""
        if self.objective == "spectral":
            return ["the gain is the value of a closed form at the exact parameters stated"]
        if self.objective == "cosine-scaled":
            return [
                "the loss, at the exact parameters stated, has a stationary point in `root`, "
                "only one, and a strict local minimum",
                "the gain there is within `radius` of `gain`",
            ]
        return [
            "the equation of the minimum, at the exact parameters stated, has a root in `root`",
            "it is the only root: its left side increases",
            "the gain there is within `radius` of `gain`",
        ]

    def not_proved(self) -> list[str]:
        """What it leaves to theory."""
        theory = "that the loss is that of contrastive training (docs/theory/contrastive.md)"
        if self.objective == "cosine-scaled":
            return [theory, "that no other minimum is lower"]
        return [theory]
