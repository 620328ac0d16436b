"""What a head is trained on: N pairs of views of unlabelled points, and the two numbers they make.

    h_i = x + sigma eps_i (i = 1, 2),   x = y R muhat + g,   N/p -> `pretraining_ratio`

The sum and the difference of the two views are independent, and everything depends on

    c = p/N,      ell = 2 R^2/(2 + sigma^2)                              (pretraining.md, 2)

and on sigma through the eigenvalues. The class prior drops out: only second moments matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]

# beyond these the closed forms lose all their digits, and accuracies are 1/2 or 1 to rounding
_RANGES = {"signal": (0.0, 1e2), "pretraining_ratio": (1e-8, 1e8), "augmentation": (1e-8, 1e8)}


@dataclass(frozen=True)
class Pairs:
    """A batch of training sets; the arrays broadcast.

    signal: R >= 0, half the distance of the class means, up to 100.
    pretraining_ratio: N/p > 0, pairs per dimension.
    augmentation: sigma > 0. Without noise all views agree and the loss ranks no direction.

    The last two from 1e-8 to 1e8. Raises InvalidInput.
    """

    signal: Array
    pretraining_ratio: Array
    augmentation: Array

    def __post_init__(self) -> None:
        arrays = {}
        for name in ("signal", "pretraining_ratio", "augmentation"):
            values = np.asarray(getattr(self, name), dtype=float)
            lowest = ">= 0" if name == "signal" else "> 0"
            good = np.isfinite(values) & ((values > 0) | (values == 0) & (lowest == ">= 0"))
            if not np.all(good):
                raise InvalidInput(f"{name} must be finite and {lowest}, got {values[~good][0]}")
            low, high = _RANGES[name]
            outside = values[(values < low) | (values > high)]
            if outside.size:
                raise InvalidInput(f"{name} must lie in [{low:g}, {high:g}], got {outside[0]:g}")
            arrays[name] = values
        try:
            broadcast = np.broadcast_arrays(*arrays.values())
        except ValueError:
            shapes = ", ".join(f"{name} {values.shape}" for name, values in arrays.items())
            raise InvalidInput(f"the shapes do not broadcast: {shapes}") from None
        for name, values in zip(arrays, broadcast, strict=True):
            object.__setattr__(self, name, values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch."""
        return np.shape(self.signal)

    @property
    def aspect(self) -> Array:
        """c = p/N."""
        return np.asarray(1 / self.pretraining_ratio)

    @property
    def spike(self) -> Array:
        """ell: u has the second moment (2 + sigma^2)(1 + ell muhat muhat^T)."""
        return np.asarray(2 * np.square(self.signal) / (2 + np.square(self.augmentation)))


def alignment(share: ArrayLike, augmentation: ArrayLike) -> Array:
    """rho = (D beta - sigma^2/2)/(beta + sigma^2/2) in [-1, 1], increasing in `share` = beta.

    The eigenvalue of Sigma^{-1/2} C Sigma^{-1/2} along a direction w, where beta is the share of
    the sums in w^T (U_0 + V_0) w, both of unit variance (pretraining.md, 4); D = 1 + sigma^2.
    """
    beta, half = np.asarray(share), np.square(np.asarray(augmentation)) / 2
    return np.asarray(((1 + 2 * half) * beta - half) / (beta + half))
