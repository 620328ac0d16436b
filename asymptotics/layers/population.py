"""A probe on finitely many features and infinitely many samples: the population's minimiser.

A layer with finitely many outputs (a one-output network after its head, a collapsed head) has no
bulk: n/p is unbounded and the fitted probe tends to

    argmin_{theta, b} sum_g pi_g E loss(nu_g.theta + y_g b + s_g Z) + (ridge/2) |theta|^2,      (16)

nu_g = y_g mean_g, s_g^2 = theta^T S_g theta. Without an intercept and with one feature only the
sign of theta matters, and it is that of sum_g pi_g nu_g, whatever the loss. Derivation:
supervised.md, many samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from asymptotics.gauss import margin_moments
from asymptotics.limits import CONVERGED, NO_LIMIT, NOT_CONVERGED
from asymptotics.losses import Loss
from asymptotics.mixture import Mixture
from asymptotics.probes import Existence, Probe

Array = NDArray[np.float64]

# largest gradient of a minimiser, features of unit size
_RESIDUAL = 1e-9
# relative size below which a pull on theta is rounding
_LOST = 1e-14
# step of the Moreau envelope that stands for the loss itself, its mean right to O(step)
_STEP = 1e-12
# a ridge at which the square loss is a good start, and the stride in its logarithm from there
_WEAK, _STRIDE = 0.03, 0.5
_NODES = 192
# deviation, features of unit size, that stands for none
_WHISPER = 1e-5


def population_accuracies(
    mixture: Mixture, probe: Probe, ridge: ArrayLike, intercept: bool = False
) -> tuple[Array, NDArray[np.str_]]:
    """(accuracy in each component, (G, points); status) of the minimiser of equation 16.

    mixture: without a batch; its bulk is not looked at. ridge: lambda >= 0, (points,).

    The status is "no limit" where there is no classifier: a probe that has to fit every sample
    (max-margin, min-norm) does not exist with infinitely many samples that overlap, and theta = 0
    classifies nothing; "not converged" where no stationary point was found, as where a hinge probe
    with an intercept is zero (probe.md, separability). Both are nan.
    """
    classes = mixture.classes
    ridges, back = np.unique(np.asarray(ridge, dtype=float), return_inverse=True)
    accuracies = np.full((len(classes), ridges.size), np.nan)
    status = np.full(ridges.size, NO_LIMIT, dtype="<U13")
    unfit = (Existence.SEPARABLE, Existence.INTERPOLATING)
    population = _standardised(mixture)
    if population.silent and population.signed.shape[1] == 1 and not intercept:
        theta = _lone_sign(population, probe.exists(intercept))
        if theta:
            accuracies[:] = population.accuracies(np.array([theta]), 0.0)[:, None]
            status[:] = CONVERGED
    elif probe.loss is not None and probe.exists(intercept) not in unfit:
        for point, value in enumerate(ridges / population.size**2):
            solution = _minimiser(population, probe.loss, value, intercept)
            if solution is None:
                status[point] = NOT_CONVERGED
            elif np.any(solution[0]):
                accuracies[:, point] = population.accuracies(*solution)
                status[point] = CONVERGED
    back = np.ravel(back)
    return accuracies[:, back], status[back]


@dataclass(frozen=True)
class _Population:
    """Components with features divided by `size`, which the ridge takes up.

    silent: no component has any noise; `covariance` then is of a noise that no margin feels, which
    keeps (16) smooth.
    """

    prior: Array
    labels: Array
    signed: Array
    covariance: Array
    size: float
    silent: bool

    def accuracies(self, theta: Array, b: float) -> Array:
        """Phi(mean/deviation) of every component."""
        mean, deviation = self.margins(theta, b)
        if not self.silent:
            return np.asarray(ndtr(mean / deviation))
        rounding = _LOST * (np.abs(self.signed) @ np.abs(theta) + abs(b))
        return np.where(np.abs(mean) <= rounding, 0.5, 1.0 * (mean > 0))

    def margins(self, theta: Array, b: float) -> tuple[Array, Array]:
        """Mean and deviation of the margin of every component."""
        variance = np.einsum("i,gij,j->g", theta, self.covariance, theta)
        return self.signed @ theta + self.labels * b, np.sqrt(variance)

    def square_start(self, ridge: float, intercept: bool) -> Array:
        """The minimiser of the square loss, (theta, b)."""
        design = np.column_stack([self.signed, self.labels]) if intercept else self.signed
        hessian = design.T * self.prior @ design
        k = self.signed.shape[1]
        hessian[:k, :k] += np.einsum("g,gij->ij", self.prior, self.covariance) + ridge * np.eye(k)
        return np.asarray(np.linalg.solve(hessian, self.prior @ design))

    def stationarity(self, x: Array, loss: Loss, ridge: float) -> tuple[Array, Array]:
        """Gradient and Hessian of (16) in x = (theta, b), or in theta if x has no b.

        With w = nu.theta + y b + s Z, c = S theta/s and Gaussian integration by parts

            gradient = E[nu l' + S theta l''],
            Hessian = E[l'' (nu + Z c)(nu + Z c)^T + l'' (S - c c^T)].
        """
        k = self.signed.shape[1]
        theta, b = x[:k], float(x[k]) if x.size > k else 0.0
        mean, deviation = self.margins(theta, b)
        m = margin_moments(loss, np.full(mean.size, _STEP), mean, deviation, _NODES)
        own = np.einsum("gij,j->gi", self.covariance, theta)
        padding = ((0, 0), (0, x.size - k))
        design = np.pad(self.signed, padding)
        design[:, k:] = self.labels[:, None]
        along = np.pad(own / deviation[:, None], padding)
        gradient = (self.prior * m.m1) @ design + (self.prior * m.m2) @ np.pad(own, padding)
        gradient[:k] += ridge * theta

        def outer(weight: Array, left: Array, right: Array) -> Array:
            return (left.T * (self.prior * weight)) @ right

        cross = outer(m.m2z, design, along)
        hessian = outer(m.m2, design, design) + cross + cross.T
        hessian += outer(m.m2zz - m.m2, along, along)
        hessian[:k, :k] += np.einsum("g,gij->ij", self.prior * m.m2, self.covariance)
        hessian[:k, :k] += ridge * np.eye(k)
        return gradient, hessian


def _standardised(mixture: Mixture) -> _Population:
    classes = mixture.classes
    signed = np.stack([c.label * np.asarray(c.mean) for c in classes])
    covariance = np.stack([np.asarray(c.covariance) for c in classes])
    size = float(np.sqrt(np.trace(covariance, axis1=1, axis2=2).max() / signed.shape[1]))
    silent = size == 0
    if silent:
        size = float(np.abs(signed).max())
        covariance = np.broadcast_to(
            np.square(_WHISPER * size) * np.eye(signed.shape[1]), covariance.shape
        )
    labels = np.array([c.label for c in classes], dtype=float)
    prior = np.array([float(np.asarray(c.prior)) for c in classes])
    return _Population(prior, labels, signed / size, covariance / size**2, size, silent)


def _lone_sign(population: _Population, existence: Existence) -> float:
    """Sign of the one number theta of a probe of features without noise; 0 if there is no probe.

    Separating probes need all margins of one sign, interpolating ones equal margins, and a fit
    without a ridge runs away where they are of one sign.
    """
    present = population.signed[population.prior > 0, 0]
    pull = float(population.prior @ population.signed[:, 0])
    if abs(pull) <= _LOST * np.abs(population.signed).max():
        return 0.0
    theta = float(np.sign(pull))
    separated = bool(np.all(theta * present > 0))
    equal = bool(np.ptp(present) <= _LOST * np.abs(present).max())
    exists = {
        Existence.SEPARABLE: separated,
        Existence.INTERPOLATING: equal,
        Existence.INSEPARABLE: not separated,
    }
    return theta if exists.get(existence, True) else 0.0


def _minimiser(
    population: _Population, loss: Loss, ridge: float, intercept: bool
) -> tuple[Array, float] | None:
    """(theta, b) at which (16) is stationary, which is enough by convexity; None if not found."""
    pull = population.prior @ population.signed
    k = pull.size
    if not intercept and np.all(np.abs(pull) <= _LOST * np.abs(population.signed).max()):
        return np.zeros(k), 0.0
    if not intercept and k == 1:
        return pull, 0.0
    x = population.square_start(ridge, intercept)
    found = _stationary(population, loss, ridge, x)
    if found is None and ridge > 0:
        # follow the minimiser from a weak ridge to the one asked for
        found = population.square_start(_WEAK, intercept)
        strides = int(np.ceil(abs(np.log(ridge / _WEAK)) / _STRIDE))
        for value in np.geomspace(_WEAK, ridge, 1 + strides):
            found = _stationary(population, loss, float(value), found)
            if found is None:
                return None
    if found is None:
        return None
    return found[:k], float(found[k]) if intercept else 0.0


def _stationary(population: _Population, loss: Loss, ridge: float, start: Array) -> Array | None:
    """The stationary point reached from `start`, its gradient recomputed; None if there is none."""
    # scipy.optimize takes as long to import as everything else together
    from scipy.optimize import root

    with np.errstate(all="ignore"):
        for method in ("hybr", "lm"):
            x = root(population.stationarity, start, (loss, ridge), method, jac=True).x
            if np.max(np.abs(population.stationarity(x, loss, ridge)[0])) < _RESIDUAL:
                return np.asarray(x)
    return None
