"""The two halves joined: contrastive training makes a gain, the gain makes an accuracy.

    (objective, temperature, augmentation, signal, dimension)  ->  a  ->  accuracy after the head,

and before the head the accuracy at gain 1 (``encoder="fixed"``: the head alone was trained) or at
gain a^{(L-1)/L} (``encoder="balanced"``: a linear net of L = ``depth`` layers, two unless said
otherwise, trained from a balanced start, which splits its composite gain evenly). The gain of
`cosine` is exact at finite d while the accuracy is the limit n, p -> infinity: a mixed limit;
`cosine-scaled` is the consistent one (pipeline.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.views import ViewPair, anisotropic_noise, class_redraw, masking
from asymptotics.errors import InvalidInput, NotConverged

if TYPE_CHECKING:
    from asymptotics.contrastive.projector import Projection

Array = NDArray[np.float64]

ENCODERS = ("fixed", "balanced")
GAIN_NOT_CONVERGED = "gain not converged"

# parameters of the objective, beside the signal that both halves share
OF_OBJECTIVE = (
    "objective",
    "temperature",
    "augmentation",
    "augmentation_across",
    "redrawn",
    "masked",
    "dimension",
    "views",
    "encoder",
    "depth",
)


def trained_gain(points: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The columns of the gain alone, of flat points (arrays of one length).

    gain (of the lowest minimum, inf at collapse), log_gain, expansion_measure, regime,
    gain_from_identity (of the minimum that gradient flow from W = I reaches), num_minima,
    gain_error_estimate, converged, status.
    """
    from asymptotics.contrastive.projector import projector

    found = projector(**_objective_parameters(points, fixed))
    return {
        "gain": found.gain,
        "log_gain": found.log_gain,
        "expansion_measure": found.expansion_measure,
        "regime": found.regime,
        "gain_from_identity": found.from_identity,
        "num_minima": found.num_minima,
        "gain_error_estimate": found.error_estimate,
        "converged": found.converged,
        "status": np.where(found.converged, "converged", GAIN_NOT_CONVERGED),
    }


def trained_projection(*, negatives: float = np.inf, **parameters: Any) -> Projection:
    """`asymptotics.projector` of one point, with the augmentation by name (see the command line).

    Parameters: objective, signal, dimension, temperature, views, and one of augmentation (with
    augmentation_across), redrawn, masked.
    """
    from asymptotics.contrastive.projector import projector

    given = _objective_parameters({"signal": parameters["signal"]}, parameters)
    return projector(**given | {"negatives": negatives})


def fall_at_identity(points: Mapping[str, Any], fixed: Mapping[str, Any]) -> Array:
    """-dL/d log a at a = 1, times a positive factor: > 0 where flow from W = I expands."""
    from asymptotics.contrastive.projector import slope_at_identity

    return -slope_at_identity(**_objective_parameters(points, fixed))


def _objective_parameters(points: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
    given = {**fixed, **points}
    for name in ("signal", "dimension"):
        if given.get(name) is None:
            raise InvalidInput(f"{name} is required by the objective {given['objective']}")
    names = ("objective", "temperature", "dimension")
    chosen = {name: given[name] for name in names if given.get(name) is not None}
    # one array at least, so that a single point of a grid is a grid of one
    shape = np.shape(next(iter(points.values())))
    given["signal"] = np.broadcast_to(given["signal"], shape)
    return chosen | {"pair": view_pair(given)}


def view_pair(given: Mapping[str, Any]) -> ViewPair:
    """The two views: Gaussian noise, a redraw within the class, or masked coordinates."""
    kinds = [name for name in ("augmentation", "redrawn", "masked") if given.get(name) is not None]
    if len(kinds) != 1:
        got = " and ".join(kinds) or "none"
        raise InvalidInput(f"give exactly one of augmentation, redrawn and masked, got {got}")
    signal, views = given["signal"], given.get("views") or 2
    if kinds == ["redrawn"]:
        return class_redraw(signal, given["redrawn"])
    if kinds == ["masked"]:
        if given["objective"] != "spectral":
            raise InvalidInput(
                f"masked views are not Gaussian, and {given['objective']} sees more than their "
                "second moments; masked is for spectral (docs/theory/contrastive.md has the rest)"
            )
        return masking(signal, given["masked"], given["dimension"], views)
    along = given["augmentation"]
    across = given.get("augmentation_across")
    return anisotropic_noise(signal, along, along if across is None else across, views)


def trained_accuracy(**parameters: Any) -> dict[str, NDArray[Any]]:
    """`trained_columns` of one point, every parameter a number; raises where it has no limit.

    Raises NoLimit naming the threshold, NotConverged of the gain or of the saddle point, or
    InvalidInput.
    """
    from asymptotics.limits import limit
    from asymptotics.sweep import make_problem, product_of_grids

    points, fixed = product_of_grids(parameters)
    columns = trained_columns(points, fixed)
    if columns["status"][0] == GAIN_NOT_CONVERGED:
        raise NotConverged(
            f"the gain that {parameters['objective']} trains was not found: error estimate "
            f"{columns['gain_error_estimate'][0]:.1e}; move a parameter slightly"
        )
    if not columns["converged"][0]:
        problem = {k: v for k, v in parameters.items() if k not in OF_OBJECTIVE}
        for gain in (columns["gain"][0], columns["gain"][0] ** share_before(fixed)):
            limit(make_problem(**problem | {"gain": gain})).raise_on_failure()
    return columns


def trained_columns(points: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The columns of a trained head: its gain, then the limit after it, and the accuracy before it.

    `points` are flat arrays of one length, `fixed` the other parameters of `make_problem` and of
    the objective, `encoder` and `depth` among them. Where the gain did not converge there is no
    accuracy.
    """
    from asymptotics.columns import limit_columns
    from asymptotics.limits import limit
    from asymptotics.sweep import make_problem

    head = trained_gain(points, fixed)
    unknown = ~head["converged"]
    gain = np.where(unknown, 1.0, head["gain"])
    problem = {k: v for k, v in {**fixed, **points}.items() if k not in OF_OBJECTIVE}
    quantities = problem.pop("quantities", ())
    after = limit_columns(limit(make_problem(**problem | {"gain": gain})), quantities)
    before = _solve_distinct(problem | {"gain": gain ** share_before(fixed)}, (*points, "gain"))
    columns = head | after
    for name in ("accuracy", "test_error"):
        columns[name] = np.where(unknown, np.nan, after[name])
        columns[f"{name}_after"] = columns[name]
        columns[f"{name}_before"] = np.where(unknown, np.nan, before[name])
    status = np.where(after["converged"], before["status"], after["status"])
    columns["status"] = np.where(unknown, GAIN_NOT_CONVERGED, status)
    columns["converged"] = after["converged"] & before["converged"] & ~unknown
    return columns


def _solve_distinct(problem: Mapping[str, Any], names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """`limit_columns` of flat points, arrays under these `names`, each distinct one solved once.

    Before the head of a fixed encoder nothing depends on temperature or augmentation.
    """
    from asymptotics.columns import limit_columns
    from asymptotics.limits import limit
    from asymptotics.sweep import make_problem

    arrays = {name: problem[name] for name in names if name in problem}
    _, chosen, place = np.unique(
        np.stack(list(arrays.values())), axis=1, return_index=True, return_inverse=True
    )
    distinct = {name: values[chosen] for name, values in arrays.items()}
    columns = limit_columns(limit(make_problem(**{**problem, **distinct})))
    return {name: column[place] for name, column in columns.items()}


def share_before(fixed: Mapping[str, Any]) -> float:
    """log gain before the head over log a: 0 for a fixed encoder, (L-1)/L for a balanced net.

    Raises InvalidInput for an unknown `encoder` or a `depth` that is no whole number >= 2.
    """
    encoder = fixed.get("encoder") or "fixed"
    if encoder not in ENCODERS:
        raise InvalidInput(f"encoder must be one of {', '.join(ENCODERS)}, got {encoder!r}")
    depth = fixed.get("depth") or 2
    if depth != int(depth) or depth < 2:
        raise InvalidInput(f"depth must be a whole number >= 2, got {depth}")
    return 0.0 if encoder == "fixed" else 1 - 1 / depth
