"""What the solver needs of a batch of saddle-point equations, and no more."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from asymptotics.losses import Loss
from asymptotics.margins import MarginLaws

Array = NDArray[np.float64]
Points = NDArray[np.intp]


class Equations(Protocol):
    """A batch of saddle-point equations: see `saddle_point` and `components`."""

    @property
    def loss(self) -> Loss:
        """The loss, one for the batch."""
        ...

    @property
    def ridge(self) -> Array:
        """lambda of every point."""
        ...

    @property
    def num_unknowns(self) -> int:
        """Length of the first axis of x."""
        ...

    @property
    def batch(self) -> int:
        """How many points to solve together: few enough for the cache, many enough for numpy."""
        ...

    @property
    def fits_intercept(self) -> bool:
        """Whether b is an unknown."""
        ...

    def take(self, points: Points) -> Self:
        """The equations of the given points."""
        ...

    def residual(self, x: Array, nodes: int, quadrature: bool = False) -> tuple[Array, Array]:
        """(residual, Jacobian) at x: shapes (unknowns, points), (unknowns, unknowns, points)."""
        ...

    def start(self, nodes: int) -> Array:
        """Unknowns near a solution, from those of the square loss."""
        ...

    def averaging_scale(self) -> Array:
        """The ridge at which the averaging classifier's margins are of order one."""
        ...

    def penalised(self, ridge: Array, loss: Loss | None = None) -> Self:
        """The same equations at another ridge, and another loss if one is given."""
        ...

    def rescaled(self, x: Array, factor: Array) -> Array:
        """The unknowns with every gamma multiplied by `factor`."""
        ...

    def margin_laws(self, x: Array) -> MarginLaws:
        """The laws of a fresh sample's margins."""
        ...

    def margin_parameters(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """(gamma, m, q, b): the mixture's means of what a component or covariance has its own."""
        ...

    def without_intercept(self) -> Self:
        """The same with b = 0."""
        ...

    def at_zero_intercept(self, x: Array) -> Array:
        """Unknowns of `without_intercept` as unknowns of these equations."""
        ...

    def less_unequal(self, share: Array) -> Self:
        """The log-odds of the labels times 1 - `share`."""
        ...
