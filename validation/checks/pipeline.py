"""The whole chain against its simulation: train heads, measure their gain, fit probes behind them.

Theory and simulation start from the same (temperature, augmentation, signal, dimension) and share
nothing on the way:

    theory        tau, sigma, R, d  ->  a                       ->  A(a)
    simulation    tau, sigma, R, d  ->  trained heads: a_m      ->  fits behind W_{a_m}: A_m

A_m is compared with A(a), not with A(a_m), which would test the probe alone. The error of a_m
reaches A_m through the slope of the accuracy (equation 8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.limits import Limit, limit
from asymptotics.sweep import make_problem, product_of_grids
from asymptotics.training import share_before
from validation.checks.prediction import Prediction, by_point
from validation.checks.probe import (
    accuracy_row,
    check_trials,
    choose_dimensions,
    probe_tasks,
    simulate,
)
from validation.checks.projector import (
    Training,
    fault_of,
    gain_rows,
    predict_gain,
    train_heads,
)
from validation.checks.run import Run
from validation.compare import Comparison, Row, compare
from validation.estimate import Estimate, combine

Array = NDArray[np.float64]

_OF_PROBE = {
    "signal",
    "loss",
    "sampling_ratio",
    "ridge",
    "ridge_convention",
    "num_samples",
    "prior",
    "intercept",
}


def validate_pipeline(
    *,
    training: Training | None = None,
    probe_dimensions: Sequence[int] | None = None,
    trials: int = 100,
    gain_error: float = 0.02,
    accuracy_error: float = 0.002,
    level: float = 0.01,
    run: Run | None = None,
    **parameters: Any,
) -> Comparison:
    """Rows ``log_gain``, ``accuracy_before`` and ``accuracy_after`` of trained heads.

    parameters: those of `validate_projector` and of the probe (loss, sampling_ratio, ridge,
    intercept, prior, encoder, depth); lists are grids. The other arguments are as in
    `validate_probe` and `validate_projector`. Raises InvalidInput.
    """
    points, fixed = product_of_grids({"objective": "cosine"} | parameters)
    run = Run() if run is None else run
    training = Training() if training is None else training
    tasks = probe_tasks(points, fixed)
    dimensions = choose_dimensions(probe_dimensions, tasks)
    check_trials(trials)
    gains = predict_gain(points, fixed)
    theory = {
        quantity: _accuracies(points, fixed, quantity, power, gains)
        for quantity, power in _powers(fixed).items()
    }
    measured = train_heads(points, fixed, training, gain_error, run)
    rows = gain_rows(gains, measured, gain_error)
    # the probes find the results of the training in their store
    run = replace(run, resume=True)
    for quantity, power in _powers(fixed).items():
        predictions = _behind_measured(theory[quantity], measured, power)
        found = simulate(predictions, tasks, dimensions, trials, run)
        fitted = [
            accuracy_row(prediction, result, dimensions, accuracy_error)
            for prediction, result in zip(predictions, found, strict=True)
        ]
        rows += _with_errors_of_gain(fitted, points, fixed, power, measured)
    return compare(by_point(rows, len(tasks)), level=level, config=parameters)


def predict_pipeline(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> list[Prediction]:
    """The theory of every row, from the parameters of training and probe alone."""
    gains = predict_gain(points, fixed)
    rows = list(gains)
    for quantity, power in _powers(fixed).items():
        rows += _accuracies(points, fixed, quantity, power, gains)
    return by_point(rows, len(gains))


def _powers(fixed: Mapping[str, Any]) -> dict[str, float]:
    """Of the head's gain, that the probe sees."""
    return {"accuracy_before": share_before(fixed), "accuracy_after": 1.0}


def _limits(points: Mapping[str, Array], fixed: Mapping[str, Any], log_gain: Array) -> Limit:
    """The theory's limits behind heads of these log gains."""
    given = {name: value for name, value in {**fixed, **points}.items() if name in _OF_PROBE}
    return limit(make_problem(**given, gain=np.exp(log_gain)))


def _accuracies(
    points: Mapping[str, Array],
    fixed: Mapping[str, Any],
    quantity: str,
    power: float,
    gains: Sequence[Prediction],
) -> list[Prediction]:
    """A(a^power) at the theory's gain a."""
    known = np.array([power == 0 or gain.fault is None for gain in gains])
    log_gain = power * np.nan_to_num([gain.value for gain in gains])
    found = _limits(points, fixed, log_gain)
    return [
        Prediction(
            gain.point,
            quantity,
            float(found.accuracy[i]) if known[i] else np.nan,
            float(np.exp(log_gain[i])),
            gain.fault if not known[i] else None if found.converged[i] else str(found.status[i]),
        )
        for i, gain in enumerate(gains)
    ]


def _behind_measured(
    predictions: Sequence[Prediction], measured: Sequence[Mapping[str, Any]], power: float
) -> list[Prediction]:
    """The same theory, to be simulated behind heads of the measured gain."""
    if power == 0:
        return list(predictions)
    return [
        replace(
            prediction,
            gain=float(np.exp(power * m.get("log_gain", np.nan))),
            fault=prediction.fault or fault_of(m),
        )
        for prediction, m in zip(predictions, measured, strict=True)
    ]


def _with_errors_of_gain(
    rows: Sequence[Row],
    points: Mapping[str, Array],
    fixed: Mapping[str, Any],
    power: float,
    measured: Sequence[Mapping[str, Any]],
) -> list[Row]:
    """Rows whose standard error includes that of the measured gain (equation 8).

    s^2 = s_fits^2 + [(A(a_m e^s) - A(a_m e^-s))/2]^2, s the standard error of log a_m.
    """
    if power == 0:
        return list(rows)
    x, s = (np.array([m.get(k, 0.0) for m in measured]) for k in ("log_gain", "standard_error"))
    above, below = (_limits(points, fixed, power * (x + sign * s)).accuracy for sign in (1, -1))
    widened = []
    for row, error, m in zip(rows, np.abs(above - below) / 2, measured, strict=True):
        if row.estimate is not None:
            gain = Estimate(0.0, float(error), m["degrees_of_freedom"])
            row = replace(row, estimate=combine([1, 1], [row.estimate, gain]))
        widened.append(row)
    return widened
