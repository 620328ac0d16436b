"""Gui, Ma and Zhong at R = 5, d = 50: the expansion measure over temperature and augmentation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.phase import PhaseDiagram, phase_diagram
from asymptotics.sweep import product_of_grids
from asymptotics.training import trained_gain
from validation.compare import Row
from validation.reproduce.gmz_thresholds import COLLAPSE, SETTING
from validation.reproduce.points import cells, line, mark, points, simulated
from validation.reproduce.simulation import log_gains
from validation.reproduce.target import Claim, Effort, Evidence, Remade

Array = NDArray[np.float64]

_AUGMENTATIONS = np.linspace(0.1, 1.0, 24)
_TEMPERATURES = np.geomspace(0.1, 10, 32)
_CUT = np.geomspace(0.1, 10, 61)
_TRAINED = {0.5: (1.0, 2.0), 0.7: (0.4, 1.0)}


def remake(effort: Effort) -> Remade:
    """The map of the exact loss, its cuts, and heads trained on the cuts."""
    diagram = phase_diagram(
        objective="cosine", temperature=_TEMPERATURES, augmentation=_AUGMENTATIONS, **SETTING
    )
    measure = diagram.cells("expansion-measure")
    cuts = {s: _expansion(_log_gain(s)) for s in COLLAPSE}
    evidence = [_regimes(measure), *(_rises(s, values) for s, values in cuts.items())]
    parts = [
        cells("map", r"$\mathrm{EM}$", *_flat(diagram), measure.ravel()),
        *(line("map", r"$\mathrm{EM} = 1$", b.x, b.y, "boundary") for b in diagram.boundaries),
    ]
    for sigma, values in cuts.items():
        name = rf"$\sigma = {sigma:g}$"
        parts.append(line("cuts", name, _CUT, values))
        if sigma in _TRAINED:
            at = _TRAINED[sigma]
            rows = log_gains(effort, augmentation=sigma, temperature=at, **SETTING)
            evidence += [
                Evidence(f"sigma = {sigma:g}, tau = {t:g}: log gain", row.theory, simulated=row)
                for t, row in zip(at, rows, strict=True)
            ]
            parts.append(simulated("cuts", name, at, [_as_measure(row) for row in rows]))
    parts.append(mark("cuts", r"published $\tau^*$", [n.value for n in COLLAPSE.values()]))
    return Remade(tuple(evidence), points(*parts), _PANELS)


_PANELS = {
    "map": {
        "xlabel": r"temperature  $\tau$",
        "ylabel": r"augmentation  $\sigma$",
        "xscale": "log",
        "title": "$R = 5$, $d = 50$",
    },
    "cuts": {
        "xlabel": r"temperature  $\tau$",
        "ylabel": r"expansion measure  $\mathrm{EM}$",
        "xscale": "log",
        "yscale": "log",
    },
}


def _flat(diagram: PhaseDiagram) -> tuple[Array, Array]:
    x, y = np.meshgrid(diagram.x, diagram.y)
    return x.ravel(), y.ravel()


def _regimes(measure: Array) -> Evidence:
    weak, strong = float(measure[0, 0]), float(measure[-1, -1])
    claim = Claim(
        "weak augmentation and low temperature shrink the signal, the opposite expands it",
        weak < 1 < strong,
    )
    return Evidence("EM at the weakest augmentation and lowest temperature", weak, claim=claim)


def _rises(augmentation: float, values: Array) -> Evidence:
    top = float(values[-1])
    claim = Claim(
        "along a cut EM rises with the temperature, up to d",
        bool(np.all(np.diff(values) > -1e-9) and top > 0.999 * SETTING["dimension"]),
    )
    return Evidence(f"sigma = {augmentation:g}: EM at tau = 10", top, claim=claim)


def _log_gain(augmentation: float) -> Array:
    grids, fixed = product_of_grids(
        {"temperature": _CUT, "augmentation": augmentation, "objective": "cosine"} | SETTING
    )
    return np.asarray(trained_gain(grids, fixed)["log_gain"])


def _expansion(log_gain: Any) -> Any:
    """EM = d a^2/(a^2 + d - 1), d where a is infinite."""
    d = SETTING["dimension"]
    return d / (1 + (d - 1) * np.exp(-2 * np.asarray(log_gain)))


def _as_measure(row: Row) -> Row:
    """EM out of log gain: d EM/d log a = 2 EM (1 - EM/d)."""
    if row.estimate is None:
        return row
    measure = float(_expansion(row.estimate.value))
    slope = 2 * measure * (1 - measure / SETTING["dimension"])
    estimate = replace(
        row.estimate, value=measure, standard_error=slope * row.estimate.standard_error
    )
    return replace(row, quantity="expansion_measure", estimate=estimate)
