"""An estimated number with its standard error, and the law of its studentised error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from asymptotics.errors import InvalidInput


@dataclass(frozen=True)
class Estimate:
    """(value - truth)/standard_error follows Student's law with `degrees_of_freedom`."""

    value: float
    standard_error: float
    degrees_of_freedom: float


def mean_of(trials: ArrayLike) -> Estimate:
    """Mean of T independent trials: s = sd/sqrt(T), nu = T - 1.

    Exact for normal trials. Raises InvalidInput for fewer than 2, or any that is not finite.
    """
    values = np.asarray(trials, dtype=float)
    if values.ndim != 1 or values.size < 2 or not np.all(np.isfinite(values)):
        raise InvalidInput(f"a standard error needs 2 or more finite trials, got {values.shape}")
    error = np.std(values, ddof=1) / np.sqrt(values.size)
    return Estimate(float(np.mean(values)), float(error), values.size - 1)


def combine(coefficients: ArrayLike, estimates: Sequence[Estimate]) -> Estimate:
    """sum_k c_k e_k of independent estimates, with Welch and Satterthwaite's degrees of freedom.

    s^2 = sum v_k,   nu = (sum v_k)^2/sum (v_k^2/nu_k),   v_k = c_k^2 s_k^2                     (2)
    """
    c = np.asarray(coefficients, dtype=float)
    values = np.array([e.value for e in estimates])
    dof = np.array([e.degrees_of_freedom for e in estimates])
    variances = (c * np.array([e.standard_error for e in estimates])) ** 2
    total = float(np.sum(variances))
    if total == 0:
        return Estimate(float(c @ values), 0.0, float(np.min(dof)))
    shares = variances / total  # of order one, where the variances may underflow
    effective = 1 / float(np.sum(shares**2 / dof))
    return Estimate(float(c @ values), float(np.sqrt(total)), effective)
