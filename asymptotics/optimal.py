"""Optimal choices: the ridge, gain, temperature or augmentation of the largest limiting accuracy.

    best("ridge", loss="logistic", signal=1.5, sampling_ratio=[0.5, 1, 2], gain=0.5)
    best(("ridge", "gain"), loss="hinge", signal=2, sampling_ratio=20)

The height is V = -log(test error), its slope in the log of a parameter the implicit derivative of
the saddle point (`asymptotics.responses`): every local maximum in the range is found and judged
(`asymptotics.local_maxima`), two parameters at once by `asymptotics.joint_maxima`.
Theory and closed forms: docs/theory/optimal.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.columns import Progress, columns_of, constant_columns
from asymptotics.conventions import mean_ridge
from asymptotics.errors import InvalidInput
from asymptotics.joint_maxima import joint_maxima
from asymptotics.limits import CONVERGED, limit
from asymptotics.local_maxima import BESIDE_UNSOLVED, NOT_CONVERGED, local_maxima
from asymptotics.optimal_ends import end_limits
from asymptotics.optimal_heights import Heights
from asymptotics.sweep import make_problem, product_of_grids
from asymptotics.table import Table

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Bounds = Mapping[str, tuple[float, float]]
Ranges = Sequence[tuple[Array, Array]]

# range searched unless bounds are given; the ridge's is that of the convention "mean"
RANGES = {
    "ridge": (1e-6, 1e6),
    "gain": (1e-3, 1e3),
    "temperature": (1e-2, 1e2),
    "augmentation": (1e-2, 1e1),
}
_WIDEST = (1e-12, 1e12)  # beyond it the saddle points are lost one by one
_PER_DECADE = 8
_JOINT_NODES = 17  # a parameter
_CHUNK = 64  # problems scanned together


def best(
    over: str | Sequence[str],
    bounds: Bounds | None = None,
    progress: Progress | None = None,
    **problem: Any,
) -> Table:
    """Every local maximum of the limiting accuracy over one parameter, or two, best first.

    `over` is ridge, gain, temperature or augmentation; `bounds` maps names to (low, high), 0 < low
    < high; `problem` is as in `asymptotics.sweep.curve`, without the parameters sought: any grid of
    problems. A row for each problem and local maximum:

    the sought parameters; `rank` (1 is best) of `num_maxima`; `accuracy`, `test_error`;
    `derivative_NAME` (d accuracy/d log NAME) and `curvature` (d^2 accuracy/d log NAME^2; of two
    parameters the largest eigenvalue over those inside the range; nan at an end);
    `location_error` of log NAME inside the range; `plateau_low`, `plateau_high` where the accuracy
    does not move to rounding (one parameter); `place_NAME` (two parameters);
    `status`: "interior", "at the lower end", "at the upper end", "flat", "at a jump" (of the gain
    that an objective trains), "at an end" (two parameters), "beside unsolved points",
    "not converged", or of a problem without any limit its own; `converged`;
    `bayes_accuracy` and `gap` = `bayes_accuracy` - `accuracy`;
    `end_limit`, `end_accuracy`: the limit beyond an end, where it is known (one parameter).

    Raises InvalidInput. A maximum outside the range, or one that fits between the nodes of the scan
    (8 a decade; 17 x 17 for two parameters) without bending the accuracy there, is not seen.
    """
    names = (over,) if isinstance(over, str) else tuple(over)
    bounds = dict(bounds or {})
    points, fixed = product_of_grids(problem)
    _check(names, bounds, points, fixed)
    size = next(iter(points.values())).size
    parts = []
    for first in range(0, size, _CHUNK):
        chosen = {name: values[first : first + _CHUNK] for name, values in points.items()}
        heights = Heights(names, chosen, fixed)
        parts.append(_columns(heights, [_range(heights, n, bounds.get(n)) for n in names]))
        if progress is not None:
            progress(heights.size)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Table(columns, dict(problem) | {"over": list(names), "bounds": bounds})


def _check(
    names: tuple[str, ...], bounds: Bounds, points: Mapping[str, Array], fixed: Mapping[str, Any]
) -> None:
    """InvalidInput unless the problem has the parameters sought, and leaves them open."""
    allowed = ", ".join(RANGES)
    for name in names:
        if name not in RANGES:
            raise InvalidInput(f"over must be one or two of {allowed}, got {name!r}")
        if name in points:
            raise InvalidInput(f"{name} is what is sought: leave it out, or give its bounds")
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        raise InvalidInput(f"over must be one or two of {allowed}, got {', '.join(names) or None}")
    for name in bounds:
        if name not in names:
            raise InvalidInput(f"bounds of {name}, which is not sought")
    if "sampling_ratio" not in points:
        raise InvalidInput("sampling_ratio is required, n/p > 0")
    trained = fixed.get("objective") is not None
    if not trained and {"temperature", "augmentation"} & set(names):
        raise InvalidInput("temperature and augmentation are parameters of an objective: give one")
    if trained and "gain" in names:
        raise InvalidInput("gain is not a parameter of a trained head: its objective sets it")
    for name in ("redrawn", "masked", "augmentation_across"):
        if name in points:
            raise InvalidInput(f"{name} has no derivatives: give the augmentation of both views")


def _range(heights: Heights, name: str, given: tuple[float, float] | None) -> tuple[Array, Array]:
    """log of (low, high) of one parameter for every problem."""
    if given is not None:
        low, high = (float(end) for end in given)
        if not 0 < low < high < np.inf:
            raise InvalidInput(f"bounds of {name} must be 0 < low < high, got {low:g}:{high:g}")
        if low < _WIDEST[0] or high > _WIDEST[1]:
            raise InvalidInput(f"bounds of {name} must lie in 1e-12:1e12, got {low:g}:{high:g}")
        return np.full(heights.size, np.log(low)), np.full(heights.size, np.log(high))
    ends = np.tile(np.log(RANGES[name])[:, None], heights.size)
    if name == "ridge":
        convention = heights.fixed.get("ridge_convention") or "mean"
        ratio, n = heights.points["sampling_ratio"], heights.points.get("num_samples")
        unit = np.log(mean_ridge(1.0, convention, ratio, n))
        ends = unit - ends[::-1] if convention == "C" else ends - unit
    return ends[0], ends[1]


def _columns(heights: Heights, ranges: Ranges) -> Columns:
    """The columns of `best`."""
    rows = (_along if len(ranges) == 1 else _jointly)(heights, ranges)
    rows = _with_missing(heights, ranges, rows)
    order = np.lexsort([-rows["height"], rows["problem"]])
    rows = {name: column[order] for name, column in rows.items()}
    owner, height = rows.pop("problem"), rows.pop("height")
    points, known = heights.of(owner), np.isfinite(height)
    given = constant_columns(points, heights.fixed) | points
    if "ridge" in heights.over:
        convention = heights.fixed.get("ridge_convention") or "mean"
        given["ridge_convention"] = np.full(owner.size, convention)
    given |= {name: rows.pop(name) for name in heights.over}
    given["rank"] = np.arange(owner.size) - np.searchsorted(owner, owner) + 1
    given["num_maxima"] = np.bincount(owner[known], minlength=heights.size)[owner]
    test_error = np.exp(-height)
    given |= {"accuracy": -np.expm1(-height), "test_error": test_error} | rows
    given["converged"] = known & ~np.isin(rows["status"], (BESIDE_UNSOLVED, NOT_CONVERGED))
    given["bayes_accuracy"], bayes_error = _bayes(points, heights.fixed)
    given["gap"] = test_error - bayes_error
    if len(heights.over) == 1:
        given |= end_limits(heights.over[0], rows["status"], points, heights.fixed)
    return given


def _along(heights: Heights, ranges: Ranges) -> Columns:
    """Rows of one parameter; derivatives of A = 1 - exp(-V)."""
    (name,), (low, high) = heights.over, ranges[0]
    count = 1 + max(24, int(np.ceil(_PER_DECADE * np.max(high - low) / np.log(10))))
    found = local_maxima(heights, low, high, count)
    error = np.exp(-found.height)
    return {
        "problem": found.problem,
        "height": found.height,
        name: np.exp(found.x),
        f"derivative_{name}": error * found.slope,
        "curvature": error * (found.curvature - found.slope**2),
        "location_error": found.location_error,
        "plateau_low": np.exp(found.plateau_low),
        "plateau_high": np.exp(found.plateau_high),
        "status": found.status,
    }


def _jointly(heights: Heights, ranges: Ranges) -> Columns:
    """Rows of two parameters."""
    low, high = (np.stack([ends[k] for ends in ranges]) for k in (0, 1))
    found = joint_maxima(heights, low, high, _JOINT_NODES)
    height = np.array([m.height for m in found])
    rows: Columns = {"problem": np.array([m.problem for m in found], dtype=np.intp)}
    rows["height"] = height
    for k, name in enumerate(heights.over):
        rows[name] = np.exp([m.x[k] for m in found])
        rows[f"derivative_{name}"] = np.exp(-height) * np.array([m.slope[k] for m in found])
        rows[f"place_{name}"] = np.array([m.places[k] for m in found], dtype="<U32")
    rows["curvature"] = np.exp(-height) * np.array([m.curvature for m in found])
    rows["location_error"] = np.array([m.location_error for m in found])
    rows["status"] = np.array([m.status for m in found], dtype="<U32")
    return rows


def _with_missing(heights: Heights, ranges: Ranges, rows: Columns) -> Columns:
    """The rows, and one without numbers for each problem of none: its status amid the range."""
    missing = np.setdiff1d(np.arange(heights.size), rows["problem"])
    if missing.size == 0:
        return rows
    points = heights.of(missing)
    for name, (low, high) in zip(heights.over, ranges, strict=True):
        points[name] = np.exp(0.5 * (low + high))[missing]
    status = columns_of(points, heights.fixed)["status"]
    empty: Columns = {
        name: np.full(missing.size, "" if column.dtype.kind == "U" else np.nan, dtype=column.dtype)
        for name, column in rows.items()
        if name not in ("problem", "status")
    }
    empty["problem"] = missing
    empty["status"] = np.where(status == CONVERGED, NOT_CONVERGED, status)
    return {name: np.concatenate([column, empty[name]]) for name, column in rows.items()}


def _bayes(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> tuple[Array, Array]:
    """(accuracy, test error) of the best classifier of the problem's features."""
    names = ("signal", "sampling_ratio", "gain", "prior")
    given: dict[str, Any] = {name: points[name] for name in names if name in points}
    mixture = ("intercept", "spectrum", "arrays")
    given |= {name: fixed[name] for name in mixture if name in fixed}
    shape = points["sampling_ratio"].shape
    found = limit(make_problem(loss="bayes", **given))
    return np.broadcast_to(found.accuracy, shape), np.broadcast_to(found.test_error, shape)
