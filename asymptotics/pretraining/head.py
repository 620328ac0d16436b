"""The head that the spectral loss trains on N pairs, with all outputs or the strongest of them.

    A = W^T W = Sigma^{-1/2} (Sigma^{-1/2} C Sigma^{-1/2})_+ Sigma^{-1/2}
      = T^{-1/2} phi(B) T^{-1/2},   phi = rho_+(beta)/(beta + sigma^2/2)      (pretraining.md, 5)

Only directions with rho > 0 are used, and with k outputs only the k largest; where Sigma is
singular the head of least norm is taken. W is then scaled so that tr A = p, as an isotropic head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize.elementwise import find_root

from asymptotics.errors import InvalidInput
from asymptotics.pretraining.geometry import PretrainedGeometry
from asymptotics.pretraining.pairs import Pairs
from asymptotics.pretraining.two_wisharts import Measures, half_width, mass_above, measures

Array = NDArray[np.float64]


def pretrained(
    signal: ArrayLike,
    pretraining_ratio: ArrayLike,
    augmentation: ArrayLike,
    output_fraction: ArrayLike = 1.0,
) -> PretrainedGeometry:
    """The geometry behind a head trained on N = `pretraining_ratio` p pairs of views.

    `output_fraction` k/p in (0, 1] outputs are kept. Every array broadcasts. Use as
    ``limit(problem, geometry=pretrained(...))``, where n/p counts the p dimensions of the
    representation. Raises InvalidInput, also for N/p = 1/2, where tr A diverges, and for an
    output_fraction within a degenerate eigenvalue (docs/theory/pretraining.md).
    """
    fraction = np.asarray(output_fraction, dtype=float)
    pairs = Pairs(*np.broadcast_arrays(signal, pretraining_ratio, augmentation, fraction)[:3])
    fraction = np.broadcast_to(fraction, pairs.shape)
    c = pairs.aspect
    missing = np.flatnonzero(~exists(pairs, fraction))
    if missing.size:
        raise InvalidInput(_why_not(*(x.flat[missing[0]] for x in (c, fraction))))
    few = c > 2
    # N < p/2 has a closed form of its own: there another ratio stands in for the measures
    safe = Pairs(pairs.signal, np.where(few, 1.0, pairs.pretraining_ratio), pairs.augmentation)
    by_sign, by_count = _angle_of_sign(safe), _angle_of_count(safe, np.where(few, 1.0, fraction))
    found = measures(safe, np.minimum(by_sign, by_count))
    clipped = (by_sign < np.pi) & (by_sign <= by_count)
    response = _response(found, pairs, clipped)
    bulk = np.where(few[..., None], _one_atom(found.bulk.shape) / c[..., None], found.bulk)
    trace = np.sum(bulk * response, axis=-1) / np.abs(2 - c)
    weights = np.stack([found.direction, found.mixed, found.data], axis=-2)
    whole = (np.minimum(by_sign, by_count) == np.pi) & (c <= 1)
    lost = np.moveaxis(found.totals, 0, -1) - np.sum(weights, axis=-1)
    return PretrainedGeometry(
        np.square(pairs.signal),
        c,
        pairs.spike,
        np.where(few, 1 / c, np.where(whole, 1.0, found.rank)),
        response / trace[..., None],
        bulk,
        weights,
        np.where(whole[..., None], 0.0, lost),
    )


def exists(pairs: Pairs, output_fraction: Array) -> NDArray[np.bool_]:
    """Where the head has a limit: N/p is not 1/2, and the k-th output's eigenvalue is below 1.

    Raises InvalidInput for an `output_fraction` outside (0, 1].
    """
    bad = output_fraction[~((output_fraction > 0) & (output_fraction <= 1))]
    if bad.size:
        raise InvalidInput(f"output_fraction must lie in (0, 1], got {bad.flat[0]:g}")
    c = pairs.aspect
    enough = np.where(c < 2, output_fraction > _aligned(c), output_fraction >= _aligned(c))
    return np.asarray(enough & (c != 2))


def _aligned(aspect: Array) -> Array:
    """Directions in which all training pairs are aligned, rho = 1, per dimension."""
    return np.asarray(np.where(aspect < 2, np.maximum(1 - 1 / aspect, 0), 1 / aspect))


def _why_not(aspect: float, output_fraction: float) -> str:
    if aspect == 2:
        return (
            "pretraining_ratio must not be 1/2: the second moments of 2N = p views have "
            "eigenvalues at 0, and tr W^T W diverges"
        )
    return (
        f"output_fraction must exceed {float(_aligned(np.asarray(aspect))):.6g} at "
        f"pretraining_ratio {1 / aspect:.6g}: so many directions align all training pairs, and "
        f"the loss does not rank them; got {output_fraction:.6g}"
    )


def _angle_of_sign(pairs: Pairs) -> Array:
    """The angle at which rho = 0, beta = sigma^2/(2 D); pi where the whole bulk is above it."""
    width, _ = half_width(pairs.aspect)
    cosine = -1 / ((1 + np.square(pairs.augmentation)) * width)
    return np.asarray(np.arccos(np.maximum(cosine, -1.0)))


def _angle_of_count(pairs: Pairs, fraction: Array) -> Array:
    """The angle above which J has the mass `fraction`; pi where that is all of its bulk."""
    whole = fraction >= np.minimum(1.0, 1 / pairs.aspect)
    target = np.where(whole, 0.5, fraction)
    aspect = np.where(whole, 1.0, pairs.aspect)
    found = find_root(
        lambda angle, c, mass: mass_above(c, angle) - mass,
        (np.zeros(pairs.shape), np.full(pairs.shape, np.pi)),
        args=(aspect, target),
    ).x
    return np.where(whole, np.pi, found)


def _response(found: Measures, pairs: Pairs, clipped: NDArray[np.bool_]) -> Array:
    """phi = (D beta - sigma^2/2)/(beta + sigma^2/2)^2 on the nodes, or for N < p/2 at beta = 1."""
    half = np.square(pairs.augmentation)[..., None] / 2
    # at the cutoff of the positive part the numerator starts from zero, without cancellation
    start = np.where(clipped[..., None], 0.0, (1 + 2 * half) * found.cutoff[..., None] - half)
    response = (start + (1 + 2 * half) * found.above) / (found.share + half) ** 2
    return np.where((pairs.aspect > 2)[..., None], 1 / (1 + half), response)


def _one_atom(shape: tuple[int, ...]) -> Array:
    atom = np.zeros(shape)
    atom[..., 0] = 1.0
    return atom
