"""Groups of downstream samples at every layer, and the accuracy of a probe in each group.

A layer is seen by a probe through its Gram matrix G_l = P_l^T P_l, P_l the product of the weights
below it: rotations of the outputs change neither a ridge nor an accuracy. Group g of the downstream
task fixes the signs of the informative features, so that at layer l

    z | g ~ N(M phi*s_g, M diag(sigma^2) M^T),   M^T M = G_l on the informative features,    (15)

over a bulk of all other features, of variance G_ii (phi_i^2 + sigma_i^2). Every layer is divided by
the root mean square of its features, so that one ridge means the same at all of them. Derivation:
supervised.md, groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput
from asymptotics.layers.population import population_accuracies
from asymptotics.layers.second_moments import Features
from asymptotics.limits import limit
from asymptotics.mixture import Class, Mixture
from asymptotics.problem import Problem
from asymptotics.table import Table

Array = NDArray[np.float64]

# relative size below which an eigenvalue of a Gram matrix is a direction that the layer lost
_LOST = 1e-14


@dataclass(frozen=True)
class Groups:
    """Groups of downstream samples: group g has the signs s_g of the first k features.

    names: of the groups. proportions: (G,), of the groups among the probe's training samples, sum
    to 1. labels: (G,) +-1, what the probe is asked for. signs: (G, k) +-1.

    Raises InvalidInput outside these domains.
    """

    names: tuple[str, ...]
    proportions: ArrayLike
    labels: ArrayLike
    signs: ArrayLike

    def __post_init__(self) -> None:
        share = np.asarray(self.proportions, dtype=float)
        labels, signs = np.asarray(self.labels), np.asarray(self.signs)
        size = len(self.names)
        if share.shape != (size,) or labels.shape != (size,) or signs.shape[:1] != (size,):
            raise InvalidInput(
                f"groups: {size} names need as many proportions, labels and rows of signs, got the "
                f"shapes {share.shape}, {labels.shape}, {signs.shape}"
            )
        if not np.all(share >= 0) or not abs(share.sum() - 1) < 1e-9:
            raise InvalidInput(f"proportions must be >= 0 and sum to 1, got {share}")
        if signs.ndim != 2 or not np.all(np.abs(signs) == 1) or not np.all(np.abs(labels) == 1):
            raise InvalidInput("labels and signs of groups must be +1 or -1")
        object.__setattr__(self, "proportions", share)
        object.__setattr__(self, "labels", labels.astype(int))
        object.__setattr__(self, "signs", signs.astype(float))


def pair_groups(
    proportions: ArrayLike | None = None, *, correlation: float | None = None, labelled_by: int = 0
) -> Groups:
    """The four groups (s_0, s_1) = ++, +-, -+, -- of two binary features.

    proportions: of the four, or correlation = c = E s_0 s_1 in [-1, 1] for balanced features:
        P(s_1 = s_0) = (1 + c)/2. labelled_by: 0 or 1, the feature that is the label.
    """
    if (proportions is None) == (correlation is None):
        raise InvalidInput("groups: give either the four proportions or the correlation")
    if correlation is not None:
        if not -1 <= correlation <= 1:
            raise InvalidInput(f"correlation must lie in [-1, 1], got {correlation}")
        same, other = (1 + correlation) / 4, (1 - correlation) / 4
        proportions = (same, other, other, same)
    if labelled_by not in (0, 1):
        raise InvalidInput(f"labelled_by must be 0 or 1, got {labelled_by}")
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    assert proportions is not None
    return Groups(("++", "+-", "-+", "--"), proportions, signs[:, labelled_by], signs)


def group_mixture(
    features: Features, gram: ArrayLike, groups: Groups, readout_noise: float = 0.0
) -> Mixture:
    """Equation 15: the mixture that a probe sees at a layer, one component a group.

    features: d kinds; the first k are those of `groups.signs`. The downstream samples are clean:
        no feature is disrupted. A kind with a fraction > 0 is in the bulk with that weight.
    gram: G_l, (d, d), positive semi-definite. readout_noise: eta^2 >= 0, the variance of
        independent noise in each output of the layer.

    The mean square of a feature is 1: over the bulk, or over the block where the bulk carries
    nothing. Directions that the layer has lost are left out of the block. Raises InvalidInput if a
    feature of the bulk is mixed with another one, or nothing is left.
    """
    g = np.asarray(gram, dtype=float)
    size, signs = features.dimension, np.asarray(groups.signs)
    if g.shape != (size, size) or not np.all(np.isfinite(g)):
        raise InvalidInput(f"gram must be a finite {size} x {size} matrix, got {g.shape}")
    if not readout_noise >= 0:
        raise InvalidInput(f"readout_noise must be >= 0, got {readout_noise}")
    informative = np.arange(size) < signs.shape[1]
    fraction = np.asarray(features.fraction)
    scale = np.abs(g).max()
    for i in np.flatnonzero((fraction > 0) | ~informative):
        if np.any(np.abs(np.delete(g[i], i)) > 1e-12 * scale):
            raise InvalidInput(f"gram: feature {i} of the bulk must not be mixed with another one")
    values, vectors = np.linalg.eigh(g[np.ix_(informative, informative)])
    kept = values > _LOST * max(scale, np.finfo(float).tiny)
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    strength, noise = np.asarray(features.strength), np.asarray(features.noise)
    means = signs * strength[informative] @ root.T
    covariance = root * noise[informative] ** 2 @ root.T + readout_noise * np.eye(len(root))
    share, labels = np.asarray(groups.proportions), np.asarray(groups.labels)
    bulk = fraction > 0
    eigenvalues = np.diag(g)[bulk] * (strength**2 + noise**2)[bulk] + readout_noise
    mean_square = fraction[bulk] @ eigenvalues
    if mean_square == 0 and np.any(kept):
        mean_square = np.mean(np.diag(covariance) + share @ means**2)
    if mean_square == 0:
        raise InvalidInput("gram: nothing is left at this layer")
    means, covariance = means / np.sqrt(mean_square), covariance / mean_square
    classes = tuple(
        Class(share[i], means[i], covariance, int(labels[i])) for i in range(len(groups.names))
    )
    return Mixture(classes, eigenvalues / mean_square, fraction[bulk])


def group_accuracies(
    layers: Mapping[int, Mixture],
    groups: Groups,
    *,
    loss: str,
    sampling_ratio: ArrayLike,
    ridge: ArrayLike | None = None,
    intercept: bool = False,
) -> Table:
    """Accuracies of a probe in every group, at every layer and point of (sampling_ratio, ridge).

    layers: layer -> mixture (`group_mixture`). loss, sampling_ratio, ridge, intercept: of the probe
    as in `Problem`. Where the bulk carries nothing a layer has finitely many outputs, n -> infinity
    there, and the probe is the population's minimiser (`population_accuracies`).

    Columns: ``layer``, ``sampling_ratio``, ``ridge``, ``accuracy[NAME]`` for each group,
    ``worst_group`` and ``worst_group_accuracy``, ``average_accuracy`` in the proportions of the
    groups, ``balanced_accuracy`` with equal weights, ``status``. Points without a limit are marked
    and nan. A group of proportion 0 counts as a group: it is not trained on and is tested. Raises
    InvalidInput for the loss `bayes`, or if one of the labels has no samples.
    """
    if loss == "bayes":
        raise InvalidInput("bayes is no fitted probe: the best classifier has no groups to shift")
    present = np.asarray(groups.labels)[np.asarray(groups.proportions) > 0]
    if np.all(present == present[0]):
        raise InvalidInput(
            "proportions: a probe needs both labels among its samples, got "
            f"{np.asarray(groups.proportions).tolist()}, all of label {present[0]:+d}"
        )
    ratio, penalty = np.broadcast_arrays(
        np.atleast_1d(np.asarray(sampling_ratio, dtype=float)),
        np.asarray(np.nan if ridge is None else ridge, dtype=float),
    )
    ratio, penalty = ratio.ravel(), penalty.ravel()
    parts = []
    for layer, mixture in layers.items():
        given = None if ridge is None else penalty
        problem = Problem(
            mixture, loss=loss, sampling_ratio=ratio, ridge=given, intercept=intercept
        )
        accuracies, status = _solved(problem)
        where = {"layer": np.full(ratio.size, layer), "sampling_ratio": ratio, "ridge": penalty}
        parts.append(where | _columns(accuracies, groups) | {"status": status})
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Table(columns, {"loss": loss, "intercept": intercept})


def _solved(problem: Problem) -> tuple[Array, NDArray[np.str_]]:
    """(accuracies of the components, nan where there is no limit; status) of every point."""
    mixture, ratio = problem.mixture, np.asarray(problem.sampling_ratio)
    if not np.any(np.asarray(mixture.bulk_eigenvalues) > 0):
        ridge = problem.probe.ridge if problem.ridge is None else problem.ridge
        ridges = np.broadcast_to(np.asarray(ridge, dtype=float), ratio.shape)
        return population_accuracies(mixture, problem.probe, ridges, problem.intercept)
    found = limit(problem)
    accuracies = np.full((len(mixture.classes), ratio.size), np.nan)
    if np.any(found.converged):
        accuracies[:, found.converged] = found.component_accuracy[:, found.converged]
    return accuracies, found.status


def _columns(accuracies: Array, groups: Groups) -> dict[str, NDArray[Any]]:
    """What a row says of the accuracies (G, points)."""
    known = ~np.isnan(accuracies[0])
    worst = np.argmin(np.where(known, accuracies, 1.0), axis=0)
    names = {f"accuracy[{name}]": accuracies[i] for i, name in enumerate(groups.names)}
    return names | {
        "worst_group": np.where(known, np.array(groups.names)[worst], ""),
        "worst_group_accuracy": accuracies.min(axis=0),
        "average_accuracy": np.asarray(groups.proportions) @ accuracies,
        "balanced_accuracy": accuracies.mean(axis=0),
    }
