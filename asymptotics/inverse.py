"""Inverse questions: the smallest n/p at which a limiting accuracy reaches a target.

A limiting accuracy need not rise with n/p (double descent, thresholds), so the range is scanned and
the first rising crossing is found inside its interval by root finding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize.elementwise import find_root

Array = NDArray[np.float64]

REACHED = "reached"
NOT_REACHED = "not reached"
ALREADY = "reached at the lowest n/p"

LOWEST, HIGHEST = 1e-2, 1e5
_PER_DECADE = 24


@dataclass(frozen=True)
class SampleSize:
    """Smallest n/p for a target accuracy, arrays over the problems asked for.

    sampling_ratio: nan unless `status` is "reached".
    best: the largest accuracy in the scanned range [1e-2, 1e5], and where it is.
    status: "reached", "not reached" in that range, or "reached at the lowest n/p" of it.
    """

    sampling_ratio: Array
    best: Array
    best_sampling_ratio: Array
    status: NDArray[np.str_]


def smallest_sampling_ratio(
    accuracy: Callable[[Array, NDArray[np.intp]], Array], num_problems: int, target: float
) -> SampleSize:
    """First n/p at which each problem's accuracy rises through `target`.

    accuracy(sampling_ratio, index): accuracies of problems `index` at those n/p, arrays of one
    shape; nan where there is no limit. A crossing and its return between neighbouring points of
    the scan (24 a decade) are missed.
    """
    count = round(_PER_DECADE * np.log10(HIGHEST / LOWEST)) + 1
    scan = np.geomspace(LOWEST, HIGHEST, count)
    index = np.arange(num_problems)
    mesh_index, mesh_scan = np.meshgrid(index, scan, indexing="ij")
    values = accuracy(mesh_scan.ravel(), mesh_index.ravel()).reshape(mesh_scan.shape)
    known = np.where(np.isnan(values), -np.inf, values)
    rising = (known[:, :-1] < target) & (known[:, 1:] >= target) & np.isfinite(known[:, :-1])
    first = np.argmax(rising, axis=1)
    found = np.flatnonzero(rising.any(axis=1))
    ratio = np.full(num_problems, np.nan)
    if found.size:
        left, right = np.log(scan[first[found]]), np.log(scan[first[found] + 1])
        root = find_root(
            lambda x, k: accuracy(np.exp(x), k) - target,
            (left, right),
            args=(found,),
            tolerances={"xatol": 1e-12},
        )
        ratio[found] = np.where(root.success, np.exp(root.x), np.nan)
    status = np.where(np.isfinite(ratio), REACHED, NOT_REACHED).astype("<U32")
    already = known[:, 0] >= target
    status[already], ratio[already] = ALREADY, np.nan
    best = np.argmax(known, axis=1)
    largest = known[index, best]
    return SampleSize(ratio, np.where(np.isfinite(largest), largest, np.nan), scan[best], status)
