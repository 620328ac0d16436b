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
from validation.backends import Differentiable


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
        _, _, log_sum = _softmax(xp, _logits(embeddings, rows, self.temperature))
        partners = embeddings[:, _partners(embeddings, rows)]
        aligned = xp.sum(embeddings[:, rows] * partners, axis=-1) / self.temperature
        return xp.sum(log_sum - aligned, axis=-1) / embeddings.shape[1]

    def gradient(self, xp: ModuleType, embeddings: Any, rows: slice) -> tuple[Any, Any]:
        """dL/dz = (P + P^T - 2 Pi) z/(n tau): P the softmax of s, Pi the pairing (equation 2)."""
        n = embeddings.shape[1]
        pairing = _partners(embeddings, rows)
        anchors, partners = embeddings[:, rows], embeddings[:, pairing]
        logits = _logits(embeddings, rows, self.temperature)
        exponentials, total, log_sum = _softmax(xp, logits, out=logits)
        result = exponentials.swapaxes(1, 2) @ (anchors / total)
        result[:, rows] += exponentials @ embeddings / total - partners
        result[:, pairing] -= anchors
        aligned = xp.sum(anchors * partners, axis=-1) / self.temperature
        return xp.sum(log_sum - aligned, axis=-1) / n, result / (n * self.temperature)

    def crowding(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """Mean of sum_j w_ij^2/(sum_j w_ij)^2, w = exp s over the negatives (equation 8)."""
        n = embeddings.shape[1]
        logits = _logits(embeddings, rows, self.temperature)
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
        return InnerProduct(self.temperature).loss(xp, _unit(xp, embeddings)[0], rows)

    def gradient(self, xp: ModuleType, embeddings: Any, rows: slice) -> tuple[Any, Any]:
        """dL/dz = (I - u u^T)(dL/du)/|z| (equation 3)."""
        unit, length = _unit(xp, embeddings)
        loss, slope = InnerProduct(self.temperature).gradient(xp, unit, rows)
        radial = xp.sum(unit * slope, axis=-1, keepdims=True)
        return loss, (slope - radial * unit) / length

    def crowding(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """As for ``InnerProduct``, of the unit vectors."""
        return InnerProduct(self.temperature).crowding(xp, _unit(xp, embeddings)[0], rows)


@dataclass(frozen=True)
class Spectral:
    """The spectral contrastive loss of HaoChen et al., without bias at any batch (equation 4).

    L = -(2/n) sum_i z_i.z_p(i) + 1/(n(n-2)) sum_i sum_{j != i, p(i)} (z_i.z_j)^2
    """

    scale_free: ClassVar[bool] = False

    def loss(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """Equation 4, the anchors `rows`."""
        return self._parts(xp, embeddings, rows)[0]

    def gradient(self, xp: ModuleType, embeddings: Any, rows: slice) -> tuple[Any, Any]:
        """dL/dz = 4 K z/(n(n-2)) - 4 Pi z/n, K the masked similarities (equation 5)."""
        n = embeddings.shape[1]
        loss, similarity, partners = self._parts(xp, embeddings, rows)
        anchors = embeddings[:, rows]
        result = similarity.swapaxes(1, 2) @ anchors
        result[:, rows] += similarity @ embeddings
        result = result * (2 / (n * (n - 2)))
        result[:, rows] -= 2 / n * partners
        result[:, _partners(embeddings, rows)] -= 2 / n * anchors
        return loss, result

    def crowding(self, xp: ModuleType, embeddings: Any, rows: slice) -> Any:
        """0: the batch's loss is an unbiased estimate of the population's."""
        return xp.zeros_like(embeddings[:, 0, 0])

    def _parts(self, xp: ModuleType, embeddings: Any, rows: slice) -> tuple[Any, Any, Any]:
        """The loss, the similarities without those of a sample to itself, the partners."""
        n = embeddings.shape[1]
        pairing = _partners(embeddings, rows)
        anchors, partners = embeddings[:, rows], embeddings[:, pairing]
        similarity = _similarity(anchors, embeddings, rows, diagonal=0.0)
        similarity[:, np.arange(rows.stop - rows.start), pairing] = 0.0
        repelled = xp.sum(xp.sum(similarity * similarity, axis=-1), axis=-1) / (n * (n - 2))
        aligned = xp.sum(xp.sum(anchors * partners, axis=-1), axis=-1) * (2 / n)
        return repelled - aligned, similarity, partners


def _partners(embeddings: Any, rows: slice) -> NDArray[np.intp]:
    """p(i) for the anchors i of `rows`."""
    n = embeddings.shape[1]
    return (np.arange(rows.start, rows.stop) + n // 2) % n


def _unit(xp: ModuleType, embeddings: Any) -> tuple[Any, Any]:
    """z/|z| and |z|."""
    length = xp.sqrt(xp.sum(embeddings * embeddings, axis=-1, keepdims=True))
    return embeddings / length, length


def _similarity(anchors: Any, embeddings: Any, rows: slice, diagonal: float) -> Any:
    """anchors_i.z_j for i in `rows`, (S, rows, n), with `diagonal` in the place of j = i."""
    similarity = anchors @ embeddings.swapaxes(1, 2)
    replicas, n = similarity.shape[0], similarity.shape[2]
    similarity.reshape(replicas, -1)[:, rows.start :: n + 1] = diagonal
    return similarity


def _logits(embeddings: Any, rows: slice, temperature: float) -> Any:
    """s_ij for i in `rows`, (S, rows, n), with -inf in the place of j = i."""
    return _similarity(embeddings[:, rows] / temperature, embeddings, rows, diagonal=-np.inf)


def _softmax(xp: ModuleType, logits: Any, out: Any = None) -> tuple[Any, Any, Any]:
    """exp(s_ij - max_j s_ij), its sum over j (with that axis kept), and log sum_j exp s_ij.

    `out` takes the exponentials; it may be `logits`.
    """
    largest = xp.amax(logits, axis=-1, keepdims=True)
    exponentials = xp.exp(xp.subtract(logits, largest, out=out), out=out)
    total = xp.sum(exponentials, axis=-1, keepdims=True)
    return exponentials, total, (largest + xp.log(total))[..., 0]
