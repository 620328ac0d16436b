"""The first output of the head in closed form: where it learns the signal, and how much of it.

With alpha = N/p, c = 1/alpha and ell = 2 R^2/(2 + sigma^2), the direction w of the largest
eigenvalue has in the limit the squared cosine with muhat

    alpha > 1:  (alpha ell^2 - 1 - (1+ell)^2)/(ell (1 + alpha ell)),       (pretraining.md, 10)
    alpha < 1:  (alpha (1-alpha) ell^2 - 1)/(ell (1 + alpha ell)),         (pretraining.md, 17)

wherever that is positive, and zero elsewhere. For alpha <= 1 the largest eigenvalue 1 is
degenerate, and the second line is for the least norm (vanishing weight decay).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.pretraining.pairs import Pairs, alignment

Array = NDArray[np.float64]


def overlap(pairs: Pairs) -> Array:
    """|cos| of the first output's direction with muhat, in the limit; 0 where nothing is learned.

    The BBP transition of a spiked F-matrix for N > p, of a spiked Wishart matrix on the kernel of
    the differences for N < p; at N = p nothing is learned at any signal.
    """
    excess, scale = _excess(pairs)
    found = excess > 0
    return np.asarray(np.sqrt(np.where(found, excess, 0.0) / np.where(found, scale, 1.0)))


def learned(pairs: Pairs) -> NDArray[np.bool_]:
    """Whether the first output has a macroscopic overlap with muhat."""
    return np.asarray(_excess(pairs)[0] > 0)


def _excess(pairs: Pairs) -> tuple[Array, Array]:
    """Numerator and denominator of the squared cosine; the numerator's sign is the phase."""
    alpha, spike = pairs.pretraining_ratio, pairs.spike
    many = alpha * spike**2 - 1 - (1 + spike) ** 2
    few = alpha * (1 - alpha) * spike**2 - 1
    return np.where(alpha > 1, many, few), spike * (1 + alpha * spike)


def eigenvalue(pairs: Pairs) -> Array:
    """The largest eigenvalue rho of Sigma^{-1/2} C Sigma^{-1/2} in the limit.

    The outlier at beta = (1 + ell)(ell + c)/(ell (ell + 2)) above the transition (pretraining.md,
    9), the edge (1 + sqrt(c (2 - c)))/2 of the bulk below it, and 1 for N <= p: the training pairs
    are then aligned exactly in p - N directions.
    """
    isolated = learned(pairs) & (pairs.aspect < 1)
    share = np.where(isolated, outlier(pairs), upper_edge(pairs))
    return alignment(share, pairs.augmentation)


def outlier(pairs: Pairs) -> Array:
    """beta of the isolated direction; meaningful for N > p above the transition only."""
    c, spike = pairs.aspect, pairs.spike
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.asarray((1 + spike) * (spike + c) / (spike * (spike + 2)))


def upper_edge(pairs: Pairs) -> Array:
    """Largest beta without a signal: the edge of the bulk for N > p, the atom at 1 for N <= p."""
    c = np.where(pairs.aspect < 1, pairs.aspect, 1.0)
    return np.asarray((1 + np.sqrt(c * (2 - c))) / 2)


def critical_ratio(signal: ArrayLike, augmentation: ArrayLike) -> Array:
    """The N/p > 1 above which the head learns the signal: 1 + 2/ell + 2/ell^2.

    Infinite without a signal. (pretraining.md, 11)
    """
    spike = Pairs(np.asarray(signal), np.ones(()), np.asarray(augmentation)).spike
    with np.errstate(divide="ignore", over="ignore"):
        inverse = 1 / spike
        return np.asarray(1 + 2 * inverse + 2 * inverse**2)


def critical_augmentation(signal: ArrayLike, pretraining_ratio: ArrayLike) -> Array:
    """The sigma below which the head learns the signal at this N/p; nan where no sigma does.

    ell is largest, R^2, at sigma = 0 and falls; (pretraining.md, 11 and 17) solved for it.
    """
    alpha, energy = np.broadcast_arrays(
        np.asarray(pretraining_ratio, dtype=float), np.square(np.asarray(signal, dtype=float))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        many = (1 + np.sqrt(2 * alpha - 1)) / (alpha - 1)
        few = 1 / np.sqrt(alpha * (1 - alpha))
        needed = np.where(alpha > 1, many, few)
        return np.asarray(np.where(needed < energy, np.sqrt(2 * (energy / needed - 1)), np.nan))


def full_rank_ratio(augmentation: ArrayLike) -> Array:
    """The N/p above which every output is used: D^2 + D sqrt(D^2 - 1), D = 1 + sigma^2.

    Below it some eigenvalues rho are negative: the positive part discards those directions, a
    fraction of the dimensions. (pretraining.md, 16)
    """
    d = 1 + np.square(np.asarray(augmentation, dtype=float))
    return np.asarray(d**2 + d * np.sqrt(d**2 - 1))
