"""Linear probes fitted to a finite sample, each returned with a certificate of its optimum.

    theta = argmin (1/n) sum_i loss(y_i (z_i.theta + b)) + (ridge/2) |theta|^2

with the losses (1/2)(1-u)^2, log(1 + e^-u), (1-u)_+ and (1/2)(1-u)_+^2, and b = 0 or free and
unpenalised; and the limits that have no ridge. `PROBES` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.typing import ArrayLike

from asymptotics.errors import InvalidInput
from validation.probes.logistic import fit_logistic, fit_logistic_mle
from validation.probes.quadratic import (
    fit_averaging,
    fit_hinge,
    fit_least_squares,
    fit_max_margin,
    fit_min_norm,
    fit_square,
    fit_squared_hinge,
)
from validation.probes.record import Certificate, NotSeparable, ProbeFit, Separable
from validation.probes.sample import Sample

__all__ = ["PROBES", "Certificate", "NotSeparable", "Probe", "ProbeFit", "Separable", "fit_probe"]


@dataclass(frozen=True)
class Probe:
    """One entry: how to fit, whether a ridge must be given, whether an intercept may be."""

    fit: Callable[..., ProbeFit]
    penalised: bool
    intercept: bool = True


PROBES: dict[str, Probe] = {
    "square": Probe(fit_square, penalised=True),
    "logistic": Probe(fit_logistic, penalised=True),
    "squared-hinge": Probe(fit_squared_hinge, penalised=True),
    "hinge": Probe(fit_hinge, penalised=True),
    "max-margin": Probe(fit_max_margin, penalised=False),
    "min-norm": Probe(fit_min_norm, penalised=False),
    "least-squares": Probe(fit_least_squares, penalised=False),
    "logistic-mle": Probe(fit_logistic_mle, penalised=False),
    "averaging": Probe(fit_averaging, penalised=False, intercept=False),
}


def fit_probe(
    loss: str,
    features: ArrayLike,
    labels: ArrayLike,
    ridge: float | None = None,
    intercept: bool = False,
) -> ProbeFit:
    """Fit the probe named `loss` (a key of `PROBES`) to `features` (n x p) and `labels` (+-1).

    `ridge` as in the formula above: required, positive, for the penalised probes and refused by
    the others. Raises `InvalidInput`; `NotSeparable` (max-margin) or `Separable` (logistic-mle)
    where the optimum does not exist, with the proof; `NotConverged` when a certificate fails.
    """
    if loss not in PROBES:
        raise InvalidInput(f"unknown probe {loss!r}: choose one of {', '.join(PROBES)}")
    probe = PROBES[loss]
    if probe.penalised and not (ridge is not None and 0 < ridge < float("inf")):
        raise InvalidInput(f"{loss} needs a positive finite ridge, got {ridge}")
    if not probe.penalised and ridge is not None:
        raise InvalidInput(f"{loss} takes no ridge, got {ridge}")
    if intercept and not probe.intercept:
        raise InvalidInput(f"{loss} has no intercept")
    options = {"ridge": ridge} if probe.penalised else {}
    if probe.intercept:
        options["intercept"] = intercept
    return probe.fit(Sample.of(features, labels), **options)
