"""How a gain is split over the layers of a deep linear network, trained on any of the losses.

Gradient flow of any loss of P_L = W_L ... W_1 conserves W_{l+1}^T W_{l+1} - W_l W_l^T, so that from
a balanced start the gain after layer l is a^{l/L}, a that of the whole (layers-validation.md,
equation 5). The theory's gain is that of infinitely many negatives and no noise. From equal layers
descent without noise stays balanced at any step, so that every bias is that of the batch size B,
a series c_1/B + c_2/B^2 + ... at a fixed step; three sizes remove two terms, by Richardson's
weights (training.md, the bias of a finite batch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from asymptotics.errors import InvalidInput
from asymptotics.training import trained_gain
from validation.checks.head_trial import TRAINABLE
from validation.checks.layer_runs import Claim, claimed_rows, train_stacks
from validation.checks.run import Run
from validation.compare import Comparison, compare
from validation.layers.trials import split_trial
from validation.training.run import effective_negatives

_TOO_FEW = "too few negatives"
# the series in 1/B is out of reach below (training.md, the bias of a finite batch)
_FEWEST_NEGATIVES = 8.0


def validate_split(
    *,
    objective: str = "cosine",
    signal: float,
    augmentation: float,
    dimension: int,
    temperature: float | None = None,
    depth: int = 2,
    batch_sizes: Sequence[int] = (32, 64, 128),
    start: float = 1.0,
    step: float = 0.125,
    time: float = 150.0,
    networks: int = 16,
    gain_error: float = 0.02,
    level: float = 0.01,
    run: Run | None = None,
) -> Comparison:
    """Log gain after each layer, and whether the layers are balanced, of deep linear networks.

    Rows ``log_gain_after`` (layer L), ``log_gain_before`` (layer L - 1) and ``imbalance``,
    log a_after/L - log a_before/(L - 1), whose theory is 0 whatever the gain. A network is trained
    from W_l = start I over a `time` in steps of `step`. Raises InvalidInput.
    """
    sizes = _checked(objective, temperature, depth, batch_sizes)
    run = Run() if run is None else run
    point: dict[str, Any] = {
        "signal": signal,
        "augmentation": augmentation,
        "temperature": np.nan if temperature is None else temperature,
        "dimension": dimension,
    }
    log_gain = _log_gain(objective, point)
    shared: dict[str, Any] = point | {
        "temperature": temperature,
        "objective": objective,
        "depth": depth,
        "start": start,
    }
    shared |= {"step": step, "steps": round(time / step)}
    calls = [{"batch_size": b} for b in sizes]
    measured = train_stacks(run, "training layers", split_trial, shared, calls, networks)
    short = False
    if not isinstance(measured, str):
        short = effective_negatives(measured[0][:, -1]) < _FEWEST_NEGATIVES
        measured = [
            np.stack([a, b, a / depth - b / (depth - 1)], axis=1)
            for a, b in (part[:, [-2, -3]].T for part in measured)
        ]
    claims = [
        Claim(point, "log_gain_after", log_gain),
        Claim(point, "log_gain_before", log_gain * (depth - 1) / depth),
        Claim(point, "imbalance", 0.0),
    ]
    rows = [
        replace(row, fault=_TOO_FEW) if short and row.quantity != "imbalance" else row
        for row in claimed_rows(claims, measured, sizes, gain_error)
    ]
    return compare(rows, level=level, config=point | {"objective": objective, "depth": depth})


def _checked(
    objective: str, temperature: float | None, depth: int, batch_sizes: Sequence[int]
) -> list[int]:
    """The batch sizes, rising; InvalidInput for what cannot be trained."""
    if objective not in TRAINABLE:
        raise InvalidInput(f"objective must be one of {', '.join(TRAINABLE)}, got {objective!r}")
    if objective != "spectral" and temperature is None:
        raise InvalidInput(f"temperature is required by the objective {objective}")
    if depth < 2:
        raise InvalidInput(f"depth must be at least 2 (an encoder and a head), got {depth}")
    sizes = sorted(batch_sizes)
    if len(set(sizes)) < 3 or sizes[0] < 2:
        raise InvalidInput(f"batch_sizes must be three or more, different, got {batch_sizes}")
    return sizes


def _log_gain(objective: str, point: dict[str, Any]) -> float:
    """log a that gradient flow from W = I reaches; InvalidInput where there is none."""
    points = {
        name: np.array([float(value)]) for name, value in point.items() if not np.isnan(value)
    }
    found = trained_gain(points, {"objective": objective, "views": 2})
    log_gain = float(np.log(found["gain_from_identity"][0]))
    if not found["converged"][0] or not np.isfinite(log_gain):
        raise InvalidInput("the objective has no finite gain at this point: nothing to split")
    return log_gain
