"""The limiting accuracy of a probe as a problem to certify: exact numbers and their equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb

from asymptotics.certify.exact import Real, ball, rational, shown
from asymptotics.certify.failures import NotCertified
from asymptotics.certify.gaussian import upper_tail
from asymptotics.certify.krawczyk import System
from asymptotics.certify.saddle import Resolvent, Saddle
from asymptotics.conventions import mean_ridge
from asymptotics.errors import InvalidInput
from asymptotics.limits import NOT_CONVERGED, limit
from asymptotics.probes import find_probe
from asymptotics.problem import Problem
from asymptotics.sweep import make_problem

_COLUMNS = ("eigenvalues", "weights", "squared_means")


@dataclass(frozen=True)
class Bayes:
    """Phi(R), R^2 = nu^T S^{-1} nu, and with unequal priors the best threshold: a closed form."""

    squared_signal: arb
    prior: arb
    unknowns: tuple[str, ...] = ()

    def residual(self, x: Sequence[arb], bits: int) -> list[arb]:
        """No equations."""
        return []

    def jacobian(self, x: Sequence[arb], bits: int) -> list[list[arb]]:
        """No equations."""
        return []

    def observe(self, x: Sequence[arb]) -> dict[str, arb]:
        """Accuracy pi Phi(R + t) + (1 - pi) Phi(R - t), t = log(pi/(1 - pi))/(2 R)."""
        radius, odds = self.squared_signal.sqrt(), (self.prior / (1 - self.prior)).log() / 2
        if self.squared_signal.is_zero():
            best = self.prior if odds > 0 else 1 - self.prior
            return {"accuracy": best, "test_error": 1 - best}
        right, left = radius + odds / radius, radius - odds / radius
        return {
            "accuracy": self.prior * upper_tail(-right) + (1 - self.prior) * upper_tail(-left),
            "test_error": self.prior * upper_tail(right) + (1 - self.prior) * upper_tail(left),
        }


@dataclass(frozen=True)
class ProbeProblem:
    """Exact parameters of `asymptotics.accuracy`; `spectrum` holds the three columns of atoms.

    With `signal` R the atoms are (1, 1, 0) and (1, 0, R^2). `gain` acts along the mean.
    """

    loss: str
    sampling_ratio: Fraction
    signal: Fraction | None
    spectrum: tuple[tuple[Fraction, ...], ...] | None
    ridge: Fraction | None
    gain: Fraction
    prior: Fraction
    intercept: bool
    quantity = "accuracy"

    @classmethod
    def read(
        cls,
        *,
        loss: str,
        sampling_ratio: Real,
        signal: Real | None = None,
        spectrum: Mapping[str, Sequence[Real]] | None = None,
        ridge: Real | None = None,
        ridge_convention: str = "mean",
        num_samples: Real | None = None,
        gain: Real = 1,
        prior: Real = "0.5",
        intercept: bool = False,
    ) -> ProbeProblem:
        """Exact numbers from numbers or strings; InvalidInput as `asymptotics.accuracy` raises."""
        columns = None
        if spectrum is not None:
            if set(spectrum) != set(_COLUMNS):
                raise InvalidInput(
                    f"spectrum needs {', '.join(_COLUMNS)}; got {', '.join(spectrum)}"
                )
            columns = tuple(tuple(rational(n, v) for v in spectrum[n]) for n in _COLUMNS)
        ratio = rational("sampling_ratio", sampling_ratio)
        problem = cls(
            loss,
            ratio,
            None if signal is None else rational("signal", signal),
            columns,
            None if ridge is None else _ridge(ridge, ridge_convention, ratio, num_samples),
            rational("gain", gain),
            rational("prior", prior),
            bool(intercept),
        )
        problem.in_floats()
        return problem

    def statement(self) -> dict[str, Any]:
        """The keyword arguments of `read`, numbers as exact decimal strings."""
        numbers = ("sampling_ratio", "signal", "ridge", "gain", "prior")
        exact = {n: getattr(self, n) for n in numbers if getattr(self, n) is not None}
        stated: dict[str, Any] = {"loss": self.loss} | {n: shown(v) for n, v in exact.items()}
        if self.spectrum is not None:
            named = zip(_COLUMNS, self.spectrum, strict=True)
            stated["spectrum"] = {name: [shown(v) for v in column] for name, column in named}
        return stated | {"intercept": self.intercept}

    def in_floats(self) -> Problem:
        """The same problem for the float solver, which also checks every domain."""
        spectrum = None
        if self.spectrum is not None:
            named = zip(_COLUMNS, self.spectrum, strict=True)
            spectrum = {name: np.array([float(v) for v in column]) for name, column in named}
        return make_problem(
            loss=self.loss,
            sampling_ratio=float(self.sampling_ratio),
            signal=None if self.signal is None else float(self.signal),
            spectrum=spectrum,
            ridge=None if self.ridge is None else float(self.ridge),
            gain=float(self.gain),
            prior=float(self.prior),
            intercept=self.intercept,
        )

    def atoms(self) -> list[tuple[Fraction, Fraction, Fraction]]:
        """(eigenvalue, weight, squared mean) before the head; directions of zero variance go."""
        if self.signal is not None:
            zero, one = Fraction(0), Fraction(1)
            return [(one, one, zero), (one, zero, self.signal**2)]
        assert self.spectrum is not None
        atoms = [(s, w, c) for s, w, c in zip(*self.spectrum, strict=True) if s > 0 or c > 0]
        if any(s == 0 for s, _, _ in atoms):
            raise InvalidInput(
                "spectrum: a direction of eigenvalue 0 carries signal: no noise there"
            )
        return atoms

    def system(self) -> System:
        """The equations at the working precision of the moment."""
        atoms = self.atoms()
        probe = find_probe(self.loss)
        strength = sum((c for _, _, c in atoms), Fraction(0))
        if probe.loss is None:
            invariant = sum((c / s for s, _, c in atoms), Fraction(0))
            return Bayes(ball(invariant), ball(self.prior if self.intercept else Fraction(1, 2)))
        has_signal = strength > 0 and self.gain > 0
        stiffening = (1 / self.gain**2 - 1) / strength if has_signal else Fraction(0)
        if not has_signal:
            atoms = [(s, w, Fraction(0)) for s, w, _ in atoms]
        ridge = Fraction(probe.ridge) if self.ridge is None else self.ridge  # type: ignore[arg-type]
        resolvent = Resolvent(
            [(ball(s), ball(w), ball(c)) for s, w, c in atoms], ball(ridge), ball(stiffening)
        )
        prior = ball(self.prior) if self.intercept else None
        return Saddle(probe.loss, resolvent, ball(self.sampling_ratio), has_signal, prior)

    def start(self) -> list[Fraction]:
        """Unknowns from the float solver; NoLimit where there is no limit."""
        found = limit(self.in_floats())
        if self.loss == "bayes":
            return []
        if str(found.status) != NOT_CONVERGED:
            found.raise_on_failure()
        with np.errstate(divide="ignore", invalid="ignore"):
            values = {
                "log_gamma": np.log(found.gamma),
                "log_mean": np.log(found.m),
                "log_variance": np.log(found.q),
                "intercept": found.intercept,
            }
        chosen = [float(values[name]) for name in self.system().unknowns]
        if not np.all(np.isfinite(chosen)):
            raise NotCertified("the float solver gives no point to start the proof from")
        return [Fraction(value) for value in chosen]

    def proved(self) -> list[str]:
        """What the certificate proves, in words."""
        if self.loss == "bayes":
            return ["the accuracy is the value of a closed form at the exact parameters stated"]
        return [
            "the saddle-point equations, at the exact parameters stated, have a root in `root`",
            "no other root lies in `root`",
            "the accuracy at that root is within `radius` of `accuracy`",
        ]

    def not_proved(self) -> list[str]:
        """What it leaves to theory."""
        return [
            "that the equations describe the limit of trained probes (docs/theory/probe.md)",
            "that there is no other root (for a positive ridge: convexity, docs/theory/probe.md)",
        ]


def _ridge(ridge: Real, convention: str, ratio: Fraction, num_samples: Real | None) -> Fraction:
    """The ridge of the "mean" convention, exactly; see `asymptotics.conventions`."""
    value = rational("ridge", ridge)
    count = None if num_samples is None else rational("num_samples", num_samples)
    # the domains are checked where they are defined
    mean_ridge(float(value), convention, float(ratio), None if count is None else float(count))
    if convention in ("sum", "C"):
        assert count is not None
        return value / count if convention == "sum" else 1 / (count * value)
    return value / ratio if convention == "scaled-sum" else value
