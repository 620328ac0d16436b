"""What lies beyond an end of the range: the probe or the head that the accuracy tends to.

    ridge -> 0          the limit of the loss: max-margin, logistic-mle, min-norm, least-squares
    ridge -> infinity   averaging; with a fitted intercept and unequal classes always the likelier
    gain -> infinity    collapse onto the signal
    gain -> 0           the signal removed

Source: probe.md, section 6 and intercept; pipeline.md, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.columns import columns_of
from asymptotics.limits import CONVERGED
from asymptotics.local_maxima import LOWER, UPPER

Array = NDArray[np.float64]

# loss: the probes that it may tend to as its ridge vanishes; at most one exists at each n/p
_VANISHING_RIDGE = {
    "square": ("min-norm", "least-squares"),
    "logistic": ("max-margin", "logistic-mle"),
    "hinge": ("max-margin",),
    "squared-hinge": ("max-margin",),
}


def end_limits(
    name: str,
    status: NDArray[np.str_],
    points: Mapping[str, Array],
    fixed: Mapping[str, Any],
) -> dict[str, NDArray[Any]]:
    """Columns `end_limit` (its name, "" where there is none) and `end_accuracy` (nan).

    `points` are those of the rows, without the parameter `name` that was sought.
    """
    limits = np.full(status.size, "", dtype="<U16")
    accuracy = np.full(status.size, np.nan)
    for end in (LOWER, UPPER):
        rows = np.flatnonzero(status == end)
        if rows.size == 0:
            continue
        part = {key: values[rows] for key, values in points.items()}
        for label, found in _candidates(name, end, part, fixed):
            chosen = rows[np.isfinite(found)]
            limits[chosen], accuracy[chosen] = label, found[np.isfinite(found)]
    return {"end_limit": limits, "end_accuracy": accuracy}


def _candidates(
    name: str, end: str, points: Mapping[str, Array], fixed: Mapping[str, Any]
) -> list[tuple[str, Array]]:
    """(limit, its accuracy or nan) of every row."""
    if name == "gain":
        label, gain = ("collapse", np.inf) if end == UPPER else ("no signal", 0.0)
        size = next(iter(points.values())).size
        return [(label, _accuracy(dict(points) | {"gain": np.full(size, gain)}, fixed))]
    if name != "ridge" or fixed["loss"] not in _VANISHING_RIDGE:
        return []
    inverted = fixed.get("ridge_convention") == "C"
    if (end == LOWER) != inverted:
        return [
            (probe, _accuracy(points, dict(fixed) | {"loss": probe}))
            for probe in _VANISHING_RIDGE[fixed["loss"]]
        ]
    averaging = _accuracy(points, dict(fixed) | {"loss": "averaging", "intercept": False})
    prior = points["prior"] if fixed.get("intercept") and "prior" in points else 0.5
    prior = np.broadcast_to(prior, averaging.shape)
    return [
        ("averaging", np.where(prior == 0.5, averaging, np.nan)),
        ("majority", np.where(prior == 0.5, np.nan, np.maximum(prior, 1 - prior))),
    ]


def _accuracy(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> Array:
    """The accuracy at flat points, nan where there is none."""
    rest = {key: value for key, value in fixed.items() if key != "ridge_convention"}
    columns = columns_of({k: v for k, v in points.items() if k != "num_samples"}, rest)
    return np.where(columns["status"] == CONVERGED, columns["accuracy"], np.nan)
