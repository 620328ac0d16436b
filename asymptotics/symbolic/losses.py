"""The losses in sympy, as functions of the margin u, with derivatives that never overflow.

The logistic loss log(1 + exp(-u)) is Softplus(-u), whose derivative is Sigmoid: differentiating
the logarithm instead gives exp(-u)/(1 + exp(-u)), which is nan at u = -800.  The indicator losses
(max-margin: u >= 1, min-norm: u = 1) are constraints and are listed by their domains.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.special import expit


class Sigmoid(sp.Function):
    """1 / (1 + exp(-x)); derivative Sigmoid(x) Sigmoid(-x)."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Sigmoid(self.args[0]) * Sigmoid(-self.args[0])


class Softplus(sp.Function):
    """log(1 + exp x); derivative Sigmoid(x)."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Sigmoid(self.args[0])


margin = sp.Symbol("u", real=True)

LOSSES: dict[str, sp.Expr] = {
    "square": (1 - margin) ** 2 / 2,
    "logistic": Softplus(-margin),
    "hinge": sp.Piecewise((1 - margin, margin < 1), (0, True)),
    "squared-hinge": sp.Piecewise(((1 - margin) ** 2 / 2, margin < 1), (0, True)),
    "averaging": -margin,
}

DOMAINS: dict[str, sp.Set] = {
    "max-margin": sp.Interval(1, sp.oo),
    "min-norm": sp.FiniteSet(1),
}


def loss_values(loss: str, order: int, margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """The derivative of the given order (0, 1, 2) of a loss at an array of margins."""
    function = sp.lambdify(
        margin,
        sp.diff(LOSSES[loss], margin, order),
        modules=[{"Sigmoid": expit, "Softplus": lambda x: np.logaddexp(0.0, x)}, "numpy"],
    )
    return np.broadcast_to(np.asarray(function(margins), float), np.shape(margins)).copy()
