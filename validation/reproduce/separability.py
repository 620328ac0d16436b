"""The separability curve: the n/p up to which a hyperplane separates two Gaussian classes.

Candes and Sur: p/n* = min_t E (t V + Z)_+^2, V the signed signal, here N(R, 1), Z ~ N(0, 1).
Cover: n/p = 2 without a signal.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import linprog, minimize_scalar

from asymptotics.errors import NotConverged
from asymptotics.thresholds import separability
from validation.checks.probe_trial import features_at
from validation.compare import FiniteSize, Row
from validation.finite_size import extrapolate
from validation.reproduce.points import line, points, published, simulated
from validation.reproduce.target import Effort, Evidence, Published, Remade

Array = NDArray[np.float64]

_SIGNALS = (0.0, 0.5, 1.0, 1.5, 2.0)
_SIMULATED = (0.0, 0.5, 1.0)
# largest standard error that counts, relative to the threshold
_ERROR = 0.05


def candes_sur(signal: float) -> float:
    """n/p at the threshold by the formula of the module, by adaptive quadrature."""

    def excess(t: float) -> float:
        scale = np.hypot(1, t)

        def density(u: float) -> float:
            return float((t * signal + scale * u) ** 2 * np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi))

        return float(quad(density, -t * signal / scale, 40, epsabs=1e-13)[0])

    return float(1 / minimize_scalar(excess, bounds=(-10, 0.5), method="bounded").fun)


def remake(effort: Effort) -> Remade:
    """delta*(R) against the formula and, for weak signals, against samples."""
    number = partial(Published, where="Candes and Sur: 1/min_t E (t V + Z)_+^2")
    numbers = [Published(2.0, 1e-9, "Cover: n/p = 2 without a signal")]
    numbers += [number(candes_sur(r), 1e-6 * candes_sur(r)) for r in _SIGNALS[1:]]
    limits = separability(np.array(_SIGNALS)).threshold.tolist()
    rows = {signal: _measure(effort, signal) for signal in _SIMULATED}
    evidence = [
        Evidence(f"R = {r:g}: n/p at the threshold", limit, n, simulated=rows.get(r))
        for r, limit, n in zip(_SIGNALS, limits, numbers, strict=True)
    ]
    axis = np.linspace(0, 2.2, 89)
    return Remade(
        tuple(evidence),
        points(
            line("threshold", r"$\delta^*(R)$", axis, separability(axis).threshold),
            published("threshold", r"$\delta^*(R)$", _SIGNALS, numbers),
            simulated("threshold", r"$\delta^*(R)$", list(rows), list(rows.values())),
        ),
        {
            "threshold": {
                "xlabel": "signal  $R$",
                "ylabel": r"separable up to  $n/p = \delta^*$",
                "yscale": "log",
                "yticks": [2, 5, 10, 20],
                "yticklabels": ["2", "5", "10", "20"],
            }
        },
    )


def _measure(effort: Effort, signal: float) -> Row:
    """(first n at which a growing sample is not separable)/p, extrapolated in 1/p."""
    dimensions = [p // 3 for p in effort.dimensions]
    calls = [
        {"signal": signal, "dimension": p, "trial": trial}
        for p in dimensions
        for trial in range(effort.trials)
    ]
    found = np.array(effort.run.tasks("separating samples", first_inseparable, calls))
    fit = extrapolate(dimensions, list(found.reshape(len(dimensions), effort.trials)))
    limit = float(separability(signal).threshold)
    finite = tuple(
        FiniteSize(p, mean.value, mean.standard_error, effort.trials)
        for p, mean in zip(dimensions, fit.means, strict=True)
    )
    return Row(
        {},
        "separability",
        limit,
        fit.limit,
        _ERROR * limit,
        fit.bias.value,
        fit.fit_p_value,
        finite,
    )


def first_inseparable(
    rng: np.random.Generator, *, signal: float, dimension: int, trial: int
) -> float:
    """N/p, N the number of samples with which a growing sample is no longer separable.

    Without a signal E N = 2 p + 1 exactly: Cover's count makes N - 1 the trial of the p-th success
    of a fair coin. `trial` only names the random numbers.
    """
    law = features_at({"signal": signal}, dimension, 1.0, 0.5)
    features, labels = law.draw(0, rng)

    def separable(size: int) -> bool:
        nonlocal features, labels
        if size > len(labels):
            more = law.draw(size - len(labels), rng)
            features, labels = np.concatenate([features, more[0]]), np.append(labels, more[1])
        return size <= dimension or _separable(features[:size], labels[:size])

    high = max(int(float(separability(signal).threshold) * dimension), dimension)
    step = max(int(np.sqrt(high)), 1)
    low = high
    while separable(high):
        low, high = high, high + step
    while low == high or not separable(low):
        low, high = low - step, low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if separable(middle) else (low, middle)
    return high / dimension


def _separable(features: Array, labels: Array) -> bool:
    """Whether max t > 0 subject to y x.w >= t, |w_i| <= 1, t <= 1: a bounded linear program."""
    n, p = features.shape
    rows = np.column_stack([-labels[:, None] * features, np.ones(n)])
    found = linprog(
        np.append(np.zeros(p), -1.0),
        A_ub=rows,
        b_ub=np.zeros(n),
        bounds=[(-1, 1)] * p + [(0, 1)],
    )
    if found.status != 0:
        raise NotConverged(f"separating {n} samples: the linear program gave up: {found.message}")
    # t is 0 to rounding if not separable; the solver's own tolerance is 1e-7
    return bool(found.x[-1] > 1e-6)
