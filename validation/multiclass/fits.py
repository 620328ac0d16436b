"""K-class probes fitted to a sample, each with the relative gradient at the returned point.

    Theta, b = argmin (1/n) sum_i loss(Theta^T z_i + b; y_i) + (ridge/2)|Theta|^2

in min(n, p) coordinates: every optimum lies in the row space of the sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.special import softmax

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.multiclass.mixture import contrast_basis
from validation.probes.line_search import step_length

Array = NDArray[np.float64]
Labels = NDArray[np.intp]

_CERTIFIED = 1e-9


@dataclass(frozen=True)
class MulticlassFit:
    """theta (p, K), offset (K,): predict argmax z.theta + offset.

    gradient: |gradient| over the sum of the lengths of its terms, recomputed from the sample; the
    objective is ridge-strongly convex, so |Theta - optimum| <= |gradient|/ridge. 0 for
    nearest-mean, which minimises nothing.
    """

    theta: Array = field(repr=False)
    offset: Array
    gradient: float


def fit_multiclass(
    loss: str, features: Array, labels: Labels, classes: int, ridge: float | None, intercept: bool
) -> MulticlassFit:
    """The probe of that name. Raises NotConverged, and InvalidInput where no fit exists.

    A class without a sample has no mean, and a softmax intercept of minus infinity.
    """
    counts = np.bincount(labels, minlength=classes)
    if np.any(counts == 0) and (loss == "nearest-mean" or (loss == "softmax" and intercept)):
        raise InvalidInput(f"class {int(np.argmin(counts))} has no sample")
    if loss == "nearest-mean":
        return _nearest_mean(features, labels, counts)
    assert ridge is not None
    fit = {"square": _square, "softmax": _softmax}[loss]
    rotation, rows = _coordinates(features)
    theta, offset = fit(rows, np.eye(classes)[labels], ridge, intercept)
    slope: Callable[[Array], Array] = {"square": lambda u: u, "softmax": _probabilities}[loss]
    theta = theta if rotation is None else rotation @ theta
    target = np.eye(classes)[labels] - (1 / classes if loss == "square" else 0.0)
    errors = (slope(features @ theta + offset) - target) / len(features)
    gradient = features.T @ errors + ridge * theta
    size = np.linalg.norm(features, axis=1) @ np.linalg.norm(errors, axis=1)
    reached = float(np.linalg.norm(gradient) / size)
    if intercept:
        reached = max(reached, float(np.linalg.norm(errors.sum(0)) / np.abs(errors).sum()))
    if not reached <= _CERTIFIED:
        raise NotConverged(f"{loss} fit: relative gradient {reached:.1e} above {_CERTIFIED:g}")
    return MulticlassFit(theta, offset, reached)


def _coordinates(features: Array) -> tuple[Array | None, Array]:
    if features.shape[0] >= features.shape[1]:
        return None, features
    rotation, triangle = scipy.linalg.qr(features.T, mode="economic")
    return rotation, np.ascontiguousarray(triangle.T)


def _nearest_mean(features: Array, labels: Labels, counts: NDArray[np.intp]) -> MulticlassFit:
    means = (np.eye(counts.size)[labels].T @ features) / counts[:, None]
    return MulticlassFit(means.T, -0.5 * np.sum(means**2, axis=1), 0.0)


def _square(rows: Array, onehot: Array, ridge: float, intercept: bool) -> tuple[Array, Array]:
    n, classes = onehot.shape
    target = onehot - 1 / classes
    mean = rows.mean(axis=0) if intercept else np.zeros(rows.shape[1])
    centre = target.mean(axis=0) if intercept else np.zeros(classes)
    x, y = rows - mean, target - centre
    theta = scipy.linalg.solve(
        x.T @ x / n + ridge * np.eye(x.shape[1]), x.T @ y / n, assume_a="pos"
    )
    return theta, centre - mean @ theta


def _probabilities(logits: Array) -> Array:
    return np.asarray(softmax(logits, axis=1))


def _softmax(rows: Array, onehot: Array, ridge: float, intercept: bool) -> tuple[Array, Array]:
    """Newton's method on the contrasts of the logits, with a search along each step."""
    n, classes = onehot.shape
    basis = contrast_basis(classes)
    x = np.column_stack([rows, np.ones(n)]) if intercept else rows
    penalty = np.full((x.shape[1], 1), ridge)
    if intercept:
        penalty[-1] = 0.0
    theta = np.zeros((x.shape[1], classes - 1))

    def gradient(at: Array) -> Array:
        return np.asarray(x.T @ ((_probabilities(x @ at @ basis.T) - onehot) @ basis) / n)

    for _ in range(60):
        here = gradient(theta) + penalty * theta
        p = _probabilities(x @ theta @ basis.T)
        step = -_newton_solve(x, p, basis, penalty, here)

        def slope(t: float, theta: Array = theta, step: Array = step) -> float:
            at = theta + t * step
            return float(np.sum((gradient(at) + penalty * at) * step))

        small = np.linalg.norm(step) < 1e-6 * np.linalg.norm(theta)
        theta = theta + (1.0 if small else step_length(slope)) * step
        # quadratic: after a step of 1e-8 the next is rounding
        if np.linalg.norm(step) < 1e-9 * np.linalg.norm(theta):
            break
    full = theta @ basis.T
    return (full[:-1], full[-1]) if intercept else (full, np.zeros(classes))


def _newton_solve(x: Array, p: Array, basis: Array, penalty: Array, right: Array) -> Array:
    """H^{-1} right, H = (1/n) sum_i x_i x_i^T (x) B^T(diag p_i - p_i p_i^T)B + penalty."""
    (n, width), d = x.shape, basis.shape[1]
    mean = p @ basis
    hessian = np.zeros((d, width, d, width))
    for i in range(d):
        for j in range(i, d):
            weight = p @ (basis[:, i] * basis[:, j]) - mean[:, i] * mean[:, j]
            block = (x.T * (weight / n)) @ x
            hessian[i, :, j, :] = block
            hessian[j, :, i, :] = block
    square = hessian.reshape(d * width, d * width)
    square[np.diag_indices(d * width)] += np.tile(penalty[:, 0], d)
    return np.asarray(scipy.linalg.solve(square, right.T.ravel(), assume_a="pos").reshape(d, -1).T)
