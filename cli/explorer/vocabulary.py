"""What the page can move: parameters with their symbols, and the ranges of their sliders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from asymptotics.contrastive.objectives import OBJECTIVES
from asymptotics.probes import PROBES

# beside the objectives: the head has the gain of its slider
NO_OBJECTIVE = "none"

# what the phase diagram can show (asymptotics.phase.QUANTITIES), in the page's words
QUANTITIES = {
    "expansion-measure": "expansion measure",
    "accuracy-gained": "accuracy gained by the head",
    "accuracy-after": "accuracy after the head",
}


@dataclass(frozen=True)
class Parameter:
    """A number of the state: its option name in snake case, and its slider (`start` at first)."""

    name: str
    symbol: str
    meaning: str
    low: float
    high: float
    start: float
    log: bool = False


PARAMETERS: Mapping[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("signal", "R", "signal, half the distance of the class means", 0.1, 6, 2),
        Parameter("sampling_ratio", "n/p", "samples per dimension", 0.1, 20, 2, log=True),
        Parameter("ridge", "λ", "ridge", 1e-4, 10, 0.1, log=True),
        Parameter("prior", "π", "class prior P(y = 1)", 0.05, 0.95, 0.5),
        Parameter("gain", "a", "gain of the head along the signal", 0.05, 20, 1, log=True),
        Parameter("temperature", "τ", "temperature", 0.01, 20, 0.5, log=True),
        Parameter("augmentation", "σ", "augmentation, deviation of the noise", 0.05, 3, 1),
        Parameter("dimension", "d", "dimension in the objective", 2, 500, 50, log=True),
    )
}


def vocabulary() -> dict[str, Any]:
    """What the page builds its controls from, ready for JSON."""
    return {
        "parameters": [
            asdict(parameter) | {"name": parameter.name.replace("_", "-")}
            for parameter in PARAMETERS.values()
        ],
        "losses": [{"name": probe.name, "meaning": probe.summary} for probe in PROBES.values()],
        "objectives": [{"name": NO_OBJECTIVE, "meaning": "the gain is that of its slider"}]
        + [{"name": entry.name, "meaning": entry.summary} for entry in OBJECTIVES.values()],
        "quantities": [{"name": name, "meaning": text} for name, text in QUANTITIES.items()],
    }
