"""The limiting accuracy of a K-class probe against certified fits at three or more dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.multiclass.limits import multiclass_limit
from asymptotics.multiclass.mixture import MulticlassMixture
from asymptotics.multiclass.problem import MulticlassProblem
from asymptotics.multiclass.sweep import multiclass_grid, multiclass_problem
from validation.checks.prediction import Prediction
from validation.checks.probe import accuracy_row, check_trials
from validation.checks.run import Run
from validation.compare import Comparison, compare
from validation.finite_size import Extrapolation, check_dimensions, extrapolate
from validation.multiclass.data import classes_at_dimension
from validation.multiclass.fits import fit_multiclass

MULTICLASS_DIMENSIONS = (60, 120, 240)


def multiclass_trial(
    rng: np.random.Generator,
    *,
    mixture: Mapping[str, Any],
    loss: str,
    ridge: float | None,
    intercept: bool,
    sampling_ratio: float,
    dimensions: Sequence[int],
    trial: int,
) -> list[list[list[float]] | str]:
    """The confusion matrix of a probe fitted to n = sampling_ratio p samples, for each p.

    Where a sample has no fit, the reason stands in its place.

    mixture: the fields of `MulticlassMixture` behind the head, as lists; `trial` only names the
    random numbers. n is rounded at random, so that its mean is sampling_ratio p.
    """
    law = MulticlassMixture(**{name: np.asarray(value) for name, value in mixture.items()})
    found: list[list[list[float]] | str] = []
    for p in dimensions:
        features = classes_at_dimension(law, p)
        sample, labels = features.draw(int(np.floor(sampling_ratio * p + rng.random())), rng)
        try:
            fit = fit_multiclass(loss, sample, labels, law.classes, ridge, intercept)
        except InvalidInput:
            found.append("a class has no sample")
            continue
        except NotConverged:
            found.append("a fit did not converge")
            continue
        found.append(features.confusion(fit.theta, fit.offset, rng).tolist())
    return found


def simulate_confusion(
    problem: MulticlassProblem, dimensions: Sequence[int], trials: int, run: Run
) -> dict[tuple[int, int] | None, Extrapolation] | str:
    """Every entry (j, k) of the confusion matrix, and the accuracy (None), extrapolated in 1/p.

    The reason instead where a sample has no fit.
    """
    law = problem.behind
    names = ("means", "covariance", "priors", "bulk_eigenvalues", "bulk_weights")
    task = {
        "mixture": {name: getattr(law, name).tolist() for name in names},
        "loss": problem.loss,
        "ridge": problem.ridge,
        "intercept": problem.intercept,
        "sampling_ratio": problem.sampling_ratio,
        "dimensions": list(dimensions),
    }
    calls = [{**task, "trial": t} for t in range(trials)]
    results = run.tasks("fitting probes", multiclass_trial, calls)
    missing = [value for trial in results for value in trial if isinstance(value, str)]
    if missing:
        return missing[0]
    # (dimension, trial, true class, answer)
    found = np.array(results).swapaxes(0, 1)
    accuracy = np.einsum("j,dtjj->dt", law.priors, found)
    limits: dict[tuple[int, int] | None, Extrapolation] = {
        None: extrapolate(dimensions, list(accuracy))
    }
    for j in range(law.classes):
        for k in range(law.classes):
            limits[j, k] = extrapolate(dimensions, list(found[:, :, j, k]))
    return limits


def validate_multiclass(
    *,
    probe_dimensions: Sequence[int] = MULTICLASS_DIMENSIONS,
    trials: int = 60,
    accuracy_error: float = 0.003,
    confusion: bool = False,
    level: float = 0.01,
    seed: int = 0,
    run: Run | None = None,
    **parameters: Any,
) -> Comparison:
    """Accuracy (and with `confusion` every entry of the confusion matrix) against simulation.

    parameters: as of `multiclass_curve`, behind the head if there is one; lists are grids. The
    other arguments are those of `validate_probe`; rows of theory that did not converge say so.
    The error estimate of the theory must be far below accuracy_error, else the row is refused.
    """
    points, fixed = multiclass_grid(parameters)
    dimensions = tuple(int(p) for p in check_dimensions(probe_dimensions))
    check_trials(trials)
    run = Run() if run is None else run
    rows = []
    for i in range(next(iter(points.values())).size):
        point = {name: float(values[i]) for name, values in points.items()}
        problem, _ = multiclass_problem(**{**fixed, **point})
        try:
            theory = multiclass_limit(problem, seed=seed, tolerance=accuracy_error / 10)
        except NotConverged:
            lost = Prediction(point, "accuracy", np.nan, 1.0, None)
            rows.append(accuracy_row(lost, "theory not converged", dimensions, accuracy_error))
            continue
        found = simulate_confusion(problem, dimensions, trials, run)
        if isinstance(found, str):
            lost = Prediction(point, "accuracy", theory.accuracy, 1.0, None)
            rows.append(accuracy_row(lost, found, dimensions, accuracy_error))
            continue
        for entry, measured in found.items():
            if entry is not None and not confusion:
                continue
            name = "accuracy" if entry is None else f"confusion_{entry[0] + 1}_{entry[1] + 1}"
            value = theory.accuracy if entry is None else float(theory.confusion[entry])
            rows.append(
                accuracy_row(
                    Prediction(point, name, value, 1.0, None), measured, dimensions, accuracy_error
                )
            )
    return compare(rows, level=level, config=parameters)
