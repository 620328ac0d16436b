"""Problems from the parameter names of the command line, one point or the product of grids.

accuracy(loss="logistic", signal=1.5, sampling_ratio=1.5, ridge=0.1, gain=2.0)
curve(loss="max-margin", signal=2, sampling_ratio=np.linspace(0.2, 10, 50), gain=[0.5, 1, 2])
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.columns import Progress, columns_in_parts, columns_of, constant_columns
from asymptotics.conventions import mean_ridge
from asymptotics.errors import InvalidInput
from asymptotics.limits import Limit, limit
from asymptotics.mixture import (
    Mixture,
    component_mixture,
    explicit_mixture,
    isotropic_mixture,
    spectral_mixture,
)
from asymptotics.problem import Problem
from asymptotics.projectors import Gain, Matrix, Projector, tilted
from asymptotics.table import Table

Array = NDArray[np.float64]


def make_problem(
    *,
    loss: str,
    sampling_ratio: ArrayLike,
    signal: ArrayLike | None = None,
    ridge: ArrayLike | None = None,
    ridge_convention: str = "mean",
    num_samples: ArrayLike | None = None,
    gain: ArrayLike | None = None,
    prior: ArrayLike = 0.5,
    intercept: bool = False,
    spectrum: Mapping[str, ArrayLike] | None = None,
    arrays: Mapping[str, ArrayLike] | None = None,
    angle: float = 0.0,
    label_noise: ArrayLike = 0.0,
    class_weights: Sequence[float] = (1.0, 1.0),
    class_variances: Sequence[float] = (1.0, 1.0),
    balanced: bool = False,
) -> Problem:
    """A `Problem` from plain parameters; all numbers may be arrays that broadcast.

    The mixture is one of: `signal` (R, isotropic classes N(+-R muhat, I)); `spectrum`
    (eigenvalues, weights, squared_means); `arrays` (mean, covariance, projector, the last two
    optional, or several components: means, labels, priors, covariances, projector). `gain` is 1
    if absent. `ridge` is in `ridge_convention` (`asymptotics.conventions`).

    `angle` (degrees) of the head's direction to the mean and `class_variances` of the two classes
    belong to `signal`; `label_noise`, `class_weights`, `balanced` as in `Problem`. Raises
    InvalidInput.
    """
    if sum(source is not None for source in (signal, spectrum, arrays)) != 1:
        raise InvalidInput("give exactly one of signal, spectrum and arrays")
    gain = 1.0 if gain is None else gain
    if signal is None and (angle or tuple(class_variances) != (1.0, 1.0)):
        raise InvalidInput(
            "angle and class_variances belong to a signal, not to spectrum or arrays"
        )
    if signal is not None:
        block = 2 if angle else 1
        variances = _pair("class_variances", class_variances)
        mixture: Mixture = isotropic_mixture(signal, prior, variances, block)
        head: Projector | None = tilted(gain, angle) if angle else None
    else:
        mixture, head = _mixture(spectrum, arrays, prior)
    if head is not None and not angle and not np.all(np.asarray(gain) == 1.0):
        raise InvalidInput("gain and a projector among the arrays exclude one another")
    if ridge is not None:
        ridge = mean_ridge(ridge, ridge_convention, sampling_ratio, num_samples)
    return Problem(
        mixture,
        head or Gain(gain),
        loss,
        sampling_ratio,
        ridge,
        intercept,
        label_noise,
        _pair("class_weights", class_weights),
        balanced,
    )


def _pair(name: str, values: Sequence[float]) -> tuple[float, float]:
    found = tuple(float(x) for x in values)
    if len(found) != 2:
        raise InvalidInput(
            f"{name} must be two numbers, of the classes +1 and -1, got {len(found)}"
        )
    return found[0], found[1]


def _mixture(
    spectrum: Mapping[str, ArrayLike] | None,
    arrays: Mapping[str, ArrayLike] | None,
    prior: ArrayLike,
) -> tuple[Mixture, Projector | None]:
    if spectrum is not None:
        _check_names("spectrum", spectrum, ("eigenvalues", "weights", "squared_means"), ())
        return spectral_mixture(**spectrum, prior=prior), None
    assert arrays is not None
    if "means" in arrays:
        if np.any(np.asarray(prior) != 0.5):
            raise InvalidInput("prior: the arrays have priors of their own; leave it out")
        _check_names("arrays", arrays, ("means", "labels", "priors"), ("covariances", "projector"))
        classes = {name: value for name, value in arrays.items() if name != "projector"}
        mixture = component_mixture(**classes)
    else:
        _check_names("arrays", arrays, ("mean",), ("covariance", "projector"))
        mixture = explicit_mixture(arrays["mean"], arrays.get("covariance"), prior)
    if "projector" not in arrays:
        return mixture, None
    return mixture, Matrix(np.asarray(arrays["projector"], dtype=float))


def _check_names(
    what: str, given: Mapping[str, Any], required: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    for name in required:
        if name not in given:
            found = ", ".join(given) or "nothing"
            raise InvalidInput(f"{what}: the array {name!r} is missing, found {found}")
    for name in given:
        if name not in required + optional:
            allowed = ", ".join(required + optional)
            raise InvalidInput(f"{what}: unknown array {name!r}, allowed are {allowed}")


def accuracy(**parameters: Any) -> Limit:
    """The limiting accuracy at one point, or at arrays of points that all must have a limit.

    Parameters as in `make_problem`; returns `Limit`. Raises NoLimit naming the threshold that was
    crossed, NotConverged with the residual, or InvalidInput.
    """
    return limit(make_problem(**parameters)).raise_on_failure()


# the parameters that can be swept, in the order of the rows' columns
SWEPT = (
    "signal",
    "sampling_ratio",
    "ridge",
    "gain",
    "prior",
    "label_noise",
    "num_samples",
    "dimension",
    "augmentation",
    "augmentation_across",
    "redrawn",
    "masked",
    "temperature",
)


PART = 65536  # rows of a table of a grid that is not held


def curve(
    *, progress: Progress | None = None, executor: Executor | None = None, **parameters: Any
) -> Table:
    """The limiting accuracy on the product of every grid among the parameters.

    A number of `make_problem` given as a list or array is a grid; rows run over the product, the
    last of `SWEPT` fastest. Points without a limit are rows of nan (None in ``rows()``), a
    `status` and the `threshold` that was crossed; nothing is filled in. With an `objective` the
    gain is the one that contrastive training gives (`asymptotics.training`), and the rows have
    `accuracy_before` and `accuracy_after` the head. `quantities` names further observables, of the
    probe after the head. `progress(k)` is called as k more points are
    done; `executor` solves chunks of points in parallel.
    """
    points, fixed = product_of_grids(parameters)
    columns = columns_of(points, fixed, progress, executor)
    return Table(constant_columns(points, fixed) | points | columns, dict(parameters))


def curve_parts(
    *, progress: Progress | None = None, executor: Executor | None = None, **parameters: Any
) -> Iterator[Table]:
    """The rows of `curve` in tables of at most `PART`, one after another: for grids of any size."""
    grids, fixed = grids_of(parameters)
    for points, columns in columns_in_parts(parts_of_product(grids), fixed, progress, executor):
        yield Table(constant_columns(points, fixed) | points | columns, dict(parameters))


def parts_of_product(
    grids: Mapping[str, Array], size: int | None = None
) -> Iterator[dict[str, Array]]:
    """The points of the product of `grids` in order, at most `size` (`PART`) at a time."""
    shape = [grid.size for grid in grids.values()]
    total, size = math.prod(shape), size or PART
    for first in range(0, total, size):
        place = np.unravel_index(np.arange(first, min(first + size, total)), shape)
        yield {name: grid[k] for (name, grid), k in zip(grids.items(), place, strict=True)}


def product_of_grids(
    parameters: Mapping[str, Any],
) -> tuple[dict[str, Array], dict[str, Any]]:
    """(the swept parameters at every point of the product of their grids, the other ones)."""
    grids, fixed = grids_of(parameters)
    mesh = np.meshgrid(*grids.values(), indexing="ij")
    points = {name: np.ravel(values) for name, values in zip(grids, mesh, strict=True)}
    return points, fixed


def grids_of(parameters: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """(the grid of every swept parameter, the other parameters)."""
    names = [name for name in SWEPT if parameters.get(name) is not None]
    grids = {name: np.atleast_1d(np.asarray(parameters[name], dtype=float)) for name in names}
    for name, grid in grids.items():
        if grid.ndim != 1 or grid.size == 0:
            raise InvalidInput(f"{name}: a grid is a non-empty list of numbers")
    fixed = {
        name: value for name, value in parameters.items() if name not in grids and value is not None
    }
    return grids, fixed
