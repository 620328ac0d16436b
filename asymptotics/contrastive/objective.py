"""What a contrastive objective is: a loss landscape over the log gain, one for each point.

An objective reads a :class:`Setting` (the two views, temperature, dimension, each an array over P
points) and gives a :class:`Landscape`: elementwise functions of ``log_gain`` and of the
landscape's own parameters. To add one: write a module with a ``landscape(setting)`` and an entry
``OBJECTIVE = Objective(name, needs, landscape, summary)``, and list it in ``objectives.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.blocks import slices
from asymptotics.contrastive import exponents
from asymptotics.contrastive.minima import Elementwise, Minima, local_minima
from asymptotics.contrastive.views import ViewPair

Array = NDArray[np.float64]
LogNegatives = Callable[[ViewPair, Array, Array, Array], Array]


@dataclass(frozen=True)
class Setting:
    """P points: the views (every field an array of shape (P,)), temperature and dimension (P,)."""

    views: ViewPair
    temperature: Array
    dimension: Array

    def part(self, points: slice) -> Setting:
        """The points of one slice."""
        views = ViewPair.of_arrays(tuple(field[points] for field in self.views.arrays()))
        return Setting(views, self.temperature[points], self.dimension[points])


@dataclass(frozen=True)
class Landscape:
    """The loss of P points along the family W_a, as a function of ``log_gain`` = log a.

    ``parameters``        arrays of shape (P,), passed on to the three functions
    ``loss``              ``loss(log_gain, *parameters)``, elementwise on 1-D arrays of one length
    ``slope``             a smooth positive multiple of d loss / d log_gain, of order one where the
                          loss bends and at both ends of the range
    ``refined_slope``     the same slope by a finer rule (half again as many nodes); ``slope``
                          itself where it is a closed form
    ``grid``              the first scan of log_gain, shape (P, K), see ``minima.scan_grid``; a loss
                          that still falls at its last node is collapse, a = infinity
    ``loss_at_collapse``  ``loss_at_collapse(*parameters)``, shape (P,): the limit of the loss as
                          a -> infinity (-inf or inf where it has none)
    ``scan_slope``        a cheaper function of the sign of ``slope`` and near it, for the scan;
                          ``slope`` itself if it is None
    """

    parameters: tuple[Array, ...]
    loss: Elementwise
    slope: Elementwise
    refined_slope: Elementwise
    grid: Array
    loss_at_collapse: Elementwise
    scan_slope: Elementwise | None = None

    def minima(self) -> Minima:
        """All local minima inside the grid, and the ends towards which the loss falls."""
        return local_minima(self.slope, self.grid, self.parameters, scan=self.scan_slope)

    def newton_steps(self, log_gain: Array, point: NDArray[np.intp]) -> tuple[Array, Array]:
        """How far from a zero of ``slope``, and of ``refined_slope``, log_gain is.

        Each is over d slope / d log_gain, a central difference with step 1e-5: enough for a measure
        of error. inf where the slope does not change at all.
        """
        chosen = tuple(parameter[point] for parameter in self.parameters)
        step = 1e-5
        change = self.slope(log_gain + step, *chosen) - self.slope(log_gain - step, *chosen)
        derivative = np.where(change == 0, np.nan, change) / (2 * step)
        steps = (f(log_gain, *chosen) / derivative for f in (self.slope, self.refined_slope))
        plain, refined = (np.where(np.isnan(derivative), np.inf, newton) for newton in steps)
        return plain, refined


@dataclass(frozen=True)
class Objective:
    """A table entry: its name, the inputs it needs, and the landscape of a setting.

    ``needs`` lists which of ``temperature`` and ``dimension`` change the gain (the dimension is
    always used for the expansion measure). ``log_negatives`` estimates how many negatives it takes
    to look like infinitely many, see ``exponents``.
    """

    name: str
    needs: frozenset[str]
    landscape: Callable[[Setting], Landscape]
    summary: str
    log_negatives: LogNegatives = exponents.cosine


def blocked(function: Elementwise, size: int) -> Elementwise:
    """`function` evaluated in blocks of `size` elements, so that its node arrays stay in cache."""

    def evaluate(*arguments: Array) -> Array:
        out = np.empty(arguments[0].size)
        for part in slices(out.size, size):
            out[part] = function(*(argument[part] for argument in arguments))
        return out

    return evaluate
