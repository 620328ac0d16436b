"""Heads that contrastive training gives K classes, by the name of the objective.

Two views h = x + sigma eps of x = mu_k + g, g ~ N(0, S), D = 1 + sigma^2 across the block. The head
is normalised to 1 across the block (multiclass.md, contrastive heads).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.spectral import gram_matrix
from asymptotics.errors import InvalidInput
from asymptotics.multiclass.cosine_scaled import CosineScaled, cosine_scaled_minima
from asymptotics.multiclass.inner_product import inner_product_gain, inner_product_head
from asymptotics.multiclass.mixture import MulticlassMixture

Array = NDArray[np.float64]

MULTICLASS_OBJECTIVES = ("spectral", "inner-product", "inner-product-fixed-norm", "cosine-scaled")


@dataclass(frozen=True)
class TrainedHead:
    """What contrastive training made of the block: gains along the mean directions, falling order.

    gains: sqrt of u^T W^T W u along the eigenvectors u of the between-class second moment.
    matrix: W on the block. error_estimate: of log W.
    """

    matrix: Array
    gains: Array
    error_estimate: float


def trained_gains(
    mixture: MulticlassMixture,
    objective: str,
    augmentation: float,
    temperature: float | None = None,
    dimension: float | None = None,
) -> TrainedHead:
    """`trained_head` with its gains along the mean directions."""
    head, error = trained_head(mixture, objective, augmentation, temperature, dimension)
    values, vectors = np.linalg.eigh((mixture.means.T * mixture.priors) @ mixture.means)
    kept = values > 1e-12 * values[-1] if values[-1] > 0 else np.ones(values.size, dtype=bool)
    return TrainedHead(head, np.linalg.norm(head @ vectors[:, kept], axis=0)[::-1], error)


def trained_head(
    mixture: MulticlassMixture,
    objective: str,
    augmentation: float,
    temperature: float | None = None,
    dimension: float | None = None,
) -> tuple[Array, float]:
    """(W on the block, error estimate of log W), the population optimum of the objective.

    spectral: any block covariance; with S = I the gains of `spectral_gains` along the eigenvectors
    of the between-class second moment. inner-product, inner-product-fixed-norm (needs
    `temperature`): S = I. cosine-scaled (needs `temperature` and `dimension`): the simplex; the
    lowest minimum. The bulk has variance 1. Raises InvalidInput, NotConverged, or NoLimit where
    the head collapses.
    """
    if objective not in MULTICLASS_OBJECTIVES:
        allowed = ", ".join(MULTICLASS_OBJECTIVES)
        raise InvalidInput(f"objective for K classes must be one of {allowed}, got {objective!r}")
    if not (np.isfinite(augmentation) and augmentation >= 0):
        raise InvalidInput(f"augmentation must be finite and >= 0, got {augmentation}")
    if not np.allclose(mixture.bulk_eigenvalues, 1.0):
        raise InvalidInput("contrastive heads of K classes need a bulk of variance 1")
    if objective == "spectral":
        return _spectral_head(mixture, augmentation), 1e-14
    if not np.allclose(mixture.covariance, np.eye(len(mixture.covariance))):
        raise InvalidInput(f"{objective} for K classes needs a block of covariance I")
    on_simplex = mixture.simplex_radius()
    if mixture.means.shape[1] > mixture.classes - 1:
        on_simplex = None
    identity = np.eye(mixture.means.shape[1])
    if objective == "cosine-scaled":
        if on_simplex is None:
            raise InvalidInput("cosine-scaled for K classes needs equal classes on a simplex")
        if dimension is not None and not dimension >= 2:
            raise InvalidInput(f"dimension must be >= 2, got {dimension:g}")
        scale = _positive("temperature", temperature) * _positive("dimension", dimension)
        minima = cosine_scaled_minima(
            CosineScaled(mixture.classes, on_simplex, augmentation, scale)
        )
        return np.exp(minima.log_gain) * identity, minima.error_estimate
    fixed = objective == "inner-product-fixed-norm"
    tau = _positive("temperature", temperature) if fixed else None
    if on_simplex is None:
        return inner_product_head(mixture, augmentation, tau)
    gain, error = inner_product_gain(mixture.classes, on_simplex, augmentation, tau)
    return gain * identity, error


def _positive(name: str, value: float | None) -> float:
    if value is None or not (np.isfinite(value) and value > 0):
        raise InvalidInput(f"{name} must be finite and > 0 with this objective, got {value}")
    return float(value)


def spectral_gains(between: Array, augmentation: float) -> Array:
    """a_i = D sqrt(e_i + 1)/(e_i + D), e_i the eigenvalues of the between-class second moment.

    Theory: equation (7) of the two-class loss, direction by direction; a_i = 1 at
    sigma^2 = sqrt(1 + e_i). A simplex of radius R has e = R^2/(K - 1).
    """
    noise = 1 + augmentation**2
    return np.asarray(noise * np.sqrt(between + 1) / (between + noise))


def _spectral_head(mixture: MulticlassMixture, augmentation: float) -> Array:
    between = (mixture.means.T * mixture.priors) @ mixture.means
    shared = between + mixture.covariance
    noise = 1 + augmentation**2
    gram = gram_matrix(shared + augmentation**2 * np.eye(len(shared)), shared)
    values, vectors = np.linalg.eigh(gram)
    return np.asarray(noise * (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
