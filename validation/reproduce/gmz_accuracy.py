"""Gui, Ma and Zhong: a head that shrinks the signal hinders a max-margin probe, expansion helps."""

from __future__ import annotations

from typing import Any

import numpy as np

from asymptotics.sweep import curve
from validation.reproduce.points import line, mark, points, simulated
from validation.reproduce.simulation import accuracies
from validation.reproduce.target import Claim, Effort, Evidence, Remade

_PROBE: dict[str, Any] = {"loss": "max-margin", "signal": 1.5}
_RATIOS = (0.5, 1.0, 2.0)
_GAINS = (0.5, 1.0, 2.0)


def remake(effort: Effort) -> Remade:
    """Accuracy against the gain of the head at three n/p."""
    axis = np.geomspace(0.2, 5, 61)
    evidence, parts = [], []
    for ratio in _RATIOS:
        limit = curve(gain=axis, sampling_ratio=ratio, **_PROBE)["accuracy"]
        rows = accuracies(effort, gain=_GAINS, sampling_ratio=ratio, **_PROBE)
        rises = Claim(
            "shrinkage hinders and expansion improves the accuracy after the head",
            bool(np.all(np.diff(limit) > 0)),
        )
        evidence += [
            Evidence(
                f"n/p = {ratio:g}, gain {gain:g}: accuracy", row.theory, claim=rises, simulated=row
            )
            for gain, row in zip(_GAINS, rows, strict=True)
        ]
        name = f"$n/p = {ratio:g}$"
        parts += [
            line("accuracy", name, axis, limit),
            simulated("accuracy", name, _GAINS, rows),
        ]
    panel = {
        "xlabel": r"gain of the head  $a$",
        "ylabel": "test accuracy",
        "xscale": "log",
        "xticks": [0.2, 0.5, 1, 2, 5],
        "xticklabels": ["0.2", "0.5", "1", "2", "5"],
        "title": "max-margin, $R = 1.5$",
    }
    return Remade(
        tuple(evidence), points(*parts, mark("accuracy", "no head", 1.0)), {"accuracy": panel}
    )
