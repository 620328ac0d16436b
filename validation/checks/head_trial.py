"""One measurement of a trained head's gain, at infinite batch size and vanishing step."""

from __future__ import annotations

from typing import Any

import numpy as np

from asymptotics.contrastive.views import gaussian_noise
from asymptotics.errors import InvalidInput, NotConverged
from validation.backends import find_backend
from validation.training import (
    Cosine,
    GaussianViews,
    InnerProduct,
    MeasuredGain,
    Spectral,
    Stopping,
    Trainer,
    measure_log_gain,
)
from validation.training.objectives import ContrastiveLoss
from validation.training.trainer import DECAY

# objectives that a batch trains; the others are limits of cosine, or of d -> infinity
TRAINABLE = ("cosine", "inner-product", "spectral")


def head_trial(
    rng: np.random.Generator,
    *,
    objective: str,
    signal: float,
    augmentation: float,
    temperature: float | None,
    dimension: int,
    views: int,
    heads: int,
    batch_size: int,
    gain_error: float,
    max_pairs: int,
    backend: str,
    precision: str,
) -> dict[str, Any]:
    """Log gain of `heads` heads trained from W = I, batch size and step extrapolated.

    Returns log_gain, standard_error, degrees_of_freedom, status ("converged", or why the value is
    none of infinitely many negatives), and by batch size the mean and standard error. `gain_error`
    is the standard error to reach, `max_pairs` the budget of each head and batch size. A run that
    diverges is a status, not an error.
    """
    law = GaussianViews(gaussian_noise(signal, augmentation, views), int(dimension))
    trainer = Trainer(
        _loss(objective, temperature),
        law,
        batch_size,
        backend=find_backend(backend, precision),
    )
    # half for the bias of the step, half for chance
    rule = Stopping(tolerance=gain_error / 2, max_pairs=max_pairs)
    try:
        measured = measure_log_gain(trainer, rng, replicas=heads, stopping=rule)
    except NotConverged:
        return {"status": "training diverged"}
    log_gain, error = without_step_bias(measured)
    by_size = measured.by_batch_size
    return {
        "log_gain": log_gain,
        "standard_error": error,
        "degrees_of_freedom": measured.degrees_of_freedom,
        "status": _STATUS[measured.status],
        "batch_sizes": measured.batch_sizes,
        "means": np.mean(by_size, axis=1),
        "standard_errors": np.std(by_size, axis=1, ddof=1) / np.sqrt(heads),
        "num_trials": heads,
    }


_STATUS = {
    "converged": "converged",
    "budget": "gain still drifting",
    "too few negatives": "too few negatives",
}


def without_step_bias(measured: MeasuredGain) -> tuple[float, float]:
    """Log gain at vanishing step, and a bound on its standard error (equation 7).

    The bias left by a step is proportional to it, and the step falls by r = 2^DECAY an epoch: if
    the last epoch moved the value by D, a bias of -D/(r - 1) is left. x and D share their heads, so
    their errors add up at worst; and the whole correction counts as an error of its own, since what
    is left of the start moves the value too.

        log a = x + D/(r - 1),    s = s_x + (s_D + |D|)/(r - 1)
    """
    rate = 2**DECAY - 1
    drift = measured.drift
    return (
        measured.log_gain + drift.drift / rate,
        measured.standard_error + (drift.standard_error + abs(drift.drift)) / rate,
    )


def _loss(objective: str, temperature: float | None) -> ContrastiveLoss:
    if objective == "spectral":
        return Spectral()
    if objective not in TRAINABLE:
        raise InvalidInput(
            f"{objective} is a limit that no finite batch trains: choose one of "
            f"{', '.join(TRAINABLE)}"
        )
    if temperature is None:
        raise InvalidInput(f"temperature is required by the objective {objective}")
    return Cosine(temperature) if objective == "cosine" else InnerProduct(temperature)
