"""Labelled samples of K Gaussian classes in p dimensions, and the accuracy of a linear rule."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.multiclass.argmax import NESTED_CLASSES, confusion_matrix
from asymptotics.multiclass.mixture import MulticlassMixture

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClassFeatures:
    """z = nu_k + S^{1/2} g in p dimensions, P(k) = pi_k.

    means: nu_k, (K, p). root: any root of the block's covariance, (r, r): the first r coordinates.
    scales: standard deviations of the p - r others. priors: pi_k.
    """

    means: Array = field(repr=False)
    root: Array = field(repr=False)
    scales: Array = field(repr=False)
    priors: Array

    def draw(self, num_samples: int, rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
        """(features, labels): n x p and n labels 0..K-1, independent samples."""
        labels = rng.choice(len(self.priors), num_samples, p=self.priors)
        block = rng.standard_normal((num_samples, len(self.root))) @ self.root.T
        others = rng.standard_normal((num_samples, self.scales.size)) * self.scales
        return self.means[labels] + np.concatenate([block, others], axis=1), labels

    def confusion(self, theta: Array, offset: Array, rng: np.random.Generator) -> Array:
        """C_jk = P(argmax z.theta + b = k | j) of a fitted rule, theta (p, K), b (K,).

        The logits are Gaussian given the rule: the integral is exact up to K = 5, and above it an
        unbiased estimate from one scrambling of 2^11 Sobol points.
        """
        r = len(self.root)
        block, others = self.root.T @ theta[:r], self.scales[:, None] * theta[r:]
        covariance = block.T @ block + others.T @ others
        exact = len(self.priors) <= NESTED_CLASSES
        seed = np.random.SeedSequence(int(rng.integers(2**63)))
        return confusion_matrix(self.means @ theta + offset, covariance, 40 if exact else 11, seed)


def classes_at_dimension(mixture: MulticlassMixture, dimension: int) -> ClassFeatures:
    """The mixture in p = `dimension` coordinates; the bulk's atoms share p - r by their weights.

    Raises InvalidInput where p is less than the block's r directions.
    """
    r = mixture.means.shape[1]
    if dimension < r:
        raise InvalidInput(f"dimension must be at least {r} for this mixture, got {dimension}")
    values, vectors = np.linalg.eigh(mixture.covariance)
    counts = np.diff(np.round(np.append(0, np.cumsum(mixture.bulk_weights)) * (dimension - r)))
    scales = np.sqrt(np.repeat(mixture.bulk_eigenvalues, counts.astype(int)))
    padded = np.zeros((mixture.classes, dimension))
    padded[:, :r] = mixture.means
    return ClassFeatures(padded, vectors * np.sqrt(np.maximum(values, 0)), scales, mixture.priors)
