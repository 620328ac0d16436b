"""One step of gradient descent on a linear head, in one of two metrics, and its stable length.

With Z = H W^T the embeddings of the views H, and dZ = dL/dZ, the gradient is G = dZ^T H. Both
metrics have the stationary points of L among heads of full rank; neither divides by a running
average of the noise (as Adam does), which would move them. A step costs a product of the batch
with a k x d matrix. Every array has a leading axis of S replicas.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

Slope = Callable[[Any], Any]  # embeddings (S, n, k) -> dL/dZ, of the same shape


class Metric(Protocol):
    """W <- W - step lift(V, W), V = dZ^T frame; moving W along lift(V, W) moves Z by frame V^T."""

    def frame(self, views: Any, embeddings: Any) -> Any:
        """(S, n, m)."""
        ...

    def lift(self, direction: Any, weights: Any) -> Any:
        """(S, k, m) -> (S, k, d)."""
        ...

    def square(self, image: Any) -> Any:
        """(S, 1, 1): |V|^2 of the V that moves W along W v v^T, `image` (S, 1, k) being W v."""
        ...


class Euclidean:
    """W <- W - step G: plain gradient descent."""

    def frame(self, views: Any, embeddings: Any) -> Any:
        """H: V is a k x d direction."""
        return views

    def lift(self, direction: Any, weights: Any) -> Any:
        """V."""
        return direction

    def square(self, image: Any) -> Any:
        """V = W v v^T."""
        return image @ image.swapaxes(1, 2)


class Relative:
    """W <- (I - step G W^T) W: descent in the relative change of W.

    log a moves by -step dL/dlog a, where ``Euclidean`` moves it by that over the square of the
    signal's weight: slowly where the head expands. From a nearly singular start the slow one is
    this. It never leaves the row space of W: a head with fewer outputs than inputs needs
    ``Euclidean``.
    """

    def frame(self, views: Any, embeddings: Any) -> Any:
        """Z: V is a k x k direction, W moves along V W."""
        return embeddings

    def lift(self, direction: Any, weights: Any) -> Any:
        """V W."""
        return direction @ weights

    def square(self, image: Any) -> Any:
        """V = (W v)(W v)^T/|W v|^2 where v is an eigenvector of W^T W."""
        return 1.0 + 0.0 * image[:, :, :1]


def descend(metric: Metric, weights: Any, frame: Any, slope: Any, step: Any) -> None:
    """W -= step lift(dZ^T frame, W), in place; `step` is (S, 1, 1)."""
    weights -= step * metric.lift(slope.swapaxes(1, 2) @ frame, weights)


def largest_curvature(
    xp: ModuleType,
    slope: Slope,
    embeddings: Any,
    frame: Any,
    direction: Any,
    iterations: int = 8,
) -> Any:
    """(S, 1, 1): about the largest eigenvalue of the Hessian of one batch, by power iteration.

    The Hessian acts on V as frame^T [dZ(Z + h frame V^T) - dZ(Z)]/h; `direction` (S, k, m) is where
    the iteration starts. Descent is stable up to 2/(this value), less what noise takes away.
    """
    origin = slope(embeddings)
    for _ in range(iterations):
        direction = direction / _norm(xp, direction)
        move = frame @ direction.swapaxes(1, 2)
        size = 1e-3 * _norm(xp, embeddings) / _norm(xp, move)
        change = slope(embeddings + size * move) - origin
        direction = change.swapaxes(1, 2) @ frame / size
    return _norm(xp, direction)


def curvature_along(
    xp: ModuleType,
    slope: Slope,
    metric: Metric,
    embeddings: Any,
    projections: Any,
    image: Any,
) -> Any:
    """(S, 1, 1): <V, Hessian V>/|V|^2 of one batch for V = W v v^T, a change of log |W v|.

    `projections` (S, n, 1) are h.v and `image` (S, 1, k) is W v. Over a time of 1/(this value), in
    steps added up, descent relaxes along that direction.
    """
    move = projections @ image
    size = 1e-3 * _norm(xp, embeddings) / _norm(xp, move)
    change = slope(embeddings + size * move) - slope(embeddings - size * move)
    second = xp.sum(xp.sum(change * move, axis=-1), axis=-1)[:, None, None] / (2 * size)
    return second / metric.square(image)


def _norm(xp: ModuleType, stack: Any) -> Any:
    """Frobenius norm of each matrix of a stack, (S, 1, 1)."""
    return xp.sqrt(xp.sum(xp.sum(stack * stack, axis=-1), axis=-1))[:, None, None]
