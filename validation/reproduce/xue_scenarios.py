"""Xue et al.: where representations before the head are the better ones.

The feature that carries the label is disrupted by augmentation, too weak or too strong in
pre-training; otherwise the head helps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from asymptotics.layers.second_moments import Features
from asymptotics.layers.verdict import Network, layer_limits
from validation.checks.layer_probes import layer_probe_trial
from validation.checks.layer_runs import feature_parameters
from validation.checks.prediction import Prediction
from validation.checks.probe import accuracy_row
from validation.compare import Row
from validation.estimate import combine
from validation.finite_size import extrapolate
from validation.reproduce.points import line, points, simulated
from validation.reproduce.simulation import ACCURACY_ERROR
from validation.reproduce.target import Claim, Effort, Evidence, Remade

_NOISE = 0.5
_BACKGROUND = {"strength": [1.0] * 3, "correlation": [0.8] * 3}
_PROBE: dict[str, Any] = {"loss": "logistic", "sampling_ratio": 4.0, "ridge": 0.1}
_LAYERS = {1: "before", 2: "after"}


@dataclass(frozen=True)
class Scenario:
    """The label's feature: its strength and its correlation across views."""

    name: str
    strength: float
    correlation: float
    after_is_better: bool

    def features(self) -> Features:
        """Four kinds in equal numbers, the first with the label's feature."""
        return Features(
            [self.strength, *_BACKGROUND["strength"]],
            _NOISE,
            [self.correlation, *_BACKGROUND["correlation"]],
        )


SCENARIOS = (
    Scenario("neither disrupted nor weak nor strong", 0.5, 1.0, True),
    Scenario("disrupted", 0.5, 0.2, False),
    Scenario("too weak", 0.15, 1.0, False),
    Scenario("too strong", 2.0, 1.0, False),
)


def remake(effort: Effort) -> Remade:
    """Accuracies before and after the head in four scenarios, and along both parameters."""
    evidence: list[Evidence] = []
    found = []
    for scenario in SCENARIOS:
        rows = [_measure(effort, scenario, layer) for layer in _LAYERS]
        found.append(rows)
        gained = _difference(*rows)
        words = "after" if scenario.after_is_better else "before"
        claim = Claim(
            f"{scenario.name}: the representation {words} the head is better",
            (gained.theory > 0) is scenario.after_is_better,
        )
        evidence += [
            Evidence(f"{scenario.name}: accuracy {place} the head", row.theory, simulated=row)
            for place, row in zip(_LAYERS.values(), rows, strict=True)
        ]
        evidence.append(
            Evidence(
                f"{scenario.name}: accuracy gained by the head",
                gained.theory,
                claim=claim,
                simulated=gained,
            )
        )
    return Remade(tuple(evidence), points(*_parts(found)), _PANELS)


_PANELS: dict[str, dict[str, Any]] = {
    "correlation": {
        "xlabel": r"correlation of the views  $\rho$",
        "ylabel": "test accuracy",
        "title": r"disrupted: strength $\phi = 0.5$",
    },
    "strength": {
        "xlabel": r"strength  $\phi$",
        "ylabel": "accuracy gained by the head",
        "xscale": "log",
        "xticks": [0.1, 0.3, 1, 3],
        "xticklabels": ["0.1", "0.3", "1", "3"],
        "title": r"too weak, too strong: $\rho = 1$",
    },
}


def _parts(found: list[list[Row]]) -> list[dict[str, Any]]:
    """Both layers along rho, and their difference along phi, where it is small."""
    correlations, strengths = np.linspace(0.02, 1, 40), np.geomspace(0.1, 3, 40)
    limits = _limits([Scenario("", 0.5, float(rho), True) for rho in correlations])
    parts = []
    for index, (layer, place) in enumerate(_LAYERS.items()):
        rows = [found[k][index] for k in (0, 1)]
        at = [SCENARIOS[k].correlation for k in (0, 1)]
        parts += [
            line("correlation", f"{place} the head", correlations, limits[layer]),
            simulated("correlation", f"{place} the head", at, rows),
        ]
    _, before, after = _limits([Scenario("", float(phi), 1.0, True) for phi in strengths])
    undisrupted = (0, 2, 3)
    gained = [_difference(*found[k]) for k in undisrupted]
    return [
        *parts,
        line("strength", "after minus before", strengths, after - before),
        simulated(
            "strength", "after minus before", [SCENARIOS[k].strength for k in undisrupted], gained
        ),
        line("strength", "no difference", strengths, np.zeros(strengths.size), "boundary"),
    ]


def _limits(scenarios: list[Scenario]) -> np.ndarray:
    """(layers, scenarios)."""
    limits = [layer_limits(s.features(), 0, Network(), **_PROBE) for s in scenarios]
    return np.array([[float(layer.accuracy) for layer in of] for of in limits]).T


def _measure(effort: Effort, scenario: Scenario, layer: int) -> Row:
    """Accuracy of probes fitted to samples behind the layer's weights."""
    features = scenario.features()
    weights = Network().optimum(features).layer(layer)
    # multiples of the four kinds
    dimensions = [4 * (p // 4) for p in effort.dimensions]
    calls = [
        {
            "features": feature_parameters(features),
            "weights": weights.tolist(),
            "label": 0,
            "dimension": p,
            "trial": trial,
            **_PROBE,
        }
        for p in dimensions
        for trial in range(effort.trials)
    ]
    values = effort.run.tasks("fitting probes", layer_probe_trial, calls)
    faults = [value for value in values if isinstance(value, str)]
    by_dimension = np.reshape(values, (len(dimensions), effort.trials))
    found = faults[0] if faults else extrapolate(dimensions, list(by_dimension))
    theory = float(_limits([scenario])[layer, 0])
    prediction = Prediction({}, "accuracy", theory, np.nan, None)
    return accuracy_row(prediction, found, dimensions, ACCURACY_ERROR)


def _difference(before: Row, after: Row) -> Row:
    """What the head gains; independent samples on both sides."""
    pair = [row.estimate for row in (before, after) if row.estimate is not None]
    return Row(
        {},
        "accuracy_gained",
        after.theory - before.theory,
        combine([-1.0, 1.0], pair) if len(pair) == 2 else None,
        ACCURACY_ERROR,
        fault=before.fault or after.fault,
    )
