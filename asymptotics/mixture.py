"""Gaussian mixtures in high dimension: a finite block where the means live, and a bulk.

Every class mean lies in a block of finitely many directions. There a class has a mean vector and a
covariance matrix; the remaining directions, the bulk, carry only variance: eigenvalues with the
fraction of the p dimensions that each occupies. In the limit the block has weight zero; explicit
p x p arrays are a block of p directions of weight 1/p each, and no bulk.

A mixture is what the theory solves and what `validation` samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Class:
    """One Gaussian component N(mean, covariance) of the block, drawn with probability `prior`.

    mean: (..., k); covariance: (..., k, k); label: the answer a probe should give, +1 or -1.
    bulk_eigenvalues: this class's variances in the bulk, where they differ from the mixture's.
    Leading axes are a batch.
    """

    prior: ArrayLike
    mean: Array
    covariance: Array
    label: int
    bulk_eigenvalues: Array | None = None


@dataclass(frozen=True)
class Mixture:
    """Classes on a block of k directions, and a bulk.

    classes: the components; priors sum to 1, and a label may have several of them.
    bulk_eigenvalues, bulk_weights: (..., bulk atoms), variances orthogonal to the block and the
        fraction of all dimensions that each takes.
    block_weight: fraction of the dimensions that one block direction takes: 0 in the limit, 1/p
        for explicit arrays. block_weight k + sum(bulk_weights) = 1.
    """

    classes: tuple[Class, ...]
    bulk_eigenvalues: Array
    bulk_weights: Array
    block_weight: float = 0.0

    def __post_init__(self) -> None:
        if not self.classes:
            raise InvalidInput("mixture: at least one class is needed")
        priors = [np.asarray(c.prior, dtype=float) for c in self.classes]
        if not all(np.all(p >= 0) for p in priors) or np.any(np.abs(sum(priors) - 1.0) > 1e-9):
            raise InvalidInput("prior: must be >= 0 and sum to 1 over the classes")
        for c in self.classes:
            if np.ndim(c.mean) < 1 or np.shape(c.covariance)[-2:] != (np.shape(c.mean)[-1],) * 2:
                raise InvalidInput(
                    f"class {c.label}: a mean of {np.shape(c.mean)} needs a square covariance of "
                    f"that size, got {np.shape(c.covariance)}"
                )
            if not (np.all(np.isfinite(c.mean)) and np.all(np.isfinite(c.covariance))):
                raise InvalidInput(f"class {c.label}: mean and covariance must be finite")
            if c.label not in (1, -1):
                raise InvalidInput(f"label must be +1 or -1, got {c.label}")
            bulk = self.bulk_of(c)
            if bulk.shape[-1:] != np.shape(self.bulk_weights)[-1:] or np.any(bulk < 0):
                raise InvalidInput(
                    f"class {c.label}: bulk_eigenvalues must be >= 0, one for each bulk weight"
                )

    @property
    def prior(self) -> Array:
        """P(label = +1)."""
        return np.asarray(sum(np.asarray(c.prior, float) for c in self.classes if c.label == 1))

    def bulk_of(self, component: Class) -> Array:
        """The variances of one class in the bulk."""
        own = component.bulk_eigenvalues
        return np.asarray(self.bulk_eigenvalues if own is None else own, dtype=float)

    def is_symmetric_pair(self) -> bool:
        """Whether the mixture is N(+-mean, covariance), the case of probe.md."""
        try:
            self.symmetric_pair()
        except InvalidInput:
            return False
        return True

    def symmetric_pair(self) -> tuple[Array, Array]:
        """(mean, covariance) of the class +1 where the mixture is N(+-mean, covariance).

        That is the structure of probe.md: two classes, opposite means, one covariance. Raises
        InvalidInput otherwise.
        """
        if len(self.classes) != 2 or {c.label for c in self.classes} != {1, -1}:
            raise InvalidInput(
                f"mixture: the limit needs two classes labelled +1 and -1, got {len(self.classes)}"
            )
        positive, negative = sorted(self.classes, key=lambda c: -c.label)
        if not np.array_equal(positive.mean, -negative.mean):
            raise InvalidInput("mixture: the limit needs opposite class means; centre the features")
        if not np.array_equal(positive.covariance, negative.covariance) or not np.array_equal(
            self.bulk_of(positive), self.bulk_of(negative)
        ):
            raise InvalidInput("mixture: the limit needs the same covariance in both classes")
        return positive.mean, positive.covariance


def _share(prior: ArrayLike) -> Array:
    share = np.asarray(prior, dtype=float)
    bad = share[~((share > 0) & (share < 1))]
    if bad.size:
        raise InvalidInput(f"prior must lie strictly between 0 and 1, got {bad.flat[0]}")
    return share


def symmetric_mixture(
    mean: Array,
    covariance: Array,
    bulk_eigenvalues: ArrayLike = (1.0,),
    bulk_weights: ArrayLike = (1.0,),
    *,
    prior: ArrayLike = 0.5,
    block_weight: float = 0.0,
) -> Mixture:
    """Two classes N(+-mean, covariance) in the block, with P(y = 1) = `prior`, over one bulk."""
    share = _share(prior)
    eigenvalues = np.asarray(bulk_eigenvalues, dtype=float)
    weights = np.asarray(bulk_weights, dtype=float)
    pair = (Class(share, mean, covariance, 1), Class(1 - share, -mean, covariance, -1))
    return Mixture(pair, eigenvalues, weights, block_weight)


def isotropic_mixture(
    signal: ArrayLike,
    prior: ArrayLike = 0.5,
    variances: tuple[float, float] = (1.0, 1.0),
    block: int = 1,
) -> Mixture:
    """h = y R muhat + sqrt(V_y) g with g ~ N(0, I): `signal` is R, half the distance of the means.

    variances: V of the classes +1 and -1. block: directions of the block, muhat the first of them
    (a head at an angle to the mean needs two).
    """
    radius = np.asarray(signal, dtype=float)
    bad = radius[~(np.isfinite(radius) & (radius >= 0))]
    if bad.size:
        raise InvalidInput(f"signal must be finite and >= 0, got {bad.flat[0]}")
    mean = radius[..., None] * np.eye(block)[0]
    unit = np.broadcast_to(np.eye(block), (*radius.shape, block, block))
    if tuple(variances) == (1.0, 1.0):
        return symmetric_mixture(mean, unit, prior=prior)
    share = _share(prior)
    for variance in variances:
        if not (np.isfinite(variance) and variance > 0):
            raise InvalidInput(f"class_variances must be finite and > 0, got {variance}")
    classes = tuple(
        Class(weight, label * mean, variance * unit, label, np.array([float(variance)]))
        for weight, label, variance in zip((share, 1 - share), (1, -1), variances, strict=True)
    )
    return Mixture(classes, np.array([1.0]), np.array([1.0]))


def spectral_mixture(
    eigenvalues: ArrayLike, weights: ArrayLike, squared_means: ArrayLike, prior: ArrayLike = 0.5
) -> Mixture:
    """A covariance spectrum with the mean's squared component along each atom.

    `eigenvalues` (variances), `weights` (fractions of the dimensions, summing to 1; 0 for an
    isolated direction) and `squared_means` have one entry an atom. In each atom the mean picks
    one direction, so the block has one direction per atom and the bulk keeps all the weight.
    """
    from asymptotics.geometry import Spectrum

    lengths = {np.shape(x) for x in (eigenvalues, weights, squared_means)}
    if len(lengths) > 1:
        raise InvalidInput(
            "spectrum: eigenvalues, weights and squared_means must have equal lengths, got "
            f"{sorted(lengths)}"
        )
    atoms = Spectrum(np.asarray(eigenvalues), np.asarray(weights), np.asarray(squared_means))
    if atoms.eigenvalues.ndim != 1:
        raise InvalidInput("spectrum: eigenvalues must be one list of numbers")
    return symmetric_mixture(
        np.sqrt(atoms.squared_means),
        np.diag(atoms.eigenvalues),
        atoms.eigenvalues,
        atoms.weights,
        prior=prior,
    )


def component_mixture(
    means: ArrayLike, labels: ArrayLike, priors: ArrayLike, covariances: ArrayLike | None = None
) -> Mixture:
    """Components N(means[c], covariances[c]) of label labels[c] = +-1 with probability priors[c].

    means: (C, p). covariances: (C, p, p), or (C, p) for diagonal ones, or None for the identity.
    Raises InvalidInput for shapes that do not fit or a covariance that is none.
    """
    mu = np.asarray(means, dtype=float)
    if mu.ndim != 2 or mu.size == 0:
        raise InvalidInput(f"means must be (components, p), got the shape {mu.shape}")
    count, size = mu.shape
    y, share = np.asarray(labels, dtype=float), np.asarray(priors, dtype=float)
    if y.shape != (count,) or share.shape != (count,):
        raise InvalidInput(
            f"labels and priors must be one for each of {count} components, got {y.shape} and "
            f"{share.shape}"
        )
    if set(y.tolist()) != {1.0, -1.0}:
        raise InvalidInput(f"labels must be +1 and -1, both present, got {sorted(set(y.tolist()))}")
    given = np.ones((count, size)) if covariances is None else np.asarray(covariances, dtype=float)
    if given.shape == (count, size):
        given = given[:, :, None] * np.eye(size)
    if given.shape != (count, size, size):
        raise InvalidInput(
            f"covariances must be ({count}, {size}, {size}) or ({count}, {size}), got {given.shape}"
        )
    classes = tuple(
        Class(share[c], mu[c], _covariance(given[c], size), int(y[c])) for c in range(count)
    )
    return Mixture(classes, np.zeros(0), np.zeros(0), block_weight=1 / size)


def explicit_mixture(
    mean: ArrayLike, covariance: ArrayLike | None = None, prior: ArrayLike = 0.5
) -> Mixture:
    """Classes N(+-mean, covariance) given as a (p,) vector and a (p, p) matrix (identity if None).

    Raises InvalidInput for shapes that do not fit, entries that are not finite, or a covariance
    that is not symmetric and positive semi-definite.
    """
    mu = np.asarray(mean, dtype=float)
    if mu.ndim != 1 or mu.size == 0:
        raise InvalidInput(f"mean must be a non-empty vector, got the shape {mu.shape}")
    if not np.all(np.isfinite(mu)):
        raise InvalidInput("mean must be finite")
    sigma = np.eye(mu.size) if covariance is None else np.asarray(covariance, dtype=float)
    return symmetric_mixture(
        mu, _covariance(sigma, mu.size), [], [], prior=prior, block_weight=1 / mu.size
    )


def _covariance(sigma: Array, size: int) -> Array:
    """`sigma` itself, once it is a covariance of `size` features."""
    if sigma.shape != (size, size):
        raise InvalidInput(f"covariance must be {size} x {size}, got the shape {sigma.shape}")
    if not np.all(np.isfinite(sigma)):
        raise InvalidInput("covariance must be finite")
    if not np.allclose(sigma, sigma.T, rtol=1e-10, atol=1e-12 * np.abs(sigma).max()):
        raise InvalidInput("covariance must be symmetric")
    lowest, highest = np.linalg.eigvalsh(sigma)[[0, -1]]
    if lowest < -1e-10 * max(highest, 0.0):
        raise InvalidInput(
            f"covariance must be positive semi-definite, got eigenvalue {lowest:.6g}"
        )
    return sigma
