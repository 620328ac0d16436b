"""Pretrained heads against the exact minimiser on sampled pairs, extrapolated in 1/p."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.conventions import mean_ridge
from asymptotics.pretraining.table import pretraining_curve, product
from asymptotics.table import Table
from validation.checks.prediction import Prediction, point_at
from validation.checks.probe import accuracy_row, check_trials
from validation.checks.run import Run
from validation.compare import Comparison, Row, compare
from validation.finite_size import Extrapolation, check_dimensions, extrapolate
from validation.pretraining import QUANTITIES, pretraining_trial

Array = NDArray[np.float64]

PRETRAINING_DIMENSIONS = (100, 200, 400)


def validate_pretraining(
    *,
    dimensions: Sequence[int] = PRETRAINING_DIMENSIONS,
    trials: int = 100,
    max_standard_error: float = 0.02,
    level: float = 0.01,
    run: Run | None = None,
    **parameters: Any,
) -> Comparison:
    """`asymptotics.pretraining.table.pretraining_curve` against simulation.

    parameters: as of `pretraining_curve`. Quantities: the first output's squared overlap with
    muhat, its eigenvalue (where it is isolated: the edge of a bulk is approached like p^{-2/3}),
    the expansion measure, with a loss the accuracy after the head, and that before it where the
    encoder is balanced. Close to a transition the bias is not linear in 1/p: expect rows that say
    so, or use larger dimensions. Raises InvalidInput.
    """
    sizes = tuple(sorted(int(p) for p in check_dimensions(dimensions)))
    check_trials(trials)
    points, fixed = product(parameters)
    theory = pretraining_curve(**parameters)
    calls = [
        {**_task(points, fixed, i), "dimensions": list(sizes), "trial": t}
        for i in range(len(theory))
        for t in range(trials)
    ]
    run = Run() if run is None else run
    results = iter(run.tasks("training heads", pretraining_trial, calls))
    rows: list[Row] = []
    for i in range(len(theory)):
        trained = [next(results) for _ in range(trials)]
        for column, prediction in enumerate(_predictions(points, theory, i)):
            if prediction is not None:
                found = _limit_of(prediction, trained, column, sizes)
                rows.append(accuracy_row(prediction, found, sizes, max_standard_error))
    return compare(rows, level=level, config=parameters)


def _task(points: Mapping[str, Array], fixed: Mapping[str, Any], i: int) -> dict[str, Any]:
    """What `pretraining_trial` needs at one point, but for the dimensions and the trial."""
    at = point_at(points, i)
    names = ("signal", "augmentation", "pretraining_ratio")
    task: dict[str, Any] = {name: at[name] for name in names}
    task["output_fraction"] = at.get("output_fraction", 1.0)
    task["encoder"] = fixed.get("encoder") or "fixed"
    task["probe"] = None
    if fixed.get("loss") is not None:
        ridge, convention = at.get("ridge"), fixed.get("ridge_convention", "mean")
        if ridge is not None:
            samples = at.get("num_samples")
            ridge = float(mean_ridge(ridge, convention, at["sampling_ratio"], samples))
        task["probe"] = {
            "loss": fixed["loss"],
            "ridge": ridge,
            "sampling_ratio": at["sampling_ratio"],
            "prior": at.get("prior", 0.5),
            "intercept": bool(fixed.get("intercept", False)),
        }
    return task


def _predictions(points: Mapping[str, Array], theory: Table, i: int) -> list[Prediction | None]:
    """What theory says of `QUANTITIES` at one point; None where it is not compared."""
    isolated = theory["learned"][i] and points["pretraining_ratio"][i] > 1
    balanced = theory.config.get("encoder") == "balanced"
    values = [
        theory["overlap"][i] ** 2,
        theory["eigenvalue"][i] if isolated else None,
        theory["expansion_measure"][i],
        theory["accuracy_after"][i] if "accuracy_after" in theory.columns else None,
        theory["accuracy_before"][i] if "accuracy_before" in theory.columns and balanced else None,
    ]
    faults = [None if v is None or np.isfinite(v) else str(theory["status"][i]) for v in values]
    return [
        None if v is None else Prediction(point_at(points, i), name, float(v), np.nan, fault)
        for name, v, fault in zip(QUANTITIES, values, faults, strict=True)
    ]


def _limit_of(
    prediction: Prediction,
    trained: Sequence[Sequence[Sequence[float | str]]],
    column: int,
    sizes: Sequence[int],
) -> Extrapolation | str:
    """One quantity's trials, (trials, sizes), extrapolated; or why there is no estimate."""
    if prediction.fault is not None:
        return prediction.fault
    measured = [[at[column] for at in trial] for trial in trained]
    faults = [value for trial in measured for value in trial if isinstance(value, str)]
    if faults:
        return faults[0]
    return extrapolate(sizes, list(np.array(measured, dtype=float).T))
