"""One trial of a probe: fresh samples at each dimension, a certified fit, its exact accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from asymptotics.errors import NotConverged
from asymptotics.mixture import isotropic_mixture, spectral_mixture
from asymptotics.projectors import Gain
from asymptotics.sweep import make_problem
from validation.component_data import ComponentFeatures, components_at
from validation.data import GaussianFeatures, at_dimension
from validation.probes import NotSeparable, Separable, fit_probe

Features = GaussianFeatures | ComponentFeatures


def probe_trial(
    rng: np.random.Generator,
    *,
    mixture: Mapping[str, Any],
    gain: float,
    prior: float,
    loss: str,
    ridge: float | None,
    intercept: bool,
    sampling_ratio: float,
    dimensions: Sequence[int],
    trial: int,
) -> list[float | str]:
    """Exact accuracy of a probe fitted to n = sampling_ratio p fresh samples, for each dimension p.

    `mixture` as in `features_at`; `ridge` is that of the mean over samples; `trial` only names the
    random numbers. n is rounded at random, so that its mean is sampling_ratio p: rounding to the
    nearest integer would add a bias of order 1/p that is no smooth function of p. Where a sample
    has no fit, the reason stands in the place of its accuracy.
    """
    return [
        fitted_accuracy(
            rng,
            _law_at(mixture, p, gain, prior),
            int(np.floor(sampling_ratio * p + rng.random())),
            (loss, ridge, intercept),
        )
        for p in dimensions
    ]


def _law_at(mixture: Mapping[str, Any], dimension: int, gain: float, prior: float) -> Features:
    """`features_at`, or components whose key holds parameters of `make_problem`."""
    if "components" not in mixture:
        return features_at(mixture, dimension, gain, prior)
    given = dict(mixture["components"])
    noise, balanced = given.pop("label_noise", 0.0), given.pop("balanced", False)
    problem = make_problem(loss="averaging", sampling_ratio=1.0, prior=prior, gain=gain, **given)
    law = components_at(problem.mixture, dimension, problem.projector, noise)
    return replace(law, balanced=balanced)


def fitted_accuracy(
    rng: np.random.Generator,
    features: Features,
    num_samples: int,
    probe: tuple[str, float | None, bool],
) -> float | str:
    """Exact accuracy of a probe (loss, ridge, intercept) on fresh samples, or why there is none."""
    loss, ridge, intercept = probe
    sample, labels = features.draw(num_samples, rng)
    if np.all(labels == labels[:1]):
        return "a sample has one class only"
    try:
        fit = fit_probe(loss, sample, labels, ridge, intercept)
    except NotSeparable:
        return "a sample is not separable"
    except Separable:
        return "a sample is separable"
    except NotConverged:
        return "a fit did not converge"
    return features.accuracy(fit.theta, fit.intercept)


def features_at(
    mixture: Mapping[str, Any], dimension: int, gain: float, prior: float
) -> GaussianFeatures:
    """The features of a mixture in `dimension` coordinates, behind a head of that gain.

    `mixture` has one key: ``signal`` (R), ``spectrum`` (as `spectral_mixture` takes it), or
    ``coordinates``: ``means`` and ``scales`` of explicit features in a basis that diagonalises
    their covariance, of which dimension/p0 independent copies are taken, each with 1/sqrt(copies)
    of the mean, so that the spectrum is that of one; `gain` is in them already.
    """
    if "coordinates" in mixture:
        means, scales = (np.asarray(mixture["coordinates"][k]) for k in ("means", "scales"))
        copies = dimension // means.size
        return GaussianFeatures(
            np.tile(means, copies) / np.sqrt(copies),
            np.zeros((0, 0)),
            np.tile(scales, copies),
            prior,
        )
    if "signal" in mixture:
        law = isotropic_mixture(mixture["signal"], prior)
    else:
        law = spectral_mixture(**mixture["spectrum"], prior=prior)
    return at_dimension(law, dimension, Gain(gain))
