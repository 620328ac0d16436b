"""The equations of a probe on a mixture of any components, as a scale-free residual with Jacobian.

Unknowns per point, for C components over S covariances (components.md, equations 1 to 5):

    log gamma_s,   log q_s   (each covariance),    t_c = m_c/sqrt(q_s(c))   (each component),    b

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

from asymptotics.component_start import square_loss_solution
from asymptotics.components import Components, Resolvent
from asymptotics.gauss import margin_moments
from asymptotics.losses import Loss
from asymptotics.margins import MarginLaws

Array = NDArray[np.float64]
Points = NDArray[np.intp]


@dataclass(frozen=True)
class Channel:
    """Vhat_s, mhat_c, qhat_s and sum_c E[y_c M'], each with its slopes in the unknowns.

    Shapes (S, points), (C, points), (S, points), (points,); slopes have an axis of the unknowns
    before the last.
    """

    curvature: Array
    pull: Array
    noise: Array
    tilt: Array
    d_curvature: Array
    d_pull: Array
    d_noise: Array
    d_tilt: Array


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
        b = x[2 * s + c] if self.intercept else np.zeros(x.shape[1])
        return np.exp(x[:s]), np.exp(x[s : 2 * s]), x[2 * s : 2 * s + c], b

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

    def channel(self, x: Array, nodes: int, quadrature: bool = False) -> Channel:
        """Means over the components and their draws; `nodes` and `quadrature` as in `gauss`."""
        gamma, q, t, b = self.parts(x)
        (num_s, points), num_c, u = gamma.shape, len(t), self.num_unknowns
        result = Channel(
            np.zeros((num_s, points)),
            np.zeros((num_c, points)),
            np.zeros((num_s, points)),
            np.zeros(points),
            np.zeros((num_s, u, points)),
            np.zeros((num_c, u, points)),
            np.zeros((num_s, u, points)),
            np.zeros((u, points)),
        )
        for c, y in enumerate(self.geometry.labels):
            s = self.geometry.covariance_of[c]
            deviation = np.sqrt(q[s])
            mean = t[c] * deviation + y * b
            # the unknowns that a draw of this component moves with, and how
            mean_slopes = {num_s + s: 0.5 * t[c] * deviation, 2 * num_s + c: deviation}
            if self.intercept:
                mean_slopes[u - 1] = np.full(points, float(y))
            for sign, share in ((1.0, 1 - self.flipped), (-1.0, self.flipped)):
                if not np.any(share):
                    continue
                w = self.loss_weights[0 if sign * y > 0 else 1]
                k = margin_moments(
                    self.loss, gamma[s] * w, sign * mean, deviation, nodes, quadrature
                )
                v = self.priors[c] * share
                values = np.stack([w * k.m2, -sign * w * k.m1, w**2 * k.m11, sign * y * w * k.m1])
                by_gamma = np.stack(
                    [
                        -w * k.m12z / deviation,
                        sign * w * k.m12,
                        -2 * w**2 * k.m112,
                        -sign * y * w * k.m12,
                    ]
                ) * (w * gamma[s])
                by_mean = np.stack(
                    [sign * w * k.m2z / deviation, -w * k.m2, 2 * sign * w**2 * k.m12, y * w * k.m2]
                )
                by_log_q = 0.5 * np.stack(
                    [
                        w * (k.m2zz - k.m2),
                        -sign * w * k.m2z * deviation,
                        2 * w**2 * k.m12z * deviation,
                        sign * y * w * k.m2z * deviation,
                    ]
                )
                slopes = {i: by_mean * slope for i, slope in mean_slopes.items()}
                slopes[s] = by_gamma
                slopes[num_s + s] = slopes[num_s + s] + by_log_q
                _accumulate(result, s, c, v * values, {i: v * z for i, z in slopes.items()})
        return result

    def residual(self, x: Array, nodes: int, quadrature: bool = False) -> tuple[Array, Array]:
        """(residual, Jacobian) at x: shapes (unknowns, points), (unknowns, unknowns, points)."""
        h = self.channel(x, nodes, quadrature)
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
        one = np.ones((self.geometry.num_covariances, self.ridge.size))
        resolvent = self.geometry.resolvent(np.ones_like(self.ridge), one)
        t1, t2, _ = resolvent.traces()
        theta = resolvent.images(np.einsum("cp,pci->pi", self.priors, self.geometry.means))
        pull = np.abs(np.einsum("pci,pi->cp", self.geometry.means, theta)).max(axis=0)
        return np.asarray(
            pull
            + np.sqrt(pull + t2.max(axis=(0, 1)) / self.sampling_ratio)
            + t1.max(axis=0) / self.sampling_ratio
        )

    @property
    def fits_intercept(self) -> bool:
        """Whether b is an unknown."""
        return self.intercept

    def without_intercept(self) -> ComponentSaddlePoint:
        """The same equations with b = 0 and no condition for it."""
        return replace(self, intercept=False)

    def at_zero_intercept(self, x: Array) -> Array:
        """Unknowns without intercept, with a last one b = 0."""
        return np.concatenate([x, np.zeros((1, x.shape[1]))])

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


def _accumulate(h: Channel, s: int, c: int, values: Array, slopes: dict[int, Array]) -> None:
    """Add one draw's (Vhat, mhat, qhat, tilt) and their slopes to a channel, in place."""
    h.curvature[s] += values[0]
    h.pull[c] += values[1]
    h.noise[s] += values[2]
    h.tilt[:] += values[3]
    for unknown, slope in slopes.items():
        h.d_curvature[s, unknown] += slope[0]
        h.d_pull[c, unknown] += slope[1]
        h.d_noise[s, unknown] += slope[2]
        h.d_tilt[unknown] += slope[3]
