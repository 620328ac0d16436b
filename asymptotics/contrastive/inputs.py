"""Validation of what a user passes to the contrastive verbs, and its flattening into points."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.contrastive.domain import at_least
from asymptotics.contrastive.objective import Objective, Setting
from asymptotics.contrastive.objectives import OBJECTIVES
from asymptotics.contrastive.views import ViewPair, gaussian_noise
from asymptotics.errors import InvalidInput, did_you_mean

Array = NDArray[np.float64]


def find_objective(name: str) -> Objective:
    """The table entry called `name`."""
    if name not in OBJECTIVES:
        hint = did_you_mean(name, OBJECTIVES)
        raise InvalidInput(f"objective {name!r} is not one of {', '.join(OBJECTIVES)}{hint}")
    return OBJECTIVES[name]


def read_pair(
    signal: ArrayLike | None, augmentation: ArrayLike | None, views: int, pair: ViewPair | None
) -> ViewPair:
    """The views: `pair` as given, or isotropic noise `augmentation` on a mixture of `signal`."""
    if pair is not None:
        if signal is not None or augmentation is not None:
            raise InvalidInput("pair already holds signal and augmentation; give one or the other")
        return check_pair(pair)
    if signal is None or augmentation is None:
        missing = "signal" if signal is None else "augmentation"
        raise InvalidInput(f"{missing} is required (a number or an array >= 0)")
    return gaussian_noise(at_least("signal", signal, 0.0), augmentation, views)


def check_pair(pair: ViewPair) -> ViewPair:
    """`pair` itself, once its variances are positive and its covariances possible and >= 0."""
    signal, v1, v2, signal_covariance, n1, n2, noise_covariance = pair.arrays()
    at_least("signal", signal, 0.0)
    for name, first, second, shared in (
        ("signal", v1, v2, signal_covariance),
        ("noise", n1, n2, noise_covariance),
    ):
        product = at_least(f"{name}_variances[0]", first, 0.0, strict=True) * at_least(
            f"{name}_variances[1]", second, 0.0, strict=True
        )
        at_least(f"{name}_covariance", shared, 0.0)
        if np.any(np.square(shared) > product * (1 + 1e-12)):
            raise InvalidInput(
                f"{name}_covariance={np.max(shared):g} exceeds the root of the variances' product"
            )
    return pair


def read_setting(
    objective: Objective,
    views: ViewPair,
    temperature: ArrayLike | None,
    dimension: ArrayLike,
    negatives: ArrayLike,
) -> tuple[Setting, Array, tuple[int, ...]]:
    """The points, flat; log N of each; and the shape they came in."""
    if temperature is None:
        if "temperature" in objective.needs:
            raise InvalidInput(f"temperature is required by objective {objective.name!r}")
        temperature = 1.0
    tau = at_least("temperature", temperature, 0.0, strict=True)
    size = at_least("dimension", dimension, 2.0)
    counts = np.asarray(negatives, dtype=float)
    if not np.all(counts >= 1):
        raise InvalidInput(f"negatives={np.min(counts):g} must be >= 1 (inf: infinitely many)")
    try:
        arrays = np.broadcast_arrays(*views.arrays(), tau, size, counts)
    except ValueError:
        shapes = ", ".join(str(np.shape(array)) for array in (views.signal, tau, size, counts))
        raise InvalidInput(
            f"signal, temperature, dimension and negatives do not broadcast: shapes {shapes}"
        ) from None
    flat = [np.ascontiguousarray(array, dtype=float).ravel() for array in arrays]
    setting = Setting(ViewPair.of_arrays(tuple(flat[:7])), flat[7], flat[8])
    return setting, np.log(flat[9]), arrays[0].shape
