"""What a run on real features found: predicted and measured accuracy over training sizes."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from validation.prediction import PREDICTED

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureCurve:
    """Predicted against measured accuracy over training sizes; arrays have one entry a size.

    predicted, predicted_low, predicted_high: mean over the folds of the prediction and of the
        ends of its interval (the folds share samples, so averaging does not shorten it); nan
        where some fold has no prediction, see `status`.
    measured: mean held-out accuracy of the fitted probe; nan where a fit does not exist
        (`num_failed` counts them).
    standard_error: of `measured`, bounded from above (features.md, equation 11).
    status: "predicted", "no limit", "not resolved" (`validation.prediction`).
    class_covariances: whether each class has its own in the prediction.
    dimension: p, without the `num_constant` dropped columns; sampling_ratio = num_samples/p.
    feature_variance: tr(Shat)/p, the natural unit of the ridge.
    priors: fraction of each of `classes`; two of them are the labels -1 and +1.
    """

    num_samples: NDArray[np.intp]
    sampling_ratio: Array
    predicted: Array
    predicted_low: Array
    predicted_high: Array
    measured: Array
    standard_error: Array
    num_failed: NDArray[np.intp]
    status: NDArray[np.str_]
    loss: str
    ridge: float | None
    intercept: bool
    class_covariances: bool
    level: float
    dimension: int
    num_constant: int
    num_total: int
    num_training: int
    num_folds: int
    num_subsets: int
    priors: tuple[float, ...]
    feature_variance: float
    classes: tuple[object, ...]

    def rows(self) -> list[dict[str, object]]:
        """One flat dictionary a size, None for what is missing."""
        columns = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if isinstance(getattr(self, f.name), np.ndarray)
        }
        return [
            {name: _plain(column[i]) for name, column in columns.items()}
            for i in range(self.num_samples.size)
        ]


def worst_status(status: NDArray[np.str_]) -> NDArray[np.str_]:
    """Per size (axis 0) that of the first fold without a prediction, "predicted" if none."""
    failed = status != PREDICTED
    return np.asarray(status[np.arange(len(status)), np.argmax(failed, axis=1)])


def _plain(value: object) -> object:
    """A Python number or string; None for nan."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and np.isnan(plain) else plain
