"""Samples of a mixture of any components behind a head, and the exact accuracy of a linear rule.

z = W mu_c + (W Sigma_c W^T)^{1/2} g,   g ~ N(0, I),   with probability pi_c, answer y_c = +-1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asymptotics.components import behind
from asymptotics.errors import InvalidInput
from asymptotics.margins import MarginLaws, best_shift
from asymptotics.mixture import Mixture
from asymptotics.projectors import Gain, Projector
from validation.data import matrix_root, shares

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ComponentFeatures:
    """The laws of p features: for each of C components a block, then independent coordinates.

    priors, labels: (C,). means: (C, k), of the block. roots: (C, k, k), of its covariance.
    scales: (C, p - k), standard deviations of the other coordinates.
    label_noise: probability that the label of a sample is wrong.
    balanced: whether a rule is judged at its intercept of least balanced error.
    """

    priors: Array
    labels: NDArray[np.intp]
    means: Array = field(repr=False)
    roots: Array = field(repr=False)
    scales: Array = field(repr=False)
    label_noise: float = 0.0
    balanced: bool = False

    @property
    def dimension(self) -> int:
        """p."""
        return self.means.shape[1] + self.scales.shape[1]

    def draw(self, num_samples: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """(features, labels): n x p and n values +-1, some of them wrong; independent samples."""
        component = rng.choice(len(self.priors), size=num_samples, p=self.priors)
        normal = rng.standard_normal((num_samples, self.dimension))
        k = self.means.shape[1]
        block = np.einsum("nij,nj->ni", self.roots[component], normal[:, :k])
        features = np.concatenate(
            [self.means[component] + block, normal[:, k:] * self.scales[component]], axis=1
        )
        wrong = rng.random(num_samples) < self.label_noise
        return features, np.where(wrong, -1.0, 1.0) * self.labels[component]

    def margin_laws(self, theta: Array, intercept: float = 0.0) -> MarginLaws:
        """The laws of the rule's margins y (z.theta + b) on fresh samples, exactly."""
        k = self.means.shape[1]
        spread = np.hypot(
            np.linalg.norm(np.einsum("cij,i->cj", self.roots, theta[:k]), axis=1),
            np.linalg.norm(self.scales * theta[k:], axis=1),
        )
        if not np.all(spread > 0):
            raise InvalidInput("theta must have positive variance under the features")
        mean = self.labels * (self.means @ theta[:k] + intercept)
        return MarginLaws(self.priors, self.labels, mean, spread, np.full_like(mean, np.nan))

    def accuracies(self, theta: Array, intercept: float = 0.0) -> Array:
        """P(y_c (z.theta + b) > 0) of every component, (C,)."""
        return self.margin_laws(theta, intercept).accuracies()

    def accuracy(self, theta: Array, intercept: float = 0.0) -> float:
        """The average over the components."""
        laws = self.margin_laws(theta, intercept).reshape((1,))
        if self.balanced:
            laws = laws.moved(best_shift(laws))
        return float(laws.accuracy()[0])


def components_at(
    mixture: Mixture,
    dimension: int,
    projector: Projector | None = None,
    label_noise: float = 0.0,
) -> ComponentFeatures:
    """The finite-dimensional version of a mixture behind a projector (default: none).

    The block keeps its directions; the p - k others are shared out among the bulk's atoms by their
    weights, by largest remainder. Raises InvalidInput where p does not fit.
    """
    law = behind(mixture, Gain() if projector is None else projector)
    if law.shape:
        raise InvalidInput("one mixture is sampled at a time, got a batch of them")
    k, of = law.means.shape[-1], law.covariance_of
    others = dimension - k
    if others < 0 or (others > 0 and law.bulk_weights.size == 0):
        raise InvalidInput(f"dimension must fit a block of {k} directions, got {dimension}")
    counts = shares(law.bulk_weights, others)
    roots = np.stack([matrix_root(covariance) for covariance in law.covariances])
    return ComponentFeatures(
        np.array([c.prior for c in mixture.classes], dtype=float),
        law.labels,
        law.labels[:, None] * law.means,
        roots[of],
        np.sqrt(np.repeat(law.bulk_eigenvalues, counts, axis=-1))[of],
        label_noise,
    )
