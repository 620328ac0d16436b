"""The limiting accuracy as a function of parameters left open: height, exact slope, error bound.

    V = -log(test error),     dV/d log p = -p d log(test error)/dp

by `asymptotics.responses`. Where the exact slope is refused, because it is smaller than its
rounding, fourth-order differences of V stand in, with their own error bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.columns import columns_of
from asymptotics.local_maxima import STEP, Slopes
from asymptotics.responses import NOT_DIFFERENTIATED, Given, Trained, derivative_columns

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class Heights:
    """Flat problems, `points` and `fixed` as in `asymptotics.sweep`, that leave `over` open."""

    over: tuple[str, ...]
    points: Mapping[str, Array]
    fixed: Mapping[str, Any]

    @property
    def size(self) -> int:
        """The number of problems."""
        return int(next(iter(self.points.values())).size)

    def of(self, problem: Index) -> dict[str, Array]:
        """The given parameters of those problems."""
        return {name: values[problem] for name, values in self.points.items()}

    def __call__(self, x: Array, problem: Index) -> Slopes:
        """At log parameters x, (points,) of one or (parameters, points); slopes have x's shape."""
        if problem.size == 0:
            return Slopes(*np.zeros((3, *np.shape(x))))
        points = self.of(problem)
        points |= dict(zip(self.over, np.exp(np.atleast_2d(x)), strict=True))
        answer = (Trained if self.fixed.get("objective") else Given)(points, self.fixed)
        slopes, noises = [], []
        for name in self.over:
            found = derivative_columns(answer, name)
            with np.errstate(divide="ignore", invalid="ignore"):
                height = -np.log(found["test_error"])
                slope = -points[name] * found["log_test_error_derivative"]
                noise = points[name] * found["error_estimate"] / found["test_error"]
            refused = np.flatnonzero(found["status"] == NOT_DIFFERENTIATED)
            if refused.size:
                part = {key: values[refused] for key, values in points.items()}
                height[refused], slope[refused], noise[refused] = self._differences(part, name)
            slopes.append(slope)
            noises.append(noise + np.finfo(float).eps)
        if np.ndim(x) == 1:
            return Slopes(height, slopes[0], noises[0])
        return Slopes(height, np.stack(slopes), np.stack(noises))

    def _differences(self, points: Mapping[str, Array], name: str) -> tuple[Array, Array, Array]:
        """Height, slope and its noise where the exact slope is refused as smaller than rounding."""
        shifts = STEP * np.arange(-2, 3)[:, None]
        moved = {key: np.tile(values, 5) for key, values in points.items()}
        moved[name] = (points[name] * np.exp(shifts)).ravel()
        columns = columns_of(moved, self.fixed)
        height = -np.log(columns["test_error"]).reshape(5, -1)
        doubt = (columns["error_estimate"] / columns["test_error"]).reshape(5, -1).max(axis=0)
        near, far = (height[2 + k] - height[2 - k] for k in (1, 2))
        slope = (8 * near - far) / (12 * STEP)
        return height[2], slope, np.abs(slope - near / (2 * STEP)) + 2 * doubt / STEP
