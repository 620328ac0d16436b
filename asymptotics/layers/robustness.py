"""Worst-group accuracy of a probe at every layer, after training with a spurious feature.

Feature 0 is the core, y = s_0; feature 1 is spurious, E s_0 s_1 = c while the net was trained and
another value among the samples that the probe is fitted to. The others are the bulk. How the net
was trained is one function that gives the Gram matrix of every layer (supervised.md, groups).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput
from asymptotics.layers.groups import Groups, group_accuracies, group_mixture, pair_groups
from asymptotics.layers.optimum import layer_weights
from asymptotics.layers.second_moments import Features
from asymptotics.layers.spurious import supervised_network
from asymptotics.layers.supervised import supervised_moments
from asymptotics.table import Table

Array = NDArray[np.float64]
Grams = Mapping[int, Array]


def supervised_grams(
    features: Features, correlation: float, *, initial_scale: float, depth: int = 1
) -> Grams:
    """Layers 0..L of a net trained on the label by squares, and L + 1, its one-output head.

    correlation: c = E s_0 s_1. initial_scale, depth: as in `spurious.supervised_network`.
    """
    together, labelled = _together(features, correlation)
    network = supervised_network(together, labelled, initial_scale=initial_scale, depth=depth)
    return {layer: network.gram(layer) for layer in range(depth + 2)}


def contrastive_grams(
    features: Features,
    correlation: float,
    *,
    share: float = 0.0,
    depth: int = 2,
    outputs: int | None = None,
) -> Grams:
    """Layers 0..L of a net trained on the spectral loss, `share` of the positives by class."""
    together, labelled = _together(features, correlation)
    moments = supervised_moments(together, labelled, share)
    net = layer_weights(moments, outputs=outputs, depth=depth)
    return {layer: net.gram(layer) for layer in range(depth + 1)}


def worst_group_table(
    features: Features,
    grams: Grams,
    probe_correlation: ArrayLike | None = None,
    proportions: ArrayLike | None = None,
    *,
    loss: str,
    sampling_ratio: float,
    ridge: float | None = None,
    intercept: bool = False,
) -> Table:
    """`groups.group_accuracies` at every layer, a block of rows for each correlation of the probe.

    probe_correlation: E s_0 s_1 among the samples of the probe, a number or list; or proportions of
    its four groups ++, +-, -+, --. Each layer is scaled to features of mean square 1. Column
    ``probe_correlation`` first. Raises InvalidInput.
    """
    settings: list[Groups]
    if proportions is None:
        shifts = np.atleast_1d(np.asarray(0.0 if probe_correlation is None else probe_correlation))
        settings = [pair_groups(correlation=float(c)) for c in shifts]
    else:
        if probe_correlation is not None:
            raise InvalidInput("give either probe_correlation or proportions, not both")
        settings = [pair_groups(proportions)]
        share = np.asarray(settings[0].proportions)
        shifts = np.atleast_1d(share @ np.prod(np.asarray(settings[0].signs), axis=1))
    parts = []
    for shift, groups in zip(shifts, settings, strict=True):
        layers = {layer: group_mixture(features, gram, groups) for layer, gram in grams.items()}
        found = group_accuracies(
            layers,
            groups,
            loss=loss,
            sampling_ratio=sampling_ratio,
            ridge=ridge,
            intercept=intercept,
        )
        parts.append({"probe_correlation": np.full(len(found), shift)} | dict(found.columns))
    return Table({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _together(features: Features, correlation: float) -> tuple[Features, Array]:
    """The features with E s_0 s_1 = c, and E y s_i."""
    if features.dimension < 2:
        raise InvalidInput("a core and a spurious feature are needed, got one feature")
    if not -1 <= correlation <= 1:
        raise InvalidInput(
            f"correlation of the spurious feature must lie in [-1, 1], got {correlation}"
        )
    matrix = np.eye(features.dimension)
    matrix[0, 1] = matrix[1, 0] = correlation
    return replace(features, spurious=matrix), matrix[0]
