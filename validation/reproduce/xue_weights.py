"""Xue et al.: features before and after the head of a two-layer linear net.

After it sqrt(rho) phi/(phi^2 + sigma^2), before it the root of that: progressive feature weighting.
"""

from __future__ import annotations

import numpy as np

from asymptotics.layers.second_moments import Features
from validation.checks.layer_runs import LayerTraining, claimed_rows
from validation.checks.layers import theory_weights, train_layers, weight_claims
from validation.reproduce.points import line, points, published, simulated
from validation.reproduce.target import Claim, Effort, Evidence, Published, Remade

_STRENGTH = (0.5, 1.0, 2.0, 1.0, 1.0)
_NOISE = 0.5
_CORRELATION = (0.9, 0.9, 0.9, 0.5, 0.2)
_ROUNDING = 1e-9
_WEIGHT_ERROR = 0.01


def remake(effort: Effort) -> Remade:
    """Weights of five features: the formula, the optimum of the loss, trained networks."""
    features = Features(_STRENGTH, _NOISE, _CORRELATION)
    theory = theory_weights(features, 2, None, 0.0, 0.5)
    training = LayerTraining(networks=effort.networks)
    trained = train_layers(features, theory, 0.0, training, effort.run)
    rows = claimed_rows(
        weight_claims(features, theory), trained.claimed(theory), trained.steps, _WEIGHT_ERROR
    )
    after, before = rows[: len(_STRENGTH)], rows[len(_STRENGTH) :]
    numbers = _formula()
    evidence = [
        Evidence(
            f"feature {i + 1} (phi = {_STRENGTH[i]:g}, rho = {_CORRELATION[i]:g}): "
            f"weight {place} the head",
            row.theory,
            number,
            simulated=row,
        )
        for place, of_layer in (("before", before), ("after", after))
        for i, (row, number) in enumerate(zip(of_layer, numbers[place], strict=True))
    ]
    spread = {place: _spread(theory[layer]) for layer, place in enumerate(numbers)}
    claim = Claim(
        "features grow more unequal layer by layer", 1 < spread["before"] < spread["after"]
    )
    evidence.append(Evidence("largest over smallest weight after", spread["after"], claim=claim))
    index = np.arange(1.0, len(_STRENGTH) + 1)
    parts = [
        part
        for layer, (place, of_layer) in enumerate((("before", before), ("after", after)))
        for part in (
            line("weights", f"{place} the head", index, theory[layer]),
            published("weights", f"{place} the head", index.tolist(), numbers[place]),
            simulated("weights", f"{place} the head", index.tolist(), of_layer),
        )
    ]
    labels = [f"{phi:g}\n{rho:g}" for phi, rho in zip(_STRENGTH, _CORRELATION, strict=True)]
    panel = {
        "xlabel": r"feature: strength $\phi$, correlation of views $\rho$",
        "ylabel": "weight",
        "xticks": index.tolist(),
        "xticklabels": labels,
    }
    return Remade(tuple(evidence), points(*parts), {"weights": panel})


def _formula() -> dict[str, list[Published]]:
    phi, rho = np.array(_STRENGTH), np.array(_CORRELATION)
    weight = np.sqrt(rho) * phi / (phi**2 + _NOISE**2)
    return {
        "before": [Published(float(np.sqrt(w)), _ROUNDING, "sqrt(w)") for w in weight],
        "after": [
            Published(float(w), _ROUNDING, "w = sqrt(rho) phi/(phi^2 + sigma^2)") for w in weight
        ],
    }


def _spread(weights: np.ndarray) -> float:
    return float(np.max(weights) / np.min(weights))
