"""Supervised contrastive training: positives of the same class, and what collapses in which layer.

A share beta of the positive pairs are views of different samples of one class, the rest are two
views of one sample. The spectral loss sees

    C = (1 - beta) C_self + beta C_class,      C_class = E_y E[h|y] E[h|y]^T,                    (1)

so a feature that the class does not determine keeps the factor (1 - beta)^{l/2L} at layer l of L:
class collapse is fast after the head and slow before it. Derivation: supervised.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.columns import limit_columns
from asymptotics.errors import InvalidInput
from asymptotics.layers.decay import jump_threshold
from asymptotics.layers.second_moments import Features, SecondMoments
from asymptotics.layers.verdict import Network
from asymptotics.limits import limit
from asymptotics.mixture import symmetric_mixture
from asymptotics.problem import Problem
from asymptotics.table import Table

Array = NDArray[np.float64]


def class_positive_share(samples_per_class: ArrayLike, num_views: int = 2) -> Array:
    """beta = V (m - 1)/(V m - 1): positives of SupCon that are views of another sample.

    samples_per_class: m >= 1, of the anchor's class in the batch. num_views: V >= 2 of each sample.
    The loss averages over all V m - 1 positives of an anchor, of which V - 1 are its own views;
    m = 1 is self-supervised (0), and 1 - beta ~ (1 - 1/V)/m (supervised.md, share of positives).
    """
    m = np.asarray(samples_per_class, dtype=float)
    if not np.all(np.isfinite(m) & (m >= 1)):
        raise InvalidInput(f"samples_per_class must be finite and >= 1, got {samples_per_class!r}")
    if num_views < 2:
        raise InvalidInput(f"num_views must be at least 2, got {num_views}")
    return np.asarray(num_views * (m - 1) / (num_views * m - 1))


def class_mean(features: Features, class_correlation: ArrayLike) -> Array:
    """v with E[h | y] = y v for two balanced classes: v_i = c_i sqrt(rho_i) phi_i, shape (d,).

    class_correlation: c_i = E[y s_i] in [-1, 1]: 1 for the feature that is the class, 0 for
        sub-classes and nuisances, between for a spurious feature. sqrt(rho_i) is what independent
        disruption leaves of the mean of s_i in a view.
    """
    c = np.asarray(class_correlation, dtype=float)
    if c.shape != (features.dimension,) or not np.all(np.abs(c) <= 1):
        raise InvalidInput(
            f"class_correlation must be {features.dimension} numbers in [-1, 1], got {c}"
        )
    if np.ndim(features.strength) != 1:
        raise InvalidInput("a class mean belongs to one setting of the features, not to a batch")
    return np.asarray(c * np.sqrt(features.shared))


def mixed_positives(
    moments: SecondMoments, between_class: ArrayLike, share: float
) -> SecondMoments:
    """Equation 1 for any second moments.

    between_class: C_class = sum_y pi_y E[h|y] E[h|y]^T, (d, d), of any number of classes (a simplex
        of K classes of radius R: eigenvalue R^2/(K - 1), K - 1 times). share: beta in [0, 1].
    """
    if not 0 <= share <= 1:
        raise InvalidInput(f"share must lie in [0, 1], got {share}")
    across = (1 - share) * moments.across + share * np.asarray(between_class, dtype=float)
    return SecondMoments(moments.one_view, across)


def supervised_moments(
    features: Features, class_correlation: ArrayLike, share: float
) -> SecondMoments:
    """Equation 1 for two balanced classes and features of which the class determines a part.

    Raises InvalidInput if no joint law of y and the s_i has these correlations: the matrix
    E s_i s_j - c_i c_j of what is left of the features within a class has to be positive.
    """
    v = class_mean(features, class_correlation)
    c = np.asarray(class_correlation, dtype=float)
    joint = np.eye(v.size) if features.spurious is None else np.asarray(features.spurious)
    least = float(np.linalg.eigvalsh(joint - np.outer(c, c))[0])
    if least < -1e-10:
        raise InvalidInput(
            "class_correlation does not fit the correlations of the features (Features.spurious): "
            f"E s s^T - c c^T has the eigenvalue {least:.3g}, it must be >= 0"
        )
    return mixed_positives(features.second_moments(), np.outer(v, v), share)


def with_class_positives(
    features: Features, share: ArrayLike, determined: tuple[int, ...] = (0,)
) -> Features:
    """Independent features whose self-supervised optimum is the supervised one: equation 4.

    A share beta of class positives does to the loss what augmentation does that disrupts all that
    the class does not determine: rho_i -> (1 - beta) rho_i for those features.

    share: beta in [0, 1], (...,): leading axes of the returned batch. determined: the features that
    are the class. Raises InvalidInput for features that go together (use `supervised_moments`).
    """
    beta = np.asarray(share, dtype=float)
    if not np.all((beta >= 0) & (beta <= 1)):
        raise InvalidInput(f"share must lie in [0, 1], got {share!r}")
    if features.spurious is not None:
        raise InvalidInput("features that go together need supervised_moments")
    class_free = ~np.isin(np.arange(features.dimension), determined)
    factor = np.where(class_free, 1 - beta[..., None], 1.0)
    return replace(features, correlation=np.asarray(features.correlation) * factor)


def collapse_share(features: Features, depth: int, decay: float) -> Array:
    """beta_i above which weight decay drops the class-free feature i from every layer, (..., d).

        1 - beta_i = (lambda/lambda_i)^{L/(2L-1)}                                               (6)

    lambda_i: `jump_threshold`, the largest decay that keeps it at beta = 0. decay: lambda > 0 of
    lambda sum_l |W_l|^2. Negative, -inf for a feature that no views share, where it is dropped at
    beta = 0 already.
    """
    if not decay > 0:
        raise InvalidInput(f"decay must be > 0, got {decay}")
    largest = jump_threshold(features.variance, features.shared, depth)
    with np.errstate(divide="ignore"):
        return np.asarray(1 - (decay / largest) ** (depth / (2 * depth - 1)))


def forgotten_weight(
    variance: ArrayLike, initial: ArrayLike, time: ArrayLike, depth: int, layer: int
) -> Array:
    """Weight at layer l of a feature that no positive pair shares (C = 0), after gradient flow.

        w_l(t) = [omega^{-(4L-2)} + 4 (4L-2) Sigma^2 t]^{-l/(4L-2)}                             (9)

    variance: Sigma > 0 of one view. initial: omega > 0, its weight in each of the L layers at t = 0
        (balanced). A power law t^{-l/(4L-2)}: for L = 2, t^{-1/6} before the head, t^{-1/3} after.
    """
    sigma, omega, t = (np.asarray(x, dtype=float) for x in (variance, initial, time))
    if not 1 <= layer <= depth:
        raise InvalidInput(f"layer must lie in 1..{depth}, got {layer}")
    if not (np.all(sigma > 0) and np.all(omega > 0) and np.all(t >= 0)):
        raise InvalidInput("variance and initial must be > 0 and time >= 0")
    power = 4 * depth - 2
    return np.asarray((omega**-power + 4 * power * sigma**2 * t) ** (-layer / power))


def coarse_to_fine(
    features: Features,
    share: ArrayLike,
    network: Network,
    *,
    loss: str,
    sampling_ratio: float,
    ridge: float | None = None,
    readout_noise: float = 0.0,
) -> Table:
    """Accuracy of a probe for the sub-class at every layer of a net trained on coarse classes.

    features: kind 0 is the class, kind 1 the sub-class, both of fraction 0, the others nuisances
        and the bulk; independent, one setting. share: beta in [0, 1), one number or a list.
    network: depth L, weight decay, outputs. readout_noise: eta^2 >= 0, the variance of independent
        noise in each output of a layer.

    At layer l the sub-class has the mean w^{l/L} phi and the variance w^{2l/L} sigma^2 + eta^2 over
    the bulk w_i^{2l/L} (phi_i^2 + sigma_i^2) + eta^2, all divided by the mean square of the bulk:
    the ridge is that of features of unit mean square. The class is balanced within the sub-classes,
    so that its limit in the probe is zero (supervised.md, coarse to fine).

    Rows run over share and layer 0..L: ``share``, ``layer``, ``weight`` of the sub-class there,
    ``class_weight``, and the columns of a limit, failed points marked.
    """
    beta = np.atleast_1d(np.asarray(share, dtype=float))
    if beta.ndim != 1 or not np.all((beta >= 0) & (beta < 1)):
        raise InvalidInput(f"share must be numbers in [0, 1), got {share!r}")
    if not readout_noise >= 0:
        raise InvalidInput(f"readout_noise must be >= 0, got {readout_noise}")
    if np.ndim(features.strength) != 1 or features.dimension < 3:
        raise InvalidInput("coarse_to_fine needs three or more kinds of features, one setting")
    fraction = np.asarray(features.fraction)
    if np.any(fraction[:2] > 0):
        raise InvalidInput(
            f"fraction of the class and the sub-class must be 0, got {fraction[:2]}: a share of "
            "all dimensions would be a signal without bound"
        )
    best = network.optimum(with_class_positives(features, beta))
    layers = range(network.depth + 1)
    weights = np.stack([best.layer(layer) for layer in layers], axis=1)  # (shares, layers, kinds)
    strength, noise = np.asarray(features.strength), np.asarray(features.noise)
    bulk = weights**2 * (strength**2 + noise**2) + readout_noise
    mean_square = np.sum(fraction * bulk, axis=-1, keepdims=True)
    if not np.all(mean_square > 0):
        raise InvalidInput("a layer keeps no nuisance feature: the decay is too strong")
    mixture = symmetric_mixture(
        weights[..., 1:2] * strength[1] / np.sqrt(mean_square),
        (((weights[..., 1:2] * noise[1]) ** 2 + readout_noise) / mean_square)[..., None],
        (bulk / mean_square)[..., fraction > 0],
        fraction[fraction > 0],
    )
    found = limit(Problem(mixture, loss=loss, sampling_ratio=sampling_ratio, ridge=ridge))
    columns: dict[str, NDArray[Any]] = {
        "share": np.repeat(beta, len(layers)),
        "layer": np.tile(np.arange(len(layers)), beta.size),
        "weight": weights[..., 1].ravel(),
        "class_weight": weights[..., 0].ravel(),
    }
    return Table(columns | limit_columns(found), {"loss": loss, "depth": network.depth})
