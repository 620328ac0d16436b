"""When each feature is learned from a small start: gradient flow against descent on batches."""

from __future__ import annotations

from numpy.typing import ArrayLike

from asymptotics.layers.flow import learning_time
from asymptotics.layers.second_moments import Features
from validation.checks.layer_runs import (
    Claim,
    LayerTraining,
    claimed_rows,
    feature_parameters,
    feature_point,
    train_stacks,
)
from validation.checks.layers import theory_weights
from validation.checks.run import Run
from validation.compare import Comparison, compare
from validation.layers.time_scales import time_scales
from validation.layers.trials import passage_trial


def validate_learning_order(
    *,
    strength: ArrayLike,
    noise: ArrayLike,
    correlation: ArrayLike = 1.0,
    kept: ArrayLike = 1.0,
    depth: int = 2,
    share: float = 0.5,
    training: LayerTraining | None = None,
    time_error: float = 0.01,
    level: float = 0.01,
    run: Run | None = None,
) -> Comparison:
    """The time at which the weight of each feature reaches `share` of its final value.

    Rows ``learning_time``, in units of the time of the gradient flow dW_l/dt = -dL/dW_l, of
    networks that start from W_l = w_0 I, w_0 the `start` of the training (0.1 by default). The
    other arguments are as in `validate_layers`; time_error is relative to the theory's time.
    Raises InvalidInput.
    """
    features = Features(strength, noise, correlation, kept)
    training = LayerTraining(start=0.1) if training is None else training
    run = Run() if run is None else run
    final = theory_weights(features, depth, None, 0.0, training.start)[-1]
    theory = learning_time(
        features.variance,
        features.shared,
        start=training.start**depth,
        depth=depth,
        share=share,
    )
    scales = time_scales(features.variance, features.shared, final, depth, training.start, 0.0)
    shared = {
        "features": feature_parameters(features),
        "levels": (share * final).tolist(),
        "depth": depth,
        "start": training.start,
        "batch_size": training.batch_size,
        "time": scales.training,
    }
    steps = training.numbers_of_steps(scales.training, scales.fastest)
    sizes = [{"steps": number} for number in steps]
    found = train_stacks(run, "learning features", passage_trial, shared, sizes, training.networks)
    rows = []
    for i, time in enumerate(theory):
        claim = Claim(feature_point(features, i), "learning_time", float(time))
        values = found if isinstance(found, str) else [part[:, [i]] for part in found]
        rows += claimed_rows([claim], values, steps, time_error * float(time))
    config = {
        "strength": strength,
        "noise": noise,
        "correlation": correlation,
        "kept": kept,
        "depth": depth,
        "start": training.start,
        "share": share,
    }
    return compare(rows, level=level, config=config)
