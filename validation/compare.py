"""Whether theory and simulation agree, decided with a stated rate of false alarms.

Row i holds an estimate e_i of the limit with its standard error s_i on nu_i degrees of freedom,
and the theory's value t_i. Of m rows,

    z_i = (e_i - t_i)/s_i,      P_i = P(|T_{nu_i}| >= |z_i|),                                  (4)
    Holm: P_(k)* = max_{j <= k} min(1, (m - j + 1) P_(j)),   disagreement iff P_i* <= level    (5)

so that a right theory is called wrong anywhere in the table with probability `level` at most,
however the rows depend on one another. Equations are those of docs/theory/validation.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from asymptotics.errors import InvalidInput
from asymptotics.table import Table
from validation.estimate import Estimate

Array = NDArray[np.float64]

AGREES = "agrees"
DISAGREES = "disagrees"
TOO_NOISY = "too noisy"
NOT_LINEAR = "bias not linear in 1/p"

# closer than this, two values are the same number: the theory promises no more
_ROUNDING = 1e-10
# probability with which an error of `detectable` is detected
_POWER = 0.99


@dataclass(frozen=True)
class FiniteSize:
    """What was simulated at one size: a dimension p of probes, or a batch size of training."""

    size: int
    mean: float
    standard_error: float
    num_trials: int


@dataclass(frozen=True)
class Row:
    """One quantity at one point, before it is judged.

    point: the parameters that are swept.
    estimate: of the limit of infinite size; None where there is none, `fault` says why.
    max_standard_error: above it an agreement would prove nothing.
    bias: coefficient of 1/p in the fit, nan where no such fit was made.
    fit_p_value: of the lack of fit, nan where no such fit was made.
    finite: the simulated means that the estimate comes from.
    fault: why the row cannot be judged, in a few words; None where it can.
    """

    point: Mapping[str, Any]
    quantity: str
    theory: float
    estimate: Estimate | None
    max_standard_error: float
    bias: float = np.nan
    fit_p_value: float = np.nan
    finite: tuple[FiniteSize, ...] = ()
    fault: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Theory against simulation, judged.

    table: a row a quantity and point: the parameters, ``quantity``, ``theory``, ``mean`` (the
        estimate of the limit), ``standard_error``, ``z``, ``degrees_of_freedom``,
        ``adjusted_p_value`` (equation 5), ``detectable`` (the error of the theory that is found
        with probability 0.99), ``bias``, ``fit_p_value``, ``max_standard_error``, ``status``:
        "agrees", "disagrees", "too noisy", "bias not linear in 1/p", or why there is no estimate.
    finite: the same points and quantities at every simulated ``size``.
    level: probability of calling a right theory wrong in any of the rows, at most.
    """

    table: Table = field(repr=False)
    finite: Table = field(repr=False)
    level: float

    @property
    def agreement(self) -> bool | None:
        """True if every row agrees, False if one disagrees, None if nothing is decided."""
        status = self.table["status"]
        if np.any(status == DISAGREES):
            return False
        return True if np.all(status == AGREES) else None

    def rows(self) -> list[dict[str, Any]]:
        """The table as dicts of numbers, strings and None."""
        return self.table.rows()

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __str__(self) -> str:
        """One line: the verdict and what stands behind it."""
        status, z = self.table["status"], np.abs(self.table["z"])
        total = len(self.table)
        largest = f"largest |z| {np.nanmax(z):.2f}" if np.any(np.isfinite(z)) else "no estimate"
        rate = f"false alarms in at most {100 * self.level:g}% of such tables"
        if self.agreement:
            return f"theory and simulation agree in all {total} rows ({largest}; {rate})"
        parts = [f"{np.sum(status == name)} {name}" for name in dict.fromkeys(status.tolist())]
        verdict = "nothing decided" if self.agreement is None else "theory and simulation disagree"
        return f"{verdict}: {', '.join(parts)}, of {total} rows ({largest}; {rate})"


def compare(
    rows: Sequence[Row], *, level: float = 0.01, config: Mapping[str, Any] | None = None
) -> Comparison:
    """Judge every row, with one correction for all of them (equations 4 and 5).

    A row whose fit in 1/p fails its own test (at the same level, Holm again) is not judged; one
    that cannot be told from the theory but has s_i > max_standard_error is "too noisy", which is
    no agreement. Raises InvalidInput for no rows or a level outside (0, 1/2).
    """
    if not rows:
        raise InvalidInput("nothing to compare: there is no row")
    if not 0 < level < 0.5:
        raise InvalidInput(f"level must lie in (0, 0.5), got {level}")
    columns = _columns(rows)
    columns["adjusted_p_value"] = holm(_p_values(columns))
    columns["detectable"] = _detectable(columns, level)
    columns["status"] = _statuses(rows, columns, level)
    points = _point_columns([row.point for row in rows])
    return Comparison(Table(points | columns, dict(config or {})), _finite_table(rows), level)


def holm(p_values: Array) -> Array:
    """Holm's adjusted p-values (equation 5); nan is no test and stays nan.

    Comparing them with `level` keeps the family-wise error rate under any dependence.
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # nan sorts last
    steps = np.arange(order.size, 0, -1) * p[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _columns(rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
    none = Estimate(np.nan, np.nan, np.nan)
    estimates = [row.estimate or none for row in rows]
    theory = np.array([row.theory for row in rows], dtype=float)
    mean = np.array([e.value for e in estimates])
    error = np.array([e.standard_error for e in estimates])
    difference = mean - theory
    return {
        "quantity": np.array([row.quantity for row in rows]),
        "theory": theory,
        "mean": mean,
        "standard_error": error,
        "z": difference / np.hypot(error, _ROUNDING),
        "degrees_of_freedom": np.array([e.degrees_of_freedom for e in estimates]),
        "bias": np.array([row.bias for row in rows]),
        "fit_p_value": np.array([row.fit_p_value for row in rows]),
        "max_standard_error": np.array([row.max_standard_error for row in rows]),
    }


def _p_values(columns: Mapping[str, Array]) -> Array:
    return np.asarray(2 * stdtr(columns["degrees_of_freedom"], -np.abs(columns["z"])))


def _detectable(columns: Mapping[str, Array], level: float) -> Array:
    """|error of the theory| that exceeds Bonferroni's critical value with probability 0.99."""
    dof = columns["degrees_of_freedom"]
    tests = max(int(np.count_nonzero(~np.isnan(columns["z"]))), 1)
    quantiles = stdtrit(dof, 1 - level / (2 * tests)) + stdtrit(dof, _POWER)
    return np.asarray(quantiles * columns["standard_error"])


def _statuses(rows: Sequence[Row], columns: Mapping[str, Array], level: float) -> NDArray[np.str_]:
    unfit = holm(columns["fit_p_value"]) <= level
    wrong = columns["adjusted_p_value"] <= level
    noisy = ~(columns["standard_error"] <= columns["max_standard_error"])
    judged = np.select([unfit, wrong, noisy], [NOT_LINEAR, DISAGREES, TOO_NOISY], AGREES)
    return np.array([row.fault or status for row, status in zip(rows, judged, strict=True)])


def _point_columns(points: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    return {name: np.array([point[name] for point in points]) for name in points[0]}


def _finite_table(rows: Sequence[Row]) -> Table:
    pairs = [(row, finite) for row in rows for finite in row.finite]
    if not pairs:
        return Table({"quantity": np.array([], dtype=str)})
    columns = _point_columns([row.point for row, _ in pairs])
    columns["quantity"] = np.array([row.quantity for row, _ in pairs])
    for name in ("size", "mean", "standard_error", "num_trials"):
        columns[name] = np.array([getattr(finite, name) for _, finite in pairs])
    return Table(columns)
