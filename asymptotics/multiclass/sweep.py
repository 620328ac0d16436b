"""K-class problems from the parameter names of the command line, one point or a product of grids.

multiclass_accuracy(classes=3, signal=1.5, loss="softmax", sampling_ratio=2, ridge=0.1)
multiclass_curve(classes=3, signal=2, loss="square", ridge=0.1, sampling_ratio=[1, 2],
                 objective="spectral", augmentation=[0.5, 1, 2])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.conventions import mean_ridge
from asymptotics.errors import InvalidInput, NoLimit, NotConverged
from asymptotics.limits import CONVERGED, NO_LIMIT, NOT_CONVERGED
from asymptotics.multiclass.contrastive import TrainedHead, trained_gains
from asymptotics.multiclass.limits import MulticlassLimit, multiclass_limit
from asymptotics.multiclass.mixture import MulticlassMixture, multiclass_mixture, simplex_means
from asymptotics.multiclass.problem import MulticlassProblem, gain_head
from asymptotics.table import Table

Array = NDArray[np.float64]

# the parameters that can be swept, in the order of the rows' columns
MULTICLASS_SWEPT = (
    "classes",
    "signal",
    "sampling_ratio",
    "ridge",
    "num_samples",
    "gain",
    "dimension",
    "augmentation",
    "temperature",
)
_OF_THE_HEAD = ("dimension", "augmentation", "temperature")
_RESULTS = ("accuracy", "test_error", "error_estimate", "residual", "worst_class_accuracy")
# none of these probes ceases to exist at an n/p; tables of other probes have the column
_THRESHOLD = {"threshold": np.nan}


def multiclass_problem(
    *,
    loss: str,
    sampling_ratio: float,
    classes: float | None = None,
    signal: float | None = None,
    means: ArrayLike | None = None,
    priors: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    ridge: float | None = None,
    ridge_convention: str = "mean",
    num_samples: float | None = None,
    gain: float | None = None,
    gains: ArrayLike | None = None,
    objective: str | None = None,
    augmentation: float | None = None,
    temperature: float | None = None,
    dimension: float | None = None,
    intercept: bool = False,
) -> tuple[MulticlassProblem, TrainedHead | None]:
    """One problem from plain parameters, and the head that an `objective` trained, if one is given.

    The mixture is the simplex (`classes`, `signal` = R) or `means` (K, r) with an optional block
    `covariance`; `priors` are equal if absent. The head is `gain` (one for all mean directions),
    `gains` (one for each), or trained by `objective` at `augmentation`, `temperature` and
    `dimension`, as far as it needs them. Raises InvalidInput, and as `trained_head`.
    """
    mixture = multiclass_mixture_of(classes, signal, means, priors, covariance)
    heads = [name for name, x in (("gain", gain), ("gains", gains)) if x is not None]
    if len(heads) + (objective is not None) > 1:
        raise InvalidInput("give at most one of gain, gains and objective")
    if ridge is not None:
        ridge = float(mean_ridge(ridge, ridge_convention, sampling_ratio, num_samples))
    head: Array | None = None
    trained: TrainedHead | None = None
    if objective is not None:
        if augmentation is None:
            raise InvalidInput(f"augmentation is required with the objective {objective}")
        trained = trained_gains(mixture, objective, augmentation, temperature, dimension)
        head = trained.matrix
    elif heads:
        head = gain_head(mixture, gain if gains is None else gains)  # type: ignore[arg-type]
    problem = MulticlassProblem(mixture, loss, float(sampling_ratio), ridge, head, intercept)
    return problem, trained


def multiclass_mixture_of(
    classes: float | None,
    signal: float | None,
    means: ArrayLike | None,
    priors: ArrayLike | None,
    covariance: ArrayLike | None,
) -> MulticlassMixture:
    """The simplex of `classes` and `signal`, or the classes of `means`. Raises InvalidInput."""
    if (means is None) == (signal is None):
        raise InvalidInput("give either signal (with classes) or means")
    if means is None:
        if classes is None or not float(classes).is_integer():
            raise InvalidInput(f"classes must be a whole number, got {classes}")
        assert signal is not None
        if covariance is not None:
            raise InvalidInput("covariance needs means: on the simplex it is I")
        return multiclass_mixture(simplex_means(int(classes), float(signal)), priors)
    if classes is not None and classes != len(np.atleast_2d(means)):
        raise InvalidInput(
            f"classes is {classes:g} but there are {len(np.atleast_2d(means))} means"
        )
    return multiclass_mixture(means, priors, covariance)


def multiclass_accuracy(*, seed: int = 0, **parameters: Any) -> MulticlassLimit:
    """The limit at one point; parameters as in `multiclass_problem`.

    Raises InvalidInput or NotConverged.
    """
    problem, _ = multiclass_problem(**parameters)
    return multiclass_limit(problem, seed=seed)


def multiclass_curve(
    *, seed: int = 0, progress: Callable[[int], None] | None = None, **parameters: Any
) -> Table:
    """Limits on the product of all grids among `MULTICLASS_SWEPT`, the last one fastest.

    A row has the point, accuracy, test_error, worst_class_accuracy, error_estimate, residual,
    converged and status; with an `objective` also gain and weakest_gain (along the mean directions
    of most and least between-class variance), gain_error_estimate and regime, and accuracy_before
    and accuracy_after the head. A point that does not converge is marked and not filled in.
    """
    points, fixed = multiclass_grid(parameters)
    rows = []
    headless: dict[tuple[float, ...], dict[str, Any]] = {}
    size = next(iter(points.values())).size
    for i in range(size):
        point = {name: float(values[i]) for name, values in points.items()}
        rows.append(multiclass_row(point, fixed, seed, headless))
        if progress is not None:
            progress(1)
    names: dict[str, Any] = {"loss": np.full(size, fixed["loss"])}
    if "classes" in points:
        points["classes"] = points["classes"].astype(int)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Table(names | points | columns, dict(parameters))


def multiclass_grid(parameters: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """(the swept parameters at every point of the product of their grids, the others)."""
    given = {name: value for name, value in parameters.items() if value is not None}
    grids = {
        name: np.atleast_1d(np.asarray(given[name], dtype=float))
        for name in MULTICLASS_SWEPT
        if name in given
    }
    for name, grid in grids.items():
        if grid.ndim != 1 or grid.size == 0:
            raise InvalidInput(f"{name}: a grid is a non-empty list of numbers")
    mesh = np.meshgrid(*grids.values(), indexing="ij")
    points = {name: np.ravel(x) for name, x in zip(grids, mesh, strict=True)}
    return points, {name: value for name, value in given.items() if name not in grids}


def multiclass_row(
    point: Mapping[str, float],
    fixed: Mapping[str, Any],
    seed: int,
    headless: dict[tuple[float, ...], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The result columns of one point; `headless` keeps what is found before the head."""
    try:
        problem, trained = multiclass_problem(**{**fixed, **point})
    except NoLimit:
        return _headless("collapse", NO_LIMIT)
    except NotConverged:
        return _headless("not found", NOT_CONVERGED)
    row = _columns(problem, seed)
    if trained is None:
        return row
    known = {} if headless is None else headless
    key = tuple(value for name, value in point.items() if name not in _OF_THE_HEAD)
    if key not in known:
        known[key] = _columns(replace(problem, head=None), seed)
    before = known[key]
    ok = bool(row["converged"] and before["converged"])
    strongest, weakest = float(trained.gains[0]), float(trained.gains[-1])
    with np.errstate(divide="ignore"):
        signs = np.sign(np.round(np.log(trained.gains), 10))
    regimes = {(1.0,): "expansion", (-1.0,): "shrinkage", (0.0,): "isotropic"}
    return {
        "gain": strongest,
        "weakest_gain": weakest,
        "regime": regimes.get(tuple(np.unique(signs)), "mixed"),
        "gain_error_estimate": trained.error_estimate,
        "accuracy_before": before["accuracy"],
        "accuracy_after": row["accuracy"],
        # an accuracy moves by less than log W (a third of it, for two classes averaged)
        "error_estimate": max(
            row["error_estimate"] + trained.error_estimate, before["error_estimate"]
        ),
        "residual": max(row["residual"], before["residual"]),
        **_THRESHOLD,
        "converged": ok,
        "status": CONVERGED if ok else NOT_CONVERGED,
    }


def _headless(regime: str, status: str) -> dict[str, Any]:
    """A row of a head that collapses or was not found."""
    numbers = ("gain", "weakest_gain", "gain_error_estimate", "accuracy_before", "accuracy_after")
    missing = dict.fromkeys((*numbers, "error_estimate", "residual"), np.nan)
    return missing | _THRESHOLD | {"regime": regime, "converged": False, "status": status}


def _columns(problem: MulticlassProblem, seed: int) -> dict[str, Any]:
    try:
        found = multiclass_limit(problem, seed=seed)
    except NotConverged:
        missing = dict.fromkeys(_RESULTS, np.nan) | _THRESHOLD
        return missing | {"converged": False, "status": NOT_CONVERGED}
    worst = float(np.diag(found.confusion).min())
    values = (found.accuracy, found.test_error, found.error_estimate, found.residual, worst)
    row: dict[str, Any] = dict(zip(_RESULTS, values, strict=True)) | _THRESHOLD
    return row | {"converged": True, "status": CONVERGED}
