"""Loureiro et al.: learning curves of square, hinge and logistic probes with two variances.

x = y mu/sqrt(p) + N(0, S): a fraction rho of the dimensions has variance Delta_1, the rest Delta_2,
and |mu|^2 = p is spread evenly. The numbers are those of the authors' data files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asymptotics.sweep import curve
from validation.reproduce.points import line, points, published, simulated
from validation.reproduce.simulation import accuracies, errors
from validation.reproduce.target import Effort, Evidence, Published, Remade

_WHERE = "data of the K = 2 learning curves, IdePHICS/GaussMixtureProject, K2mix/data/theory"
# the authors' iteration stops at errors of about this relative size
_SOLVER = 1e-7


@dataclass(frozen=True)
class Curve:
    """One file: lambda is that of sum loss + (lambda/2)|w|^2; `errors` by n/p."""

    loss: str
    fraction: float
    variances: tuple[float, float]
    ridge: float
    errors: dict[float, float]

    @property
    def sampling_ratio(self) -> list[float]:
        """n/p of every number."""
        return list(self.errors)

    @property
    def parameters(self) -> dict[str, Any]:
        """As `asymptotics.curve` takes them."""
        shares = [self.fraction, 1 - self.fraction]
        spectrum = {"eigenvalues": self.variances, "weights": shares, "squared_means": shares}
        return {
            "loss": self.loss,
            "ridge": self.ridge,
            "ridge_convention": "scaled-sum",
            "spectrum": spectrum,
        }

    def numbers(self) -> list[Published]:
        """The published test errors."""
        return [Published(value, _SOLVER * value, _WHERE) for value in self.errors.values()]


CURVES = (
    Curve(
        "square",
        0.5,
        (0.1, 0.5),
        0.01,
        {
            0.25408163265: 0.140078212154,
            0.49816326531: 0.105415200185,
            0.98632653061: 0.0936834659763,
            1.53551020408: 0.0596676483207,
            2.02367346939: 0.0400428507246,
            3.0: 0.02430690712,
        },
    ),
    Curve(
        "hinge",
        0.8,
        (0.5, 0.1),
        0.1,
        {
            0.25408163265: 0.203439967976,
            0.49816326531: 0.164457139577,
            0.98632653061: 0.129121975894,
            1.53551020408: 0.106307689487,
            2.02367346939: 0.0930445927895,
            3.0: 0.076545230111,
        },
    ),
    Curve(
        "logistic",
        1.0,
        (0.5, 0.1),
        0.01,
        {
            0.16736842105: 0.247799905307,
            0.48210526316: 0.181365676042,
            0.95421052632: 0.154687300178,
            1.26894736842: 0.146961931014,
            2.05578947368: 0.137129078541,
            3.0: 0.131023374707,
        },
    ),
)


def remake(effort: Effort) -> Remade:
    """Every published number against the limit, every other one against simulation too."""
    evidence: list[Evidence] = []
    parts = []
    for one in CURVES:
        rows = errors(accuracies(effort, sampling_ratio=one.sampling_ratio[1::2], **one.parameters))
        limits = 1 - curve(sampling_ratio=one.sampling_ratio, **one.parameters)["accuracy"]
        evidence += _evidence(one, limits.tolist(), rows)
        axis = np.linspace(0.1, 3, 59)
        limit = 1 - curve(sampling_ratio=axis, **one.parameters)["accuracy"]
        parts += [
            line("errors", one.loss, axis, limit),
            published("errors", one.loss, one.sampling_ratio, one.numbers()),
            simulated("errors", one.loss, one.sampling_ratio[1::2], rows),
        ]
    panel = {
        "xlabel": "samples per dimension  $n/p$",
        "ylabel": "test error",
        "xlim": (0, 3.1),
        "yscale": "log",
        "yticks": [0.02, 0.05, 0.1, 0.2, 0.3],
        "yticklabels": ["0.02", "0.05", "0.1", "0.2", "0.3"],
    }
    return Remade(tuple(evidence), points(*parts), {"errors": panel})


def _evidence(one: Curve, limits: Sequence[float], rows: Sequence[Any]) -> list[Evidence]:
    return [
        Evidence(
            f"{one.loss}, n/p = {ratio:.6g}: test error",
            limit,
            number,
            simulated=rows[i // 2] if i % 2 else None,
        )
        for i, (ratio, limit, number) in enumerate(
            zip(one.sampling_ratio, limits, one.numbers(), strict=True)
        )
    ]
