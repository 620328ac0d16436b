"""What a symmetric ReLU leaves of each feature before and after it, against trained networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.layers.second_moments import Features
from asymptotics.layers.symmetric_relu import mean_given_label
from asymptotics.layers.symmetric_relu_survival import survival
from validation.checks.layer_runs import (
    Claim,
    claimed_rows,
    feature_parameters,
    feature_point,
    train_stacks,
)
from validation.checks.run import Run
from validation.compare import Comparison, Row, compare
from validation.estimate import Estimate, combine
from validation.layers.trials import diagonal_trial

Array = NDArray[np.float64]


def validate_threshold(
    *,
    strength: ArrayLike,
    noise: ArrayLike,
    threshold: float,
    correlation: ArrayLike = 1.0,
    kept: ArrayLike = 1.0,
    head: str = "hidden",
    start: tuple[float, float] = (1.0, 1.0),
    time: float = 5.0,
    numbers_of_steps: tuple[int, ...] = (500, 1000, 2000),
    batch_size: int = 32,
    networks: int = 16,
    weight_error: float = 0.01,
    level: float = 0.01,
    run: Run | None = None,
) -> Comparison:
    """Rows ``weight_before`` and ``weight_after`` of the diagonal network with a symmetric ReLU.

    head, start, time: as in `asymptotics.layers.symmetric_relu_survival.survival`, the theory.
    weight_before is v_1; weight_after is w M(k)/phi, the factor of the label in z, M the mean of
    S(x; k) given the label. Features below the threshold have weight_after near 0 and
    weight_before at its start. Raises InvalidInput.
    """
    features = Features(strength, noise, correlation, kept)
    theory = survival(features, threshold, start=start, time=time, head=head)
    shared = {
        "features": feature_parameters(features),
        "threshold": float(threshold),
        "head": head,
        "start": list(start),
        "batch_size": batch_size,
        "time": time,
    }
    sizes = [{"steps": number} for number in numbers_of_steps]
    run = Run() if run is None else run
    found = train_stacks(run, "training layers", diagonal_trial, shared, sizes, networks)
    claims = [
        Claim(feature_point(features, i), quantity, float(values[i]))
        for quantity, values in (
            ("weight_after", theory.weight_after),
            ("weight_before", theory.weight_before),
        )
        for i in range(features.dimension)
    ]
    measured = found
    if not isinstance(found, str):
        measured = [_both(features, part, threshold, head) for part in found]
    rows = [
        _with_error_of_theory(row, theory.error_estimate)
        for row in claimed_rows(claims, measured, numbers_of_steps, weight_error)
    ]
    return compare(rows, level=level, config=shared)


def _with_error_of_theory(row: Row, relative: float) -> Row:
    """The row of a feature that the noise leaves alone is not judged beyond the theory's digits."""
    if row.estimate is None:
        return row
    of_theory = Estimate(0.0, relative * abs(row.theory), row.estimate.degrees_of_freedom)
    return replace(row, estimate=combine([1.0, 1.0], [row.estimate, of_theory]))


def _both(features: Features, weights: Array, threshold: float, head: str) -> Array:
    """(S, 2 d): the factor of the label in z and in h, from v_1 and v_2 in (S, 2, d)."""
    first, second = weights[:, 0], weights[:, 1]
    product = first * second
    scale = first if head == "hidden" else product
    phi = np.asarray(features.strength)
    passed = mean_given_label(phi, features.noise, threshold / scale) / phi
    return np.concatenate([product * passed, first], axis=1)
