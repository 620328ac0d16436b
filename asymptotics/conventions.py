"""Four normalisations of the same ridge (docs/notation.md), converted to the package's own.

mean        (1/n) sum loss + (ridge/2) |theta|^2          the package's own
scaled-sum  sum loss + (ridge/2) |theta|^2 on z / sqrt(p)      mean = ridge p / n
sum         sum loss + (ridge/2) |theta|^2                     mean = ridge / n
C           (1/2) |theta|^2 + C sum loss (scikit-learn)        mean = 1 / (n C)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput, did_you_mean

RIDGE_CONVENTIONS = ("mean", "scaled-sum", "sum", "C")


def mean_ridge(
    ridge: ArrayLike,
    convention: str,
    sampling_ratio: ArrayLike,
    num_samples: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """The ridge of (1/n) sum loss + (ridge/2)|theta|^2 equal to `ridge` in `convention`.

    `sampling_ratio` is n/p; `num_samples` (n) is needed by "sum" and "C", whose limit depends on
    it. Raises InvalidInput for an unknown convention, a missing n, or values <= 0.
    """
    value = np.asarray(ridge, dtype=float)
    bad = value[~(np.isfinite(value) & (value > 0))]
    if bad.size:
        raise InvalidInput(f"ridge must be finite and > 0, got {bad.flat[0]}")
    if convention == "mean":
        return value
    if convention == "scaled-sum":
        return value / np.asarray(sampling_ratio, dtype=float)
    if convention not in RIDGE_CONVENTIONS:
        allowed = ", ".join(RIDGE_CONVENTIONS)
        hint = did_you_mean(convention, RIDGE_CONVENTIONS)
        raise InvalidInput(f"ridge_convention must be one of {allowed}, got {convention!r}{hint}")
    if num_samples is None:
        raise InvalidInput(f"num_samples is required by the ridge convention {convention!r}")
    n = np.asarray(num_samples, dtype=float)
    if not np.all(np.isfinite(n) & (n > 0)):
        raise InvalidInput(f"num_samples must be finite and > 0, got {n.min()}")
    return value / n if convention == "sum" else 1 / (n * value)
