"""Probes on samples behind the layers that were trained, against their limits behind the theory's.

As in `validation.checks.pipeline`, the accuracy behind the *measured* weights is compared with the
theory's at the theory's weights; the errors of the weights reach it through the slope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.layers.second_moments import Features
from asymptotics.layers.verdict import layer_mixture
from asymptotics.limits import CONVERGED, Limit, limit
from asymptotics.problem import Problem
from validation.checks.layer_runs import feature_parameters
from validation.checks.prediction import Prediction
from validation.checks.probe import accuracy_row, check_trials
from validation.checks.probe_trial import fitted_accuracy
from validation.checks.run import Run
from validation.compare import Row
from validation.estimate import Estimate, combine
from validation.finite_size import Extrapolation, check_dimensions, extrapolate
from validation.layers.sign_features import sign_features

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LayerProbe:
    """A downstream task, and how it is simulated.

    label: the kind of feature that one feature of carries the label. loss, sampling_ratio, ridge:
    of the probe; the ridge on features scaled to unit mean square. trials: fits at each dimension.
    dimensions: three or more multiples of the number of kinds; 24, 48 and 96 features of each by
    default. accuracy_error: largest standard error that counts.
    """

    label: int
    loss: str
    sampling_ratio: float
    ridge: float | None = None
    trials: int = 100
    dimensions: tuple[int, ...] | None = None
    accuracy_error: float = 0.003


def probe_rows(
    features: Features, theory: Array, weights: Sequence[Row], probe: LayerProbe, run: Run
) -> list[Row]:
    """Rows ``accuracy_after`` and ``accuracy_before``.

    theory: (L, d). weights: the rows of the weights, from the head down, d a layer.
    """
    check_trials(probe.trials)
    d = features.dimension
    dimensions = probe.dimensions or tuple(24 * d * k for k in (1, 2, 4))
    sizes = [int(p) for p in check_dimensions(sorted(dimensions))]
    if any(p % d for p in sizes):
        raise InvalidInput(f"dimensions must be multiples of the {d} kinds, got {sizes}")
    rows = []
    for index, name in enumerate(("after", "before")):
        of_layer = weights[index * d : (index + 1) * d]
        quantity = f"accuracy_{name}"
        predicted = _limit(features, theory[-1 - index], probe)
        converged = bool(predicted.status == CONVERGED)
        value = float(predicted.accuracy) if converged else np.nan
        faults = [row.fault for row in of_layer if row.fault] + [str(predicted.status)] * (
            not converged
        )
        prediction = Prediction(_no_feature(of_layer[0]), quantity, value, np.nan, None)
        if faults:
            rows.append(accuracy_row(prediction, faults[0], sizes, probe.accuracy_error))
            continue
        measured, errors = _measured_weights(of_layer)
        found = _fit(features, measured, probe, sizes, run)
        row = accuracy_row(prediction, found, sizes, probe.accuracy_error)
        rows.append(_with_errors_of_weights(row, features, measured, errors, probe))
    return rows


def _limit(features: Features, weights: Array, probe: LayerProbe) -> Limit:
    mixture = layer_mixture(features, probe.label, weights)
    return limit(
        Problem(mixture, loss=probe.loss, sampling_ratio=probe.sampling_ratio, ridge=probe.ridge)
    )


def _no_feature(row: Row) -> dict[str, float]:
    """The point of a row that is about all features."""
    return dict.fromkeys(row.point, np.nan)


def _measured_weights(rows: Sequence[Row]) -> tuple[Array, Array]:
    """Weights and standard errors; a feature that the theory drops has the weight 0."""
    pairs = [
        (row.estimate.value, row.estimate.standard_error)
        if row.estimate is not None and row.theory > 0
        else (0.0, 0.0)
        for row in rows
    ]
    values, errors = np.array(pairs).T
    return values, errors


def _fit(
    features: Features, weights: Array, probe: LayerProbe, sizes: Sequence[int], run: Run
) -> Extrapolation | str:
    """The accuracy extrapolated in 1/p, or why there is none."""
    calls = [
        {
            "features": feature_parameters(features),
            "weights": weights.tolist(),
            "label": probe.label,
            "loss": probe.loss,
            "ridge": probe.ridge,
            "sampling_ratio": probe.sampling_ratio,
            "dimension": p,
            "trial": trial,
        }
        for p in sizes
        for trial in range(probe.trials)
    ]
    # the probes find the results of the training in their store
    results = replace(run, resume=True).tasks("fitting probes", layer_probe_trial, calls)
    faults = [value for value in results if isinstance(value, str)]
    if faults:
        return faults[0]
    return extrapolate(sizes, list(np.array(results).reshape(len(sizes), probe.trials)))


def _with_errors_of_weights(
    row: Row, features: Features, weights: Array, errors: Array, probe: LayerProbe
) -> Row:
    """The row with s^2 = s_fits^2 + (sum_i |A(u_i + s_i) - A(u_i - s_i)|/2)^2.

    The weights come from the same networks: the sum of their contributions bounds that of any
    correlation.
    """
    if row.estimate is None:
        return row
    total = 0.0
    for i in np.flatnonzero(errors):
        move = np.where(np.arange(weights.size) == i, errors, 0.0)
        up, down = (_limit(features, weights + sign * move, probe) for sign in (1, -1))
        total += abs(float(up.accuracy) - float(down.accuracy)) / 2
    of_weights = Estimate(0.0, total, row.estimate.degrees_of_freedom)
    return replace(row, estimate=combine([1.0, 1.0], [row.estimate, of_weights]))


def layer_probe_trial(
    rng: np.random.Generator,
    *,
    features: Mapping[str, Any],
    weights: list[float],
    label: int,
    loss: str,
    ridge: float | None,
    sampling_ratio: float,
    dimension: int,
    trial: int,
) -> float | str:
    """Accuracy of a probe behind a layer (`sign_features`), or why there is none.

    n is rounded at random, as in `validation.checks.probe_trial`.
    """
    law = sign_features(Features(**features), np.array(weights), label, dimension)
    num_samples = int(np.floor(sampling_ratio * dimension + rng.random()))
    return fitted_accuracy(rng, law, num_samples, (loss, ridge, False))
