"""The optimum of the spectral loss over linear nets of any depth: what each layer makes of h.

z = W h, W = W_L ... W_1, A = W^T W of rank <= k, without or with weight decay:

    loss = -2 E z.z' + E (z.z'')^2 + lambda sum_l |W_l|_F^2
         = -2 tr[A C] + tr[A Sigma A Sigma] + lambda L tr A^{1/L}

after the minimum over the factors of a given A, at which layer l has the Gram matrix A^{l/L}
(layers.md, weight decay is a schatten penalty). Everything below is the global minimum; where it
has no closed form `layer_weights` refuses, and `asymptotics.layers.matrix_flow` finds a local one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh

from asymptotics.errors import InvalidInput
from asymptotics.layers.decay import (
    check_decay,
    check_depth,
    critical_decay,
    feature_moments,
    reduced_decay,
    stable_share,
)
from asymptotics.layers.second_moments import SecondMoments

Array = NDArray[np.float64]

# relative size below which two attained minima, or a broken inequality, count as equal
_ROUNDING = 1e-12


@dataclass(frozen=True)
class FeatureOptimum:
    """The optimum over independent features, each array (..., d).

    weight: w_i, end to end: |W e_i|; exactly 0 for a feature that is dropped.
    attained: the feature's minimum of -2 w^2 C + w^4 Sigma^2 + lambda L w^{2/L}, <= 0, whether or
        not there is an output for it.
    kept: features that the optimum has.
    tied: features that could be exchanged for others at the same loss, so that the optimum is not
        unique: equal minima on both sides of the last output, or a minimum equal to that of w = 0.
    """

    weight: Array
    attained: Array
    kept: NDArray[np.bool_]
    tied: NDArray[np.bool_]
    depth: int

    def layer(self, layer: int) -> Array:
        """w_i^{l/L}: the weight of every feature after layer l, 1 <= l <= L; 1 at l = 0."""
        return np.asarray(self.weight ** (check_layer(layer, self.depth) / self.depth))


def diagonal_optimum(
    one_view: ArrayLike,
    across: ArrayLike,
    *,
    outputs: int | None = None,
    depth: int = 2,
    decay: float = 0.0,
) -> FeatureOptimum:
    """The optimum over independent features, for any batch of them at once.

    one_view, across: Sigma_ii > 0 and C_ii, (..., d), broadcast against each other.
    outputs: k >= 1, rank that the net can have; None for no limit. The k features of the lowest
        attained minimum are kept, the first of equal ones.
    depth: L >= 1. decay: lambda >= 0.

    That the optimum acts on each feature by itself is proved without decay, for d <= 3 or k <= 2,
    and for Sigma_ii and C_ii/Sigma_ii in one order; elsewhere it is supported by numerical
    minimisation (layers.md, independent features with decay).
    """
    variance, shared = feature_moments(one_view, across)
    L, strength = check_depth(depth), check_decay(decay)
    k = check_outputs(outputs, variance.shape[-1])
    ell = reduced_decay(variance, shared, L, strength)
    critical = critical_decay(L)
    inside = ell < critical * (1 - _ROUNDING)
    y = np.where(inside, stable_share(np.where(inside, ell, 0.0), L), 0.0)
    attained = (shared / variance) ** 2 * y * (2 * (L - 1) - (2 * L - 1) * y)
    order = np.argsort(attained, axis=-1, kind="stable")
    rank = np.argsort(order, axis=-1, kind="stable")
    kept = (rank < k) & inside
    tied = np.isfinite(ell) & (np.abs(ell - critical) <= _ROUNDING * critical) & (L > 1)
    if k < variance.shape[-1]:
        ranked = np.take_along_axis(attained, order, axis=-1)
        last, next_one = ranked[..., k - 1, None], ranked[..., k, None]
        equal = (next_one < 0) & (next_one - last <= -_ROUNDING * last)
        tied |= equal & (np.abs(attained - last) <= -_ROUNDING * last)
    weight = np.where(kept, np.sqrt(np.where(kept, shared * y, 0.0)) / variance, 0.0)
    return FeatureOptimum(weight, attained, kept, tied, L)


@dataclass(frozen=True)
class LayerWeights:
    """A linear net as its layers act on h, up to rotations of each layer's outputs.

    weight: W, (rank, d), its rows orthogonal: W^T W is what matters of it.
    modes: (d, d), columns: the directions v of h that `kept` and `tied` speak of; the features
        themselves for diagonal moments.
    residual: |W (C - Sigma A Sigma) - (lambda/2) W A^{1/L-1}|_F, relative to |W C|_F: 0 at a
        stationary point; recomputed from W.
    """

    moments: SecondMoments
    weight: Array
    depth: int
    decay: float
    outputs: int
    modes: Array
    kept: NDArray[np.bool_]
    tied: NDArray[np.bool_]

    def gram(self, layer: int) -> Array:
        """(W_l ... W_1)^T (W_l ... W_1) = (W^T W)^{l/L}, (d, d); the identity at l = 0."""
        if check_layer(layer, self.depth) == 0:
            return np.eye(self.moments.dimension)
        _, values, vectors = np.linalg.svd(self.weight, full_matrices=False)
        return np.asarray((vectors.T * values ** (2 * layer / self.depth)) @ vectors)

    def singular_values(self, layer: int) -> Array:
        """Singular values of W_l ... W_1, falling, without those that are exactly 0."""
        values = np.linalg.svd(self.weight, compute_uv=False)
        return np.asarray(values ** (check_layer(layer, self.depth) / self.depth))

    @property
    def weights(self) -> Array:
        """(L+1, d): the weight of every feature at every layer, row 0 the input h itself, all ones.

        Raises InvalidInput if the features are not independent of each other: see `gram`.
        """
        last = self.gram(self.depth)
        off = last - np.diag(np.diag(last))
        if not self.moments.diagonal or np.max(np.abs(off)) > 1e-9 * np.max(
            np.abs(last), initial=1
        ):
            raise InvalidInput("features that are not independent have no weights: use gram(layer)")
        grams = [np.diag(self.gram(layer)) for layer in range(self.depth + 1)]
        return np.sqrt(np.stack(grams))

    @property
    def loss(self) -> float:
        """-2 tr[A C] + tr[(A Sigma)^2] + lambda L tr A^{1/L} at W."""
        w = self.weight
        inner = w @ self.moments.one_view @ w.T
        pull = np.sum((w @ self.moments.across) * w)
        penalty = np.sum(np.linalg.svd(w, compute_uv=False) ** (2 / self.depth))
        return float(-2 * pull + np.sum(inner**2) + self.decay * self.depth * penalty)

    @property
    def residual(self) -> float:
        """See the class."""
        if self.weight.size == 0:
            return 0.0
        left, values, right = np.linalg.svd(self.weight, full_matrices=False)
        sigma, w = self.moments.one_view, self.weight
        pulled = w @ self.moments.across
        shrunk = (left * values ** (2 / self.depth - 1)) @ right
        force = pulled - w @ sigma @ w.T @ w @ sigma - 0.5 * self.decay * shrunk
        return float(np.linalg.norm(force) / np.linalg.norm(pulled))

    @property
    def floor(self) -> float:
        """A proved lower bound of the loss of every net of this depth, decay and outputs.

        The sum of the k lowest attained minima of features with Sigma_j the eigenvalues of Sigma
        and C_j = r_j Sigma_j, r_j the canonical correlations, both falling (layers.md, equation
        14). Equal to the least loss without decay, and where Sigma and C commute in that order.
        """
        scales = np.linalg.eigvalsh(self.moments.one_view)[::-1]
        shared = self.moments.canonical_correlations()[0] * scales
        bound = diagonal_optimum(
            scales, shared, outputs=self.outputs, depth=self.depth, decay=self.decay
        )
        return float(np.sum(bound.attained[bound.kept]))


def layer_weights(
    moments: SecondMoments,
    *,
    outputs: int | None = None,
    depth: int = 2,
    decay: float = 0.0,
) -> LayerWeights:
    """The global optimum: which features, with which weight at which layer.

    Without decay, Sigma^{1/2} A Sigma^{1/2} = top-k positive part of Sigma^{-1/2} C Sigma^{-1/2};
    with decay at L = 1 the same with C - lambda/2 for C; with decay at L >= 2 feature by feature
    for moments with common eigenvectors (`diagonal_optimum`). Arguments as there.

    Without decay layer l is A^{l/L} if training started balanced, or small (layers.md, balance).
    Raises InvalidInput outside the domain and for moments without common eigenvectors at decay > 0
    and depth >= 2, where no closed form is known: `asymptotics.layers.matrix_flow.train` there.
    """
    L, strength = check_depth(depth), check_decay(decay)
    k = check_outputs(outputs, moments.dimension)
    sigma, cross = moments.one_view, moments.across
    if moments.diagonal:
        modes, scale = np.eye(moments.dimension), np.ones(moments.dimension)
        best = diagonal_optimum(np.diag(sigma), np.diag(cross), outputs=k, depth=L, decay=strength)
    elif strength == 0 or L == 1:
        values, vectors = eigh(cross - 0.5 * strength * np.eye(moments.dimension), sigma)
        # the roots of deep layers would make features of what is rounding
        values[values < 16 * values.size * np.finfo(float).eps * np.abs(values).max()] = 0.0
        best = diagonal_optimum(np.ones_like(values), values[::-1], outputs=k, depth=L)
        scale = np.linalg.norm(vectors[:, ::-1], axis=0)
        modes = vectors[:, ::-1] / scale
    else:
        modes = _common_eigenvectors(moments)
        scale = np.ones(moments.dimension)
        rotated = [np.einsum("ij,ik,kj->j", modes, x, modes) for x in (sigma, cross)]
        best = diagonal_optimum(*rotated, outputs=k, depth=L, decay=strength)
    rows = (best.weight * scale)[best.kept, None] * modes.T[best.kept]
    return LayerWeights(moments, rows, L, strength, k, modes, best.kept, best.tied)


def _common_eigenvectors(moments: SecondMoments) -> Array:
    """Orthonormal vectors that diagonalise Sigma and C both; InvalidInput if there are none."""
    sizes = [np.linalg.norm(x, 2) or 1.0 for x in (moments.one_view, moments.across)]
    sigma, cross = moments.one_view / sizes[0], moments.across / sizes[1]
    # a generic combination has the eigenvectors of both
    vectors = np.linalg.eigh(sigma + np.sqrt(2) / np.pi * cross)[1]
    rotated = [vectors.T @ x @ vectors for x in (sigma, cross)]
    off = max(np.max(np.abs(x - np.diag(np.diag(x)))) for x in rotated)
    if off > 1e-10:
        raise InvalidInput(
            "with decay and depth >= 2 the optimum needs second moments with common eigenvectors, "
            f"these are off by {off:.2g}: ask layers.matrix_flow.train for what training finds"
        )
    return np.asarray(vectors)


def check_outputs(outputs: int | None, dimension: int) -> int:
    """k in 1..d; d for None."""
    outputs = dimension if outputs is None else outputs
    if outputs != int(outputs) or not 1 <= outputs <= dimension:
        raise InvalidInput(f"outputs must be an integer in 1..{dimension}, got {outputs}")
    return int(outputs)


def check_layer(layer: int, depth: int) -> int:
    """l in 0..L."""
    if layer != int(layer) or not 0 <= layer <= depth:
        raise InvalidInput(f"layer must be an integer in 0..{depth}, got {layer}")
    return int(layer)
