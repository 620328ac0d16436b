"""The contrastive losses of one batch, with their gradients in closed form.

z_i, i = 1..n, are the embeddings of the n = 2B views of a batch; i and p(i) = i + B mod n are a
pair. Every array has a leading axis of S replicas, trained side by side. A loss is a sum over
anchors i, taken in blocks of rows, so that the n x n similarities need not be held at once.
Equations are those of docs/theory/training.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.inputs import at_least
from validation.backends import Differentiable, Scratch, fresh


class ContrastiveLoss(Differentiable, Protocol):
    """A loss of one batch; ``loss`` and ``gradient`` as in ``Differentiable``.

    ``scale_free``: the loss does not change with the scale of the embeddings.
    """

    scale_free: ClassVar[bool]

    def crowding(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """(S,): the rows' share in the mean over anchors of 1/(effective number of negatives).

        The expansion parameter of the finite-batch bias; 0 where there is no such bias.
        """
        ...


@dataclass(frozen=True)
class InnerProduct:
    """NT-Xent (SimCLR's loss) on similarities s_ij = z_i.z_j/tau (equation 1).

    L = (1/n) sum_i [-s_{i p(i)} + log sum_{j != i} exp s_ij]
    """

    temperature: float
    scale_free: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least("temperature", self.temperature, 0.0, strict=True)

    def loss(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """Equation 1, the anchors `rows`."""
        return _nt_xent(xp, embeddings, rows, self.temperature)

    def gradient(
        self, xp: ModuleType, embeddings: Any, rows: slice, scratch: Scratch = fresh
    ) -> tuple[Any, Any]:
        """dL/dz = (P + P^T - 2 Pi) z/(n tau): P the softmax of s, Pi the pairing (equation 2)."""
        return _nt_xent_gradient(xp, embeddings, rows, self.temperature, scratch)

    def crowding(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """Mean of sum_j w_ij^2/(sum_j w_ij)^2, w = exp s over the negatives (equation 8)."""
        n = embeddings.shape[1]
        logits = _logits(xp, embeddings, rows, self.temperature)
        logits[:, np.arange(rows.stop - rows.start), _partners(embeddings, rows)] = -np.inf
        weights, total, _ = _softmax(xp, logits)
        share = weights / total
        return xp.sum(xp.sum(share * share, axis=-1), axis=-1) / n


@dataclass(frozen=True)
class Cosine:
    """NT-Xent on cosine similarities s_ij = cos(z_i, z_j)/tau: ``InnerProduct`` of z/|z|."""

    temperature: float
    scale_free: ClassVar[bool] = True

    def __post_init__(self) -> None:
        at_least("temperature", self.temperature, 0.0, strict=True)

    def loss(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """Equation 1 of the unit vectors u = z/|z|."""
        unit, _ = _unit(xp, embeddings)
        return _nt_xent(xp, unit, rows, self.temperature, self._small())

    def gradient(
        self, xp: ModuleType, embeddings: Any, rows: slice, scratch: Scratch = fresh
    ) -> tuple[Any, Any]:
        """dL/dz = (I - u u^T)(dL/du)/|z| (equation 3)."""
        unit, length = _unit(xp, embeddings, scratch)
        loss, slope = _nt_xent_gradient(xp, unit, rows, self.temperature, scratch, self._small())
        unit *= _dot(xp, unit, slope)[..., None]
        slope -= unit
        slope /= length
        return loss, slope

    def crowding(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """As for ``InnerProduct``, of the unit vectors."""
        return InnerProduct(self.temperature).crowding(xp, _unit(xp, embeddings)[0], rows)

    def _small(self) -> bool:
        """Whether exp(1/tau) and exp(-1/tau) are ordinary numbers of either precision."""
        return 1 / self.temperature < 40


@dataclass(frozen=True)
class Spectral:
    """The spectral contrastive loss of HaoChen et al., without bias at any batch (equation 4).

    L = -(2/n) sum_i z_i.z_p(i) + 1/(n(n-2)) sum_i sum_{j != i, p(i)} (z_i.z_j)^2
    """

    scale_free: ClassVar[bool] = False

    def loss(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """Equation 4, the anchors `rows`."""
        return self._parts(xp, embeddings, rows)[0]

    def gradient(
        self, xp: ModuleType, embeddings: Any, rows: slice, scratch: Scratch = fresh
    ) -> tuple[Any, Any]:
        """dL/dz = 4 K z/(n(n-2)) - 4 Pi z/n, K the masked similarities (equation 5)."""
        n, anchors = embeddings.shape[1], embeddings[:, rows]
        loss, similarity = self._parts(xp, embeddings, rows, scratch)
        slope = scratch("slope", embeddings.shape)
        slope = xp.matmul(similarity.swapaxes(1, 2), anchors, out=slope)
        slope[:, rows] += xp.matmul(similarity, embeddings, out=scratch("anchors", anchors.shape))
        slope /= n - 2
        _subtract_partners(slope, embeddings, rows)
        slope *= 2 / n
        return loss, slope

    def crowding(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """0: the batch's loss is an unbiased estimate of the population's."""
        return xp.zeros_like(embeddings[:, 0, 0])

    def _parts(
        self, xp: ModuleType, embeddings: Any, rows: slice, scratch: Scratch = fresh
    ) -> tuple[Any, Any]:
        """The loss, and the similarities of different samples, zero elsewhere."""
        n = embeddings.shape[1]
        similarity = _similarity(
            xp, embeddings[:, rows], embeddings, rows, diagonal=0.0, scratch=scratch
        )
        similarity[:, np.arange(rows.stop - rows.start), _partners(embeddings, rows)] = 0.0
        repelled = xp.sum(_dot(xp, similarity, similarity), axis=-1) / (n * (n - 2))
        return repelled - _aligned(xp, embeddings, rows) * (2 / n), similarity


def _partners(embeddings: Any, rows: slice) -> NDArray[np.intp]:
    """p(i) for the anchors i of `rows`."""
    n = embeddings.shape[1]
    return (np.arange(rows.start, rows.stop) + n // 2) % n


def _pairs(n: int, rows: slice) -> list[tuple[slice, slice]]:
    """The anchors i of `rows` and their p(i) as slices: those of the first views, of the second."""
    half = n // 2
    firsts = slice(rows.start, min(rows.stop, half))
    seconds = slice(max(rows.start, half), rows.stop)
    both = (firsts, half), (seconds, -half)
    return [
        (part, slice(part.start + shift, part.stop + shift))
        for part, shift in both
        if part.start < part.stop
    ]


def _subtract_partners(slope: Any, embeddings: Any, rows: slice) -> None:
    """slope_i -= z_p(i) and slope_p(i) -= z_i for the anchors i of `rows`."""
    for anchor, partner in _pairs(embeddings.shape[1], rows):
        slope[:, anchor] -= embeddings[:, partner]
        slope[:, partner] -= embeddings[:, anchor]


def _aligned(xp: ModuleType, embeddings: Any, rows: slice) -> Any:
    """(S,): sum of z_i.z_p(i) over the anchors i of `rows`."""
    parts = [
        xp.sum(_dot(xp, embeddings[:, anchor], embeddings[:, partner]), axis=-1)
        for anchor, partner in _pairs(embeddings.shape[1], rows)
    ]
    return sum(parts[1:], parts[0])


def _dot(xp: ModuleType, left: Any, right: Any) -> Any:
    """x_i.y_i of every row, (S, n)."""
    return xp.einsum("sik,sik->si", left, right)


def _unit(xp: ModuleType, embeddings: Any, scratch: Scratch = fresh) -> tuple[Any, Any]:
    """z/|z| and |z|."""
    length = xp.sqrt(_dot(xp, embeddings, embeddings))[..., None]
    return xp.divide(embeddings, length, out=scratch("unit", embeddings.shape)), length


def _similarity(
    xp: ModuleType,
    anchors: Any,
    embeddings: Any,
    rows: slice,
    diagonal: float,
    scratch: Scratch = fresh,
) -> Any:
    """anchors_i.z_j for i in `rows`, (S, rows, n), with `diagonal` in the place of j = i."""
    replicas, n = embeddings.shape[:2]
    similarity = xp.matmul(
        anchors,
        embeddings.swapaxes(1, 2),
        out=scratch("similarity", (replicas, anchors.shape[1], n)),
    )
    similarity.reshape(replicas, -1)[:, rows.start :: n + 1] = diagonal
    return similarity


def _logits(
    xp: ModuleType, embeddings: Any, rows: slice, temperature: float, scratch: Scratch = fresh
) -> Any:
    """s_ij for i in `rows`, (S, rows, n), with -inf in the place of j = i."""
    anchors = embeddings[:, rows]
    anchors = xp.divide(anchors, temperature, out=scratch("anchors", anchors.shape))
    return _similarity(xp, anchors, embeddings, rows, -np.inf, scratch)


def _softmax(
    xp: ModuleType, logits: Any, out: Any = None, small: bool = False
) -> tuple[Any, Any, Any]:
    """exp(s_ij - max_j s_ij), its sum over j (with that axis kept), and log sum_j exp s_ij.

    `out` takes the exponentials; it may be `logits`. Where every s_ij is `small` enough for the
    exponential to be taken as it is, the maximum is not subtracted.
    """
    if small:
        largest, exponentials = 0.0, xp.exp(logits, out=out)
    else:
        largest = xp.amax(logits, axis=-1, keepdims=True)
        exponentials = xp.exp(xp.subtract(logits, largest, out=out), out=out)
    total = xp.sum(exponentials, axis=-1, keepdims=True)
    return exponentials, total, (largest + xp.log(total))[..., 0]


def _nt_xent(
    xp: ModuleType, embeddings: Any, rows: slice, temperature: float, small: bool = False
) -> Any:
    """Equation 1, the anchors `rows`; `small` as in `_softmax`."""
    logits = _logits(xp, embeddings, rows, temperature)
    _, _, log_sum = _softmax(xp, logits, small=small)
    aligned = _aligned(xp, embeddings, rows) / temperature
    return (xp.sum(log_sum, axis=-1) - aligned) / embeddings.shape[1]


def _nt_xent_gradient(
    xp: ModuleType,
    embeddings: Any,
    rows: slice,
    temperature: float,
    scratch: Scratch,
    small: bool = False,
) -> tuple[Any, Any]:
    """Equations 1 and 2, the anchors `rows`; `small` as in `_softmax`."""
    n, anchors = embeddings.shape[1], embeddings[:, rows]
    logits = _logits(xp, embeddings, rows, temperature, scratch)
    exponentials, total, log_sum = _softmax(xp, logits, out=logits, small=small)
    shared = xp.divide(anchors, total, out=scratch("anchors", anchors.shape))
    slope = scratch("slope", embeddings.shape)
    slope = xp.matmul(exponentials.swapaxes(1, 2), shared, out=slope)
    pulled = xp.matmul(exponentials, embeddings, out=scratch("anchors", anchors.shape))
    pulled /= total
    slope[:, rows] += pulled
    _subtract_partners(slope, embeddings, rows)
    slope /= n * temperature
    aligned = _aligned(xp, embeddings, rows) / temperature
    return (xp.sum(log_sum, axis=-1) - aligned) / n, slope
