r"""The probe's limit to any number of digits: an mpmath oracle for the float solver.

The equations (asymptotics/reference/equations.py, docs/theory/probe.md) are solved at twenty
digits along a path of ridges that starts at the averaging classifier, then polished at the digits
asked for.  The last Newton step is taken with more digits and a finer quadrature; its length is
the stated error.  Nothing is shared with the float kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mpmath import mp

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.reference.equations import Atom, Equations, State, newton
from asymptotics.reference.existence import require_limit
from asymptotics.reference.moments import Number
from asymptotics.reference.path import follow_ridge, follow_vanishing_ridge

Real: TypeAlias = float | int | str | Number

_PENALISED = ("square", "logistic", "hinge", "squared-hinge")
# Entries without a ridge of their own: (loss, ridge) of their equations, and the penalised loss
# whose vanishing ridge leads to them.
_LIMITS = {
    "max-margin": ("max-margin", 1, "squared-hinge"),
    "min-norm": ("min-norm", 1, "square"),
    "least-squares": ("square", 0, "square"),
    "logistic-mle": ("logistic", 0, "logistic"),
}
REFERENCE_LOSSES = (*_PENALISED, *_LIMITS, "averaging", "bayes")
_PATH_DIGITS = 30


@dataclass(frozen=True)
class ReferencePoint:
    """A solution in mpmath numbers, good to ``digits`` digits.

    ``mean`` and ``variance`` are those of the margin: R m and m^2 + q^2 of the isotropic form.
    ``residual`` is the largest scale-free residual recomputed with more digits and a finer
    quadrature, ``error`` the Newton step taken there, relative to the unknowns.  The Bayes
    classifier solves no saddle point: its conjugates and ``gamma`` are ``None``.
    """

    accuracy: Number
    test_error: Number
    mean: Number
    variance: Number
    intercept: Number
    gamma: Number | None
    vhat: Number | None
    mhat: Number | None
    qhat: Number | None
    residual: Number
    error: Number
    digits: int


def reference_accuracy(
    loss: str,
    *,
    signal: Real,
    sampling_ratio: Real,
    ridge: Real | None = None,
    gain: Real = 1,
    prior: Real = "0.5",
    intercept: bool = False,
    digits: int = 30,
    start: Sequence[Real] | None = None,
) -> ReferencePoint:
    """Limit of the probe on z = W h, h = y mu + g, with |mu| = signal and W of the given gain.

    The spectrum is one bulk atom (1, 1, 0) and the spike (a^2, 0, a^2 R^2).  Numbers given as
    floats are taken at their exact binary value, as strings at their exact decimal value.
    ``start`` is (gamma, mean, variance, b) and replaces the path of ridges.

    Raises ``InvalidInput``, ``NoLimit`` past a threshold, ``NotConverged``.
    """
    with mp.workdps(2 * digits + 60):
        signal, gain = mp.mpf(signal), mp.mpf(gain)
        if not (mp.isfinite(signal) and signal >= 0 and mp.isfinite(gain) and gain > 0):
            raise InvalidInput(f"need signal >= 0 and gain > 0, got {signal} and {gain}")
        return reference_spectrum_accuracy(
            loss,
            eigenvalues=(1, gain**2),
            weights=(1, 0),
            squared_means=(0, (gain * signal) ** 2),
            sampling_ratio=sampling_ratio,
            ridge=ridge,
            prior=prior,
            intercept=intercept,
            digits=digits,
            start=start,
        )


def reference_spectrum_accuracy(
    loss: str,
    *,
    eigenvalues: Sequence[Real],
    weights: Sequence[Real],
    squared_means: Sequence[Real],
    sampling_ratio: Real,
    ridge: Real | None = None,
    prior: Real = "0.5",
    intercept: bool = False,
    digits: int = 30,
    start: Sequence[Real] | None = None,
) -> ReferencePoint:
    """Limit of the probe on z | y ~ N(y nu, S): S has eigenvalue s_k with weight w_k (the weights
    sum to one) and nu has squared length c_k in that eigenspace.

    Directions with s_k = 0 must have c_k = 0 and are dropped.  Errors as in
    :func:`reference_accuracy`.
    """
    if loss not in REFERENCE_LOSSES:
        raise InvalidInput(f"unknown loss {loss!r}; known: {', '.join(REFERENCE_LOSSES)}")
    if (ridge is not None) != (loss in _PENALISED):
        raise InvalidInput(f"loss {loss} {'needs' if loss in _PENALISED else 'refuses'} a ridge")
    with mp.workdps(2 * digits + 60):
        own_loss, own_ridge, parent = _LIMITS.get(loss, (loss, 1, None))
        equations = Equations(
            loss=own_loss,
            ridge=mp.mpf(own_ridge if ridge is None else ridge),
            sampling_ratio=mp.mpf(sampling_ratio),
            atoms=_atoms(eigenvalues, weights, squared_means),
            prior=mp.mpf(prior),
            fits_intercept=intercept,
        )
        _require_domain(equations, ridge)
        if loss == "bayes":
            return _bayes(equations, digits)
        require_limit(loss, equations)
    if start is None:
        with mp.workdps(_PATH_DIGITS):
            found = (
                follow_ridge(equations)
                if parent is None
                else follow_vanishing_ridge(replace(equations, loss=parent), equations)
            )
    else:
        found = State(*(mp.mpf(value) for value in (*start, 0)[:4]))
    return _polished(equations, found, digits)


def _atoms(
    eigenvalues: Sequence[Real], weights: Sequence[Real], squared_means: Sequence[Real]
) -> tuple[Atom, ...]:
    atoms = [
        (mp.mpf(s), mp.mpf(w), mp.mpf(c))
        for s, w, c in zip(eigenvalues, weights, squared_means, strict=True)
    ]
    if any(not (mp.isfinite(x) and x >= 0) for atom in atoms for x in atom):
        raise InvalidInput("eigenvalues, weights and squared means must be finite and >= 0")
    if abs(mp.fsum(w for _, w, _ in atoms) - 1) > mp.mpf(10) ** -12:
        raise InvalidInput("weights must sum to one")
    if any(s == 0 and c > 0 for s, _, c in atoms):
        raise InvalidInput("a direction with eigenvalue 0 carries signal: the data are noiseless")
    return tuple(atom for atom in atoms if atom[0] > 0)


def _require_domain(equations: Equations, ridge: Real | None) -> None:
    if not (mp.isfinite(equations.sampling_ratio) and equations.sampling_ratio > 0):
        raise InvalidInput(f"sampling_ratio must be finite and > 0, got {equations.sampling_ratio}")
    if not 0 < equations.prior < 1:
        raise InvalidInput(f"prior must lie in (0, 1), got {equations.prior}")
    if ridge is not None and not (mp.isfinite(equations.ridge) and equations.ridge > 0):
        raise InvalidInput(f"ridge must be finite and > 0, got {ridge}")


def _polished(equations: Equations, at: State, digits: int) -> ReferencePoint:
    """Newton at the digits asked for, then one step with more digits and a finer rule."""
    for attempt in range(4):
        working = digits + 25 * 2**attempt
        with mp.workdps(working):
            found = newton(equations, at, mp.mpf(10) ** (-digits // 2 - 5), attempt, most=30)
        if found is None:
            continue
        at = found
        with mp.workdps(working + 15):
            evaluated = equations.newton_step(at, attempt + 1)
            if evaluated is None:
                continue
            residual, step = evaluated
            size, error = mp.norm(residual, mp.inf), mp.norm(step, mp.inf)
            at = equations.moved(at, step)
        if error < mp.mpf(10) ** (-digits):
            with mp.workdps(working):
                return _point(equations, at, digits, size, error, attempt)
    raise NotConverged(f"mpmath polish of {equations.loss} failed at {digits} digits")


def _point(
    equations: Equations, at: State, digits: int, residual: Number, error: Number, refinement: int
) -> ReferencePoint:
    vhat, mhat, qhat = equations.channel(equations.class_moments(at, refinement))
    bound = mp.fsum(c / s for s, _, c in equations.atoms)
    if not (at.variance > 0 and at.mean**2 <= at.variance * bound * (1 + error)):
        raise NotConverged("the solution breaks mean^2 <= variance nu.S^-1 nu")
    accuracy, test_error = _error_rate(at.mean, at.variance, at.intercept, equations.prior)
    return ReferencePoint(
        accuracy=accuracy,
        test_error=test_error,
        mean=at.mean,
        variance=at.variance,
        intercept=at.intercept,
        gamma=at.gamma,
        vhat=vhat,
        mhat=mhat,
        qhat=qhat,
        residual=residual,
        error=error,
        digits=digits,
    )


def _error_rate(
    mean: Number, variance: Number, intercept: Number, prior: Number
) -> tuple[Number, Number]:
    """(accuracy, test error), the error from the Gaussian tail."""
    s = mp.sqrt(variance)
    test_error = prior * mp.ncdf(-(mean + intercept) / s) + (1 - prior) * mp.ncdf(
        -(mean - intercept) / s
    )
    return 1 - test_error, test_error


def _bayes(equations: Equations, digits: int) -> ReferencePoint:
    """theta = S^-1 nu, and half the log odds as intercept if there is one."""
    signal_square = mp.fsum(c / s for s, _, c in equations.atoms)
    odds = equations.prior / (1 - equations.prior)
    intercept = mp.log(odds) / 2 if equations.fits_intercept else mp.zero
    if signal_square == 0:
        best = max(equations.prior, 1 - equations.prior) if intercept else mp.mpf(1) / 2
        accuracy, test_error = best, 1 - best
    else:
        accuracy, test_error = _error_rate(signal_square, signal_square, intercept, equations.prior)
    return ReferencePoint(
        accuracy=accuracy,
        test_error=test_error,
        mean=signal_square,
        variance=signal_square,
        intercept=intercept,
        gamma=None,
        vhat=None,
        mhat=None,
        qhat=None,
        residual=mp.zero,
        error=mp.zero,
        digits=digits,
    )
