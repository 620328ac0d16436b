"""InfoNCE with inner products for K classes: a scalar on the simplex, a matrix for any means.

With E = sum_k pi_k mu_k mu_k^T and X = W^T W/tau in the span of the means, the convex loss of
multiclass.md (equation 15) has the gradient

    -(E + 1) + (D/2)(X (E + D) + (E + D) X) + sym E[h (sum_k p_k mu_k)^T],
    p_k ~ pi_k exp(h^T X mu_k),  h = mu_j + sqrt(D) z,  j ~ pi.

With the norm of the head fixed and temperature tau, the first term is -(E + D^2/tau).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, root
from scipy.special import softmax

from asymptotics.errors import NotConverged
from asymptotics.multiclass.gaussian_rule import (
    GaussianRule,
    lattice_rule,
    left_out,
    orbit_rule,
    sobol_rules,
    student_error,
)
from asymptotics.multiclass.mixture import MulticlassMixture

Array = NDArray[np.float64]

_MOST_ORBITS = 80_000
# lattices serve the general head up to this many directions of the means
_LATTICE_DIRECTIONS = 4


def inner_product_head(
    mixture: MulticlassMixture, augmentation: float, temperature: float | None = None
) -> tuple[Array, float]:
    """(W on the block, error estimate of log W) for means in any position.

    Across the means the gain is 1, as across the block. Raises NotConverged.
    """
    r = mixture.means.shape[1]
    _, sizes, turn = np.linalg.svd(mixture.means)
    turn = turn[: int(np.sum(sizes > 1e-12 * sizes[0]))] if sizes[0] > 0 else turn[:0]
    if len(turn) == 0:
        return np.eye(r), 1e-14
    means, noise = mixture.means @ turn.T, 1 + augmentation**2
    unit = noise**2 if temperature is None else temperature
    pull = 1.0 if temperature is None else noise**2 / temperature
    found, error = _refined(means, mixture.priors, noise, pull)
    values, vectors = np.linalg.eigh(found)
    if not values[0] > 0:
        raise NotConverged(f"InfoNCE: the optimum has the eigenvalue {values[0]:.3g}, not a head")
    inner = (vectors * np.sqrt(unit * values)) @ vectors.T
    head = np.eye(r) + turn.T @ (inner - np.eye(len(inner))) @ turn
    return head, error / float(values[0]) / 2


def _refined(means: Array, priors: Array, noise: float, pull: float) -> tuple[Array, float]:
    """(X, largest error of an entry), on lattices or the mean of Sobol replicates."""
    d = means.shape[1]
    if d > _LATTICE_DIRECTIONS:
        solved = [_solve(means, priors, noise, pull, r) for r in sobol_rules(d + 1, 10, 8, 0)]
        return np.mean(solved, axis=0), float(student_error(np.array(solved)).max())
    last, move = _solve(means, priors, noise, pull, lattice_rule(d + 1, 1.6)), np.inf
    for spacing in 1.6 * 0.8 ** np.arange(1, 16):
        try:
            rule = lattice_rule(d + 1, float(spacing), 20_000)
        except NotConverged:
            break
        here = _solve(means, priors, noise, pull, rule, last)
        move, last = float(np.abs(here - last).max()), here
        if move < 1e-11:
            break
    return last, move + 1e-13


def _solve(
    means: Array,
    priors: Array,
    noise: float,
    pull: float,
    rule: GaussianRule,
    start: Array | None = None,
) -> Array:
    """The root of the gradient on one rule. Raises NotConverged."""
    d = means.shape[1]
    between = (means.T * priors) @ means
    stiffness = noise * (between + noise * np.eye(d))
    h = means[:, None, :] + np.sqrt(noise) * rule.contrasts()
    upper = np.triu_indices(d)

    def unpacked(entries: Array) -> Array:
        full = np.zeros((d, d))
        full[upper] = entries
        return full + np.triu(full, 1).T

    def gradient(entries: Array) -> Array:
        x = unpacked(entries)
        p = softmax(h @ x @ means.T + np.log(priors), axis=2)
        moment = np.einsum("j,n,jna,jnb->ab", priors, rule.weights, h, p @ means, optimize=True)
        slope = x @ stiffness + moment
        return np.asarray(((slope + slope.T) / 2 - between - pull * np.eye(d))[upper])

    first = np.eye(d) * pull / noise**2 if start is None else start
    found = root(gradient, first[upper], method="hybr", options={"xtol": 1e-13})
    size = float(np.abs(gradient(found.x)).max()) / (pull + float(np.abs(between).max()))
    if not size < 1e-10:
        raise NotConverged(f"InfoNCE of {len(means)} classes: residual {size:.1e}")
    return unpacked(found.x)


def inner_product_gain(
    classes: int, signal: float, augmentation: float, temperature: float | None = None
) -> tuple[float, float]:
    """(a, error estimate of log a) of InfoNCE with inner products on the simplex of radius R.

    With e = R^2/(K-1), t_k = h.mu_k for h ~ N(mu_1, D I), the root x of

        -(e + 1) + D (e + D) x + E[sum_k p_k t_k]/(K-1) = 0,      p = softmax(x t),

    an increasing function with a root in [0, (e + 1)/(D (e + D))], gives a = D sqrt x. With the
    norm of the head fixed and temperature tau, e + 1 becomes e + D^2/tau and a = sqrt(tau x).
    """
    noise, energy = 1 + augmentation**2, signal**2 / (classes - 1)
    pull = energy + (1.0 if temperature is None else noise**2 / temperature)
    stiffness = noise * (energy + noise)
    scale = signal**2 * classes / (classes - 1)

    def root_on(rule: GaussianRule) -> float:
        t = np.sqrt(scale * noise) * rule.nodes
        t[:, 0] += scale
        t -= t.mean(axis=1, keepdims=True)

        def slope(x: float) -> float:
            p = np.exp(x * (t - t.max(axis=1, keepdims=True)))
            mean = np.sum(p * t, axis=1) / p.sum(axis=1)
            return float(stiffness * x - pull + rule.weights @ mean / (classes - 1))

        return float(brentq(slope, 0.0, pull / stiffness * (1 + 1e-9), xtol=1e-300, rtol=1e-14))

    x, error = np.nan, np.inf
    for spacing in 1.6 * 0.8 ** np.arange(20):
        try:
            found = root_on(orbit_rule(classes, spacing, most_nodes=_MOST_ORBITS))
        except NotConverged:
            break
        error, x = abs(np.log(found / x)) / 2, found
        if error < 1e-12:
            break
    unit = noise**2 if temperature is None else temperature
    return float(np.sqrt(unit * x)), float(error + left_out(classes))
