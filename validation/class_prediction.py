"""The limiting accuracy of a K-class probe on estimated features.

Means and covariances are those of `class_covariances`; the formulas are those of multiclass.md,
for a covariance of each class where square and nearest-mean need no integral
(features.md, K classes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.multiclass.argmax import NESTED_CLASSES, confusion_matrix
from asymptotics.multiclass.gaussian_rule import GaussianRule, lattice_rule, sobol_rules
from asymptotics.multiclass.geometry import BlockGeometry
from asymptotics.multiclass.mixture import MOST_CLASSES, contrast_basis
from asymptotics.multiclass.softmax import Orders, SoftmaxEquations, first_orders
from validation.class_covariances import CovarianceMoments, EstimatedCovariances
from validation.class_geometry import EstimatedClasses

Array = NDArray[np.float64]

# Far below the error of an estimate: nodes of an orthant or log2 of its points; residuals of the
# softmax's fixed point and of gamma; spacings of its lattice, log2 of half its Sobol points.
_NODES, _LOG2_POINTS = 30, 8
_RESIDUAL, _EXACT = 1e-4, 1e-9
_SWEEPS = 300
_SPACINGS = {2: 0.5, 3: 1.0}
_LOG2_SOFTMAX = {k: 7 if k < 8 else 6 for k in range(4, MOST_CLASSES + 1)}


@dataclass(frozen=True)
class ClassLogits:
    """Mean logits of each class, (K, K), and their covariance in it, (K, K, K).

    orders: of the softmax, from where the next problem starts; None for the others.
    residual: of the fixed point or of gamma's equations, relative.
    """

    means: Array
    covariances: Array
    residual: float
    orders: Orders | None = None

    def accuracy(self, priors: Array) -> float:
        """sum_k pi_k P(the logit k is the largest | class k)."""
        size = _NODES if len(priors) <= NESTED_CLASSES else _LOG2_POINTS
        distinct, which = np.unique(self.covariances, axis=0, return_inverse=True)
        right = np.empty(len(priors))
        for s, covariance in enumerate(distinct):
            chosen = which.ravel() == s
            right[chosen] = np.diag(confusion_matrix(self.means, covariance, size))[chosen]
        return float(priors @ right)


def estimated_logits(
    estimate: EstimatedCovariances,
    loss: str,
    num_samples: int,
    priors: Array,
    ridge: float | None,
    intercept: bool,
    start: Orders | None = None,
) -> ClassLogits:
    """The logits of the probe `loss` of `asymptotics.multiclass` on `num_samples` samples.

    start: orders of a softmax nearby. Raises InvalidInput; NotConverged where the equations have
    no solution that is the law of logits.
    """
    if loss == "nearest-mean":
        found = _nearest_mean(estimate, num_samples, priors)
    elif ridge is None:
        raise InvalidInput(f"ridge is required by the loss {loss}, a number > 0")
    elif loss == "square":
        found = _square(estimate, num_samples, priors, ridge, intercept)
    elif len(estimate.freedom) > 1:
        raise InvalidInput("softmax of K classes is predicted with one covariance for all classes")
    else:
        found = _softmax(estimate, num_samples, priors, ridge, intercept, start)
    basis = contrast_basis(len(priors))
    spread = np.linalg.eigvalsh(basis.T @ found.covariances @ basis)
    # how much larger a class's own logit is in it than in the others
    signal = np.trace(found.means) - found.means.sum() / len(priors)
    if not (np.all(spread > 0) and signal > 0):
        raise NotConverged(f"{loss}: the estimated means are below the noise of their estimate")
    return found


def _nearest_mean(e: EstimatedCovariances, num_samples: int, priors: Array) -> ClassLogits:
    """multiclass.md, equation 12, with a covariance for each class:

    M_jk = nu_j.nu_k - |nu_k|^2/2 - tr S_k/(2 n pi_k),
    Q_j,kl = nu_k^T S_j nu_l + d_kl tr[S_j S_k]/(n pi_k).
    """
    moments = e.moments(1.0, np.zeros(len(e.freedom)))
    of, share = e.covariance_of, 1 / (num_samples * priors)
    lengths = np.diag(moments.overlaps) + moments.traces[of] * share
    noise = moments.pair_traces[:, of] * share
    spread = moments.pair_overlaps + noise[:, :, None] * np.eye(len(priors))
    return ClassLogits(moments.overlaps - lengths / 2, spread[of], 0.0)


def _square(
    e: EstimatedCovariances, num_samples: int, priors: Array, ridge: float, intercept: bool
) -> ClassLogits:
    """multiclass.md, equations 9 to 11, with a covariance for each class (features.md)."""
    share = np.bincount(e.covariance_of, weights=priors)
    e, unit = e.in_natural_units()
    ridge = ridge / unit

    def residual(x: Array) -> tuple[Array, Array]:
        w = np.exp(x)
        m = e.moments(ridge, w)
        loaded = 1 + m.traces / num_samples
        slopes = m.curvature_slopes / m.curvature[:, None]
        slopes += m.trace_slopes / (num_samples * loaded)[:, None]
        return np.log(m.curvature * loaded / share), slopes * w

    # V (1 + T/n) rises with w, at most in proportion: multiplicative sweeps approach the root
    x = np.log(share)
    with np.errstate(all="ignore"):
        for _ in range(_SWEEPS):
            excess, _ = residual(x)
            x = x - excess
            if np.abs(excess).max() < 0.05:
                break
        found = root(residual, x, jac=True, method="hybr")
        left = float(np.abs(residual(found.x)[0]).max())
    if not left < _EXACT:
        raise NotConverged(f"square: residual {left:.1e} at n = {num_samples}; try fewer samples")
    moments = e.moments(ridge, np.exp(found.x))
    return _square_logits(moments, e, num_samples, priors, intercept, left)


def _square_logits(
    m: CovarianceMoments,
    e: EstimatedCovariances,
    num_samples: int,
    priors: Array,
    intercept: bool,
    residual: float,
) -> ClassLogits:
    of, classes = e.covariance_of, len(priors)
    curvature = priors / (1 + m.traces[of] / num_samples)
    labels = np.eye(classes) - 1 / classes
    centre = np.eye(classes)
    if intercept:
        centre -= curvature / curvature.sum()
    drive = (m.overlaps * curvature) @ centre
    means = np.linalg.solve(np.eye(classes) + drive, drive @ labels)
    gap = centre @ (labels - means)
    pull = curvature[:, None] * gap
    energy = np.einsum("ca,scd,db->sab", pull, m.pair_overlaps, pull)
    weight = curvature**2 / priors
    member = np.eye(len(e.freedom))[of]  # (K, S)
    noise = np.einsum("c,cs,ca,cb->sab", weight, member, gap, gap)
    pairs = m.pair_traces / num_samples
    fixed = energy + np.tensordot(pairs, noise, axes=1)
    system = np.eye(len(pairs)) - pairs * (weight @ member)
    spread = np.linalg.solve(system, fixed.reshape(len(pairs), -1)).reshape(fixed.shape)
    return ClassLogits(labels - gap, spread[of], residual)


def _softmax(
    e: EstimatedCovariances,
    num_samples: int,
    priors: Array,
    ridge: float,
    intercept: bool,
    start: Orders | None,
) -> ClassLogits:
    """multiclass.md, equations 2 to 4, on one rule; without a start from a large ridge."""
    classes = len(priors)
    e, unit = e.in_natural_units()
    rule = softmax_rule(classes)

    geometry = cast(BlockGeometry, EstimatedClasses.of(e, priors, ridge / unit, num_samples))
    equations = SoftmaxEquations(geometry, rule, intercept)
    if start is None:
        start = first_orders(geometry, rule, intercept)
    orders, residual, _ = equations.solve(start, _RESIDUAL)
    means, spread = geometry.logits(orders.curvature, orders.pulls, orders.noise)
    basis = contrast_basis(classes)
    covariance = basis @ spread @ basis.T
    return ClassLogits(
        (means + orders.offset) @ basis.T,
        np.broadcast_to(covariance, (classes, classes, classes)),
        residual,
        orders,
    )


def softmax_rule(classes: int) -> GaussianRule:
    """A lattice up to K = 3; above, Sobol points and their opposites with second moments 1.

    Whitening and reflection make the rule exact for polynomials of degree three. Accuracy is
    within 1e-3 of finer rules, within 1e-4 at the ridges that predict well.
    """
    if classes in _SPACINGS:
        return lattice_rule(classes, _SPACINGS[classes])
    (rule,) = sobol_rules(classes, _LOG2_SOFTMAX[classes], 1, 0)
    z = rule.contrasts()
    root_of_moments = np.linalg.cholesky(z.T @ z / len(z))
    z = np.linalg.solve(root_of_moments, z.T).T
    z = np.concatenate([z, -z])
    return GaussianRule(z @ contrast_basis(classes).T, np.full(len(z), 1 / len(z)))
