"""The best fixed reweighting head for a downstream task: accuracy against kappa, and its maximum.

Training behind the head z_i = h_i/kappa^(i-1) gives each kappa the weights of the encoder (before
the head) and of z (after it); a probe on either has the limit of `verdict`. How it was trained is
one function kappa -> (encoder, after). The maximum over kappa is of a scan with a bounded search
around its best point: assignments jump with kappa, so that it is local to the scan
(layers-verdict.md, the best head).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from asymptotics.errors import InvalidInput
from asymptotics.layers.reweighting import reweighted_flow, reweighted_optimum
from asymptotics.layers.second_moments import Features
from asymptotics.layers.verdict import layer_mixture
from asymptotics.limits import limit
from asymptotics.problem import Problem
from asymptotics.table import Table

Array = NDArray[np.float64]
Weights = Callable[[Array], tuple[Array, Array]]

PLACES = ("before", "after")


def trained_by_decay(features: Features, decay: float, outputs: int | None = None) -> Weights:
    """The optimum under weight decay on the encoder (`reweighting.reweighted_optimum`)."""

    def weights(kappa: Array) -> tuple[Array, Array]:
        found = reweighted_optimum(
            features.variance, features.shared, kappa=kappa, decay=decay, outputs=outputs
        )
        return found.encoder, found.after

    return weights


def trained_by_flow(features: Features, start: float, time: float = np.inf) -> Weights:
    """Gradient flow from W = `start` I up to `time` (`reweighting.reweighted_flow`)."""

    def weights(kappa: Array) -> tuple[Array, Array]:
        found = reweighted_flow(
            features.variance, features.shared, kappa=kappa, times=[time], start=start
        )
        return found.encoder[:, 0], found.after[:, 0]

    return weights


def head_table(
    features: Features, label: int, weights: Weights, kappa: ArrayLike, probe: Mapping[str, Any]
) -> Table:
    """A row a kappa: weight of the label's feature and accuracy, before and after the head.

    label: kind of feature from 0. probe: loss, sampling_ratio, and ridge, prior, intercept. Columns
    ``kappa``, ``weight_before``, ``weight_after``, ``accuracy_before``, ``accuracy_after``,
    ``converged``, ``status``.
    """
    grid = np.atleast_1d(np.asarray(kappa, dtype=float))
    columns: dict[str, NDArray[Any]] = {"kappa": grid}
    both = dict(zip(PLACES, weights(grid), strict=True))
    limits = {}
    for name, values in both.items():
        columns[f"weight_{name}"] = values[:, label]
        mixture = layer_mixture(features, label, values, probe.get("prior", 0.5))
        rest = {key: value for key, value in probe.items() if key != "prior"}
        limits[name] = limit(Problem(mixture, **rest))
        columns[f"accuracy_{name}"] = limits[name].accuracy
    before, after = (limits[name] for name in PLACES)
    columns["converged"] = before.converged & after.converged
    columns["status"] = np.where(before.converged, after.status, before.status)
    return Table(columns)


@dataclass(frozen=True)
class BestHead:
    """The kappa of largest accuracy in a scanned range.

    status: "interior", "at an end" of the range, or "flat" where the accuracy does not depend on
    kappa to 1e-12.
    """

    kappa: float
    accuracy: float
    status: str


def best_head(
    features: Features,
    label: int,
    weights: Weights,
    kappa: ArrayLike,
    probe: Mapping[str, Any],
    place: str = "before",
) -> BestHead:
    """Maximum of the accuracy `place` the head: the scan `kappa`, refined by a bounded search.

    Raises InvalidInput for fewer than three rising values of kappa, or no accuracy among them.
    """
    grid = np.atleast_1d(np.asarray(kappa, dtype=float))
    if place not in PLACES:
        raise InvalidInput(f"place must be before or after, got {place!r}")
    if grid.size < 3 or not np.all(np.diff(grid) > 0):
        raise InvalidInput("kappa: the search needs a range of three or more rising values")

    def accuracy(values: Array) -> Array:
        return head_table(features, label, weights, values, probe)[f"accuracy_{place}"]

    scanned = accuracy(grid)
    if not np.any(np.isfinite(scanned)):
        raise InvalidInput("kappa: no value of the range has a limiting accuracy")
    best = int(np.nanargmax(scanned))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    found = minimize_scalar(
        lambda x: -float(np.nan_to_num(accuracy(np.exp([x]))[0], nan=-1.0)),
        bounds=(np.log(low), np.log(high)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    place_of, value = float(np.exp(found.x)), -float(found.fun)
    if value < scanned[best]:
        place_of, value = float(grid[best]), float(scanned[best])
    ends = np.abs(np.log(place_of) - np.log(grid[[0, -1]])).min()
    status = "at an end" if ends < 1e-4 else "interior"
    if np.nanmax(scanned) - np.nanmin(scanned) < 1e-12:
        status = "flat"
    return BestHead(place_of, value, status)
