"""Before or after the head: the limiting accuracy of a probe on each layer of a trained net.

The representation has p features of finitely many kinds (`Features`), kind i a fraction f_i of
them; one feature of kind j carries the label: x = y phi_j + sigma_j xi. Layer l multiplies kind i
by u_i = w_i^{l/L}, so that the probe sees (layers-verdict.md, equation 1)

    along the label     mean u_j phi_j, variance u_j^2 sigma_j^2
    across it           variance u_i^2 (phi_i^2 + sigma_i^2) in a fraction f_i of the dimensions

which is a mixture as any other. Every layer is divided by the root mean square of its features,
so that one ridge means the same at all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput
from asymptotics.inverse import SampleSize, smallest_sampling_ratio
from asymptotics.layers.optimum import FeatureOptimum, diagonal_optimum
from asymptotics.layers.second_moments import Features
from asymptotics.limits import Limit, limit
from asymptotics.mixture import Mixture, symmetric_mixture
from asymptotics.problem import Problem

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Network:
    """A linear net trained on the spectral loss: L layers, weight decay lambda, k outputs a kind.

    outputs: kinds of features that the net has outputs for; None for all.
    """

    depth: int = 2
    decay: float = 0.0
    outputs: int | None = None

    def optimum(self, features: Features) -> FeatureOptimum:
        """The weight of every kind after training; leading axes of `features` are a batch."""
        if features.spurious is not None:
            raise InvalidInput("features that go together have no weights one by one: see groups")
        return diagonal_optimum(
            features.variance,
            features.shared,
            outputs=self.outputs,
            depth=self.depth,
            decay=self.decay,
        )


def layer_mixture(
    features: Features, label: int, weights: ArrayLike, prior: ArrayLike = 0.5
) -> Mixture:
    """What a probe sees when each kind is multiplied by `weights` (..., d): module's formula.

    label: index of the kind that one feature of carries the label, from 0. Features are as they
    are downstream, without augmentation. Raises InvalidInput if all weights are 0.
    """
    if label != int(label) or not 0 <= label < features.dimension:
        raise InvalidInput(f"label must be in 0..{features.dimension - 1}, got {label}")
    u = np.asarray(weights, dtype=float)
    phi, sigma = np.asarray(features.strength), np.asarray(features.noise)
    variance = u**2 * (phi**2 + sigma**2)
    mean_square = np.sum(np.asarray(features.fraction) * variance, axis=-1, keepdims=True)
    if not np.all(mean_square > 0):
        raise InvalidInput("a layer keeps no feature: the decay or the disruption is too strong")
    scale = 1 / np.sqrt(mean_square)
    u = u * scale
    return symmetric_mixture(
        (u * phi)[..., label, None],
        np.square(u * sigma)[..., label, None, None],
        variance * scale**2,
        np.asarray(features.fraction),
        prior=prior,
    )


def layer_limits(
    features: Features,
    label: int,
    network: Network,
    *,
    loss: str,
    sampling_ratio: ArrayLike,
    ridge: ArrayLike | None = None,
    prior: ArrayLike = 0.5,
    intercept: bool = False,
    stand_in: NDArray[np.bool_] | None = None,
) -> tuple[Limit, ...]:
    """Limits of the probe on layers 0 (the input) to L; layer L is after the head, L-1 before it.

    `features` may be a batch, against which sampling_ratio and ridge broadcast; the ridge is that
    of the mean over samples, on features of unit mean square. Points without a limit are marked.
    `stand_in` says where in a batch a layer has no feature to be a background: the input stands in
    there, and the caller marks the point.
    """
    best = network.optimum(features)
    missing = np.zeros((), dtype=bool) if stand_in is None else stand_in[..., None]
    return tuple(
        limit(
            Problem(
                layer_mixture(features, label, np.where(missing, 1.0, best.layer(layer)), prior),
                loss=loss,
                sampling_ratio=sampling_ratio,
                ridge=ridge,
                intercept=intercept,
            )
        )
        for layer in range(network.depth + 1)
    )


def layer_sample_sizes(
    features: Features, label: int, network: Network, target: float, probe: Mapping[str, Any]
) -> SampleSize:
    """Smallest n/p at which each layer 0..L reaches the accuracy `target`.

    probe: loss, and ridge, prior, intercept as in `layer_limits`. Raises InvalidInput unless
    1/2 < target < 1.
    """
    if not 0.5 < target < 1:
        raise InvalidInput(f"target accuracy must lie between 0.5 and 1, got {target}")
    best = network.optimum(features)
    if np.ndim(best.weight) != 1:
        raise InvalidInput("sample sizes belong to one setting of the features")
    mixtures = [
        layer_mixture(features, label, best.layer(layer), probe.get("prior", 0.5))
        for layer in range(network.depth + 1)
    ]

    def accuracy(sampling_ratio: Array, layer: NDArray[np.intp]) -> Array:
        values = np.full(sampling_ratio.shape, np.nan)
        for k, mixture in enumerate(mixtures):
            here = layer == k
            if np.any(here):
                problem = Problem(
                    mixture,
                    loss=probe["loss"],
                    sampling_ratio=sampling_ratio[here],
                    ridge=probe.get("ridge"),
                    intercept=probe.get("intercept", False),
                )
                values[here] = limit(problem).accuracy
        return values

    return smallest_sampling_ratio(accuracy, len(mixtures), target)
