"""Starting points for the mpmath solver: a path of ridges from the averaging classifier."""

from __future__ import annotations

from dataclasses import replace

from mpmath import mp

from asymptotics.errors import NotConverged
from asymptotics.reference.equations import Equations, State, balanced, newton
from asymptotics.reference.moments import Number

_TOLERANCE = mp.mpf(10) ** -5
_STEPS = 12


def _averaging_state(equations: Equations) -> State:
    """The averaging classifier: vhat = 0, mhat = qhat = 1."""
    gamma, mean, variance = equations.geometry(mp.zero, mp.one, mp.one)
    return State(gamma, mean, variance, mp.zero)


def _first(equations: Equations) -> State | None:
    """Newton from the averaging classifier, else from the solution for the squared hinge."""
    averaging = _averaging_state(equations)
    found = newton(equations, balanced(equations, averaging), _TOLERANCE, 0, most=40)
    if found is None and equations.fits_intercept:
        smooth = replace(equations, loss="squared-hinge")
        near = newton(smooth, balanced(smooth, averaging), _TOLERANCE, 0, most=40)
        if near is not None:
            found = newton(equations, balanced(equations, near), _TOLERANCE, 0, most=40)
    return found


def _averaging_ridge(equations: Equations) -> Number:
    """A ridge at which margins are about a tenth, so that every loss is nearly linear."""
    signal = mp.fsum(c for _, _, c in equations.atoms)
    noise = mp.fsum((c + w * s / equations.sampling_ratio) * s for s, w, c in equations.atoms)
    return 10 * max(signal, mp.sqrt(noise))


def follow_ridge(target: Equations) -> State:
    """Solve the target along ridges from near the averaging classifier.

    Raises ``NotConverged`` when steps in log ridge have become useless.
    """
    path = _Path(target, max(target.ridge, _averaging_ridge(target)))
    while path.ridge != target.ridge:
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
    """Solved states at a sequence of ridges; the next start is a secant in log ridge."""

    def __init__(self, equations: Equations, ridge: Number) -> None:
        self._equations = equations
        self._ratio = mp.mpf(10)
        # With unequal priors and an intercept a loss need not be near linear at a large ridge:
        # smaller ridges are tried until Newton starts.
        for power in range(9):
            at = replace(equations, ridge=ridge / mp.mpf(10) ** power)
            found = _first(at)
            if found is not None:
                self._known: list[tuple[Number, State]] = [(at.ridge, found)]
                return
        raise NotConverged(f"mpmath start failed for {equations.loss}; pass start=")

    @property
    def ridge(self) -> Number:
        return self._known[-1][0]

    @property
    def state(self) -> State:
        return self._known[-1][1]

    def advance(self, target: Number) -> None:
        """Solve at a ridge nearer to ``target``; halve the step in log ridge on failure."""
        while self._ratio > 1 + mp.mpf(10) ** -6:
            if target < self.ridge:
                ridge = max(self.ridge / self._ratio, target)
            else:
                ridge = min(self.ridge * self._ratio, target)
            guess = self.state
            if len(self._known) > 1:
                guess = _secant(self._equations, self._known, ridge)
            found = newton(replace(self._equations, ridge=ridge), guess, _TOLERANCE, 0, most=_STEPS)
            if found is not None:
                self._known = [*self._known[-1:], (ridge, found)]
                self._ratio = min(self._ratio * 4, mp.mpf(100))
                return
            self._ratio = mp.sqrt(self._ratio)
        raise NotConverged(
            f"mpmath path stopped at ridge {mp.nstr(self.ridge, 5)} for {self._equations.loss}"
        )


def _secant(equations: Equations, known: list[tuple[Number, State]], ridge: Number) -> State:
    """Linear extrapolation in log ridge of the unknowns of ``newton_step``."""
    (first, before), (second, at) = known
    length = mp.log(ridge / second) / mp.log(second / first)
    kappa = equations.alignment()
    excess, excess_before = (x.variance - kappa * x.mean**2 for x in (at, before))
    t, t_before = mp.sqrt(1 + at.variance), mp.sqrt(1 + before.variance)
    change = mp.matrix(
        [
            mp.log(at.gamma / before.gamma),
            mp.log(at.mean / before.mean) if kappa > 0 else 0,
            mp.log(excess / excess_before),
            at.intercept / t - before.intercept / t_before,
        ]
    )
    return equations.moved(at, change, length)
