"""Mignacco et al.: what a ridge does to the classification of two Gaussian clusters.

x = y v/sqrt(d) + sqrt(Delta) z with |v|^2 = d, alpha = n/d, rho = P(y = 1), and the objective
sum loss + (lambda/2)|w|^2 of w.x/sqrt(d) + b. Here Delta = 1, so R = 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from asymptotics.sweep import curve
from validation.reproduce.points import line, mark, points, simulated
from validation.reproduce.simulation import accuracies, errors
from validation.reproduce.target import Claim, Effort, Evidence, Published, Remade

_ALPHA, _VARIANCE = 2.0, 1.0
_BALANCED: dict[str, Any] = {"signal": _VARIANCE**-0.5, "ridge_convention": "scaled-sum"}
_UNEQUAL = _BALANCED | {"prior": 0.2, "intercept": True, "sampling_ratio": _ALPHA}
# lambda that stands for infinity: the error is off by O(1/lambda)
_INFINITE, _TOLERANCE = 1e7, 1e-6
_WEAK = 0.01
_LOSSES = ("square", "logistic", "hinge")


def bayes_error(alpha: Any, variance: float) -> Any:
    """Error of the best label given the sample, equal clusters: Phi(-sqrt(q/Delta)).

    q = alpha/(alpha + Delta).
    """
    return ndtr(-np.sqrt(alpha / (variance * (alpha + variance))))


def remake(effort: Effort) -> Remade:
    """The three findings, and the two panels that show them."""
    evidence: list[Evidence] = []
    number = Published(
        float(bayes_error(_ALPHA, _VARIANCE)), _TOLERANCE, "Bayes error, rho = 1/2: Phi(-sqrt(q))"
    )
    strong = _BALANCED | {"ridge": _INFINITE, "sampling_ratio": _ALPHA}
    for loss in _LOSSES:
        (row,) = errors(accuracies(effort, loss=loss, **strong))
        evidence.append(
            Evidence(
                f"{loss}, equal clusters, lambda to infinity: test error",
                row.theory,
                number,
                simulated=row,
            )
        )
    peak, left = _peak(effort)
    unequal, right = _unequal(effort)
    label = {"ylabel": "test error"}
    return Remade(
        (*evidence, *peak, *unequal),
        points(*left, *right),
        {
            "equal": label
            | {
                "xlabel": r"samples per dimension  $\alpha = n/d$",
                "xscale": "log",
                "title": r"square loss, equal clusters, $\Delta = 1$",
            },
            "unequal": label
            | {
                "xlabel": r"ridge  $\lambda$",
                "xscale": "log",
                "title": r"unequal clusters, $\rho = 0.2$, $\alpha = 2$",
            },
        },
    )


def _peak(effort: Effort) -> tuple[list[Evidence], list[dict[str, Any]]]:
    """The interpolation peak of the square loss at weak ridge."""
    axis = np.geomspace(0.1, 10, 121)
    weak = _BALANCED | {"loss": "square", "ridge": _WEAK}
    error = 1 - curve(sampling_ratio=axis, **weak)["accuracy"]
    near = (axis > 0.5) & (axis < 2)
    highest = float(axis[near][np.argmax(error[near])])
    claim = Claim(
        "at low regularisation the error peaks where the square loss starts to interpolate",
        0.9 < highest < 1.1,
    )
    at = (0.4, 1.0, 4.0)
    rows = errors(accuracies(effort, sampling_ratio=at, **weak))
    evidence = [Evidence(f"square, lambda = {_WEAK}: n/d of the peak", highest, claim=claim)]
    evidence += [
        Evidence(f"square, lambda = {_WEAK}, n/d = {x:g}: test error", row.theory, simulated=row)
        for x, row in zip(at, rows, strict=True)
    ]
    parts = [line("equal", rf"$\lambda = {_WEAK}$", axis, error)]
    for ridge in (1.0, 10.0):
        values = 1 - curve(sampling_ratio=axis, **weak | {"ridge": ridge})["accuracy"]
        parts.append(line("equal", rf"$\lambda = {ridge:g}$", axis, values))
    parts += [
        line("equal", "Bayes", axis, bayes_error(axis, _VARIANCE)),
        simulated("equal", rf"$\lambda = {_WEAK}$", at, rows),
        mark("equal", "$n = d$", 1.0),
    ]
    return evidence, parts


def _unequal(effort: Effort) -> tuple[list[Evidence], list[dict[str, Any]]]:
    """Of unequal clusters the best ridge is finite."""
    axis = np.geomspace(1e-2, 1e3, 61)
    evidence, parts = [], []
    for loss in _LOSSES:
        error = 1 - curve(loss=loss, ridge=axis, **_UNEQUAL)["accuracy"]
        best = int(np.nanargmin(error))
        claim = Claim(
            "for unequal clusters an infinite ridge is not the best",
            best > 0 and bool(error[best] < error[-1] - 1e-3),
        )
        (row,) = errors(accuracies(effort, loss=loss, ridge=float(axis[best]), **_UNEQUAL))
        evidence.append(
            Evidence(
                f"{loss}, rho = 0.2: test error at the best ridge, {axis[best]:.2g}",
                row.theory,
                claim=claim,
                simulated=row,
            )
        )
        parts += [
            line("unequal", loss, axis, error),
            simulated("unequal", loss, [float(axis[best])], [row]),
        ]
    return evidence, parts
