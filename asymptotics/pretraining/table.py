"""The rows of a pretrained head: what it learned, what it does, and a probe before and after it.

pretraining_curve(signal=2, pretraining_ratio=[1.5, 3, 10], augmentation=0.5,
            loss="max-margin", sampling_ratio=2)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.columns import Progress
from asymptotics.conventions import mean_ridge
from asymptotics.errors import InvalidInput
from asymptotics.limits import CONVERGED, limit
from asymptotics.mixture import isotropic_mixture
from asymptotics.pretraining import transition
from asymptotics.pretraining.balanced import balanced
from asymptotics.pretraining.geometry import PretrainedGeometry
from asymptotics.pretraining.head import exists, pretrained
from asymptotics.pretraining.pairs import Pairs
from asymptotics.problem import Problem
from asymptotics.table import Table
from asymptotics.training import ENCODERS

Array = NDArray[np.float64]

# numbers or grids, in the order of the rows' columns; the last varies fastest
SWEPT = (
    "signal",
    "sampling_ratio",
    "ridge",
    "num_samples",
    "prior",
    "output_fraction",
    "augmentation",
    "pretraining_ratio",
)
# points solved at once: their nodes then take some 50 MB
_CHUNK = 2048
_REQUIRED = ("signal", "augmentation", "pretraining_ratio")
_OF_LIMIT = ("accuracy", "test_error", "converged", "status")
# status of a point without a head
NO_TRACE = "no limit: N/p = 1/2"
NO_ORDER = "no limit: k within the aligned outputs"
_OF_PROBE = ("sampling_ratio", "ridge", "num_samples", "prior")


def pretraining_curve(*, progress: Progress | None = None, **parameters: Any) -> Table:
    """A row for every point of the product of the grids.

    signal R, augmentation sigma, pretraining_ratio N/p, output_fraction k/p (default 1); with a
    `loss` also sampling_ratio n/p, ridge, ridge_convention, num_samples, prior, intercept, as in
    `asymptotics.make_problem`, and encoder: before the head stands the representation itself
    ("fixed", default) or the first layer of a balanced two-layer net ("balanced"). The head does
    not see prior and intercept; without a loss they only set the columns of best probes. Columns:

    transition: the N/p > 1 above which the first output learns the signal (inf without a signal).
    learned, overlap, eigenvalue: of the first output (`asymptotics.pretraining.transition`).
    accuracy_few_outputs: of the best probe on finitely many outputs: Phi(R overlap), and with an
        intercept that of the best threshold for the prior (pretraining.md, few-outputs).
    gain, expansion_measure: of the head with `output_fraction`, and rank_fraction, rank(W)/p.
    bayes_after: the same at sqrt(nu^T S^+ nu), the best that is left after the head.
    accuracy, accuracy_before, accuracy_after, test_error_before, test_error_after, residual,
        error_estimate, threshold: of the probe, with a loss; `accuracy` is that after the head.
    converged, status.

    A point without a limit is nan with its status: "no limit" of the probe, and of the head
    `NO_TRACE` (N/p = 1/2) or `NO_ORDER` (N < p, and k too small for the loss to rank the outputs).
    `progress(k)` is called as k more points are done. Raises InvalidInput.
    """
    points, fixed = product(parameters)
    size = next(iter(points.values())).size
    cuts = [slice(first, first + _CHUNK) for first in range(0, size, _CHUNK)]
    parts = []
    for cut in cuts:
        part = {name: values[cut] for name, values in points.items()}
        parts.append(columns_of(part, fixed))
        if progress is not None:
            progress(len(parts[-1]["status"]))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    names = {"loss": fixed.get("loss")}
    if "ridge" in points:
        names["ridge_convention"] = fixed.get("ridge_convention", "mean")
    constant = {k: np.full(size, v) for k, v in names.items() if v is not None}
    return Table(constant | points | columns, dict(parameters))


def product(parameters: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """(the swept parameters at every point of the product of their grids, the other ones)."""
    given = {name: value for name, value in parameters.items() if value is not None}
    for name in _REQUIRED:
        if name not in given:
            raise InvalidInput(f"{name} is required")
    if "loss" not in given:
        if not given.get("intercept"):
            given.pop("prior", None)  # the head sees second moments: no class is rarer
        unused = [name for name in _OF_PROBE if name in given and name != "prior"]
        if unused:
            raise InvalidInput(f"{unused[0]} needs a loss")
    elif "sampling_ratio" not in given:
        raise InvalidInput("sampling_ratio is required with a loss")
    grids = {name: np.atleast_1d(np.asarray(given[name], float)) for name in SWEPT if name in given}
    for name, grid in grids.items():
        if grid.ndim != 1 or grid.size == 0:
            raise InvalidInput(f"{name}: a grid is a non-empty list of numbers")
    mesh = np.meshgrid(*grids.values(), indexing="ij")
    points = {name: np.ravel(values) for name, values in zip(grids, mesh, strict=True)}
    return points, {name: value for name, value in given.items() if name not in grids}


def columns_of(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The result columns at flat points (arrays of one length), the other parameters fixed."""
    pairs = Pairs(*(points[name] for name in ("signal", "pretraining_ratio", "augmentation")))
    fraction = np.broadcast_to(points.get("output_fraction", np.ones(pairs.shape)), pairs.shape)
    there = exists(pairs, fraction)
    # where there is no head, any other keeps its place until it is struck out
    ratio = np.where(there, pairs.pretraining_ratio, 2.0)
    geometry = pretrained(pairs.signal, ratio, pairs.augmentation, np.where(there, fraction, 1.0))
    best = partial(_best, points.get("prior", 0.5), bool(fixed.get("intercept")))
    known = head_columns(geometry) | {"bayes_after": best(geometry.separation())}
    if fixed.get("loss") is not None:
        known |= probe_columns(points, fixed, geometry)
    else:
        known |= {"converged": there, "status": np.full(pairs.shape, CONVERGED)}
    overlap = transition.overlap(pairs)
    columns = {
        "transition": transition.critical_ratio(pairs.signal, pairs.augmentation),
        "learned": transition.learned(pairs),
        "overlap": overlap,
        "eigenvalue": transition.eigenvalue(pairs),
        "accuracy_few_outputs": best(pairs.signal * overlap),
    }
    for name, values in known.items():
        if name == "status":
            why = np.where(pairs.aspect == 2, NO_TRACE, NO_ORDER)
            columns[name] = np.where(there, values, why)
        elif name == "converged":
            columns[name] = values & there
        elif name.endswith("_before") and fixed.get("encoder") != "balanced":
            columns[name] = values
        else:
            columns[name] = np.where(there, values, np.nan)
    return columns


def head_columns(geometry: PretrainedGeometry) -> dict[str, NDArray[Any]]:
    """The columns of all the outputs that are kept."""
    gain = geometry.gain()
    return {
        "gain": gain,
        "expansion_measure": gain**2,
        "rank_fraction": geometry.rank_fraction(),
    }


def _best(prior: Array | float, intercept: bool, separation: Array) -> Array:
    """Accuracy of the best linear classifier at sqrt(nu^T S^+ nu) = `separation`."""
    mixture = isotropic_mixture(separation, prior)
    problem = Problem(mixture, loss="bayes", sampling_ratio=1.0, intercept=intercept)
    return np.asarray(limit(problem).accuracy)


def probe_columns(
    points: Mapping[str, Array], fixed: Mapping[str, Any], geometry: PretrainedGeometry
) -> dict[str, NDArray[Any]]:
    """The probe's limits before and after the head."""
    if fixed["loss"] == "bayes":
        raise InvalidInput("loss bayes needs no probe: it is the column bayes_after")
    problem = _problem(points, fixed)
    after, encoder = limit(problem, geometry=geometry), fixed.get("encoder") or "fixed"
    if encoder not in ENCODERS:
        raise InvalidInput(f"encoder must be one of {', '.join(ENCODERS)}, got {encoder!r}")
    if fixed.get("depth") is not None and (encoder != "balanced" or fixed["depth"] != 2):
        raise InvalidInput(
            "depth: before a pretrained head there is the representation itself or the first layer "
            f"of a balanced net of 2 layers, got encoder {encoder} with depth {fixed['depth']}"
        )
    if encoder == "balanced":
        first_layer = limit(problem, geometry=balanced(geometry))
        before = {name: getattr(first_layer, name) for name in _OF_LIMIT}
    else:
        before = _before(points, fixed)
    return {
        "accuracy": after.accuracy,
        "accuracy_before": before["accuracy"],
        "accuracy_after": after.accuracy,
        "test_error_before": before["test_error"],
        "test_error_after": after.test_error,
        "residual": after.residual,
        "error_estimate": after.error_estimate,
        "threshold": after.threshold,
        "converged": after.converged & before["converged"],
        "status": np.where(after.converged, before["status"], after.status),
    }


def _problem(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> Problem:
    ratio, ridge = points["sampling_ratio"], points.get("ridge")
    if ridge is not None:
        convention = fixed.get("ridge_convention", "mean")
        ridge = mean_ridge(ridge, convention, ratio, points.get("num_samples"))
    return Problem(
        isotropic_mixture(points["signal"], points.get("prior", 0.5)),
        loss=fixed["loss"],
        sampling_ratio=ratio,
        ridge=ridge,
        intercept=bool(fixed.get("intercept", False)),
    )


def _before(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The limit without a head, every distinct point solved once."""
    known = {name: points[name] for name in ("signal", *_OF_PROBE) if name in points}
    keys = np.stack(list(known.values()))
    _, chosen, place = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    found = limit(_problem({name: values[chosen] for name, values in known.items()}, fixed))
    return {name: getattr(found, name)[np.ravel(place)] for name in _OF_LIMIT}
