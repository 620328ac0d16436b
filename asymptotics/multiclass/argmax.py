"""Which of K Gaussian logits is the largest: the confusion matrix behind every linear probe.

    C_jk = P(a_k > a_l for all l != k),    a ~ N(M_j, Q),

an orthant probability of the K - 1 differences a_k - a_l. Closed forms for K = 2 (Phi) and K = 3
(Owen's T), a one-dimensional integral where the logits are exchangeable, nested integrals for
K = 4 and 5, and Genz's sequence of conditional probabilities over scrambled Sobol points above
(multiclass.md, accuracy).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri_exp, owens_t
from scipy.stats import qmc

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]

# up to here orthants are nested integrals
NESTED_CLASSES = 5
_REACH = 9.0


def exchangeable_error(mean: Array | float, variance: Array | float, classes: int) -> Array:
    """1 - E Phi(Z + m/sqrt q)^{K-1}: P(wrong) where a_k = m d_ky + sqrt(q) z_k, z iid.

    Midpoint rule over |Z| < 9.5 with 512 nodes: the integrand is entire, the error below rounding.
    """
    margin = np.asarray(mean / np.sqrt(variance))[..., None]
    z = 9.5 * (2 * (np.arange(512) + 0.5) / 512 - 1)
    weight = np.exp(-0.5 * z**2)
    lost = -np.expm1((classes - 1) * log_ndtr(z + margin))
    return np.asarray(lost @ (weight / weight.sum()))


def confusion_matrix(
    means: Array, covariance: Array, size: int, seed: int | np.random.SeedSequence = 0
) -> Array:
    """C_jk = P(argmax = k | class j), (K, K), for logits N(means_j, covariance).

    means: (K, K), row j the mean logits of class j; covariance: (K, K), shared, in which only
    differences of logits count. size: nodes of each integral for K = 4, 5; log2 of the number of
    scrambled Sobol points from K = 6 on; not used below. Repeat with another size or seed for the
    error. The diagonal is one less the rest of its row, so that small errors keep their digits.
    Raises InvalidInput where two logits never differ.
    """
    classes = len(means)
    found = np.zeros((classes, classes))
    points = None
    if classes > NESTED_CLASSES:
        sampler = qmc.Sobol(classes - 2, scramble=True, bits=30, rng=np.random.default_rng(seed))
        points = sampler.random_base2(size) + 2.0**-31
    for k in range(classes):
        differences = np.delete(np.eye(classes)[k] - np.eye(classes), k, axis=0)
        spread = differences @ covariance @ differences.T
        scale = np.abs(covariance).max()
        if np.any(np.diag(spread) <= 1e-14 * scale):
            raise InvalidInput("the logits of two classes have no noise between them")
        for j in range(classes):
            if j != k:
                mean = differences @ means[j]
                found[j, k] = (
                    _nested(mean, spread, size) if points is None else _genz(mean, spread, points)
                )
    found[np.diag_indices(classes)] = 1 - found.sum(axis=1)
    return found


def _nested(mean: Array, covariance: Array, size: int) -> float:
    """P(X > 0): Gauss-Legendre over the first coordinates given which two are left."""
    weights, means, left = np.ones(1), mean[None, :], covariance
    x, unit = np.polynomial.legendre.leggauss(size)
    while means.shape[1] > 2:
        # the coordinate that fails most often first
        first = int(np.argmin(mean / np.sqrt(np.diag(left)))) if len(means) == 1 else 0
        others = np.arange(means.shape[1]) != first
        deviation = np.sqrt(left[first, first])
        slope = left[others, first] / deviation
        low = np.clip(-means[:, first] / deviation, -_REACH, _REACH)[:, None]
        y = low + (_REACH - low) * (x + 1) / 2
        density = np.exp(-0.5 * y**2) / np.sqrt(2 * np.pi) * (_REACH - low) / 2 * unit
        weights = (weights[:, None] * density).ravel()
        means = (means[:, None, others] + y[..., None] * slope).reshape(-1, len(slope))
        left = left[np.ix_(others, others)] - np.outer(slope, slope)
    standard = means / np.sqrt(np.diag(left))
    if standard.shape[1] == 1:
        return float(weights @ ndtr(standard[:, 0]))
    correlation = left[0, 1] / np.sqrt(left[0, 0] * left[1, 1])
    return float(weights @ quadrant(standard[:, 0], standard[:, 1], correlation))


def _genz(mean: Array, covariance: Array, points: Array) -> float:
    """P(X > 0) over points of the cube, (N, d - 1)."""
    # the hardest inequality first
    order = np.argsort(mean / np.sqrt(np.diag(covariance)))
    root = np.linalg.cholesky(covariance[np.ix_(order, order)])
    shift = mean[order] / np.diag(root)
    rows = root / np.diag(root)[:, None]
    y = np.empty((len(points), mean.size))
    total = np.zeros(len(points))
    for i in range(mean.size):
        log_share = log_ndtr(shift[i] + y[:, :i] @ rows[i, :i])
        total += log_share
        if i + 1 < mean.size:
            y[:, i] = -ndtri_exp(np.log(points[:, i]) + log_share)
    return float(np.exp(total).mean())


def quadrant(h: Array, k: Array, correlation: float) -> Array:
    """P(X > -h, Y > -k) for standard normals of that correlation, by Owen's T function."""
    width = np.sqrt((1 - correlation) * (1 + correlation))
    with np.errstate(divide="ignore", invalid="ignore"):
        along = owens_t(h, (k / h - correlation) / width)
        across = owens_t(k, (h / k - correlation) / width)
        apart = (h * k < 0) | ((h * k == 0) & (h + k < 0))
        found = 0.5 * (ndtr(h) + ndtr(k)) - along - across - 0.5 * apart
    both = 0.25 + np.arcsin(correlation) / (2 * np.pi)
    return np.asarray(np.where((h == 0) & (k == 0), both, found))
