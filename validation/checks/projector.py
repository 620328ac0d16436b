"""The gain of the exact theory against heads that are trained on batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.sweep import product_of_grids
from asymptotics.training import GAIN_NOT_CONVERGED, trained_gain
from validation.checks.head_trial import TRAINABLE, head_trial
from validation.checks.prediction import Prediction, point_at
from validation.checks.run import Run
from validation.compare import Comparison, FiniteSize, Row, compare
from validation.estimate import Estimate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Training:
    """How heads are trained for a check.

    heads: independent ones a point. batch_size: the smallest; twice and four times that are run
    too. max_pairs: budget of each head and batch size. backend, precision: see
    `validation.backends.find_backend`.
    """

    heads: int = 8
    batch_size: int = 64
    max_pairs: int = 2**20
    backend: str = "numpy"
    precision: str = "float64"


def validate_projector(
    *,
    training: Training | None = None,
    gain_error: float = 0.02,
    level: float = 0.01,
    run: Run | None = None,
    **parameters: Any,
) -> Comparison:
    """Log gain that gradient flow from W = I reaches, against trained heads.

    parameters: objective (cosine by default, inner-product, spectral), signal, augmentation,
    temperature, dimension, views; lists are grids. gain_error: largest standard error of log gain
    that counts. level: as in `validate_probe`. Raises InvalidInput.
    """
    points, fixed = product_of_grids({"objective": "cosine"} | parameters)
    training = Training() if training is None else training
    run = Run() if run is None else run
    theory = predict_gain(points, fixed)
    found = train_heads(points, fixed, training, gain_error, run)
    rows = gain_rows(theory, found, gain_error)
    return compare(rows, level=level, config=parameters)


def predict_gain(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> list[Prediction]:
    """The log gain that gradient flow from W = I reaches, at flat points."""
    if fixed["objective"] not in TRAINABLE:
        raise InvalidInput(
            f"objective must be one that a batch trains ({', '.join(TRAINABLE)}), "
            f"got {fixed['objective']!r}"
        )
    columns = trained_gain(points, fixed)
    with np.errstate(divide="ignore"):
        log_gain = np.log(columns["gain_from_identity"])
    found = columns["converged"] & np.isfinite(log_gain)
    faults = np.where(np.isposinf(log_gain), "collapse", GAIN_NOT_CONVERGED)
    return [
        Prediction(
            point_at(points, i),
            "log_gain",
            float(log_gain[i]) if found[i] else np.nan,
            np.nan,
            None if found[i] else str(faults[i]),
        )
        for i in range(log_gain.size)
    ]


def train_heads(
    points: Mapping[str, Array],
    fixed: Mapping[str, Any],
    training: Training,
    gain_error: float,
    run: Run,
) -> list[dict[str, Any]]:
    """What `head_trial` returns at each point; equal points are trained once."""
    given = {**fixed, **points}
    names = ("signal", "augmentation", "temperature", "dimension")
    size = next(iter(points.values())).size
    shared = {
        "objective": given["objective"],
        "views": given.get("views", 2),
        "heads": training.heads,
        "batch_size": training.batch_size,
        "gain_error": gain_error,
        "max_pairs": training.max_pairs,
        "backend": training.backend,
        "precision": training.precision,
    }
    calls = [
        shared | {n: None if given.get(n) is None else float(given[n][i]) for n in names}
        for i in range(size)
    ]
    if any(call["dimension"] != int(call["dimension"]) for call in calls):
        raise InvalidInput("dimension must be a whole number where heads are trained")
    return run.tasks("training heads", head_trial, calls)


def gain_rows(
    theory: Sequence[Prediction], found: Sequence[Mapping[str, Any]], gain_error: float
) -> list[Row]:
    """A row ``log_gain`` a point."""
    return [
        Row(
            prediction.point,
            prediction.quantity,
            prediction.value,
            estimate_of(measured),
            gain_error,
            finite=_by_batch_size(measured),
            fault=prediction.fault or fault_of(measured),
        )
        for prediction, measured in zip(theory, found, strict=True)
    ]


def _by_batch_size(measured: Mapping[str, Any]) -> tuple[FiniteSize, ...]:
    names = ("batch_sizes", "means", "standard_errors")
    columns = (measured.get(name, ()) for name in names)
    return tuple(
        FiniteSize(size, mean, error, measured["num_trials"])
        for size, mean, error in zip(*columns, strict=True)
    )


def fault_of(measured: Mapping[str, Any]) -> str | None:
    """Why the measured gain cannot be judged, None if it can."""
    return None if measured["status"] == "converged" else measured["status"]


def estimate_of(measured: Mapping[str, Any]) -> Estimate | None:
    """The measured log gain, None where training diverged."""
    if "log_gain" not in measured:
        return None
    names = ("log_gain", "standard_error", "degrees_of_freedom")
    return Estimate(*(measured[name] for name in names))
