"""The columns of the points of a grid: solved in chunks, part after part, here or by workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from asymptotics.limits import CONVERGED, Limit, limit

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Chunks = list[NDArray[np.intp]]
Points = TypeVar("Points", bound=Mapping[str, Array])
Progress = Callable[[int], None]

# objectives whose gain takes milliseconds a point
EXPENSIVE = ("cosine", "cosine-fixed-temperature")


def constant_columns(points: Mapping[str, Array], fixed: Mapping[str, Any]) -> Columns:
    """What a row must say beside its numbers: loss, objective, and the convention of its ridge."""
    names = [name for name in ("loss", "objective") if fixed.get(name) is not None]
    size = next(iter(points.values())).size
    columns = {name: np.full(size, fixed[name]) for name in names}
    if "ridge" in points:
        columns["ridge_convention"] = np.full(size, fixed.get("ridge_convention", "mean"))
    return columns


def columns_of(
    points: Mapping[str, Array],
    fixed: Mapping[str, Any],
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Columns:
    """The result columns of flat points (arrays of one length) with the other parameters fixed.

    Solved in chunks, each a task of `executor` if there is one.
    """
    ((_, columns),) = columns_in_parts([points], fixed, progress, executor)
    return columns


def columns_in_parts(
    parts: Iterable[Points],
    fixed: Mapping[str, Any],
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Iterator[tuple[Points, Columns]]:
    """Each part's points with their columns, as `columns_of`.

    The workers of an `executor` have the next part before the columns of one are used.
    """
    submitted = ((points, _submit(points, fixed, executor)) for points in parts)
    waiting = next(submitted)
    for following in submitted:
        yield waiting[0], _collect(*waiting[1], progress)
        waiting = following
    yield waiting[0], _collect(*waiting[1], progress)


def _submit(
    points: Mapping[str, Array], fixed: Mapping[str, Any], executor: Executor | None
) -> tuple[Chunks, Iterator[Columns]]:
    """Chunks of indices into the points, and an iterator over the columns of each."""
    size = next(iter(points.values())).size
    solve = _trained if fixed.get("objective") else _untrained
    chunk = 8192
    if fixed.get("objective") in EXPENSIVE:
        # neighbours share work, and a few tasks keep the workers busy
        chunk = min(max(256, size // 4), 1024)
    # neighbours in dimension and temperature share the kernel of the cosine objective
    keys = [points[name] for name in ("temperature", "dimension") if name in points]
    order = np.lexsort(keys) if keys else np.arange(size)
    cuts = [order[first : first + chunk] for first in range(0, size, chunk)]
    tasks = ({name: values[cut] for name, values in points.items()} for cut in cuts)
    if executor is None:
        return cuts, map(solve, tasks, repeat(fixed))
    return cuts, executor.map(solve, tasks, repeat(fixed))


def _collect(cuts: Chunks, results: Iterator[Columns], progress: Progress | None) -> Columns:
    size = sum(cut.size for cut in cuts)
    columns: Columns = {}
    for cut, part in zip(cuts, results, strict=True):
        for name, values in part.items():
            columns.setdefault(name, np.empty(size, values.dtype))
            # a text may be longer than those before it
            if values.dtype.itemsize > columns[name].dtype.itemsize:
                columns[name] = columns[name].astype(values.dtype)
            columns[name][cut] = values
        if progress is not None:
            progress(cut.size)
    return columns


def _untrained(points: Mapping[str, Any], fixed: Mapping[str, Any]) -> Columns:
    from asymptotics.sweep import make_problem

    names = fixed.get("quantities", ())
    problem = {name: value for name, value in fixed.items() if name != "quantities"}
    return limit_columns(limit(make_problem(**problem, **points)), names)


def _trained(points: Mapping[str, Any], fixed: Mapping[str, Any]) -> Columns:
    from asymptotics.training import trained_columns, trained_gain

    return (trained_columns if fixed.get("loss") else trained_gain)(points, fixed)


def limit_columns(result: Limit, quantities: Sequence[str] = ()) -> Columns:
    """The columns of a `Limit`, flattened: what a row says of a point.

    `quantities` are further observables (`asymptotics.observables`), columns in snake case.
    """
    names = ("accuracy", "test_error", "residual", "error_estimate", "threshold")
    columns: Columns = {name: np.ravel(getattr(result, name)) for name in names}
    columns["converged"] = np.ravel(result.status == CONVERGED)
    columns["status"] = np.ravel(result.status)
    for name in ("gamma", "m", "q", "intercept", "overlap"):
        columns[name] = np.ravel(getattr(result, name))
    if quantities:
        from asymptotics.observables import observe

        columns |= {q.replace("-", "_"): np.ravel(observe(result, q)) for q in quantities}
    return columns
