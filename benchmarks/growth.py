"""How the cost of an answer grows: with the size of the grid, the dimension, the number of
classes and the digits. The figure shows all four.
"""

from __future__ import annotations

import numpy as np

from asymptotics import limit, make_problem, multiclass_accuracy, projector
from benchmarks.points import parameters
from benchmarks.probes import sample
from benchmarks.rows import Row, best_of
from validation.probes import fit_probe

TITLE = "Growth"


def grid(quick: bool) -> list[Row]:
    """Seconds of a batch of points."""
    rows = []
    for loss in ("square", "logistic", "max-margin"):
        for count in (10, 100, 1000, 10_000) if quick else (10, 100, 1000, 10_000, 100_000):
            problem = make_problem(loss=loss, **parameters(loss, count))
            seconds, _ = best_of(lambda problem=problem: limit(problem))
            rows.append(
                Row(f"{count:,} points", f"grid, {loss}", seconds, "", f"grid:{loss}", count)
            )
    return rows


def dimension(quick: bool) -> list[Row]:
    """Seconds of 64 gains of the exact cosine objective, and of a max-margin fit at n = 2p."""
    rows = []
    grids = {
        "temperature": np.geomspace(0.05, 5, 8)[:, None],
        "augmentation": np.linspace(0.2, 2, 8),
    }
    for d in (5, 50, 500) if quick else (5, 20, 50, 200, 500, 2000, 5000):
        seconds, _ = best_of(lambda d=d: projector("cosine", signal=2.0, dimension=d, **grids), 1)
        size = "dimension, exact cosine gain of 64 points"
        rows.append(Row(f"d = {d}", size, seconds, "", "dimension:cosine gain, 64 points", d))
    for p in (125, 250, 500) if quick else (125, 250, 500, 1000, 2000):
        x, y = sample(2 * p, p)
        seconds, _ = best_of(lambda x=x, y=y: fit_probe("max-margin", x, y), 1)
        size = "dimension, max-margin fit at n = 2p"
        rows.append(Row(f"p = {p}", size, seconds, "", "dimension:max-margin fit, n = 2p", p))
    return rows


def classes(quick: bool) -> list[Row]:
    """Seconds of a probe of K classes at the vertices of a simplex."""
    rows = []
    for loss in ("square", "softmax"):
        for k in (2, 3, 5) if quick else range(2, 11):
            point = {"loss": loss, "classes": k, "signal": 2.0, "sampling_ratio": 3.0, "ridge": 0.1}
            seconds, _ = best_of(lambda point=point: multiclass_accuracy(**point), 1)
            rows.append(Row(f"K = {k}", f"classes, {loss}", seconds, "", f"classes:{loss}", k))
    return rows


def digits(quick: bool) -> list[Row]:
    """Seconds of a proof of that many digits; none without python-flint."""
    try:
        from asymptotics.certify import certify
    except ImportError:
        return []
    rows = []
    for loss in ("square", "logistic"):
        for count in (10, 20) if quick else (10, 20, 40, 80):
            point = {"loss": loss, "signal": 1.5, "sampling_ratio": 1.5, "ridge": 0.1, "gain": 2.0}
            seconds, _ = best_of(lambda p=point, c=count: certify(digits=c, **p), 1)
            row = Row(f"{count} digits", f"digits, {loss}", seconds, "", f"digits:{loss}", count)
            rows.append(row)
    return rows


def measure(quick: bool) -> list[Row]:
    """Rows of all four."""
    return [*grid(quick), *dimension(quick), *classes(quick), *digits(quick)]
