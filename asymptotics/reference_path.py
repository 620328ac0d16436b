"""Starting points for the mpmath solver: a path of ridges from the averaging classifier."""

from __future__ import annotations

from mpmath import mp
from dataclasses import replace

from asymptotics.errors import NotConverged
from asymptotics.reference_equations import Equations, State, newton
from asymptotics.reference_moments import Number
from asymptotics.reference_thresholds import increasing_root

_TOLERANCE = mp.mpf(10) ** -5
_STEPS = 12


def _averaging_state(equations: Equations) -> State:
    """The averaging classifier: vhat = 0, mhat = qhat = 1."""
    gamma, mean, variance = equations.geometry(mp.zero, mp.one, mp.one)
    return State(gamma, mean, variance, mp.zero)


def _balanced(equations: Equations, at: State) -> State:
    """The state with the intercept that solves E y M' = 0 at the others' values."""
    if not equations.fits_intercept or equations.prior == mp.mpf(1) / 2:
        return at

    def imbalance(b: Number) -> Number:
        moments = equations.class_moments(replace(at, intercept=b), 0)
        signed = [prior * sign for prior, sign in equations.classes()]
        return mp.fdot(signed, [law["M1"] for law in moments])

    return replace(at, intercept=increasing_root(imbalance))


def _averaging_ridge(equations: Equations) -> Number:
    """A ridge at which margins are about a tenth, so that every loss is nearly linear."""
    signal = mp.fsum(c for _, _, c in equations.atoms)
    noise = mp.fsum((c + w * s / equations.sampling_ratio) * s for s, w, c in equations.atoms)
    return 10 * max(signal, mp.sqrt(noise))


def follow_ridge(target: Equations) -> State:
    """Solve the target along decreasing ridges from the averaging classifier.

    Raises ``NotConverged`` when steps in log ridge have become useless.
    """
    path = _Path(target, max(target.ridge, _averaging_ridge(target)))
    while path.ridge > target.ridge:
        path.advance(target.ridge)
    return path.state


def follow_vanishing_ridge(penalised: Equations, target: Equations) -> State:
    """Solve a target that is the limit of ``penalised`` at vanishing ridge.

    After each solved ridge the target's own equations are tried from it.  With a target ridge of
    one (max-margin, min-norm) the penalised loss over its ridge tends to the target's indicator,
    so gamma is multiplied by that ridge; with a target ridge of zero it is kept.
    """
    path = _Path(penalised, _averaging_ridge(penalised))
    while True:
        if path.ridge < 1:
            scale = path.ridge if target.ridge == 1 else mp.one
            start = replace(path.state, gamma=path.state.gamma * scale)
            found = newton(target, start, _TOLERANCE, 0, most=_STEPS)
            if found is not None:
                return found
        path.advance(mp.mpf(10) ** -60)


class _Path:
    """Solved states at decreasing ridges; the next start is a secant in log ridge."""

    def __init__(self, equations: Equations, ridge: Number) -> None:
        self._equations = equations
        at = replace(equations, ridge=ridge)
        found = newton(at, _balanced(at, _averaging_state(at)), _TOLERANCE, 0, most=200)
        if found is None:
            raise NotConverged(f"mpmath start failed for {equations.loss}; pass start=")
        self._known: list[tuple[Number, State]] = [(ridge, found)]
        self._ratio = mp.mpf(10)

    @property
    def ridge(self) -> Number:
        return self._known[-1][0]

    @property
    def state(self) -> State:
        return self._known[-1][1]

    def advance(self, floor: Number) -> None:
        """Solve at a smaller ridge, no smaller than ``floor``; halve the log step on failure."""
        while self._ratio > 1 + mp.mpf(10) ** -6:
            ridge = max(self.ridge / self._ratio, floor)
            guess = _secant(self._known, ridge) if len(self._known) > 1 else self.state
            found = newton(replace(self._equations, ridge=ridge), guess, _TOLERANCE, 0, most=_STEPS)
            if found is not None and ridge < self.ridge:
                self._known = [*self._known[-1:], (ridge, found)]
                self._ratio = min(self._ratio * 4, mp.mpf(100))
                return
            self._ratio = mp.sqrt(self._ratio)
        raise NotConverged(
            f"mpmath path stopped at ridge {mp.nstr(self.ridge, 5)} for {self._equations.loss}"
        )


def _secant(known: list[tuple[Number, State]], ridge: Number) -> State:
    """Linear extrapolation in log ridge of (log gamma, mean / s, log variance, b / s)."""
    (first, before), (second, at) = known
    length = mp.log(ridge / second) / mp.log(second / first)
    s, s_before = mp.sqrt(at.variance), mp.sqrt(before.variance)
    spread = mp.sqrt(at.variance) * (s / s_before) ** length
    return State(
        gamma=at.gamma * (at.gamma / before.gamma) ** length,
        mean=spread * (at.mean / s + length * (at.mean / s - before.mean / s_before)),
        variance=spread**2,
        intercept=spread
        * (at.intercept / s + length * (at.intercept / s - before.intercept / s_before)),
    )
