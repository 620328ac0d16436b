"""Weights of the features before and after the head, and probes on both, against trained layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput
from asymptotics.layers.flow import final_weight
from asymptotics.layers.optimum import layer_weights
from asymptotics.layers.second_moments import Features
from validation.checks.layer_probes import LayerProbe, probe_rows
from validation.checks.layer_runs import (
    Claim,
    LayerTraining,
    claimed_rows,
    feature_parameters,
    feature_point,
    train_stacks,
)
from validation.checks.run import Run
from validation.compare import Comparison, compare
from validation.layers.time_scales import time_scales
from validation.layers.trials import weights_trial

Array = NDArray[np.float64]


def validate_layers(
    *,
    strength: ArrayLike,
    noise: ArrayLike,
    correlation: ArrayLike = 1.0,
    kept: ArrayLike = 1.0,
    depth: int = 2,
    outputs: int | None = None,
    decay: float = 0.0,
    training: LayerTraining | None = None,
    probe: LayerProbe | None = None,
    weight_error: float = 0.005,
    level: float = 0.01,
    run: Run | None = None,
) -> Comparison:
    """Weight of every feature at every layer of linear networks trained on the spectral loss.

    strength, noise, correlation, kept: of `Features`, numbers or lists. depth: L >= 2. outputs: k,
    all by default. decay: lambda of lambda sum_l |W_l|^2. weight_error: largest standard error that
    counts. level: probability of calling a right theory wrong anywhere in the table, at most.

    Rows ``weight_after`` (layer L), ``weight_before`` (L - 1), and ``weight_1``, ... below; where
    the theory's weight is 0, its square (``squared_weight_after``), which noise of variance
    proportional to the step makes linear in it. With a `probe` also ``accuracy_after`` and
    ``accuracy_before``, of probes fitted to samples behind the measured weights. Raises
    InvalidInput.
    """
    features = Features(strength, noise, correlation, kept)
    training = LayerTraining() if training is None else training
    run = Run() if run is None else run
    theory = theory_weights(features, depth, outputs, decay, training.start)
    trained = train_layers(features, theory, decay, training, run)
    rows = claimed_rows(
        weight_claims(features, theory), trained.claimed(theory), trained.steps, weight_error
    )
    if probe is not None:
        rows += probe_rows(features, theory, rows, probe, run)
    config = {
        "strength": strength,
        "noise": noise,
        "correlation": correlation,
        "kept": kept,
        "depth": depth,
        "outputs": outputs,
        "decay": decay,
    }
    return compare(rows, level=level, config=config)


def theory_weights(
    features: Features, depth: int, outputs: int | None, decay: float, start: float
) -> Array:
    """(L, d): the weight that layer l gives feature i at the end of training.

    Without decay the optimum, reached from any balanced start. With decay the local minimum that
    training from W_l = start I falls into; an output for each feature is needed there.
    """
    if depth < 2:
        raise InvalidInput(f"depth must be at least 2 (an encoder and a head), got {depth}")
    if decay == 0:
        found = layer_weights(features.second_moments(), outputs=outputs, depth=depth)
        if np.any(found.tied):
            raise InvalidInput("two features tie for the last output: nothing decides")
        return found.weights[1:]
    if outputs not in (None, features.dimension):
        raise InvalidInput("with decay there must be an output for each feature")
    final = final_weight(
        features.variance, features.shared, start=start**depth, depth=depth, decay=decay
    )
    return np.stack([final ** (layer / depth) for layer in range(1, depth + 1)])


@dataclass(frozen=True)
class TrainedLayers:
    """steps: N at each size. weights: for each of them (S, L, d), or why there are none."""

    steps: list[int]
    weights: list[Array] | str

    def claimed(self, theory: Array) -> list[Array] | str:
        """The values of `weight_claims`, (S, L d) for each size."""
        if isinstance(self.weights, str):
            return self.weights
        squared = np.where(theory > 0, 1.0, 2.0)
        return [(w**squared)[:, ::-1].reshape(len(w), -1) for w in self.weights]


def train_layers(
    features: Features, theory: Array, decay: float, training: LayerTraining, run: Run
) -> TrainedLayers:
    """Train networks at every step of `training`, over the time that the slowest feature needs."""
    depth = len(theory)
    scales = time_scales(
        features.variance, features.shared, theory[-1], depth, training.start, decay
    )
    shared: Mapping[str, Any] = {
        "features": feature_parameters(features),
        "depth": depth,
        "outputs": int(np.count_nonzero(theory[-1])) if decay == 0 else features.dimension,
        "decay": decay,
        "start": training.start,
        "batch_size": training.batch_size,
        "time": scales.training,
    }
    steps = training.numbers_of_steps(scales.training, scales.fastest)
    sizes = [{"steps": number} for number in steps]
    found = train_stacks(run, "training layers", weights_trial, shared, sizes, training.networks)
    return TrainedLayers(steps, found)


def weight_claims(features: Features, theory: Array) -> list[Claim]:
    """A claim a layer and feature, from the head down."""
    depth = len(theory)
    names = {depth: "after", depth - 1: "before"}
    return [
        Claim(
            feature_point(features, i),
            f"{'' if value > 0 else 'squared_'}weight_{names.get(layer, layer)}",
            float(value),
        )
        for layer in range(depth, 0, -1)
        for i, value in enumerate(theory[layer - 1])
    ]
