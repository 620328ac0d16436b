"""Rows of theory and simulation for a target, by the checks of `validation.checks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from asymptotics.sweep import product_of_grids
from validation.checks.probe import accuracy_row, predict, probe_tasks, simulate
from validation.checks.projector import Training, gain_rows, predict_gain, train_heads
from validation.compare import FiniteSize, Row
from validation.reproduce.target import Effort

# largest standard errors that count
ACCURACY_ERROR = 0.01
GAIN_ERROR = 0.06


def accuracies(effort: Effort, **parameters: Any) -> list[Row]:
    """A row a point of the grids in `parameters` (those of `asymptotics.curve`): its accuracy."""
    given, fixed = product_of_grids(parameters)
    predictions = predict(given, fixed)
    found = simulate(
        predictions, probe_tasks(given, fixed), effort.dimensions, effort.trials, effort.run
    )
    return [
        accuracy_row(prediction, result, effort.dimensions, ACCURACY_ERROR)
        for prediction, result in zip(predictions, found, strict=True)
    ]


def errors(rows: Sequence[Row]) -> list[Row]:
    """Accuracies as test errors."""
    return [
        replace(
            row,
            quantity="test_error",
            theory=1 - row.theory,
            estimate=row.estimate and replace(row.estimate, value=1 - row.estimate.value),
            finite=tuple(_error(size) for size in row.finite),
        )
        for row in rows
    ]


def _error(size: FiniteSize) -> FiniteSize:
    return replace(size, mean=1 - size.mean)


def log_gains(effort: Effort, **parameters: Any) -> list[Row]:
    """A row a point: log gain of heads trained on the cosine loss, from small batches up."""
    given, fixed = product_of_grids({"objective": "cosine"} | parameters)
    training = Training(heads=effort.heads, batch_size=32, max_pairs=2**17)
    found = train_heads(given, fixed, training, GAIN_ERROR, effort.run)
    return gain_rows(predict_gain(given, fixed), found, GAIN_ERROR)
