"""One trial of each claim about layers: a stack of networks trained at one step, what is measured.

Each function is a task of `validation.execution`: its parameters are numbers, text and lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from asymptotics.contrastive.views import gaussian_noise
from asymptotics.errors import NotConverged
from asymptotics.layers.second_moments import Features
from validation.layers.diagonal import train_diagonal
from validation.layers.networks import activations, balanced_start
from validation.layers.training import (
    Descent,
    FirstPassage,
    GramAverage,
    draw_batches,
    train_network,
)
from validation.layers.views import feature_views
from validation.training.objectives import ContrastiveLoss, Cosine, InnerProduct, Spectral
from validation.training.sampling import GaussianViews, Stream

Lists = list[Any]
DIVERGED = "training diverged"
NOT_LEARNED = "a feature was not learned in time"


def weights_trial(
    rng: np.random.Generator,
    *,
    features: Mapping[str, Any],
    depth: int,
    outputs: int,
    decay: float,
    start: float,
    batch_size: int,
    time: float,
    steps: int,
    replicas: int,
    trial: int,
) -> Lists | str:
    """Weight of each feature at each layer, (S, L, d), averaged over the second half of training.

    `features` are the fields of `Features`; `trial` only names the random numbers.
    """
    views = feature_views(Features(**features))
    network = balanced_start(depth, outputs, views.dimension, start, replicas, rng)
    descent = Descent(time / steps, steps, batch_size, decay)
    average = GramAverage(steps)
    try:
        train_network(Spectral(), views, network, descent, rng, [average])
    except NotConverged:
        return DIVERGED
    return average.feature_weights().swapaxes(0, 1).tolist()


def passage_trial(
    rng: np.random.Generator,
    *,
    features: Mapping[str, Any],
    levels: list[float],
    depth: int,
    start: float,
    batch_size: int,
    time: float,
    steps: int,
    replicas: int,
    trial: int,
) -> Lists | str:
    """Time at which the weight of each feature after the head reaches its level, (S, d)."""
    views = feature_views(Features(**features))
    network = balanced_start(depth, views.dimension, views.dimension, start, replicas, rng)
    passage = FirstPassage(np.array(levels))
    descent = Descent(time / steps, steps, batch_size)
    try:
        train_network(Spectral(), views, network, descent, rng, [passage])
        return (descent.step * passage.steps()).tolist()
    except NotConverged as error:
        return NOT_LEARNED if "level" in str(error) else DIVERGED


def split_trial(
    rng: np.random.Generator,
    *,
    objective: str,
    temperature: float | None,
    signal: float,
    augmentation: float,
    dimension: int,
    depth: int,
    start: float,
    batch_size: int,
    step: float,
    steps: int,
    replicas: int,
    trial: int,
) -> Lists | str:
    """(S, L + 1): log gain of P_1, ..., P_L, of Gram matrices averaged over the second half.

    The last column is 1/(effective number of negatives) in a batch behind the trained network.
    """
    views = GaussianViews(gaussian_noise(signal, augmentation, 2), dimension)
    network = balanced_start(depth, dimension, dimension, start, replicas, rng)
    average = GramAverage(steps)
    loss, descent = _loss(objective, temperature), Descent(step, steps, batch_size)
    try:
        trained = train_network(loss, views, network, descent, rng, [average])
    except NotConverged:
        return DIVERGED
    grams = average.mean()
    signal_part = grams[..., 0, 0]
    noise_part = (np.trace(grams, axis1=2, axis2=3) - signal_part) / (dimension - 1)
    batch = draw_batches(views, replicas, batch_size, Stream.of(rng))
    embeddings = activations(trained, batch)[-1]
    crowding = loss.crowding(np, embeddings, slice(0, 2 * batch_size))
    return np.column_stack([(0.5 * np.log(signal_part / noise_part)).T, crowding]).tolist()


def _loss(objective: str, temperature: float | None) -> ContrastiveLoss:
    if objective == "spectral":
        return Spectral()
    assert temperature is not None
    return Cosine(temperature) if objective == "cosine" else InnerProduct(temperature)


def diagonal_trial(
    rng: np.random.Generator,
    *,
    features: Mapping[str, Any],
    threshold: float,
    head: str,
    start: list[float],
    batch_size: int,
    time: float,
    steps: int,
    replicas: int,
    trial: int,
) -> Lists | str:
    """(S, 2, d): v_1 and v_2 of the diagonal network with a symmetric ReLU, after `time`."""
    views = feature_views(Features(**features))
    descent = Descent(time / steps, steps, batch_size)
    try:
        weights = train_diagonal(
            views, threshold, head, (start[0], start[1]), descent, replicas, rng
        )
    except NotConverged:
        return DIVERGED
    return np.stack(weights, axis=1).tolist()
