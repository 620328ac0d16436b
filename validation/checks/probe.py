"""Limiting accuracy of a probe against certified fits at several dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from asymptotics.columns import columns_of
from asymptotics.conventions import mean_ridge
from asymptotics.errors import InvalidInput
from asymptotics.sweep import make_problem, product_of_grids
from asymptotics.training import share_before
from validation.checks.prediction import Prediction, by_point, point_at
from validation.checks.probe_trial import probe_trial
from validation.checks.run import Run
from validation.compare import Comparison, FiniteSize, Row, compare
from validation.finite_size import Extrapolation, check_dimensions, extrapolate

Array = NDArray[np.float64]

PROBE_DIMENSIONS = (100, 200, 400)


def validate_probe(
    *,
    probe_dimensions: Sequence[int] | None = None,
    trials: int = 100,
    accuracy_error: float = 0.002,
    level: float = 0.01,
    theory: ArrayLike | None = None,
    run: Run | None = None,
    **parameters: Any,
) -> Comparison:
    """Accuracy of a probe in the limit n, p -> infinity, against simulation extrapolated in 1/p.

    parameters: as of `asymptotics.curve`; lists are grids, and an `objective` gives the gain.
    probe_dimensions: three or more p (default 100, 200, 400; multiples of p0 for explicit arrays).
    trials: fits at each dimension and point. accuracy_error: largest standard error that counts.
    theory: accuracies to test in the place of the package's own: a number, or one for each row.
    level: probability of calling a right theory wrong anywhere in the table, at most.

    Raises InvalidInput; points without a limit or a fit are rows that say so.
    """
    points, fixed = product_of_grids(parameters)
    predictions = predict(points, fixed)
    if theory is not None:
        predictions = _claimed(predictions, theory)
    tasks = probe_tasks(points, fixed)
    dimensions = choose_dimensions(probe_dimensions, tasks)
    check_trials(trials)
    # the predictions of one point follow one another
    of_rows = by_point(tasks * (len(predictions) // len(tasks)), len(tasks))
    found = simulate(predictions, of_rows, dimensions, trials, Run() if run is None else run)
    rows = [
        accuracy_row(prediction, result, dimensions, accuracy_error)
        for prediction, result in zip(predictions, found, strict=True)
    ]
    return compare(rows, level=level, config=parameters)


def predict(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> list[Prediction]:
    """The limits at flat points: accuracy, or accuracy_before and accuracy_after a trained head."""
    columns = columns_of(points, fixed)
    size = len(columns["status"])
    if fixed.get("objective"):
        gain = columns["gain"]
        before = gain ** share_before(fixed)
        quantities = {"accuracy_before": before, "accuracy_after": gain}
    else:
        quantities = {"accuracy": np.broadcast_to(points.get("gain", 1.0), size)}
    return [
        Prediction(
            point_at(points, i),
            quantity,
            float(columns[quantity][i]),
            float(gains[i]),
            None if columns["converged"][i] else str(columns["status"][i]),
        )
        for i in range(size)
        for quantity, gains in quantities.items()
    ]


def _claimed(predictions: Sequence[Prediction], theory: ArrayLike) -> list[Prediction]:
    try:
        values = np.broadcast_to(np.asarray(theory, dtype=float), len(predictions))
    except ValueError:
        raise InvalidInput(
            f"theory must be one number or {len(predictions)}, one a row, got {np.shape(theory)}"
        ) from None
    return [replace(p, value=float(v)) for p, v in zip(predictions, values, strict=True)]


def probe_tasks(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What `probe_trial` needs at each flat point, but for the gain, dimensions and trial."""
    given = {**fixed, **points}
    if given["loss"] == "bayes":
        raise InvalidInput("bayes is fitted to no sample: choose another loss to simulate")
    size = next(iter(points.values())).size
    ridge, prior = given.get("ridge"), np.broadcast_to(given.get("prior", 0.5), size)
    if ridge is not None:
        convention = given.get("ridge_convention", "mean")
        samples = given.get("num_samples")
        ridge = np.broadcast_to(
            mean_ridge(ridge, convention, given["sampling_ratio"], samples), size
        )
    gain = np.broadcast_to(given.get("gain", 1.0), size)
    mixture = _components if _is_general(given) else _mixture
    return [
        {
            "mixture": mixture(given, i, float(gain[i])),
            "prior": float(prior[i]),
            "loss": given["loss"],
            "ridge": None if ridge is None else float(ridge[i]),
            "intercept": bool(given.get("intercept", False)),
            "sampling_ratio": float(given["sampling_ratio"][i]),
        }
        for i in range(size)
    ]


# parameters of `make_problem` that make a mixture of components out of two symmetric classes
_GENERAL = ("label_noise", "class_variances", "angle", "balanced")


def _is_general(given: Mapping[str, Any]) -> bool:
    """Whether a sample needs `component_data`; InvalidInput for what no fit can simulate."""
    weights = given.get("class_weights")
    if weights is not None and tuple(weights) != (1.0, 1.0):
        raise InvalidInput("class_weights: the certified fits weigh all samples alike")
    arrays = given.get("arrays")
    if arrays is not None and "means" in arrays:
        raise InvalidInput("means of several components are not simulated at several dimensions")
    present = [name for name in _GENERAL if np.any(given.get(name, 0.0))]
    if present and given.get("signal") is None:
        raise InvalidInput(f"{present[0]} is simulated for isotropic classes: give a signal")
    return bool(present)


def _components(given: Mapping[str, Any], index: int, gain: float) -> dict[str, Any]:
    """The parameters of `make_problem` behind one point's features, the gain apart."""
    chosen: dict[str, Any] = {"signal": float(given["signal"][index])}
    for name in _GENERAL:
        if given.get(name) is not None:
            value = given[name]
            at_point = name == "label_noise" and np.ndim(value)
            chosen[name] = float(value[index]) if at_point else np.asarray(value).tolist()
    return {"components": chosen}


def _mixture(given: Mapping[str, Any], index: int, gain: float) -> dict[str, Any]:
    """The mixture of `features_at` at one point; of explicit arrays, behind their head."""
    if given.get("signal") is not None:
        return {"signal": float(given["signal"][index])}
    if given.get("spectrum") is not None:
        return {"spectrum": {k: np.asarray(v).tolist() for k, v in given["spectrum"].items()}}
    problem = make_problem(loss="averaging", sampling_ratio=1.0, arrays=given["arrays"], gain=gain)
    mean, covariance = problem.mixture.symmetric_pair()
    head = problem.projector.matrix(mean)
    values, vectors = scipy.linalg.eigh(head @ covariance @ head.T)
    scales = np.sqrt(np.maximum(values, 0.0))
    means = vectors.T @ (head @ mean)
    return {"coordinates": {"means": means.tolist(), "scales": scales.tolist()}}


def choose_dimensions(
    asked: Sequence[int] | None, tasks: Sequence[Mapping[str, Any]]
) -> tuple[int, ...]:
    """The dimensions to simulate; InvalidInput where they do not fit features or samples."""
    coordinates = tasks[0]["mixture"].get("coordinates")
    unit = len(coordinates["means"]) if coordinates else 1
    if asked is None:
        smallest = -(-PROBE_DIMENSIONS[0] // unit) * unit
        asked = [smallest * p // PROBE_DIMENSIONS[0] for p in PROBE_DIMENSIONS]
    dimensions = tuple(sorted(int(p) for p in check_dimensions(asked)))
    if any(p % unit for p in dimensions):
        raise InvalidInput(
            f"explicit arrays of {unit} features are simulated at multiples of {unit}, got "
            f"{', '.join(map(str, dimensions))}"
        )
    fewest = min(task["sampling_ratio"] for task in tasks) * dimensions[0]
    if fewest < 4:
        raise InvalidInput(
            f"n = {fewest:.3g} samples at dimension {dimensions[0]} are too few to fit: simulate "
            f"at dimensions of {int(np.ceil(4 * dimensions[0] / fewest))} and more"
        )
    return dimensions


def check_trials(trials: int) -> None:
    """InvalidInput for too few trials to take their mean for normal."""
    if trials < 8:
        raise InvalidInput(f"trials must be at least 8 at each dimension, got {trials}")


def simulate(
    predictions: Sequence[Prediction],
    tasks: Sequence[Mapping[str, Any]],
    dimensions: Sequence[int],
    trials: int,
    run: Run,
) -> list[Extrapolation | str]:
    """For each row the accuracy extrapolated in 1/p, or why there is none."""
    wanted = [i for i, p in enumerate(predictions) if p.fault is None and np.isfinite(p.gain)]
    calls = [
        {**tasks[i], "gain": predictions[i].gain, "dimensions": list(dimensions), "trial": t}
        for i in wanted
        for t in range(trials)
    ]
    results = iter(run.tasks("fitting probes", probe_trial, calls))
    found: list[Extrapolation | str] = [p.fault or "collapse" for p in predictions]
    for i in wanted:
        accuracies = [next(results) for _ in range(trials)]
        missing = [value for row in accuracies for value in row if isinstance(value, str)]
        found[i] = missing[0] if missing else extrapolate(dimensions, list(np.array(accuracies).T))
    return found


def accuracy_row(
    prediction: Prediction,
    found: Extrapolation | str,
    dimensions: Sequence[int],
    max_standard_error: float,
) -> Row:
    """The row of one accuracy."""
    point, quantity, theory = prediction.point, prediction.quantity, prediction.value
    if isinstance(found, str):
        return Row(point, quantity, theory, None, max_standard_error, fault=found)
    finite = tuple(
        FiniteSize(p, mean.value, mean.standard_error, int(mean.degrees_of_freedom) + 1)
        for p, mean in zip(dimensions, found.means, strict=True)
    )
    return Row(
        point,
        quantity,
        theory,
        found.limit,
        max_standard_error,
        found.bias.value,
        found.fit_p_value,
        finite,
    )
