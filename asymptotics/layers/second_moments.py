"""Features behind an encoder, and the second moments that two augmented views of them have.

A linear net under the spectral loss sees its input h only through

    Sigma = E h h^T  (one view),      C = E h h'^T  (across the two views of one sample).

`Features` describes features x_i = phi_i s_i + sigma_i xi_i, independent or not, and what
augmentation does to them; `DISRUPTIONS` maps kinds of augmentation to that description.
Derivation: layers.md, second moments of disrupted features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]

# relative size below which a broken inequality or symmetry counts as rounding
_ROUNDING = 1e-10
# strength and noise that are not 0 lie between these, so that their fourth powers are numbers
_SMALLEST, _LARGEST = 1e-50, 1e50


@dataclass(frozen=True)
class SecondMoments:
    """Sigma = E h h^T of one view and C = E h h'^T across the views of one sample.

    one_view: Sigma, (d, d), symmetric and positive definite.
    across: C, (d, d), symmetric, with -Sigma <= C <= Sigma in the Loewner order, as the covariance
        (Sigma, C; C, Sigma) of two exchangeable views must have.

    Raises InvalidInput for anything else.
    """

    one_view: Array
    across: Array

    def __post_init__(self) -> None:
        for name in ("one_view", "across"):
            value = np.array(getattr(self, name), dtype=float)
            if value.ndim != 2 or value.shape[0] != value.shape[1] or value.size == 0:
                raise InvalidInput(f"{name} must be a square matrix, got the shape {value.shape}")
            if not np.all(np.isfinite(value)):
                raise InvalidInput(f"{name} must be finite")
            if np.max(np.abs(value - value.T)) > _ROUNDING * np.max(np.abs(value)):
                raise InvalidInput(f"{name} must be symmetric")
            object.__setattr__(self, name, 0.5 * (value + value.T))
        if self.one_view.shape != self.across.shape:
            raise InvalidInput(
                "one_view and across must have one shape, got "
                f"{self.one_view.shape} and {self.across.shape}"
            )
        values = np.linalg.eigvalsh(self.one_view)
        if values[0] <= np.finfo(float).eps * values[-1]:
            raise InvalidInput(
                f"one_view must be positive definite, its least eigenvalue is {values[0]:.3g}"
            )
        worst = self.canonical_correlations()[0]
        worst = worst[np.argmax(np.abs(worst))]
        if np.abs(worst) > 1 + _ROUNDING * values[-1] / values[0]:
            raise InvalidInput(
                "across must lie between -one_view and one_view: a correlation between the views "
                f"is {worst:.9g}, it must be in [-1, 1]"
            )

    @property
    def dimension(self) -> int:
        """d."""
        return self.one_view.shape[0]

    @property
    def diagonal(self) -> bool:
        """Whether both matrices are exactly diagonal: each coordinate is a feature by itself."""
        off = ~np.eye(self.dimension, dtype=bool)
        return not (np.any(self.one_view[off]) or np.any(self.across[off]))

    def canonical_correlations(self) -> tuple[Array, Array]:
        """(r, V): C V = Sigma V diag(r) with V^T Sigma V = I, r falling.

        r are the eigenvalues of Sigma^{-1/2} C Sigma^{-1/2}: the correlations between the two
        views along the directions V^T h, which have unit variance and no correlation otherwise.
        """
        values, vectors = eigh(self.across, self.one_view)
        return values[::-1], vectors[:, ::-1]


@dataclass(frozen=True)
class Features:
    """x_i = phi_i s_i + sigma_i xi_i with E s_i^2 = 1, and what augmentation does to s_i.

    A view replaces s_i by a disrupted copy with second moment kappa_i and with covariance rho_i
    between the two views; xi is N(0, 1) and independent in the two views. Then

        Sigma_ii = kappa_i phi_i^2 + sigma_i^2,      C_ii = rho_i phi_i^2.

    strength: phi_i, 0 or in [1e-50, 1e50].
    noise: sigma_i, 0 or in [1e-50, 1e50], the standard deviation of the independent noise.
    correlation: rho_i in [0, kappa_i], 1 where augmentation leaves the feature alone.
    kept: kappa_i in (0, 1].
    fraction: share of the p dimensions that are of kind i, sums to 1; None is equal shares.
    spurious: correlation matrix E s_i s_j, (d, d), of features that go together in the
        pre-training data; None is the identity.

    The first four are (..., d) and broadcast: leading axes are a batch of settings (a phase
    diagram), for which `variance` and `shared` hold; `second_moments` needs a single setting.
    Raises InvalidInput outside these domains.
    """

    strength: ArrayLike
    noise: ArrayLike
    correlation: ArrayLike = 1.0
    kept: ArrayLike = 1.0
    fraction: ArrayLike | None = None
    spurious: ArrayLike | None = None

    def __post_init__(self) -> None:
        names = ("strength", "noise", "correlation", "kept")
        arrays = [np.asarray(getattr(self, name), dtype=float) for name in names]
        try:
            arrays = list(np.broadcast_arrays(*(np.atleast_1d(x) for x in arrays)))
        except ValueError:
            raise InvalidInput(
                "the features' strength, noise, correlation and kept must have equal lengths, got "
                f"{[x.shape for x in arrays]}"
            ) from None
        for name, values in zip(names, arrays, strict=True):
            object.__setattr__(self, name, values)
        phi, sigma, rho, kappa = arrays
        for name, values in (("strength", phi), ("noise", sigma)):
            _refuse(name, values, values >= 0, ">= 0")
            inside = (values >= _SMALLEST) & (values <= _LARGEST)
            _refuse(name, values, (values == 0) | inside, f"0 or in [{_SMALLEST:g}, {_LARGEST:g}]")
        _refuse("kept", kappa, (kappa > 0) & (kappa <= 1), "in (0, 1]")
        _refuse("correlation", rho, (rho >= 0) & (rho <= kappa * (1 + 1e-12)), "in [0, kept]")
        variance = kappa * phi**2 + sigma**2
        _refuse("strength", phi, variance > 0, "> 0 where the noise is 0")
        d = phi.shape[-1]
        share = np.full(d, 1 / d) if self.fraction is None else np.asarray(self.fraction, float)
        if share.shape != (d,) or np.any(share < 0) or not abs(share.sum() - 1) < 1e-9:
            raise InvalidInput(f"fraction must be {d} numbers >= 0 that sum to 1, got {share}")
        object.__setattr__(self, "fraction", share)
        if self.spurious is not None:
            object.__setattr__(self, "spurious", _correlation_matrix(self.spurious, d))

    @property
    def dimension(self) -> int:
        """d, the number of kinds of features."""
        return int(np.shape(self.strength)[-1])

    @property
    def variance(self) -> Array:
        """Sigma_ii = kappa_i phi_i^2 + sigma_i^2, (..., d)."""
        return np.asarray(self.kept) * np.square(self.strength) + np.square(self.noise)

    @property
    def shared(self) -> Array:
        """C_ii = rho_i phi_i^2, (..., d)."""
        return np.asarray(self.correlation) * np.square(self.strength)

    def second_moments(self) -> SecondMoments:
        """The second moments of the two views, diagonal unless features are spuriously correlated.

        Features are disrupted independently of each other, so a view keeps E s_i s_j up to the
        mean factor sqrt(rho_i) of each, and the same pair of features across views has the same:

            Sigma_ij = C_ij = sqrt(rho_i rho_j) phi_i phi_j E s_i s_j,      i != j.
        """
        if np.ndim(self.strength) != 1:
            raise InvalidInput(
                "second moments belong to one setting: the features' arrays have the shape "
                f"{np.shape(self.strength)}, use variance and shared for a batch"
            )
        one_view, across = np.diag(self.variance), np.diag(self.shared)
        if self.spurious is not None:
            mean = np.sqrt(self.shared)
            off = np.outer(mean, mean) * (np.asarray(self.spurious) - np.eye(self.dimension))
            one_view, across = one_view + off, across + off
        return SecondMoments(one_view, across)


def correlated(features: Features, correlation: ArrayLike) -> Features:
    """sqrt(c) s + sqrt(1 - c) s' with s' fresh in each view: rho -> c rho, 0 <= c <= 1."""
    return _disrupt(features, _unit("correlation", correlation), 1.0)


def dropped(features: Features, probability: ArrayLike) -> Features:
    """Zero with probability q in each view: kappa -> (1-q) kappa, rho -> (1-q)^2 rho, q < 1."""
    q = _unit("probability", probability)
    _refuse("the probability of dropout", q, q < 1, "< 1")
    return _disrupt(features, (1 - q) ** 2, 1 - q)


def flipped(features: Features, probability: ArrayLike) -> Features:
    """Of the other sign with probability f in each view: rho -> (1-2f)^2 rho, f <= 1/2."""
    f = _unit("probability", probability)
    # beyond 1/2 it is -s that is shared
    _refuse("the probability of a flip", f, f <= 0.5, "<= 1/2")
    return _disrupt(features, (1 - 2 * f) ** 2, 1.0)


def redrawn(features: Features, probability: ArrayLike) -> Features:
    """An independent copy of s with probability r in each view: rho -> (1-r)^2 rho, r <= 1."""
    return _disrupt(features, (1 - _unit("probability", probability)) ** 2, 1.0)


# name -> function of (features, amount), the amount a number or one a feature: the probability
# of the disruption, for `correlation` the correlation that is left
DISRUPTIONS: dict[str, Callable[[Features, ArrayLike], Features]] = {
    "correlation": correlated,
    "dropout": dropped,
    "flip": flipped,
    "redraw": redrawn,
}


def _disrupt(features: Features, correlation: Array, kept: ArrayLike) -> Features:
    """Independent disruptions, one after the other, multiply in rho and in kappa."""
    rho, kappa = np.asarray(features.correlation), np.asarray(features.kept)
    return replace(features, correlation=rho * correlation, kept=kappa * kept)


def _unit(name: str, amount: ArrayLike) -> Array:
    values = np.asarray(amount, dtype=float)
    _refuse(f"the {name} of a disruption", values, (values >= 0) & (values <= 1), "in [0, 1]")
    return values


def _refuse(name: str, values: Array, allowed: NDArray[np.bool_], domain: str) -> None:
    bad = values[~(np.isfinite(values) & allowed)]
    if bad.size:
        raise InvalidInput(f"{name} must be finite and {domain}, got {bad.flat[0]}")


def _correlation_matrix(value: ArrayLike, dimension: int) -> Array:
    matrix = np.asarray(value, dtype=float)
    if matrix.shape != (dimension, dimension) or not np.all(np.isfinite(matrix)):
        raise InvalidInput(f"spurious must be {dimension} x {dimension} finite numbers")
    if max(np.abs(np.diag(matrix) - 1).max(), np.abs(matrix - matrix.T).max()) > _ROUNDING:
        raise InvalidInput("spurious must be a correlation matrix: symmetric, ones on its diagonal")
    least = np.linalg.eigvalsh(matrix)[0]
    if least < -_ROUNDING:
        raise InvalidInput(f"spurious must be positive semidefinite, has eigenvalue {least:.3g}")
    return matrix
