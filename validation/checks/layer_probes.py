"""Probes on samples behind the layers that were trained, against their limits behind the theory's.

As in `validation.checks.pipeline`, the accuracy behind the *measured* weights is compared with the
theory's at the theory's weights; the errors of the weights reach it through the slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.layers.second_moments import Features
from asymptotics.layers.verdict import layer_mixture
from asymptotics.limits import CONVERGED, Limit, limit
from asymptotics.problem import Problem
from validation.checks.layer_runs import Claim, claimed_rows, feature_parameters
from validation.checks.probe import check_trials
from validation.checks.run import Run
from validation.compare import Row
from validation.estimate import Estimate, combine
from validation.finite_size import check_dimensions
from validation.layers.probe_trial import layer_probe_trial

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LayerProbe:
    """A downstream task, and how it is simulated.

    label: the kind of feature that one feature of carries the label. loss, sampling_ratio, ridge:
    of the probe; the ridge on features scaled to unit mean square. trials: fits at each dimension.
    dimensions: three or more multiples of the number of kinds; 48, 96 and 192 features a kind
    over two by default. accuracy_error: largest standard error that counts.
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
        claim = Claim(_no_feature(of_layer[0]), quantity, value)
        if faults:
            rows += claimed_rows([claim], faults[0], sizes, probe.accuracy_error)
            continue
        measured, errors = _measured_weights(of_layer)
        found = _fit(features, measured, probe, sizes, run)
        [row] = claimed_rows([claim], found, sizes, probe.accuracy_error)
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
    estimates = [row.estimate for row in rows]
    values = [
        0.0 if e is None or row.theory == 0 else e.value
        for row, e in zip(rows, estimates, strict=True)
    ]
    errors = [
        0.0 if e is None or row.theory == 0 else e.standard_error
        for row, e in zip(rows, estimates, strict=True)
    ]
    return np.array(values), np.array(errors)


def _fit(
    features: Features, weights: Array, probe: LayerProbe, sizes: Sequence[int], run: Run
) -> list[Array] | str:
    """Accuracies at each dimension, (trials, 1)."""
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
    return list(np.array(results).reshape(len(sizes), probe.trials, 1))


def _with_errors_of_weights(
    row: Row, features: Features, weights: Array, errors: Array, probe: LayerProbe
) -> Row:
    """The row with s^2 = s_fits^2 + (sum_i |A(u_i + s_i) - A(u_i - s_i)|/2)^2.

    The weights come from the same networks: the sum of their contributions bounds that of any
    correlation.
    """
    assert row.estimate is not None
    total = 0.0
    for i in np.flatnonzero(errors):
        move = np.where(np.arange(weights.size) == i, errors, 0.0)
        up, down = (_limit(features, weights + sign * move, probe) for sign in (1, -1))
        total += abs(float(up.accuracy) - float(down.accuracy)) / 2
    of_weights = Estimate(0.0, total, row.estimate.degrees_of_freedom)
    return replace(row, estimate=combine([1.0, 1.0], [row.estimate, of_weights]))
