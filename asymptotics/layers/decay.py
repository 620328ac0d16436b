"""What weight decay makes of one independent feature, at any depth: the scalar problem.

A feature of second moments Sigma and C costs, at the end-to-end weight w of an L-layer net,

    -2 w^2 C + w^4 Sigma^2 + lambda L w^{2/L}
        = (C/Sigma)^2 [-2 y + y^2 + ell L y^{1/L}],      y = w^2 Sigma^2/C,

so that one number, ell = lambda C^{1/L-2} Sigma^{2-2/L}, says everything. Stationary points obey
2 (1-y) y^{1-1/L} = ell (layers.md, equation 11): for L >= 2 a barrier below
y_s = (L-1)/(2L-1) and a local minimum above it, beside the local minimum w = 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize.elementwise import find_root

from asymptotics.errors import InvalidInput, NotConverged

Array = NDArray[np.float64]


def jump_threshold(one_view: ArrayLike, across: ArrayLike, depth: int = 2) -> Array:
    """The decay at which the global optimum drops a feature (layers.md, equation 12),

        lambda_c = (2/(2L-1)) ((2L-2)/(2L-1))^{1-1/L} C^{2-1/L} Sigma^{2/L-2},

    0 for C <= 0. At it w^2 jumps from ((2L-2)/(2L-1)) C/Sigma^2 to 0; at L = 1 there is no jump.
    """
    variance, shared = feature_moments(one_view, across)
    exponent = 1 - 1 / check_depth(depth)
    pull = np.maximum(shared, 0.0) ** (1 + exponent) / variance ** (2 * exponent)
    return np.asarray(critical_decay(depth) * pull)


def critical_decay(depth: int) -> float:
    """ell_c = (2/(2L-1)) ((2L-2)/(2L-1))^{1-1/L}: `jump_threshold` at C = Sigma = 1."""
    return float(2 / (2 * depth - 1) * ((2 * depth - 2) / (2 * depth - 1)) ** (1 - 1 / depth))


def reduced_decay(variance: Array, shared: Array, depth: int, decay: float) -> Array:
    """ell of the module; infinite for C <= 0, where no decay is needed to drop the feature."""
    exponent = 1 - 1 / depth
    positive = np.maximum(shared, 0.0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ell = decay * variance ** (2 * exponent) / positive ** (1 + exponent)
    return np.where(positive > 0, ell, np.inf)


def stable_share(ell: Array, depth: int) -> Array:
    """y of the local minimum with w > 0: the root of 2 (1-y) y^{1-1/L} = ell above y_s.

    1 without decay; nan where the decay is so strong that w = 0 is the only minimum.
    """
    if depth == 1:
        return np.where(ell < 2, 1 - 0.5 * ell, np.nan)
    merging, last = _merging(depth)
    share = np.where(ell == 0, 1.0, np.nan)
    here = (ell > 0) & (ell <= last)
    if np.any(here):

        def excess(y: Array, ell: Array) -> Array:
            return np.asarray(2 * (1 - y) * y ** (1 - 1 / depth) - ell)

        share[here] = _root(excess, merging, 1.0, ell[here])
    return share


def barrier_share(ell: Array, depth: int) -> Array:
    """y of the barrier: below it decay wins. The root of 2 (1-y) y^{1-1/L} = ell below y_s.

    0 where w grows from any start, infinite where it grows from none.
    """
    if depth == 1:
        return np.where(ell < 2, 0.0, np.inf)
    merging, last = _merging(depth)
    share = np.where(ell == 0, 0.0, np.inf)
    here = (ell > 0) & (ell <= last)
    if np.any(here):
        exponent = 1 - 1 / depth

        def excess(log_y: Array, ell: Array) -> Array:
            log_force = np.log1p(-np.exp(log_y)) + exponent * log_y
            return np.asarray(np.log(2) + log_force - np.log(ell))

        # 2 y^{1-1/L} >= ell bounds y from below; the margin is for its own rounding
        lowest = np.log(ell[here] / 2) / exponent - 1e-9
        share[here] = np.exp(_root(excess, lowest, np.log(merging), ell[here]))
    return share


def _merging(depth: int) -> tuple[float, float]:
    """(y_s, ell_s): where barrier and minimum merge, the maximum of 2 (1-y) y^{1-1/L}."""
    merging = (depth - 1) / (2 * depth - 1)
    return merging, 2 * (1 - merging) * merging ** (1 - 1 / depth)


def _root(
    function: Callable[[Array, Array], Array], low: ArrayLike, high: ArrayLike, ell: Array
) -> Array:
    """The root in a bracket, with its residual recomputed."""
    found = np.asarray(find_root(function, (low, high), args=(ell,)).x)
    residual = np.max(np.abs(function(found, ell)))
    if not residual < 1e-12:
        raise NotConverged(
            f"the weight of a feature under weight decay was not found: residual {residual:.1e}; "
            "try a decay further from the one at which the feature is lost"
        )
    return found


def feature_moments(one_view: ArrayLike, across: ArrayLike) -> tuple[Array, Array]:
    """(Sigma_ii, C_ii), (..., d), broadcast; they must obey Sigma_ii > 0, |C_ii| <= Sigma_ii."""
    try:
        variance, shared = np.broadcast_arrays(
            np.atleast_1d(np.asarray(one_view, dtype=float)),
            np.atleast_1d(np.asarray(across, dtype=float)),
        )
    except ValueError:
        raise InvalidInput(
            "one_view and across must broadcast, got the shapes "
            f"{np.shape(one_view)} and {np.shape(across)}"
        ) from None
    bad = ~(np.isfinite(variance) & (variance > 0))
    if np.any(bad):
        raise InvalidInput(f"one_view must be finite and > 0, got {variance[bad][0]}")
    bad = ~(np.abs(shared) <= variance * (1 + 1e-9))
    if np.any(bad):
        raise InvalidInput(
            "across must lie between -one_view and one_view, got "
            f"{shared[bad][0]} at {variance[bad][0]}"
        )
    return variance, shared


def check_depth(depth: int) -> int:
    """L >= 1."""
    if depth != int(depth) or depth < 1:
        raise InvalidInput(f"depth must be an integer >= 1, got {depth}")
    return int(depth)


def check_decay(decay: float) -> float:
    """lambda >= 0."""
    if not (np.isfinite(decay) and decay >= 0):
        raise InvalidInput(f"decay must be finite and >= 0, got {decay}")
    return float(decay)
