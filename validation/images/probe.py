"""The linear probe of a representation: least squares on one-hot labels with a ridge.

    min over T, b of (1/n) sum_i |e_{y_i} - T^T h_i - b|^2/2 + (lambda/2) |T|_F^2,
    lambda = ridge tr(S)/p,

S the covariance of h on the sample: the ridge is in units of the mean variance of a feature, so
that the scale of a representation does not matter.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput, NotConverged

Array = NDArray[np.float64]
Labels = NDArray[np.intp]

_TOLERANCE = 1e-8


def probe_accuracy(
    training: tuple[Array, Labels], test: tuple[Array, Labels], num_classes: int, ridge: float
) -> float:
    """Share of the test sample that the probe fitted to the training sample classifies right.

    Each sample is (representations n x p, labels). Raises InvalidInput for a representation that
    does not vary or a sample of one class, NotConverged where the normal equations are not solved
    to 1e-8.
    """
    features, labels = training
    if np.ptp(labels) == 0:
        raise InvalidInput(f"the probe's {labels.size} labelled pairs are of one class: take more")
    mean = features.mean(axis=0)
    centred = features - mean
    targets = np.eye(num_classes)[labels]
    offset = targets.mean(axis=0)
    covariance = centred.T @ centred / len(centred)
    penalty = ridge * np.trace(covariance) / len(covariance)
    if not penalty > 0:
        raise InvalidInput("the representation does not vary, or the ridge is not positive")
    pull = centred.T @ (targets - offset) / len(centred)
    system = covariance + penalty * np.eye(len(covariance))
    try:
        theta = scipy.linalg.cho_solve(scipy.linalg.cho_factor(system), pull)
    except scipy.linalg.LinAlgError:
        raise NotConverged(f"the probe's equations are singular at ridge {ridge:g}") from None
    residual = np.linalg.norm(system @ theta - pull) / np.linalg.norm(pull)
    if not residual <= _TOLERANCE:
        raise NotConverged(
            f"the probe's equations hold to {residual:.1e} only: take a larger ridge"
        )
    scores = (test[0] - mean) @ theta + offset
    return float(np.mean(np.argmax(scores, axis=1) == test[1]))
