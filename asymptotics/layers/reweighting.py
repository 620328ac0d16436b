"""The fixed reweighting head z_i = h_i / kappa^{i-1} behind a linear encoder h = W h0.

The spectral loss sees only Z = D W, D = diag(kappa^{-(i-1)}): the best Z is that of no head, and
the encoder undoes the head, W = D^{-1} Z, up to a rotation Q of z that the loss does not fix and
D^{-1} does not commute with. What fixes Q and lets the head matter to h (layers.md, the reweighting
head):

* training from W = w0 I, where feature i stays at output i: encoder weight kappa^{i-1} w_i, learned
  kappa^{2(i-1)} times slower (`reweighted_flow`);
* weight decay lambda |W|_F^2, a price c_i = kappa^{2(i-1)} of output i for w^2: features are
  assigned to outputs, and the dear outputs are given up (`reweighted_optimum`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from asymptotics.errors import InvalidInput
from asymptotics.layers.decay import check_decay, feature_moments
from asymptotics.layers.flow import check_start
from asymptotics.layers.optimum import check_outputs, diagonal_optimum

Array = NDArray[np.float64]
Seats = NDArray[np.intp]


@dataclass(frozen=True)
class ReweightedOptimum:
    """Encoder and output weights of independent features, a row for every kappa, (K, d).

    encoder: |W e_i|, the weight of feature i before the head; 0 if it is dropped.
    after: |Z e_i| = encoder / kappa^{output}, the weight behind the head.
    output: the output of feature i, counted from 0, or -1 where it is dropped.
    loss: -2 E z.z' + E (z.z'')^2 + lambda |W|_F^2, (K,).
    """

    kappa: Array
    encoder: Array
    after: Array
    output: NDArray[np.intp]
    loss: Array


def reweighted_optimum(
    one_view: ArrayLike,
    across: ArrayLike,
    *,
    kappa: ArrayLike,
    decay: float = 0.0,
    outputs: int | None = None,
) -> ReweightedOptimum:
    """The optimum under weight decay on the encoder, one feature an output, for every kappa.

    Feature f at output i = 0, 1, ..., of price c_i = kappa^{2i}, has the z-weight
    sqrt(C_f - lambda c_i/2)/Sigma_f and attains -(C_f - lambda c_i/2)_+^2/Sigma_f^2; features are
    assigned to outputs so that the sum is least. For decay -> 0 (`decay` = 0) the k best features
    sit in the order of C/Sigma^2, the largest at the cheapest output (proved); with equal Sigma
    the order is that of C at any decay. In general it is not a sort, and that no mixture of
    features at an output does better is numerical (layers.md, decay on the encoder). At kappa = 1
    the outputs are equivalent and `output` is one choice.

    one_view, across: Sigma_ii and C_ii, (d,). kappa: > 0, (K,). outputs: k <= d, None for d.
    """
    variance, shared = feature_moments(one_view, across)
    if variance.ndim != 1:
        raise InvalidInput(f"one_view must be a list of features, got the shape {variance.shape}")
    strength, bases = check_decay(decay), _check_kappa(kappa)
    d = variance.size
    costs = _prices(bases, check_outputs(outputs, d))
    output = np.full((bases.size, d), -1, dtype=np.intp)
    for row, cost in zip(output, costs, strict=True):
        if strength > 0:
            features, seats = _assign(variance, shared, cost, strength)
        else:
            features, seats = _sort(variance, shared, cost)
        row[features] = seats
    seated = output >= 0
    price = np.take_along_axis(costs, np.where(seated, output, 0), axis=1)
    pull = np.where(seated, shared - 0.5 * strength * price, 0.0)
    after = np.sqrt(pull) / variance
    loss = -np.sum((pull / variance) ** 2, axis=-1)
    return ReweightedOptimum(bases, after * np.sqrt(price), after, output, loss)


def _assign(variance: Array, shared: Array, cost: Array, decay: float) -> tuple[Seats, Seats]:
    """(features, outputs) of the least sum of -(C - lambda c/2)_+^2/Sigma^2; no gain, no seat."""
    pull = np.maximum(shared - 0.5 * decay * cost[:, None], 0.0)
    seats, features = linear_sum_assignment(-((pull / variance) ** 2))
    gains = pull[seats, features] > 0
    return features[gains], seats[gains]


def _sort(variance: Array, shared: Array, cost: Array) -> tuple[Seats, Seats]:
    """The limit of weak decay: kept features by falling w^2 = C/Sigma^2, cheapest output first."""
    best = diagonal_optimum(variance, shared, outputs=cost.size, depth=1)
    features = np.flatnonzero(best.kept)
    features = features[np.argsort(-best.weight[features], kind="stable")]
    return features, np.argsort(cost, kind="stable")[: features.size]


@dataclass(frozen=True)
class ReweightedFlow:
    """Training from W = w0 I, feature i at output i: weights (K, T, d), a row for every kappa.

    encoder: |W e_i|, before the head. after: |Z e_i| = encoder / kappa^{i}, i = 0, 1, ...
    learning_time: when `after` reaches half of its final value, (K, d); infinite if that is 0.
    """

    kappa: Array
    time: Array
    encoder: Array
    after: Array
    learning_time: Array


def reweighted_flow(
    one_view: ArrayLike,
    across: ArrayLike,
    *,
    kappa: ArrayLike,
    times: ArrayLike,
    start: float,
    decay: float = 0.0,
) -> ReweightedFlow:
    """Gradient flow of the encoder in closed form (layers.md, equation 24): with c = kappa^{2i},

        dz/dt = (4/c) z (C' - z^2 Sigma^2),  C' = C - lambda c/2,  z(0) = w0/sqrt(c),
        z^2 = z0^2 e^s / (1 + z0^2 Sigma^2 (e^s - 1)/C'),  s = 8 C' t/c.

    one_view, across: Sigma_ii and C_ii, (d,), in the order of the outputs. kappa: > 0, (K,).
    times: (T,), >= 0; infinity is the end of training. start: w0 in [1e-100, 1e20].
    """
    variance, shared = feature_moments(one_view, across)
    if variance.ndim != 1:
        raise InvalidInput(f"one_view must be a list of features, got the shape {variance.shape}")
    bases, strength = _check_kappa(kappa), check_decay(decay)
    time = np.atleast_1d(np.asarray(times, dtype=float))
    if time.ndim != 1 or not np.all(time >= 0):
        raise InvalidInput("times must be a list of numbers >= 0")
    log_start = np.log(check_start(start))
    cost = _prices(bases, variance.size)
    pull = shared - 0.5 * strength * cost
    log_ratio = 2 * (log_start + np.log(variance)) - np.log(cost)  # of z0^2 Sigma^2
    t = time[:, None]
    squared = _logistic(log_ratio[:, None], pull[:, None], 8 / cost[:, None], t) / variance**2
    after = np.sqrt(squared)
    # half of the weight is a quarter of its square: e^s = (C'/ratio - 1)/3
    learnable = pull > 0
    safe = np.where(learnable, pull, 1.0)
    height = np.log(safe) - log_ratio  # log of C'/ratio
    late = height > np.log(4)
    growth = np.where(late, height + np.log1p(-np.exp(-np.maximum(height, 1.0))) - np.log(3), 0.0)
    delay = np.where(learnable, growth * cost / (8 * safe), np.inf)
    return ReweightedFlow(bases, time, after * np.sqrt(cost)[:, None], after, delay)


def _logistic(log_first: Array, limit: Array, rate: Array, time: Array) -> Array:
    """x(t) of dx/dt = rate x (limit - x) from log x = `log_first`, for any sign of the limit.

    With s = limit rate t: limit/(1 - e^{-s} + e^{log|limit| - log x(0) - s}), the same with -limit
    and -s in the exponents below 0, and 1/(1/x(0) + rate t) at it.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        s = np.where(limit == 0, 0.0, np.abs(limit) * rate * time)
        # infinite for ever: the flow has ended
        log_height = np.log(np.where(limit == 0, 1.0, np.abs(limit))) - log_first
        above = limit / (-np.expm1(-s) + np.exp(log_height - s))
        below = -limit / (np.expm1(s) + np.exp(log_height + s))
        critical = 1 / (np.exp(-log_first) + rate * time)
    return np.where(limit > 0, above, np.where(limit < 0, below, critical))


def _prices(kappa: Array, outputs: int) -> Array:
    """c_i = kappa^{2i} of the outputs i, (K, outputs); all within 1e-100 .. 1e100."""
    far = np.abs(np.log10(kappa)) * 2 * (outputs - 1) > 100
    if np.any(far):
        raise InvalidInput(
            f"kappa must have kappa^{2 * (outputs - 1)} in [1e-100, 1e+100] with {outputs} "
            f"features, got {kappa[far][0]:g}"
        )
    return np.asarray(kappa[:, None] ** (2 * np.arange(outputs)))


def _check_kappa(kappa: ArrayLike) -> Array:
    values = np.atleast_1d(np.asarray(kappa, dtype=float))
    bad = values[~(np.isfinite(values) & (values > 0))]
    if bad.size or values.ndim != 1:
        what = bad.flat[0] if bad.size else f"the shape {values.shape}"
        raise InvalidInput(f"kappa must be a number or a list of numbers > 0, got {what}")
    return values
