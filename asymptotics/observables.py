"""Observables of a fitted probe in the limit: a table, each a function of the margin laws.

Test observables need the law of a fresh margin alone; those of the training set need its proximal
map. Every one is an array over the grid of the limit, nan where the limit is not known. Formulas:
docs/theory/observables.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from asymptotics.errors import InvalidInput, did_you_mean
from asymptotics.limits import Limit
from asymptotics.losses import Loss, Quadratic
from asymptotics.margins import MarginLaws
from asymptotics.probes import find_probe
from asymptotics.training_margins import training_margins

Array = NDArray[np.float64]

_NODES = (192, 288, 768, 1152)
_TOLERANCE = 1e-10


def class_accuracies(laws: MarginLaws) -> tuple[Array, Array]:
    """Accuracy among the samples labelled +1 and -1: weighted means over their components."""
    accuracies = laws.accuracies()
    found = []
    for label in (1, -1):
        chosen = laws.label == label
        weight = laws.weight[chosen]
        found.append(np.sum(weight * accuracies[chosen], axis=0) / np.sum(weight, axis=0))
    return found[0], found[1]


def balanced_accuracy(laws: MarginLaws) -> Array:
    """Mean of the accuracies of the two classes."""
    positive, negative = class_accuracies(laws)
    return 0.5 * (positive + negative)


def area_under_curve(laws: MarginLaws) -> Array:
    """P(a sample labelled +1 scores above one labelled -1), the area under the ROC curve.

    sum_{c, c'} w_c w_c' Phi((f_c - f_c')/sqrt(s_c^2 + s_c'^2)) over pairs of opposite labels, f the
    mean score y (margin); the intercept drops out.
    """
    total, mass = np.zeros(laws.mean.shape[1:]), np.zeros(laws.mean.shape[1:])
    for i in np.flatnonzero(laws.label == 1):
        for j in np.flatnonzero(laws.label == -1):
            weight = laws.weight[i] * laws.weight[j]
            spread = np.hypot(laws.deviation[i], laws.deviation[j])
            # mean scores are mean_i and -mean_j
            total += weight * ndtr((laws.mean[i] + laws.mean[j]) / spread)
            mass += weight
    return total / mass


def training_error(limit: Limit) -> Array:
    """Fraction of training samples on the wrong side of the rule, by their training labels."""
    return _over_training(limit, _wrong)


def training_loss(limit: Limit) -> Array:
    """Mean of the loss over the training samples, class weights included, penalty not."""
    return _over_training(limit, _mean_loss, weighted=True)


def support_fraction(limit: Limit) -> Array:
    """Fraction of training samples that carry the fit: loss'(u) < 0, a constraint, or a kink.

    Without a flat piece of the loss all samples do.
    """
    return _over_training(limit, _support)


TEST: dict[str, Callable[[MarginLaws], Array]] = {
    "accuracy-positive": lambda laws: class_accuracies(laws)[0],
    "accuracy-negative": lambda laws: class_accuracies(laws)[1],
    "balanced-accuracy": balanced_accuracy,
    "auc": area_under_curve,
}
TRAINING: dict[str, Callable[[Limit], Array]] = {
    "training-error": training_error,
    "training-loss": training_loss,
    "support-fraction": support_fraction,
}
CALIBRATION = "calibration-error"
NAMES = (*TEST, *TRAINING, CALIBRATION)


def available(loss: str) -> tuple[str, ...]:
    """The observables that a probe of that name has."""
    probe = find_probe(loss)
    if probe.loss is None:
        return tuple(TEST)
    logistic = probe.loss.name == "logistic"
    return (*TEST, *TRAINING, *((CALIBRATION,) if logistic else ()))


def observe(limit: Limit, name: str) -> Array:
    """The observable of that name at every point of a limit; InvalidInput names those there are."""
    if name in TEST:
        with np.errstate(invalid="ignore"):
            return TEST[name](limit.margins)
    if name in TRAINING:
        if limit.problem.probe.loss is None:
            raise InvalidInput(f"{name}: {limit.problem.loss} is not fitted to training samples")
        return TRAINING[name](limit)
    if name == CALIBRATION:
        from asymptotics.calibration import calibration_error

        return calibration_error(limit)
    hint = did_you_mean(name, NAMES)
    raise InvalidInput(f"quantity must be one of {', '.join(NAMES)}, got {name!r}{hint}")


def margin_distribution(limit: Limit, margin: ArrayLike) -> tuple[Array, Array]:
    """(P(fresh margin <= t), P(training margin <= t)) at every t, of a single limit.

    `margin` t is a list. Of fresh samples sum_c w_c Phi((t - mean_c)/s_c); of training samples
    P(w <= t + gamma loss'(t+)), the prox being monotone, with jumps at the atoms. The margins are
    those of the rule that was fitted and of right and wrong labels as they were given.
    """
    t = np.atleast_1d(np.asarray(margin, dtype=float))
    laws = limit.margins.reshape((1,))
    fresh = np.sum(laws.weight * ndtr((t - laws.mean) / laws.deviation), axis=0)
    training = [_over_training(limit, partial(_at_most, margin=float(value))).item() for value in t]
    return fresh, np.array(training)


def _at_most(loss: Loss, gamma: Array, mean: Array, deviation: Array, *, margin: float) -> Array:
    """P(prox(w) <= t) = P(w <= t + gamma loss'(t+))."""
    if margin < loss.pieces[0].lower:
        return np.where(np.isnan(mean), np.nan, 0.0)
    piece = next((p for p in loss.pieces if p.lower <= margin < p.upper), None)
    if piece is None:  # at or beyond the last finite margin
        return np.where(np.isnan(mean), np.nan, 1.0)
    slope = piece.derivative(np.array([margin]))[0]
    return np.asarray(ndtr((margin + gamma * slope - mean) / deviation))


def _over_training(
    limit: Limit, average: Callable[[Loss, Array, Array, Array], Array], weighted: bool = False
) -> Array:
    """Mean over the draws of training samples of average(loss, gamma, mean, s).

    `weighted` counts a draw with the weight of its class, as its loss does.
    """
    problem, shape = limit.problem, limit.margins.mean.shape[1:]
    loss = problem.probe.loss
    assert loss is not None
    size = int(np.prod(shape))
    laws = limit.margins.reshape((size,))

    def flat(value: ArrayLike) -> Array:
        return np.broadcast_to(np.asarray(value, dtype=float), shape).ravel()

    noise, weights = flat(problem.label_noise), [flat(w) for w in problem.class_weights]
    total = np.zeros(size)
    for c, label in enumerate(laws.label):
        for sign, share in ((1, 1 - noise), (-1, noise)):
            if not np.any(share):
                continue
            omega = weights[0 if sign * label > 0 else 1]
            part = average(loss, omega * laws.step[c], sign * laws.mean[c], laws.deviation[c])
            total += laws.weight[c] * share * part * (omega if weighted else 1.0)
    return total.reshape(shape)


def _wrong(loss: Loss, gamma: Array, mean: Array, deviation: Array) -> Array:
    """P(u < 0) = P(w < gamma loss'(0)), the prox being monotone; 0 where u cannot be negative."""
    piece = next((p for p in loss.pieces if p.lower < 0 <= p.upper), None)
    if piece is None:
        return np.where(np.isnan(mean), np.nan, 0.0)
    slope = piece.derivative(np.array([0.0]))[0]
    return np.asarray(ndtr((gamma * slope - mean) / deviation))


def _support(loss: Loss, gamma: Array, mean: Array, deviation: Array) -> Array:
    """P(w below the flat piece of the loss), 1 without one."""
    last = loss.pieces[-1]
    flat = isinstance(last, Quadratic) and last.slope == last.curvature == 0
    if not flat or np.isfinite(last.upper):
        return np.where(np.isnan(mean), np.nan, 1.0)
    return np.asarray(ndtr((last.lower - mean) / deviation))


def _mean_loss(loss: Loss, gamma: Array, mean: Array, deviation: Array) -> Array:
    """E loss(prox(w)), refined until it moves by less than 1e-10 of itself, else nan."""
    result = np.full(mean.size, np.nan)
    left, previous = np.flatnonzero(np.isfinite(mean)), np.full(mean.size, np.inf)
    for nodes in _NODES:
        rule = training_margins(loss, gamma[left], mean[left], deviation[left], nodes)
        value = rule.average(loss(rule.margins))
        settled = np.abs(value - previous[left]) <= _TOLERANCE * (1e-3 + np.abs(value))
        result[left[settled]] = value[settled]
        previous[left] = value
        left = left[~settled]
        if not left.size:
            break
    return result
