"""Heads trained on finitely many pairs of views, their overlap and gain, and probes behind them.

The sample is two views of N points in p dimensions, and the head the exact minimiser of the
spectral loss on their second moments (pretraining.md, section 1). Nothing of the theory is used:
neither that sums and differences of views are independent, nor any limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from validation.checks.probe_trial import fitted_accuracy
from validation.data import GaussianFeatures

Array = NDArray[np.float64]

QUANTITIES = (
    "overlap_squared",
    "eigenvalue",
    "expansion_measure",
    "accuracy_after",
    "accuracy_before",
)

# eigenvalues of a singular sample covariance below this share of the largest are zero
_ZERO = 1e-10


@dataclass(frozen=True)
class TrainedHead:
    """A head W (outputs x p) scaled to |W|_F^2 = p, and what its first output is.

    direction: unit vector of the largest eigenvalue's output; of least norm where N < p.
    eigenvalue: the largest of Sigma^{-1/2} C Sigma^{-1/2}.
    """

    weights: Array = field(repr=False)
    direction: Array = field(repr=False)
    eigenvalue: float

    def first_layer(self) -> TrainedHead:
        """W_1 with W_1^T W_1 = (W^T W)^{1/2}, as a balanced two-layer net has it, scaled alike."""
        _, scales, directions = scipy.linalg.svd(self.weights, full_matrices=False)
        size = np.sqrt(self.weights.shape[1] / np.sum(scales))
        rows = size * np.sqrt(scales)[:, None] * directions
        return TrainedHead(rows, self.direction, self.eigenvalue)


def sample_moments(
    rng: np.random.Generator,
    signal: float,
    augmentation: float,
    num_pairs: int,
    dimension: int,
    prior: float = 0.5,
) -> tuple[Array, Array]:
    """(Sigma, C), p x p: second moments of N pairs h_i = x + sigma eps_i with mu = R e_1.

    Sigma = (1/2N) sum (h_1 h_1^T + h_2 h_2^T),   C = (1/2N) sum (h_1 h_2^T + h_2 h_1^T).
    """
    labels = np.where(rng.random(num_pairs) < prior, 1.0, -1.0)
    points = rng.standard_normal((num_pairs, dimension))
    points[:, 0] += signal * labels
    first, second = (
        points + augmentation * rng.standard_normal((num_pairs, dimension)) for _ in range(2)
    )
    across = first.T @ second
    return (first.T @ first + second.T @ second) / (2 * num_pairs), (across + across.T) / (
        2 * num_pairs
    )


def train_head(
    second_moment: Array, cross_moment: Array, outputs: int | None = None
) -> TrainedHead:
    """The minimiser of -2 tr(A C) + tr(A Sigma A Sigma), A = W^T W, with `outputs` rows at most.

    Sigma^{1/2} A Sigma^{1/2} = top-k positive part of Sigma^{-1/2} C Sigma^{-1/2}, and of all
    minimisers the one of least trace where Sigma is singular. Of outputs that share the eigenvalue
    1, which the loss does not rank, the first is the one of least norm.
    """
    values, basis = scipy.linalg.eigh(second_moment)
    kept = values > _ZERO * values[-1]
    whitener = basis[:, kept] / np.sqrt(values[kept])
    shares, turns = scipy.linalg.eigh(whitener.T @ cross_moment @ whitener)
    used = np.flatnonzero(shares > _ZERO)[-(outputs or shares.size) :]
    rows = whitener @ turns
    weights = (rows[:, used] * np.sqrt(shares[used])).T
    weights *= np.sqrt(len(second_moment) / np.sum(weights**2))
    best = rows[:, shares > shares[-1] - 1e-8]
    # least norm within the eigenspace: rows are orthonormal in Sigma
    _, mixes = scipy.linalg.eigh(best.T @ best)
    direction = best @ mixes[:, 0]
    return TrainedHead(weights, direction / np.linalg.norm(direction), float(shares[-1]))


def pretraining_trial(
    rng: np.random.Generator,
    *,
    signal: float,
    augmentation: float,
    pretraining_ratio: float,
    output_fraction: float,
    encoder: str,
    probe: Mapping[str, Any] | None,
    dimensions: Sequence[int],
    trial: int,
) -> list[list[float | str]]:
    """The `QUANTITIES` of a fresh head at each dimension p, or why one is missing.

    `probe` has loss, ridge (of the mean over samples), sampling_ratio, prior, intercept; without
    one there is no accuracy, and that before the head only for a balanced encoder. N and n are
    rounded at random, so that their means are exact.
    """
    found: list[list[float | str]] = []
    for p in dimensions:
        pairs = int(np.floor(pretraining_ratio * p + rng.random()))
        moments = sample_moments(rng, signal, augmentation, pairs, p)
        head = train_head(*moments, outputs=round(output_fraction * p))
        measured: list[float | str] = [
            float(head.direction[0] ** 2),
            head.eigenvalue,
            float(np.sum(head.weights[:, 0] ** 2)),
        ]
        if probe is not None:
            measured.append(probe_accuracy(rng, head, signal, **probe))
            if encoder == "balanced":
                measured.append(probe_accuracy(rng, head.first_layer(), signal, **probe))
        found.append(measured)
    return found


def probe_accuracy(
    rng: np.random.Generator,
    head: TrainedHead,
    signal: float,
    *,
    loss: str,
    ridge: float | None,
    sampling_ratio: float,
    prior: float,
    intercept: bool,
) -> float | str:
    """Exact accuracy of a probe fitted to fresh labelled samples behind the head, or why none."""
    mean = signal * head.weights[:, 0]
    features = GaussianFeatures(mean, head.weights, np.zeros(0), prior)
    num_samples = int(np.floor(sampling_ratio * head.weights.shape[1] + rng.random()))
    return fitted_accuracy(rng, features, num_samples, (loss, ridge, intercept))
