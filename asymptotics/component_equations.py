"""The equations of a probe on a mixture of any components, as a scale-free residual with Jacobian.

Unknowns per point, for C components over S covariances (components.md, equations 1 to 5):

    log gamma_s,   log q_s   (each covariance),    t_c = m_c/sqrt(q_s(c))   (each component),    b

or, if the loss has a kink, the likeliest component's (mean - kink)/sqrt(q_s) in the place of b,
with q_s = theta^T S_s theta the variance of a margin and m_c = nu_c.theta its mean. The
channel averages over the draws of a component: its training label is wrong with probability f,
and that label's loss counts omega times. The geometry knows nothing of the loss:

    theta_bar = G sum_c mhat_c nu_c,
    r1_s = log[t_s/(delta gamma_s)]
    r2_s = log[(theta_bar^T S_s theta_bar + sum_u t_su qhat_u/delta)/q_s]
    r3_c = nu_c.theta_bar/sqrt(q_s) - t_c
    r4 = sum_c E[y_c M'_c]/sqrt(sum_s qhat_s)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from asymptotics.component_channel import Channel, component_channel
from asymptotics.component_start import square_loss_solution
from asymptotics.components import Components, Resolvent
from asymptotics.losses import Loss
from asymptotics.margins import MarginLaws

Array = NDArray[np.float64]
Points = NDArray[np.intp]


@dataclass(frozen=True)
class ComponentSaddlePoint:
    """A batch of equations: one loss, arrays of one length (points last) for everything else.

    priors: (C, points). flipped: (points,), probability f that a training label is wrong.
    loss_weights: (2, points), omega > 0 of training labels +1 and -1.
    """

    loss: Loss
    geometry: Components
    ridge: Array
    sampling_ratio: Array
    priors: Array
    flipped: Array
    loss_weights: Array
    intercept: bool = False

    @property
    def num_unknowns(self) -> int:
        """2 S + C, and one more with an intercept."""
        return 2 * self.geometry.num_covariances + len(self.priors) + self.intercept

    def take(self, points: Points) -> ComponentSaddlePoint:
        """The equations of the given points."""
        return replace(
            self,
            geometry=self.geometry.take(points),
            ridge=self.ridge[points],
            sampling_ratio=self.sampling_ratio[points],
            priors=self.priors[:, points],
            flipped=self.flipped[points],
            loss_weights=self.loss_weights[:, points],
        )

    def parts(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """(gamma, q, t, b) of the unknowns: (S, points), (S, points), (C, points), (points,)."""
        s, c = self.geometry.num_covariances, len(self.priors)
        gamma, q, t = np.exp(x[:s]), np.exp(x[s : 2 * s]), x[2 * s : 2 * s + c]
        if not self.intercept:
            return gamma, q, t, np.zeros(x.shape[1])
        b, kink = x[2 * s + c], self.loss.kink
        if kink is not None:
            anchor, points = self._anchor()
            deviation = np.sqrt(q)[self.geometry.covariance_of[anchor], points]
            b = self.geometry.labels[anchor] * (kink + deviation * (b - t[anchor, points]))
        return gamma, q, t, b

    def _anchor(self) -> tuple[Points, Points]:
        """The likeliest component of every point, whose margins rest at a kink, and the points."""
        return np.argmax(self.priors, axis=0), np.arange(self.ridge.size)

    def at_intercept(self, x: Array, intercept: Array) -> Array:
        """Unknowns without intercept `x`, with a last one that makes b = `intercept`."""
        kink = self.loss.kink
        if kink is not None:
            anchor, points = self._anchor()
            _, q, t, _ = replace(self, intercept=False).parts(x)
            deviation = np.sqrt(q)[self.geometry.covariance_of[anchor], points]
            intercept = (
                t[anchor, points] + (self.geometry.labels[anchor] * intercept - kink) / deviation
            )
        return np.concatenate([x, intercept[None]])

    def intercept_slopes(self, x: Array) -> Array:
        """db/dx, (unknowns, points)."""
        slopes = np.zeros_like(x)
        if not self.intercept:
            return slopes
        if self.loss.kink is None:
            slopes[-1] = 1.0
            return slopes
        anchor, points = self._anchor()
        covariance, num_s = self.geometry.covariance_of[anchor], self.geometry.num_covariances
        _, q, t, _ = self.parts(x)
        deviation, label = np.sqrt(q)[covariance, points], self.geometry.labels[anchor]
        slopes[-1] = label * deviation
        slopes[2 * num_s + anchor, points] = -label * deviation
        slopes[num_s + covariance, points] = 0.5 * label * deviation * (x[-1] - t[anchor, points])
        return slopes

    def margin_laws(self, x: Array) -> MarginLaws:
        """The laws of a fresh sample's margins."""
        gamma, q, t, b = self.parts(x)
        labels, of = self.geometry.labels, self.geometry.covariance_of
        deviation = np.sqrt(q)[of]
        mean = t * deviation + labels[:, None] * b
        return MarginLaws(self.priors, labels, mean, deviation, gamma[of])

    def margin_parameters(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """(gamma, m, q, b): of the mixture's average margin y z.theta, with gamma over E[q]."""
        gamma, q, t, b = self.parts(x)
        of = self.geometry.covariance_of
        m = np.sum(self.priors * t * np.sqrt(q)[of], axis=0)
        return np.sum(self.priors * gamma[of], axis=0), m, np.sum(self.priors * q[of], axis=0), b

    def residual(self, x: Array, nodes: int, quadrature: bool = False) -> tuple[Array, Array]:
        """(residual, Jacobian) at x: shapes (unknowns, points), (unknowns, unknowns, points)."""
        h = component_channel(self, x, nodes, quadrature)
        geometry = self.geometry
        resolvent = geometry.resolvent(self.ridge, h.curvature)
        gamma, q, t, _ = self.parts(x)
        num_s, delta, of = len(gamma), self.sampling_ratio, geometry.covariance_of
        t1, t2, t3 = resolvent.traces()
        theta = resolvent.images(np.einsum("cp,pci->pi", h.pull, geometry.means))
        s_theta = np.einsum("psij,pj->psi", geometry.covariances, theta)
        energy = np.einsum("pi,psi->sp", theta, s_theta)
        energy += np.einsum("sup,up->sp", t2, h.noise) / delta
        deviation = np.sqrt(q)[of]
        means = np.einsum("pci,pi->cp", geometry.means, theta)
        rows = [np.log(t1 / delta) - x[:num_s], np.log(energy) - x[num_s : 2 * num_s]]
        rows.append(means / deviation - t)

        d_theta = self._theta_slope(h, resolvent, s_theta)
        jacobian = np.empty((self.num_unknowns, self.num_unknowns, x.shape[1]))
        jacobian[:num_s] = -np.einsum("sup,uxp->sxp", t2, h.d_curvature) / t1[:, None]
        d_energy = 2 * np.einsum("psi,pxi->sxp", s_theta, d_theta)
        d_energy += np.einsum("sup,uxp->sxp", t2, h.d_noise) / delta
        d_energy -= 2 * np.einsum("suvp,up,vxp->sxp", t3, h.noise, h.d_curvature) / delta
        jacobian[num_s : 2 * num_s] = d_energy / energy[:, None]
        by_mean = np.einsum("pci,pxi->cxp", geometry.means, d_theta) / deviation[:, None]
        jacobian[2 * num_s : 2 * num_s + len(of)] = by_mean
        for c, s in enumerate(of):
            jacobian[2 * num_s + c, num_s + s] -= 0.5 * means[c] / deviation[c]
        for i in range(2 * num_s + len(of)):
            jacobian[i, i] -= 1
        # strong means answer strongly: (I + B K)^{-1}, B = nu^T G nu, undoes it (components.md, 3)
        first, last = 2 * num_s, 2 * num_s + len(of)
        own = -h.d_pull[np.arange(len(of)), np.arange(first, last)]
        answer = np.einsum("pci,pdi->pcd", geometry.means, resolvent.images(geometry.means))
        answer *= own.T[:, None, :] / deviation.T[:, :, None]
        answer[:, np.arange(len(of)), np.arange(len(of))] += 1
        both = np.concatenate([rows[2][:, None], jacobian[first:last]], axis=1)
        tamed = np.moveaxis(np.linalg.solve(answer, np.moveaxis(both, -1, 0)), 0, -1)
        rows[2], jacobian[first:last] = tamed[:, 0], tamed[:, 1:]
        if self.intercept:
            noise = h.noise.sum(axis=0)
            root = np.sqrt(noise)
            rows.append((h.tilt / root)[None])
            jacobian[-1] = h.d_tilt / root - 0.5 * h.tilt / (noise * root) * h.d_noise.sum(axis=0)
        return np.concatenate(rows), jacobian

    def _theta_slope(self, h: Channel, resolvent: Resolvent, s_theta: Array) -> Array:
        """d theta_bar = G (sum_c dmhat_c nu_c - sum_s dVhat_s S_s theta_bar), (points, x, k)."""
        pulled = np.einsum("cxp,pci->pxi", h.d_pull, self.geometry.means)
        return resolvent.images(pulled - np.einsum("sxp,psi->pxi", h.d_curvature, s_theta))

    def penalised(self, ridge: Array, loss: Loss | None = None) -> ComponentSaddlePoint:
        """The same equations at another ridge, and another loss if one is given."""
        return replace(self, ridge=ridge, loss=self.loss if loss is None else loss)

    def rescaled(self, x: Array, factor: Array) -> Array:
        """The unknowns with every gamma multiplied by `factor`."""
        x = x.copy()
        x[: self.geometry.num_covariances] += np.log(factor)
        return x

    def averaging_scale(self) -> Array:
        """The ridge at which the averaging classifier's margins are of order one."""
        none = np.zeros((self.geometry.num_covariances, self.ridge.size))
        t1, t2, _ = self.geometry.resolvent(np.ones_like(self.ridge), none).traces()
        heaviest = self.loss_weights.max(axis=0)
        theta = np.einsum("cp,pci->pi", self.priors * heaviest, self.geometry.means)
        pull = np.abs(np.einsum("pci,pi->cp", self.geometry.means, theta)).max(axis=0)
        spread = np.einsum("pi,psij,pj->sp", theta, self.geometry.covariances, theta)
        delta = self.sampling_ratio
        noise = np.sqrt(np.max(spread + heaviest**2 * t2.max(axis=1) / delta, axis=0))
        return np.asarray(pull + noise + heaviest * t1.max(axis=0) / delta)

    @property
    def batch(self) -> int:
        """512 points, of matrices each."""
        return 512

    @property
    def fits_intercept(self) -> bool:
        """Whether b is an unknown."""
        return self.intercept

    def without_intercept(self) -> ComponentSaddlePoint:
        """The same equations with b = 0 and no condition for it."""
        return replace(self, intercept=False)

    def at_zero_intercept(self, x: Array) -> Array:
        """Unknowns without intercept, with a last one that makes b = 0."""
        return self.at_intercept(x, np.zeros(x.shape[1]))

    def less_unequal(self, share: Array) -> ComponentSaddlePoint:
        """The log-odds of the labels times 1 - `share`, shares within a label kept."""
        positive = self.geometry.labels == 1
        prior = self.priors[positive].sum(axis=0)
        wanted = expit((np.log(prior) - np.log1p(-prior)) * (1 - share))
        factor = np.where(positive[:, None], wanted / prior, (1 - wanted) / (1 - prior))
        return replace(self, priors=self.priors * factor)

    def start(self, nodes: int) -> Array:
        """Unknowns of the square loss, whatever the loss (components.md, start)."""
        return square_loss_solution(self)
