"""For which n/p a probe has a limit, point by point (guarantees.md, existence)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from asymptotics.component_equations import ComponentSaddlePoint
from asymptotics.geometry import Geometry
from asymptotics.probes import Existence, Probe
from asymptotics.saddle_point import SaddlePoint
from asymptotics.thresholds import hinge_collapse, separability

Array = NDArray[np.float64]


def existence(
    probe: Probe, equations: SaddlePoint | ComponentSaddlePoint
) -> tuple[Array, NDArray[np.bool_]]:
    """(threshold, whether the limit exists) per point, from the thresholds alone.

    A threshold that is not known (nan: of several covariances, or of the hinge's collapse with
    several components) leaves it to the solver: the equations have no solution past it.
    """
    kind, ratio = probe.exists(equations.fits_intercept), equations.sampling_ratio
    if kind is Existence.ALWAYS:
        return np.full(ratio.shape, np.nan), np.ones(ratio.shape, dtype=bool)
    if kind in (Existence.INTERPOLATING, Existence.DETERMINED):
        threshold = equations.geometry.rank_fraction()
        if kind is Existence.DETERMINED:
            # a mean outside the range of S separates the classes without noise, at any n
            finite = np.isfinite(equations.geometry.separation())
            inside = np.all(finite.reshape(-1, ratio.size), axis=0)
            threshold = np.where(inside, threshold, np.inf)
    elif isinstance(equations, ComponentSaddlePoint):
        threshold = _of_components(kind, equations)
    elif kind is Existence.NONZERO:
        assert equations.prior is not None
        threshold = collapse_of(equations.geometry, equations.prior)
    else:
        threshold = separability_of(equations.geometry, equations.prior)
    below = kind in (Existence.INTERPOLATING, Existence.SEPARABLE, Existence.NONZERO)
    exists = ratio < threshold if below else ratio > threshold
    return threshold, exists | np.isnan(threshold)


def _of_components(kind: Existence, equations: ComponentSaddlePoint) -> Array:
    if kind is Existence.NONZERO or equations.geometry.num_covariances > 1:
        return np.full(equations.ridge.shape, np.nan)
    from asymptotics.component_separability import component_separability

    return component_separability(equations)


def separability_of(geometry: Geometry, prior: Array | None) -> Array:
    """n/p below which the samples are linearly separable: rank/p delta*(sqrt(nu^T S^+ nu))."""
    return _of_rank(geometry, prior, lambda *at: separability(*at).threshold)


def collapse_of(geometry: Geometry, prior: Array) -> Array:
    """n/p above which the hinge probe with an intercept is zero (`thresholds.hinge_collapse`)."""
    return _of_rank(geometry, prior, hinge_collapse)


def _of_rank(geometry: Geometry, prior: Array | None, threshold: Callable[..., Array]) -> Array:
    """A threshold of the invariant signal, per dimension of S's range; infinite without noise.

    Points of one signal and prior share it: a grid has many of them.
    """
    radius = geometry.separation()
    finite = np.isfinite(radius)
    parameters = [np.where(finite, radius, 0.0)] + ([] if prior is None else [prior])
    columns = np.stack(parameters)
    # sorting is not worth it where the first points are all different
    if np.unique(columns[:, :64], axis=1).shape[1] == min(64, radius.size):
        star = threshold(*columns)
    else:
        different, which = np.unique(columns, axis=1, return_inverse=True)
        star = threshold(*different)[np.ravel(which)]
    return np.where(finite, geometry.rank_fraction() * star, np.inf)
