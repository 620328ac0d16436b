"""Symbolic equations made into numpy functions of unknowns, parameters and moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from asymptotics.symbolic.moments import MOMENTS, Moment

Array = NDArray[np.float64]
Margin = tuple[sp.Expr, sp.Expr, sp.Expr]


@dataclass(frozen=True)
class NumericFunction:
    """A lambdified list of expressions; every argument broadcasts over a batch of points."""

    function: Callable[..., Any]
    moment_names: tuple[tuple[int, str], ...]
    shape: tuple[int, ...]

    def __call__(
        self,
        unknowns: Sequence[Array | float],
        parameters: Sequence[Array | float],
        moments: Sequence[Mapping[str, Array | float]],
    ) -> Array:
        """``unknowns`` and ``parameters`` in the potential's order; ``moments`` one mapping from
        moment name to values for each margin law.  Returns an array (*shape, *batch)."""
        chosen = [moments[law][name] for law, name in self.moment_names]
        values = self.function(*unknowns, *parameters, *chosen)
        batch = np.broadcast_shapes(*(np.shape(value) for value in values))
        stacked = np.stack([np.broadcast_to(value, batch) for value in values])
        return stacked.reshape(*self.shape, *batch).astype(float)


@dataclass(frozen=True)
class Equations:
    """Expressions that vanish at the solution, one for each unknown.

    ``margins`` lists the (gamma, mean, variance) of each class's margin law, in the order in which
    the numeric functions take moments: one law, or y = +1 then y = -1 with an intercept.
    """

    expressions: tuple[sp.Expr, ...]
    unknowns: tuple[sp.Symbol, ...]
    parameters: tuple[sp.Symbol, ...]
    margins: tuple[Margin, ...]

    def jacobian(self) -> sp.Matrix:
        """d expression_i / d unknown_j."""
        return sp.Matrix(self.expressions).jacobian(self.unknowns)

    def residual_function(self) -> NumericFunction:
        """The expressions as a function of (unknowns, parameters, moments), shape (k, ...)."""
        return self._numeric(self.expressions, (len(self.unknowns),))

    def jacobian_function(self) -> NumericFunction:
        """The Jacobian as a function of (unknowns, parameters, moments), shape (k, k, ...)."""
        return self._numeric(tuple(self.jacobian()), (len(self.unknowns),) * 2)

    def _numeric(self, expressions: Sequence[sp.Expr], shape: tuple[int, ...]) -> NumericFunction:
        symbols = {
            moment(*margin): sp.Symbol(f"{moment.__name__}_{law}", real=True)
            for law, margin in enumerate(self.margins)
            for moment in MOMENTS
        }
        plain = [expression.subs(symbols) for expression in expressions]
        leftover = {atom for expression in plain for atom in expression.atoms(Moment)}
        if leftover:
            raise ValueError(f"moments outside the margin laws: {leftover}")
        arguments = [*self.unknowns, *self.parameters, *symbols.values()]
        names = tuple(
            (law, moment.__name__) for law in range(len(self.margins)) for moment in MOMENTS
        )
        function = sp.lambdify(arguments, plain, modules="numpy", cse=True)
        return NumericFunction(function, names, shape)
