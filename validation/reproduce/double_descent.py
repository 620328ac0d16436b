"""Double descent of least squares: its minimum-norm solution, and the peak at n = p.

Hastie et al. for regression, Deng et al. for classification: error against p/n.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from asymptotics.sweep import curve
from validation.reproduce.points import line, mark, points, simulated
from validation.reproduce.simulation import accuracies, errors
from validation.reproduce.target import Claim, Effort, Evidence, Published, Remade

_SIGNAL = 2.0
_RIDGE = 0.1
_OVER = (0.25, 0.5, 0.7)
_UNDER = (1.5, 2.0, 4.0)
_INTERPOLATION = Published(1.0, 1e-9, "Hastie et al.: the risk diverges at n = p")


def remake(effort: Effort) -> Remade:
    """The two branches over p/n, with a ridge beside them."""
    ratio = np.concatenate([1 - np.geomspace(0.9, 1e-4, 60), 1 + np.geomspace(1e-4, 19, 80)])
    over, under = ratio > 1, ratio < 1
    error = np.empty(ratio.size)
    rows = []
    for loss, where, at in (("min-norm", over, _OVER), ("least-squares", under, _UNDER)):
        table = curve(loss=loss, signal=_SIGNAL, sampling_ratio=1 / ratio[where])
        error[where] = 1 - table["accuracy"]
        rows += errors(accuracies(effort, loss=loss, signal=_SIGNAL, sampling_ratio=at))
    ridge: dict[str, Any] = {"loss": "square", "signal": _SIGNAL, "ridge": _RIDGE}
    smooth = 1 - curve(sampling_ratio=1 / ratio, **ridge)["accuracy"]
    (ridged,) = errors(accuracies(effort, sampling_ratio=1.0, **ridge))
    simulated_at = [*_OVER, *_UNDER]
    evidence = [
        *_findings(ratio, error, float(table["threshold"][0])),
        *(
            Evidence(f"p/n = {1 / x:.3g}: test error", row.theory, simulated=row)
            for x, row in zip(simulated_at, rows, strict=True)
        ),
        Evidence(
            f"p/n = 1, ridge {_RIDGE}: test error",
            ridged.theory,
            claim=Claim(
                "a ridge removes the peak", bool(np.max(smooth[np.abs(ratio - 1) < 0.5]) < 0.2)
            ),
            simulated=ridged,
        ),
    ]
    name = "least squares, minimum norm"
    return Remade(
        tuple(evidence),
        points(
            line("errors", name, ratio, error),
            line("errors", rf"ridge $\lambda = {_RIDGE}$", ratio, smooth),
            simulated("errors", name, [1 / x for x in simulated_at], rows),
            simulated("errors", rf"ridge $\lambda = {_RIDGE}$", [1.0], [ridged]),
            mark("errors", "$n = p$", 1.0),
        ),
        {
            "errors": {
                "xlabel": "dimensions per sample  $p/n$",
                "ylabel": "test error",
                "xscale": "log",
                "title": f"$R = {_SIGNAL:g}$",
            }
        },
    )


def _findings(ratio: Any, error: Any, threshold: float) -> list[Evidence]:
    """Where the two branches part, the peak between them, and the second descent."""
    beyond = ratio > 1
    lowest = int(np.argmin(error[beyond]))
    peak = Claim("the error peaks at n = p", bool(abs(ratio[np.argmax(error)] - 1) < 0.01))
    descent = Claim(
        "beyond the peak the error falls again as p/n grows",
        bool(lowest > 0 and error[beyond][lowest] < 0.5 * error[beyond][0]),
    )
    return [
        Evidence("n/p at which least squares interpolates", threshold, _INTERPOLATION),
        Evidence("test error next to n = p", float(np.max(error)), claim=peak),
        Evidence(
            f"lowest test error beyond the peak, at p/n = {ratio[beyond][lowest]:.2g}",
            float(error[beyond][lowest]),
            claim=descent,
        ),
    ]
