"""All wells of each point of a landscape, the lowest, and the one that training reaches.

Gradient flow of the population loss from W = I moves the log gain downhill from 0 (the overall
scale of W aside, on which the cosine loss does not depend and over which the convex losses have
been minimised): it ends in the first minimum on the side to which the loss falls at a = 1, or in
collapse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.minima import Minima
from asymptotics.contrastive.objective import Landscape

Array = NDArray[np.float64]

STATUSES = ("converged", "no minimum", "unresolved minima", "inaccurate")
ACCEPTED_ERROR = 1e-6  # in log gain; above it a point is reported as inaccurate


@dataclass(frozen=True)
class Wells:
    """Answers for P points; every array has shape (P,) but those of ``minima`` (flat lists).

    ``log_gain``        of the lowest minimum, inf at collapse, nan where there is none or the
                        scan could not tell
    ``from_identity``   log gain that gradient flow from W = I reaches
    ``loss``            at ``log_gain``
    ``residual``        Newton step |slope/slope'| at the returned log gain (0 at collapse)
    ``error_estimate``  the same with the refined rule, plus the tolerance of the root
    ``status``          index into ``STATUSES``
    ``well_point``, ``well_log_gain``, ``well_loss``: flat lists of all wells, by point and then by
    gain; a well at inf is collapse.
    """

    log_gain: Array
    from_identity: Array
    loss: Array
    residual: Array
    error_estimate: Array
    status: NDArray[np.intp]
    well_point: NDArray[np.intp]
    well_log_gain: Array
    well_loss: Array

    def at(self, point: int) -> list[tuple[float, float]]:
        """(log gain, loss) of each well of one point."""
        chosen = self.well_point == point
        return list(
            zip(self.well_log_gain[chosen].tolist(), self.well_loss[chosen].tolist(), strict=True)
        )

    def count(self) -> NDArray[np.intp]:
        """Number of wells of each point."""
        return np.bincount(self.well_point, minlength=self.log_gain.size)


def join(parts: list[Wells]) -> Wells:
    """The wells of consecutive parts of one grid, as one record."""
    sizes = np.array([part.log_gain.size for part in parts])
    starts = np.cumsum(sizes) - sizes
    columns = {name: [getattr(part, name) for part in parts] for name in Wells.__dataclass_fields__}
    columns["well_point"] = [p + k for p, k in zip(columns["well_point"], starts, strict=True)]
    return Wells(**{name: np.concatenate(column) for name, column in columns.items()})


def wells(landscape: Landscape) -> Wells:
    """Find, rank and check the minima of every point of `landscape`."""
    minima = landscape.minima()
    point, log_gain, depth = _all_wells(landscape, minima)
    lowest, loss = _deepest(landscape.grid.shape[0], point, log_gain, depth)
    lowest[minima.unresolved], loss[minima.unresolved] = np.nan, np.nan
    reached = _downhill_from_identity(landscape, minima)
    residual, error = _evidence(landscape, lowest)
    status = np.zeros(lowest.size, dtype=np.intp)
    status[~(error <= ACCEPTED_ERROR)] = STATUSES.index("inaccurate")
    status[np.isnan(lowest)] = STATUSES.index("no minimum")
    status[minima.unresolved] = STATUSES.index("unresolved minima")
    return Wells(lowest, reached, loss, residual, error, status, point, log_gain, depth)


def _all_wells(landscape: Landscape, minima: Minima) -> tuple[NDArray[np.intp], Array, Array]:
    """Point, log gain and loss of the interior minima and of collapse, sorted."""
    owners = tuple(parameter[minima.point] for parameter in landscape.parameters)
    collapsed = np.flatnonzero(minima.falls_at_upper)
    limit = landscape.loss_at_collapse(*landscape.parameters)[collapsed]
    point = np.concatenate([minima.point, collapsed])
    log_gain = np.concatenate([minima.position, np.full(collapsed.size, np.inf)])
    loss = np.concatenate([landscape.loss(minima.position, *owners), limit])
    order = np.lexsort((log_gain, point))
    return point[order], log_gain[order], loss[order]


def _deepest(
    size: int, point: NDArray[np.intp], log_gain: Array, depth: Array
) -> tuple[Array, Array]:
    """Log gain and loss of the lowest well of each point, nan where there is none."""
    lowest, loss = np.full(size, np.nan), np.full(size, np.nan)
    order = np.argsort(-depth, kind="stable")  # the deepest is written last
    lowest[point[order]], loss[point[order]] = log_gain[order], depth[order]
    return lowest, loss


def _downhill_from_identity(landscape: Landscape, minima: Minima) -> Array:
    size = landscape.grid.shape[0]
    falls = landscape.slope(np.zeros(size), *landscape.parameters) < 0
    above = np.full(size, np.inf)
    np.minimum.at(above, minima.point, np.where(minima.position >= 0, minima.position, np.inf))
    below = np.full(size, -np.inf)
    np.maximum.at(below, minima.point, np.where(minima.position <= 0, minima.position, -np.inf))
    reached = np.where(falls, above, below)
    lost = (falls & np.isinf(above) & ~minima.falls_at_upper) | (~falls & np.isinf(below))
    # a root within rounding of a = 1 may sit on the other side of 0
    nearest = np.where(falls, below, above)
    return np.where(lost, np.where(np.abs(nearest) < 1e-9, nearest, np.nan), reached)


def _evidence(landscape: Landscape, log_gain: Array) -> tuple[Array, Array]:
    residual, error = np.zeros_like(log_gain), np.zeros_like(log_gain)
    point = np.flatnonzero(np.isfinite(log_gain))
    at = log_gain[point]
    plain, refined = landscape.newton_steps(at, point)
    residual[point] = np.abs(plain)
    error[point] = 1e-13 + 4 * np.finfo(float).eps * np.abs(at) + np.abs(refined)
    nowhere = np.isnan(log_gain)
    residual[nowhere], error[nowhere] = np.inf, np.inf
    return residual, error
