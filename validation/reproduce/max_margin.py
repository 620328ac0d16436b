"""Max-margin below the separability threshold, the logistic MLE above it.

Montanari et al. give the error of the max-margin classifier, Deng et al. that of gradient descent
on the logistic loss, which is one or the other on the two sides of delta*.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from asymptotics.sweep import accuracy, curve
from asymptotics.thresholds import separability
from validation.reproduce.points import line, mark, points, simulated
from validation.reproduce.simulation import accuracies, errors
from validation.reproduce.target import Claim, Effort, Evidence, Remade

_SIGNALS = (1.0, 1.5)
_SEPARABLE = {1.0: (0.5, 1.0, 2.0), 1.5: (1.0, 3.0)}
_INSEPARABLE = {1.0: (6.0, 12.0), 1.5: (12.0,)}


def remake(effort: Effort) -> Remade:
    """Both branches at two signals, where they meet, and simulation of each."""
    evidence: list[Evidence] = []
    parts: list[dict[str, Any]] = []
    for signal in _SIGNALS:
        threshold = float(separability(signal).threshold)
        name = f"$R = {signal:g}$"
        below, above = np.geomspace(0.1, threshold, 60)[:-1], np.geomspace(threshold, 20, 30)[1:]
        for loss, axis, at in (
            ("max-margin", below, _SEPARABLE[signal]),
            ("logistic-mle", above, _INSEPARABLE[signal]),
        ):
            limit = 1 - curve(loss=loss, signal=signal, sampling_ratio=axis)["accuracy"]
            rows = errors(accuracies(effort, loss=loss, signal=signal, sampling_ratio=at))
            evidence += [
                Evidence(
                    f"R = {signal:g}, {loss}, n/p = {x:g}: test error", row.theory, simulated=row
                )
                for x, row in zip(at, rows, strict=True)
            ]
            parts += [line("errors", name, axis, limit), simulated("errors", name, at, rows)]
        parts.append(mark("errors", rf"$\delta^*({signal:g})$", threshold))
        evidence.append(_meeting(signal, threshold))
    panel = {
        "xlabel": "samples per dimension  $n/p$",
        "ylabel": "test error",
        "xscale": "log",
        "title": r"max-margin below $\delta^*$, logistic MLE above",
    }
    return Remade(tuple(evidence), points(*parts), {"errors": panel})


def _meeting(signal: float, threshold: float) -> Evidence:
    """Both branches end in the last separating direction, of error Phi(-R rho)."""
    last = float(ndtr(-signal * separability(signal).cosine))
    ends = [
        float(accuracy(loss=loss, signal=signal, sampling_ratio=threshold * (1 + side)).test_error)
        for loss, side in (("max-margin", -1e-4), ("logistic-mle", 1e-4))
    ]
    claim = Claim(
        "gradient descent turns from max-margin to the MLE at the separability threshold",
        max(abs(end - last) for end in ends) < 1e-3,
    )
    return Evidence(f"R = {signal:g}: test error where both meet", last, claim=claim)
