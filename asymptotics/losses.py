"""Convex losses of the margin, each a row of smooth pieces; their prox and Moreau envelope.

    M_gamma(w) = min_u loss(u) + (u - w)^2 / (2 gamma),     prox_gamma(w) its minimiser,
    M'_gamma(w) = (w - prox) / gamma = loss'(prox)          (probe.md, channel)

A loss is a tuple of adjacent pieces. Where two pieces meet with different slopes the loss has a
kink and the prox rests there while w crosses an interval; outside the outermost pieces the loss
is infinite. A new loss is one entry of ``LOSSES``: quadratic pieces integrate in closed form,
smooth ones by quadrature (`gauss`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]
Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Quadratic:
    """loss(u) = constant + slope u + curvature u^2 / 2 on [lower, upper]."""

    lower: float
    upper: float
    slope: float
    curvature: float
    constant: float

    def value(self, u: Array) -> Array:
        """loss(u), shape of u."""
        return self.constant + self.slope * u + 0.5 * self.curvature * u**2

    def derivative(self, u: Array) -> Array:
        """loss'(u), shape of u."""
        return self.slope + self.curvature * u

    def second(self, u: Array) -> Array:
        """loss''(u), shape of u."""
        return np.full_like(u, self.curvature)


@dataclass(frozen=True)
class Smooth:
    """A twice differentiable piece on [lower, upper], given by loss, loss' and loss''."""

    lower: float
    upper: float
    value: Function
    derivative: Function
    second: Function


Piece = Quadratic | Smooth


@dataclass(frozen=True)
class Loss:
    """A convex loss of the margin: adjacent `pieces` from left to right (see the module)."""

    name: str
    pieces: tuple[Piece, ...]

    def __post_init__(self) -> None:
        for left, right in zip(self.pieces, self.pieces[1:], strict=False):
            if left.upper != right.lower:
                raise InvalidInput(
                    f"loss {self.name}: pieces must be adjacent, got an end at {left.upper} "
                    f"and a start at {right.lower}"
                )
            at = np.array([left.upper])
            if left.derivative(at)[0] > right.derivative(at)[0]:
                raise InvalidInput(f"loss {self.name}: not convex at the margin {left.upper}")

    @property
    def closed_form(self) -> bool:
        """Whether every Gaussian mean of the envelope's derivatives is a closed form in erf."""
        return all(isinstance(piece, Quadratic) for piece in self.pieces)

    @property
    def kink(self) -> float | None:
        """Where the slope jumps by a finite amount, if it does."""
        for left, right in zip(self.pieces, self.pieces[1:], strict=False):
            at = np.array([left.upper])
            if left.derivative(at)[0] < right.derivative(at)[0]:
                return left.upper
        return None

    def __call__(self, margin: ArrayLike) -> Array:
        """loss(u), infinite outside the pieces; shape of `margin`."""
        u = np.asarray(margin, dtype=float)
        result = np.full_like(u, inf)
        for piece in self.pieces:
            inside = (piece.lower <= u) & (u <= piece.upper)
            result[inside] = piece.value(u[inside])
        return result


def _prox_interval(piece: Piece, gamma: Array) -> tuple[Array, Array]:
    """The interval of w whose prox lies inside `piece`: u + gamma loss'(u) at both ends."""

    def end(u: float) -> Array:
        if np.isinf(u):
            return np.full_like(gamma, u)
        return u + gamma * piece.derivative(np.array([u]))[0]

    return end(piece.lower), end(piece.upper)


def prox(loss: Loss, margin: ArrayLike, gamma: ArrayLike) -> Array:
    """prox_gamma(w) = argmin_u loss(u) + (u - w)^2 / (2 gamma), for gamma > 0.

    `margin` (w) and `gamma` broadcast. Quadratic pieces are exact; a smooth piece is solved by
    Newton inside a shrinking bracket until the bracket or the step is at rounding.
    """
    w, step = np.broadcast_arrays(np.asarray(margin, float), np.asarray(gamma, float))
    if not np.all(step > 0):
        raise InvalidInput(f"gamma must be positive, got {float(np.min(step))}")
    u = np.array(np.clip(w, loss.pieces[0].lower, loss.pieces[-1].upper))
    for piece in loss.pieces:
        start, end = _prox_interval(piece, step)
        inside = (start < w) & (w < end)
        if isinstance(piece, Quadratic):
            u[inside] = ((w - step * piece.slope) / (1 + step * piece.curvature))[inside]
        elif np.any(inside):
            lower, upper = prox_bracket(piece, w[inside], step[inside])
            u[inside] = 0.5 * (lower + upper)
        # past the right end of this piece and short of the next one: the prox rests at the kink
        u[w >= end] = piece.upper
    return u


def prox_bracket(
    piece: Piece, margin: Array, gamma: Array, slack: Array | float = 0.0
) -> tuple[Array, Array]:
    """Lower and upper bounds of the root u of u + gamma loss'(u) = w inside one smooth piece.

    The root lies between w and w - gamma loss'(w) since loss' increases. Newton, with a bisection
    of arcsinh(u) wherever Newton leaves the bracket or fails to halve it; stops when every bracket
    spans less than `slack` in w, or is at rounding.
    """
    edge = np.clip(margin, piece.lower, piece.upper)
    other = np.clip(margin - gamma * piece.derivative(edge), piece.lower, piece.upper)
    lower, upper = np.minimum(edge, other), np.maximum(edge, other)
    u = _middle(lower, upper)
    for _ in range(200):
        growth = 1 + gamma * piece.second(u)
        excess = u + gamma * piece.derivative(u) - margin
        newton = u - excess / growth
        width = upper - lower
        upper, lower = np.where(excess >= 0, u, upper), np.where(excess <= 0, u, lower)
        rounding = 4 * np.finfo(float).eps * (np.abs(u) + np.abs(newton))
        if np.all(upper - lower <= np.maximum(rounding, slack / growth)):
            break
        # step just past the root so that the far side of the bracket closes as well
        past = np.maximum(np.maximum(rounding, 0.25 * slack / growth), 1e-3 * np.abs(newton - u))
        newton = newton + np.sign(newton - u) * past
        shrunk = upper - lower < 0.5 * width
        safe = (lower < newton) & (newton < upper) & (shrunk | (np.abs(newton - u) < 0.25 * width))
        u, left = newton, ~safe
        if np.any(left):
            u[left] = _middle(lower[left], upper[left])
    return lower, upper


def _middle(lower: Array, upper: Array) -> Array:
    """A point inside the bracket: halfway in arcsinh, which halves orders of magnitude."""
    middle = np.sinh(0.5 * (np.arcsinh(lower) + np.arcsinh(upper)))
    return np.clip(middle, lower, upper)


def moreau_envelope(loss: Loss, margin: ArrayLike, gamma: ArrayLike) -> Array:
    """M_gamma(w) = loss(prox) + (prox - w)^2 / (2 gamma); `margin` (w) and `gamma` broadcast."""
    u = prox(loss, margin, gamma)
    return loss(u) + (u - np.asarray(margin)) ** 2 / (2 * np.asarray(gamma))


def _softplus(u: Array) -> Array:
    return np.logaddexp(0.0, -u)


def _softplus_slope(u: Array) -> Array:
    # three times as fast as scipy's expit; exp(700) is finite, and 1/exp(700) is as good as 0
    return -1 / (1 + np.exp(np.minimum(u, 700.0)))


def _softplus_curvature(u: Array) -> Array:
    e = np.exp(-np.abs(u))
    return e / np.square(1 + e)


_ABOVE_ONE = Quadratic(1.0, inf, 0.0, 0.0, 0.0)

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("square", (Quadratic(-inf, inf, -1.0, 1.0, 0.5),)),
        Loss(
            "logistic",
            (Smooth(-inf, inf, _softplus, _softplus_slope, _softplus_curvature),),
        ),
        Loss("hinge", (Quadratic(-inf, 1.0, -1.0, 0.0, 1.0), _ABOVE_ONE)),
        Loss("squared-hinge", (Quadratic(-inf, 1.0, -1.0, 1.0, 0.5), _ABOVE_ONE)),
        # loss = 0 on u >= 1 and infinite below: the hard-margin constraint
        Loss("margin-constraint", (_ABOVE_ONE,)),
        # loss = 0 at u = 1 and infinite elsewhere: interpolation of the labels
        Loss("label-constraint", (Quadratic(1.0, 1.0, 0.0, 0.0, 0.0),)),
        Loss("linear", (Quadratic(-inf, inf, -1.0, 0.0, 0.0),)),
    )
}
