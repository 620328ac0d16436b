"""When is the layer before the head better? Three scenarios, as a map over (strength, correlation).

One feature of strength phi and correlation rho across the views carries the downstream label, over
a background of other features. Where a probe does better before the head, the head hurts because
the label's feature was

    disrupted     undisrupted (rho = 1) it would not hurt (gaining nothing is not hurting)
    too weak      it would hurt even at rho = 1, and phi <= sigma: weights grow with the strength
    too strong    the same at phi > sigma: weights fall with the strength

since the weight w = sqrt(rho) phi/(phi^2 + sigma^2) is largest at phi = sigma (layers_verdict.md,
scenarios). The boundary `tie` is where the test errors before and after the head are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.columns import Progress
from asymptotics.errors import InvalidInput
from asymptotics.layers.second_moments import Features
from asymptotics.layers.verdict import Network, layer_limits
from asymptotics.level_sets import Points, cross_segments, level_lines
from asymptotics.limits import CONVERGED
from asymptotics.phase import Boundary
from asymptotics.table import Table

Array = NDArray[np.float64]

SCENARIOS = ("after", "equal", "disrupted", "too weak", "too strong", "unknown")
# a difference of log errors below which both layers are equal
_EQUAL = 1e-9
_CHUNK = 2048


@dataclass(frozen=True)
class ScenarioMap:
    """Cells over strength (x) and correlation (y), rows of `table` with y slowest; `tie` curves.

    Columns: strength, correlation, ``weight_before`` and ``weight_after`` (of the label's feature,
    over the root mean square of the layer's weights), ``accuracy_before``, ``accuracy_after``,
    ``test_error_before``, ``test_error_after``, ``scenario`` (one of ``SCENARIOS``),
    ``converged``, ``status``; "no background" where a layer keeps the label's feature at most: it
    has one output at most, and no n/p.
    """

    strength: Array
    correlation: Array
    table: Table
    boundaries: tuple[Boundary, ...]

    def cells(self, column: str) -> NDArray[Any]:
        """A column as an array (correlation, strength)."""
        return self.table[column].reshape(self.correlation.size, self.strength.size)


@dataclass(frozen=True)
class Setting:
    """Background features, the noise of the label's feature, the net and the probe.

    background: the other kinds; their fractions sum to 1. noise: sigma of the label's feature.
    probe: loss, sampling_ratio, and ridge, prior, intercept as in `verdict.layer_limits`.
    """

    background: Features
    noise: float
    network: Network
    probe: Mapping[str, Any]

    def columns(self, strength: Array, correlation: Array) -> dict[str, NDArray[Any]]:
        """The columns of flat cells, but for the scenario."""
        features = self.features(strength, correlation)
        label = features.dimension - 1
        weight = self.network.optimum(features)
        share = np.asarray(features.fraction)
        alone = ~np.any(weight.weight * share > 0, axis=-1)
        limits = layer_limits(features, label, self.network, stand_in=alone, **self.probe)
        depth = self.network.depth
        columns: dict[str, NDArray[Any]] = {}
        for name, layer in (("before", depth - 1), ("after", depth)):
            u = weight.layer(layer)
            mean_square = np.where(alone, np.nan, np.sum(share * u**2, axis=-1))
            columns[f"weight_{name}"] = u[:, label] / np.sqrt(mean_square)
            columns[f"accuracy_{name}"] = np.where(alone, np.nan, limits[layer].accuracy)
            columns[f"test_error_{name}"] = np.where(alone, np.nan, limits[layer].test_error)
        before, after = limits[depth - 1], limits[depth]
        columns["converged"] = before.converged & after.converged & ~alone
        status = np.where(before.status == CONVERGED, after.status, before.status)
        columns["status"] = np.where(alone, "no background", status)
        return columns

    def features(self, strength: Array, correlation: Array) -> Features:
        """The background and, last and alone of its kind, the label's feature; a batch."""
        names = ("strength", "noise", "correlation", "kept")
        own = (strength, np.full(strength.shape, self.noise), correlation, np.ones(strength.shape))
        parts = []
        for name, last in zip(names, own, strict=True):
            others = np.asarray(getattr(self.background, name))
            others = np.broadcast_to(others, (*strength.shape, others.size))
            parts.append(np.concatenate([others, last[:, None]], axis=1))
        fraction = np.append(np.asarray(self.background.fraction), 0.0)
        phi, sigma, rho, kept = parts
        return Features(phi, sigma, rho, kept, fraction)

    def gained(self, points: Points) -> Array:
        """log(error before/error after): > 0 where the head helps."""
        columns = self.columns(points["strength"], points["correlation"])
        return np.asarray(
            np.log(columns["test_error_before"]) - np.log(columns["test_error_after"])
        )


def scenario_map(
    setting: Setting,
    strength: ArrayLike,
    correlation: ArrayLike,
    progress: Progress | None = None,
) -> ScenarioMap:
    """The map over the grids `strength` (phi >= 0) and `correlation` (rho in [0, 1]), both rising.

    Raises InvalidInput for grids of fewer than two rising values or outside the domains.
    """
    axes = {
        name: np.asarray(grid, dtype=float)
        for name, grid in (("strength", strength), ("correlation", correlation))
    }
    for name, grid in axes.items():
        if grid.ndim != 1 or grid.size < 2 or not np.all(np.diff(grid) > 0):
            raise InvalidInput(f"{name}: an axis of a map needs 2 or more rising values")
    phi, rho = (x.ravel() for x in np.meshgrid(*axes.values()))
    parts = []
    for first in range(0, phi.size, _CHUNK):
        cut = slice(first, first + _CHUNK)
        parts.append(setting.columns(phi[cut], rho[cut]))
        if progress is not None:
            progress(phi[cut].size)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    gained = _gained(columns).reshape(axes["correlation"].size, -1)
    undisrupted = _gained(setting.columns(axes["strength"], np.ones_like(axes["strength"])))
    columns["scenario"] = _scenarios(gained, undisrupted, axes["strength"] <= setting.noise)
    lines = level_lines(
        gained, axes, lambda left, right: cross_segments(setting.gained, left, right)
    )
    return ScenarioMap(
        axes["strength"],
        axes["correlation"],
        Table({"strength": phi, "correlation": rho} | columns),
        tuple(Boundary("tie", x, y) for x, y in lines),
    )


def _gained(columns: Mapping[str, Array]) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(columns["test_error_before"]) - np.log(columns["test_error_after"])


def _scenarios(gained: Array, undisrupted: Array, weak: NDArray[np.bool_]) -> NDArray[np.str_]:
    """The scenario of every cell, flat, from what the head gains in it and at rho = 1."""
    innocent = undisrupted >= -_EQUAL
    hurt = np.where(innocent, "disrupted", np.where(weak, "too weak", "too strong"))
    hurt = np.where(np.isfinite(undisrupted), hurt, "unknown")
    names = np.where(gained > 0, "after", np.broadcast_to(hurt, gained.shape))
    names = np.where(np.abs(gained) <= _EQUAL, "equal", names)
    return np.where(np.isfinite(gained), names, "unknown").ravel()
