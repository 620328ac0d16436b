"""Rules for means over the noise of K logits, K standard normals up to a common shift.

The trapezoidal rule on the lattice h Z^K modulo its diagonal, which is the lattice A*_{K-1} of the
K - 1 contrasts (multiclass.md, lattice rule). For an analytic integrand its error falls
geometrically in 1/h, and the difference between two spacings shows it. Where the K - 1 wrong
classes are alike one point of each orbit of their permutations is enough, and K = 10 is as easy as
K = 3. Many different classes take scrambled Sobol points, whose replicates show the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, gammaln, ndtri, stdtrit
from scipy.stats import qmc

from asymptotics.errors import NotConverged
from asymptotics.multiclass.mixture import contrast_basis

Array = NDArray[np.float64]

MOST_NODES = 100_000


def left_out(classes: int) -> float:
    """Mass of the normal law outside the ball of nodes, a bound of that error of E f/sup |f|."""
    return 1e-14 if classes <= 5 else 1e-10


@dataclass(frozen=True)
class GaussianRule:
    """E f(z) = sum_n weights_n f(nodes_n), for f that a common shift of z leaves as it is.

    nodes: (N, K); weights: (N,), of sum 1.
    """

    nodes: Array
    weights: Array

    def contrasts(self) -> Array:
        """The nodes in `contrast_basis`, (N, K - 1): standard normal coordinates."""
        return np.asarray(self.nodes @ contrast_basis(self.nodes.shape[1]))


def lattice_rule(classes: int, spacing: float, most_nodes: int = MOST_NODES) -> GaussianRule:
    """All points of the lattice in the ball. Raises NotConverged for more than `most_nodes`."""
    return _rule(*_points(classes, spacing, most_nodes, ordered=False), spacing)


def orbit_rule(classes: int, spacing: float, most_nodes: int = MOST_NODES) -> GaussianRule:
    """For f symmetric in z_2, ..., z_K: a point of each orbit, weighted by the orbit's size.

    Raises NotConverged for more than `most_nodes`.
    """
    points, weights = _points(classes, spacing, most_nodes, ordered=True)
    same = np.ones(len(points))
    log_repeats = np.zeros(len(points))
    for k in range(2, classes):
        same = np.where(points[:, k] == points[:, k - 1], same + 1, 1.0)
        log_repeats += np.log(same)
    return _rule(points, weights * np.exp(gammaln(classes) - log_repeats), spacing)


def _rule(points: Array, weights: Array, spacing: float) -> GaussianRule:
    return GaussianRule(spacing * points, weights / weights.sum())


def _points(classes: int, spacing: float, most_nodes: int, ordered: bool) -> tuple[Array, Array]:
    """Whole numbers (N, K), the first 0, within the ball, and exp(-|contrasts|^2/2).

    Grown a coordinate at a time: the sum of squared deviations from the mean only rises.
    """
    largest = chdtri(classes - 1, left_out(classes)) / spacing**2
    # two coordinates differ by D only if their own deviations, D^2/2, stay in the ball
    reach = int(np.sqrt(2 * largest))
    values = np.arange(-reach, reach + 1, dtype=float)
    points = np.zeros((1, 1))
    for width in range(2, classes + 1):
        parts = []
        for block in np.array_split(points, max(1, len(points) * values.size // 2_000_000)):
            total = block.sum(axis=1)[:, None] + values
            square = np.sum(block**2, axis=1)[:, None] + values**2
            kept = square - total**2 / width <= largest
            if ordered and width > 2:
                kept &= values >= block[:, -1:]
            row, column = np.nonzero(kept)
            parts.append(np.column_stack([block[row], values[column]]))
            if sum(map(len, parts)) > most_nodes:
                raise NotConverged(
                    f"more than {most_nodes} nodes for {classes} classes at the spacing "
                    f"{spacing:.2g}"
                )
        points = np.concatenate(parts)
    deviation = points - points.mean(axis=1, keepdims=True)
    return points, np.exp(-0.5 * spacing**2 * np.sum(deviation**2, axis=1))


def sobol_rules(classes: int, log2_nodes: int, replicates: int, seed: int) -> list[GaussianRule]:
    """Independent scramblings of 2^`log2_nodes` Sobol points, each an unbiased rule (Owen)."""
    rules = []
    for child in np.random.SeedSequence(seed).spawn(replicates):
        rng = np.random.default_rng(child)
        sampler = qmc.Sobol(classes - 1, scramble=True, bits=30, rng=rng)
        # the points are multiples of 2^-30, 0 among them: move each to the middle of its cell
        u = sampler.random_base2(log2_nodes) + 2.0**-31
        nodes = ndtri(u) @ contrast_basis(classes).T
        rules.append(GaussianRule(nodes, np.full(len(u), 1 / len(u))))
    return rules


def student_error(values: Array) -> Array:
    """Half the width of the 99% interval of the mean of independent replicates (axis 0)."""
    count = len(values)
    quantile = stdtrit(count - 1, 0.995)
    return np.asarray(quantile * np.std(values, axis=0, ddof=1) / np.sqrt(count))
