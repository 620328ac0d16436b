"""Networks of layers trained at several sizes, and what they give extrapolated to infinite size.

A size N is the number of steps over one time, N = T/eta, or the batch size at a fixed step. What is
measured has a bias c_1/N + c_2/N^2 + ...; three sizes remove two terms of it, by Richardson's
weights (layers-validation.md, bias of a finite step).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from asymptotics.layers.second_moments import Features
from validation.checks.run import Run
from validation.compare import FiniteSize, Row
from validation.estimate import combine, mean_of
from validation.training.extrapolation import richardson_weights

Array = NDArray[np.float64]

# networks trained side by side in one task
_STACK = 8


@dataclass(frozen=True)
class LayerTraining:
    """How layers are trained for a check.

    networks: independent ones at each size. batch_size: pairs. start: w_0, of W_l = w_0 I.
    step_fractions: three or more steps, in units of 1/(largest rate of relaxation).
    """

    networks: int = 16
    batch_size: int = 32
    start: float = 0.5
    step_fractions: tuple[float, ...] = (0.1, 0.05, 0.025)

    def __post_init__(self) -> None:
        if self.networks < 2:
            raise InvalidInput(f"networks must be at least 2, got {self.networks}")
        if not (np.isfinite(self.start) and self.start > 0):
            raise InvalidInput(f"start must be finite and > 0, got {self.start}")
        fractions = np.unique(np.asarray(self.step_fractions, dtype=float))
        if fractions.size < 3 or not np.all((fractions > 0) & (fractions < 1)):
            raise InvalidInput(
                "step_fractions must be three or more different numbers in (0, 1), got "
                f"{self.step_fractions}"
            )

    def numbers_of_steps(self, time: float, fastest: float) -> list[int]:
        """N = T/eta, rising."""
        fractions = np.unique(np.asarray(self.step_fractions, dtype=float))[::-1]
        return [max(round(time * fastest / fraction), 4) for fraction in fractions]


def train_stacks(
    run: Run,
    stage: str,
    trial: Callable[..., Any],
    shared: Mapping[str, Any],
    sizes: Sequence[Mapping[str, Any]],
    networks: int,
) -> list[Array] | str:
    """For each size what `trial` measured, (networks, ...); or why there is nothing.

    `trial` takes the parameters of `shared` and of one of `sizes`, and `replicas` and `trial`.
    """
    full, rest = divmod(networks, _STACK)
    stacks = [_STACK] * full + [rest] * (rest > 0)
    calls = [
        {**shared, **size, "replicas": replicas, "trial": number}
        for size in sizes
        for number, replicas in enumerate(stacks)
    ]
    results = iter(run.tasks(stage, trial, calls))
    found = [[next(results) for _ in stacks] for _ in sizes]
    faults = [value for group in found for value in group if isinstance(value, str)]
    if faults:
        return faults[0]
    return [np.concatenate([np.asarray(part) for part in group]) for group in found]


@dataclass(frozen=True)
class Claim:
    """A value of the theory: of which quantity, at which point."""

    point: Mapping[str, Any]
    quantity: str
    theory: float


def claimed_rows(
    claims: Sequence[Claim],
    measured: Sequence[Array] | str,
    sizes: Sequence[int],
    max_standard_error: float,
) -> list[Row]:
    """A row a claim, its estimate sum_k w_k mean_k by `richardson_weights`.

    measured[k][:, i] are the values of claim i at the k-th of the sizes, or why there are none.
    """
    if isinstance(measured, str):
        return [
            Row(c.point, c.quantity, c.theory, None, max_standard_error, fault=measured)
            for c in claims
        ]
    weights = richardson_weights(np.array(sizes, dtype=float))
    rows = []
    for i, claim in enumerate(claims):
        means = [mean_of(values[:, i]) for values in measured]
        finite = tuple(
            FiniteSize(size, mean.value, mean.standard_error, len(values))
            for size, mean, values in zip(sizes, means, measured, strict=True)
        )
        rows.append(
            Row(
                claim.point,
                claim.quantity,
                claim.theory,
                combine(weights, means),
                max_standard_error,
                finite=finite,
            )
        )
    return rows


def feature_point(features: Features, index: int) -> dict[str, Any]:
    """feature (its number, from 1), strength, noise, correlation."""
    names = ("strength", "noise", "correlation")
    values = {n: float(np.asarray(getattr(features, n))[index]) for n in names}
    return {"feature": index + 1} | values


def feature_parameters(features: Features) -> dict[str, list[float]]:
    """The features as a task takes them."""
    names = ("strength", "noise", "correlation", "kept")
    return {name: np.asarray(getattr(features, name)).tolist() for name in names}
