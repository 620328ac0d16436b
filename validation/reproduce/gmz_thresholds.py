"""Gui, Ma and Zhong at R = 5, d = 50: the temperatures of collapse, and those of EM = 1.

tau* = 2 R^2/[(R^2 + D) log(1 + 2 sigma^2)], D = 1 + sigma^2, in the limit of a large signal.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from asymptotics.crossings import Cells, crossings_along
from asymptotics.training import trained_gain
from validation.compare import Row
from validation.reproduce.points import line, points, published, simulated
from validation.reproduce.simulation import log_gains
from validation.reproduce.target import Claim, Effort, Evidence, Published, Remade

SETTING: dict[str, Any] = {"signal": 5.0, "dimension": 50.0}
_WHERE = "heat map at R = 5, d = 50, read off to 1%"
COLLAPSE = {
    sigma: Published(value, 0.01 * value, _WHERE)
    for sigma, value in ((0.4, 6.82), (0.5, 4.70), (0.6, 3.50), (0.7, 2.77))
}
_TRAINED = (0.5, 0.6, 0.7)


def remake(effort: Effort) -> Remade:
    """Both temperatures against the augmentation; heads trained where the theory says EM = 1."""
    large = {s: _turns("cosine-large-signal", s, "collapse") for s in COLLAPSE}
    rows = _trained(effort)
    axis = np.linspace(0.3, 0.8, 26)
    collapse = [_turns("cosine-large-signal", float(s), "collapse") for s in axis]
    approximate = [_turns("cosine-large-signal", float(s), "em_one") for s in axis]
    exact_axis = axis[::5]
    exact = [_turns("cosine", float(s), "em_one") for s in exact_axis]
    names = {"collapse": r"collapse $\tau^*$, large signal", "one": r"$\mathrm{EM} = 1$, exact"}
    return Remade(
        (
            *(
                Evidence(f"sigma = {s:g}: collapse temperature", large[s], number)
                for s, number in COLLAPSE.items()
            ),
            *(_saturation(s) for s in COLLAPSE),
            *(
                Evidence(f"sigma = {s:g}: temperature of EM = 1", row.theory, simulated=row)
                for s, row in zip(_TRAINED, rows, strict=True)
            ),
        ),
        points(
            line("temperatures", names["collapse"], axis, collapse),
            line("temperatures", names["one"], exact_axis, exact),
            line("temperatures", r"$\mathrm{EM} = 1$, large signal", axis, approximate),
            published("temperatures", names["collapse"], list(COLLAPSE), list(COLLAPSE.values())),
            simulated("temperatures", names["one"], _TRAINED, rows),
        ),
        {
            "temperatures": {
                "xlabel": r"augmentation  $\sigma$",
                "ylabel": r"temperature  $\tau$",
                "yscale": "log",
                "title": "$R = 5$, $d = 50$",
            }
        },
    )


def _turns(objective: str, augmentation: float, level: str) -> float:
    """The temperature at which training crosses `level`: em_one or collapse."""
    cells = Cells(SETTING | {"objective": objective, "augmentation": augmentation})
    (found,) = crossings_along(cells, "temperature", np.geomspace(0.1, 40, 41))[level]
    return float(found)


def _saturation(augmentation: float) -> Evidence:
    """The exact loss at d = 50 has no sharp collapse; its EM reaches d about the same place."""
    place = COLLAPSE[augmentation].value
    temperature = place * np.array([0.5, 1.03])
    grids = {
        "temperature": temperature,
        "augmentation": np.full(2, augmentation),
        **{name: np.full(2, value) for name, value in SETTING.items()},
    }
    share = trained_gain(grids, {"objective": "cosine"})["expansion_measure"] / SETTING["dimension"]
    claim = Claim("beyond tau* the signal takes all", bool(share[0] < 0.6 and share[1] > 0.999))
    return Evidence(
        f"sigma = {augmentation:g}: EM/d at 1.03 tau*, exact loss", share[1], claim=claim
    )


def _trained(effort: Effort) -> list[Row]:
    """The temperature of EM = 1 out of the log gain measured at the theory's, by its slope."""
    rows = []
    for sigma in _TRAINED:
        place = _turns("cosine", sigma, "em_one")
        (row,) = log_gains(effort, augmentation=sigma, temperature=place, **SETTING)
        rows.append(_as_temperature(row, place, _slope(sigma, place)))
    return rows


def _slope(augmentation: float, temperature: float) -> float:
    """d log a/d tau."""
    step = 0.01 * temperature
    grids: dict[str, Any] = {
        "temperature": temperature + step * np.array([-1.0, 1.0]),
        "augmentation": np.full(2, augmentation),
        **{name: np.full(2, value) for name, value in SETTING.items()},
    }
    below, above = trained_gain(grids, {"objective": "cosine"})["log_gain"]
    return float((above - below) / (2 * step))


def _as_temperature(row: Row, place: float, slope: float) -> Row:
    estimate = row.estimate and replace(
        row.estimate,
        value=place - row.estimate.value / slope,
        standard_error=row.estimate.standard_error / abs(slope),
    )
    return replace(
        row, theory=place, estimate=estimate, max_standard_error=row.max_standard_error / abs(slope)
    )
