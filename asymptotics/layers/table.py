"""Tables of a trained net: a row a feature, a layer, a time or a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.layers.flow import basin_boundary, feature_flow, final_weight, learning_time
from asymptotics.layers.second_moments import Features
from asymptotics.layers.symmetric_relu_survival import survival
from asymptotics.layers.verdict import Network, layer_limits, layer_sample_sizes
from asymptotics.table import Table

Array = NDArray[np.float64]


def weight_table(features: Features, network: Network) -> Table:
    """A row a kind of feature, numbered from 1: what it is, and its weight at every layer.

    ``weight_before`` and ``weight_after`` the head are those of layers L - 1 and L, and
    ``weight_1`` ... ``weight_L`` all of them; ``learned`` says whether the net has the feature,
    ``tied`` whether another could stand in its place.
    """
    best = network.optimum(features)
    layers = {f"weight_{k}": best.layer(k) for k in range(1, network.depth + 1)}
    names = ("strength", "noise", "correlation", "kept", "fraction")
    columns: dict[str, NDArray[Any]] = {"feature": np.arange(1, features.dimension + 1)}
    columns |= {name: np.asarray(getattr(features, name)) for name in names}
    columns |= {
        "weight_before": best.layer(network.depth - 1),
        "weight_after": best.layer(network.depth),
    }
    return Table(columns | layers | {"learned": best.kept, "tied": best.tied})


def accuracy_table(
    features: Features,
    label: int,
    network: Network,
    sampling_ratio: ArrayLike,
    probe: Mapping[str, Any],
) -> Table:
    """A row a layer 0..L and n/p: accuracy of the probe for feature kind `label` (from 0).

    probe: loss, and ridge, prior, intercept as in `verdict.layer_limits`.
    """
    ratio = np.atleast_1d(np.asarray(sampling_ratio, dtype=float))
    limits = layer_limits(features, label, network, sampling_ratio=ratio, **probe)
    names = ("accuracy", "test_error", "residual", "error_estimate", "threshold", "status")
    columns: dict[str, NDArray[Any]] = {
        "layer": np.repeat(np.arange(network.depth + 1), ratio.size),
        "sampling_ratio": np.tile(ratio, network.depth + 1),
    }
    columns |= {name: np.concatenate([getattr(x, name) for x in limits]) for name in names}
    columns["converged"] = np.concatenate([x.converged for x in limits])
    return Table(columns)


def sample_size_table(
    features: Features, label: int, network: Network, target: float, probe: Mapping[str, Any]
) -> Table:
    """A row a layer 0..L: the smallest n/p at which the probe reaches `target`, or why none."""
    found = layer_sample_sizes(features, label, network, target, probe)
    size = network.depth + 1
    return Table(
        {
            "layer": np.arange(size),
            "target_accuracy": np.full(size, target),
            "sampling_ratio": found.sampling_ratio,
            "best_accuracy": found.best,
            "best_sampling_ratio": found.best_sampling_ratio,
            "status": found.status,
        }
    )


def learning_table(
    features: Features, *, start: float, depth: int = 2, decay: float = 0.0
) -> Table:
    """A row a feature: when it reaches half of its final weight, from `start` end to end.

    ``learning_time`` is infinite (None in rows) for a feature that is never learned; ``barrier`` is
    the start below which weight decay wins. Arguments as in `flow.feature_flow`.
    """
    moments = features.variance, features.shared
    given: dict[str, Any] = {"depth": depth, "decay": decay}
    final = final_weight(*moments, start=start, **given)
    return Table(
        {
            "feature": np.arange(1, features.dimension + 1),
            "shared": features.shared,
            "learning_time": learning_time(*moments, start=start, **given),
            "final_weight_before": final ** ((depth - 1) / depth),
            "final_weight_after": final,
            "barrier": basin_boundary(*moments, **given),
        }
    )


def flow_table(
    features: Features,
    times: ArrayLike | None = None,
    *,
    start: float,
    depth: int = 2,
    decay: float = 0.0,
) -> Table:
    """A row a time and feature: its weight before and after the head along gradient flow.

    times: rising; by default 240, geometric, from a hundredth of the first learning time to three
    times the last finite one.
    """
    if times is None:
        found = learning_table(features, start=start, depth=depth, decay=decay)["learning_time"]
        finite = found[np.isfinite(found) & (found > 0)]
        first, last = (finite.min(), finite.max()) if finite.size else (1.0, 3.0)
        times = np.geomspace(first / 100, 3 * last, 240)
    flow = feature_flow(
        features.variance, features.shared, times=times, start=start, depth=depth, decay=decay
    )
    kinds = np.arange(1, features.dimension + 1)
    return Table(
        {
            "time": np.repeat(flow.time, kinds.size),
            "feature": np.tile(kinds, flow.time.size),
            "weight_before": flow.layer(depth - 1).ravel(),
            "weight_after": flow.layer(depth).ravel(),
            "learned": flow.learned().ravel(),
        }
    )


def survival_table(
    features: Features,
    threshold: ArrayLike,
    start: tuple[float, float] = (1.0, 1.0),
    time: float | None = None,
    head: str = "hidden",
) -> Table:
    """A row a threshold and feature of `symmetric_relu_survival.survival`; time None is no end.

    ``escapes`` says when the feature passes the threshold: "at the start", "later" (at
    ``log_escape_time``) or "never".
    """
    b = np.atleast_1d(np.asarray(threshold, dtype=float))
    found = survival(features, b, start=start, time=np.inf if time is None else time, head=head)
    names = (
        "weight_before",
        "weight_after",
        "survives",
        "log_escape_time",
        "signal_to_noise_before",
        "signal_to_noise_after",
    )
    columns: dict[str, NDArray[Any]] = {
        "threshold": np.repeat(b, features.dimension),
        "feature": np.tile(np.arange(1, features.dimension + 1), b.size),
    }
    escape = np.ravel(found.log_escape_time)
    when = np.select([np.isneginf(escape), np.isfinite(escape)], ["at the start", "later"], "never")
    values = {name: np.ravel(getattr(found, name)) for name in names}
    return Table(columns | values | {"escapes": when})
