"""How the limiting accuracy answers to each parameter of the command line, over a grid of points.

The parameters are those of `asymptotics.sweep`: a ridge in any convention, a gain or an objective
that trains it. A trained head answers through its gain, with L'(log a; p) = 0 at its minimum,

    d log a/dp = -(dL'/dp)/(dL'/d log a),      d accuracy/dp = direct + d accuracy/d log a * that.

The two slopes of L' are fourth-order central differences of the objective's own slope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymptotics.columns import constant_columns
from asymptotics.errors import InvalidInput
from asymptotics.limits import CONVERGED, Limit, limit
from asymptotics.sensitivity import PARAMETERS, Derivative, check_parameter, differentiate
from asymptotics.sweep import make_problem, product_of_grids
from asymptotics.table import Table
from asymptotics.training import GAIN_NOT_CONVERGED, OF_OBJECTIVE, view_pair

Array = NDArray[np.float64]

OF_TRAINING = ("temperature", "augmentation", "dimension")
NOT_DIFFERENTIATED = "derivative not found"
# d log lambda / d log (ridge, sampling_ratio, num_samples) in each convention of the ridge
_ELASTICITIES = {
    "mean": (1, 0, 0),
    "scaled-sum": (1, -1, 0),
    "sum": (1, 0, -1),
    "C": (-1, 0, -1),
}
_INTEGER_DIMENSION = ("cosine",)
_STEP = 2e-3


def derivatives(parameters: Sequence[str], **problem: Any) -> Table:
    """The derivative of the limiting accuracy in each of `parameters`, over a product of grids.

    `problem` as in `asymptotics.sweep.curve`. One row for each point and parameter: `parameter`,
    `accuracy`, `test_error`, `derivative` (of the accuracy), `log_test_error_derivative`,
    `error_estimate` (of `derivative`), `converged`, `status`. Besides those of
    `asymptotics.sensitivity`, the parameters are num_samples (conventions sum and C) and, with an
    `objective`, temperature, augmentation and dimension. Raises InvalidInput.
    """
    points, fixed = product_of_grids(problem)
    answer = Trained(points, fixed) if fixed.get("objective") else Given(points, fixed)
    given = constant_columns(points, fixed) | points
    parts = [given | derivative_columns(answer, name) for name in parameters]
    names = parts[0].keys()
    # rows of one point stay together
    columns = {n: np.stack([part[n] for part in parts], axis=1).ravel() for n in names}
    return Table(columns, dict(problem) | {"with_respect_to": list(parameters)})


def differentiable(problem: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters of `problem` that `derivatives` takes, as far as they are given."""
    trained = problem.get("objective") is not None
    names = ["signal", "sampling_ratio", "ridge", *(OF_TRAINING if trained else ("gain",))]
    if problem.get("objective") in _INTEGER_DIMENSION:
        names.remove("dimension")
    given = [name for name in names if problem.get(name) is not None]
    if problem.get("intercept"):
        given.append("prior")
    return tuple(given)


def derivative_columns(answer: Given | Trained, parameter: str) -> dict[str, NDArray[Any]]:
    result, found = answer.result, answer(parameter)
    status = np.where(answer.known, result.status, GAIN_NOT_CONVERGED)
    sound = found.error_estimate <= np.maximum(1e-6 * np.abs(found.accuracy), 1e-9)
    lost = (status == CONVERGED) & ~sound
    status = np.where(lost, NOT_DIFFERENTIATED, status)
    good = status == CONVERGED
    return {
        "parameter": np.full(status.shape, parameter),
        "accuracy": np.where(good, result.accuracy, np.nan),
        "test_error": np.where(good, result.test_error, np.nan),
        "derivative": np.where(good, found.accuracy, np.nan),
        "log_test_error_derivative": np.where(good, found.log_test_error, np.nan),
        "error_estimate": np.where(good, found.error_estimate, np.nan),
        "converged": good,
        "status": status,
    }


class Given:
    """Derivatives of a probe on given features, the ridge in its convention."""

    def __init__(self, points: Mapping[str, Array], fixed: Mapping[str, Any]) -> None:
        self._parameters = {**fixed, **points}
        self.result: Limit = limit(make_problem(**self._parameters))
        self.known = np.ones(self.result.status.shape, dtype=bool)

    def __call__(self, parameter: str) -> Derivative:
        """The chain rule through the ridge of the convention "mean"."""
        in_ridge = ("ridge", "sampling_ratio", "num_samples")
        if parameter not in in_ridge:
            return differentiate(self.result, parameter)
        convention = self._parameters.get("ridge_convention") or "mean"
        elasticity = _ELASTICITIES[convention][in_ridge.index(parameter)]
        if parameter == "num_samples" and elasticity == 0:
            raise InvalidInput(f"num_samples does not enter the ridge convention {convention!r}")
        if parameter == "ridge":
            check_parameter(self.result.problem, "ridge")
        parts = []
        if parameter == "sampling_ratio":
            parts.append((1.0, differentiate(self.result, parameter)))
        if elasticity and self.result.problem.ridge is not None:
            mean_ridge = np.asarray(self.result.problem.ridge)
            rate = elasticity * mean_ridge / self._parameters[parameter]
            parts.append((rate, differentiate(self.result, "ridge")))
        return _sum(parameter, parts)


class Trained:
    """Derivatives after the head that an objective trains."""

    def __init__(self, points: Mapping[str, Array], fixed: Mapping[str, Any]) -> None:
        from asymptotics.training import trained_gain

        self._head = _Head(points, fixed)
        gain = trained_gain(points, fixed)
        self.known = gain["converged"]
        self._log_gain = np.where(self.known, gain["log_gain"], 0.0)
        probe = {k: v for k, v in fixed.items() if k not in OF_OBJECTIVE}
        given = {k: v for k, v in points.items() if k not in OF_OBJECTIVE}
        self._probe = Given({**given, "gain": np.exp(self._log_gain)}, probe)
        self.result = self._probe.result

    def __call__(self, parameter: str) -> Derivative:
        """Direct and through the gain; a collapsed head does not move."""
        if parameter == "gain":
            raise InvalidInput("gain is not a parameter of a trained head: its objective sets it")
        given = {**self._head.fixed, **self._head.points}
        if parameter in OF_TRAINING and given.get(parameter) is None:
            raise InvalidInput(f"{parameter} is not given, so there is nothing to move")
        if parameter == "dimension" and self._head.fixed["objective"] in _INTEGER_DIMENSION:
            raise InvalidInput("the exact cosine loss has integer dimensions; use cosine-scaled")
        parts = []
        if parameter in PARAMETERS or parameter == "num_samples":
            parts.append((1.0, self._probe(parameter)))
        if parameter in (*OF_TRAINING, "signal"):
            finite = np.isfinite(self._log_gain)
            slope, error = self._head.log_gain_slope(parameter, np.where(finite, self._log_gain, 0))
            by_gain = differentiate(self.result, "gain")
            gain = np.where(finite, np.exp(self._log_gain), 0.0)
            part = _sum(parameter, [(gain * slope, by_gain)])
            doubt = np.abs(gain * by_gain.accuracy) * error + part.error_estimate
            parts.append((1.0, Derivative(parameter, part.accuracy, part.log_test_error, doubt)))
        if not parts:
            allowed = ", ".join((*(n for n in PARAMETERS if n != "gain"), *OF_TRAINING))
            raise InvalidInput(f"parameter must be one of {allowed}, got {parameter!r}")
        return _sum(parameter, parts)


@dataclass(frozen=True)
class _Head:
    """The slope of an objective's landscape at any parameters near the points."""

    points: Mapping[str, Array]
    fixed: Mapping[str, Any]

    def log_gain_slope(self, parameter: str, log_gain: Array) -> tuple[Array, Array]:
        """(d log a/d parameter, its error estimate) at the minima `log_gain`."""
        given = {**self.fixed, **self.points}
        at = np.broadcast_to(np.asarray(given[parameter], dtype=float), log_gain.shape)
        if np.any(at <= 0):
            raise InvalidInput(f"{parameter} must be > 0 for a derivative, got {at.min()}")

        def along(shift: float) -> Array:
            return self._slope(log_gain, {parameter: at * (1 + shift)})

        def bend(shift: float) -> Array:
            return self._slope(log_gain + shift, {})

        answers = [
            -_fourth_order(along, step) / at / _fourth_order(bend, step)
            for step in (_STEP, 2 * _STEP)
        ]
        return answers[0], np.abs(answers[0] - answers[1])

    def _slope(self, log_gain: Array, moved: Mapping[str, Array]) -> Array:
        from asymptotics.contrastive.inputs import find_objective, read_setting

        given = {**self.fixed, **self.points, **moved}
        entry = find_objective(given["objective"])
        views = view_pair(given | {"signal": np.broadcast_to(given["signal"], log_gain.shape)})
        setting, _, _ = read_setting(
            entry, views, given.get("temperature"), given["dimension"], np.inf
        )
        landscape = entry.landscape(setting)
        return np.asarray(landscape.slope(log_gain, *landscape.parameters))


def _fourth_order(function: Callable[[float], Array], step: float) -> Array:
    """f'(0) from the points +-step, +-2 step."""
    near, far = (function(k * step) - function(-k * step) for k in (1, 2))
    return (8 * near - far) / (12 * step)


def _sum(parameter: str, parts: Sequence[tuple[float | Array, Derivative]]) -> Derivative:
    """sum_k factor_k derivative_k, errors added."""
    return Derivative(
        parameter,
        np.sum([factor * part.accuracy for factor, part in parts], axis=0),
        np.sum([factor * part.log_test_error for factor, part in parts], axis=0),
        np.sum([np.abs(factor) * part.error_estimate for factor, part in parts], axis=0),
    )
