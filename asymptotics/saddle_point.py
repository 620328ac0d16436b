"""The equations of the probe's limit as a scale-free residual with its Jacobian.

Unknowns per point: log gamma, log(m/B_1(1, 1)), log q with q = s^2, and with an intercept b; if
the loss has a kink, (m + b - kink)/s of the larger class instead, whose margins rest there. With
the margin of class y distributed as m + y b + s Z and, from the loss (channel),

    Vhat = E M'',   mhat = -E M',   qhat = E M'^2         (probe.md, channel)

the residual is, from the geometry's traces T_j and overlaps B_j at (ridge, Vhat),

    r1 = log[T_1 / (delta gamma)]
    r2 = log[mhat B_1 / m]
    r3 = log[(mhat^2 B_2 + qhat T_2 / delta) / q]         (probe.md, geometry)
    r4 = E[y M'] / sqrt(qhat)         (probe.md, intercept)

Logarithms, since a loss with an exponential tail makes the plain equations exponentially stiff.
Without signal m is 0 and r2 reads B_1/B_1(1, 1) as 1. The Jacobian is exact, from
d_gamma M' = -M' M'', Gaussian integration by parts in the mean and the variance, and
d T_j / d Vhat = -j T_{j+1}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from asymptotics.bracketed_newton import decreasing_root
from asymptotics.channel import answer
from asymptotics.gauss import margin_moments
from asymptotics.geometry import Geometry, Spectrum
from asymptotics.losses import Loss
from asymptotics.margins import MarginLaws

Array = NDArray[np.float64]
Points = NDArray[np.intp]


@dataclass(frozen=True)
class SaddlePoint:
    """A batch of equations: one loss, arrays of one length for everything else.

    `prior` is P(y = 1) where an intercept is fitted, None where there is none. `mean_scale` is what
    m is measured by: overlaps_1 at ridge and curvature 1, 0 without a signal.
    """

    loss: Loss
    geometry: Geometry
    ridge: Array
    sampling_ratio: Array
    prior: Array | None = None
    mean_scale: Array = field(default=None, repr=False)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if self.mean_scale is None:
            one = np.ones_like(self.ridge)
            scale = self.geometry.resolvent_moments(one, one)[1][0]
            object.__setattr__(self, "mean_scale", scale)

    @property
    def num_unknowns(self) -> int:
        """3, or 4 with an intercept."""
        return 3 if self.prior is None else 4

    def take(self, points: Points) -> SaddlePoint:
        """The equations of the given points."""
        return replace(
            self,
            geometry=self.geometry.take(points),
            ridge=self.ridge[points],
            sampling_ratio=self.sampling_ratio[points],
            prior=None if self.prior is None else self.prior[points],
            mean_scale=self.mean_scale[points],
        )

    def order_parameters(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """(gamma, m, q, b) of the unknowns; b is 0 without an intercept."""
        m, q = self.mean_scale * np.exp(x[1]), np.exp(x[2])
        if self.prior is None:
            return np.exp(x[0]), m, q, np.zeros_like(q)
        kink = self.loss.kink
        b = x[3] if kink is None else self._majority() * (kink - m + np.sqrt(q) * x[3])
        return np.exp(x[0]), m, q, b

    def margin_laws(self, x: Array) -> MarginLaws:
        """The laws of a fresh sample's margins, class +1 first; without an intercept both agree."""
        gamma, m, q, b = self.order_parameters(x)
        prior = np.full_like(m, 0.5) if self.prior is None else self.prior
        weight, means = np.stack([prior, 1 - prior]), np.stack([m + b, m - b])
        deviation, step = (np.stack([value] * 2) for value in (np.sqrt(q), gamma))
        return MarginLaws(weight, np.array([1, -1]), means, deviation, step)

    def margin_parameters(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """(gamma, m, q, b), as `order_parameters`."""
        return self.order_parameters(x)

    def intercept_slopes(self, x: Array) -> tuple[Array, Array, Array]:
        """db/dlog m, db/dlog q and db/dx_3."""
        zero, one = np.zeros_like(x[0]), np.ones_like(x[0])
        if self.loss.kink is None:
            return zero, zero, one
        _, m, q, _ = self.order_parameters(x)
        side, s = self._majority(), np.sqrt(q)
        return -side * m, 0.5 * side * s * x[3], side * s

    def at_intercept(self, x: Array, intercept: Array) -> Array:
        """The unknowns with b = `intercept` and the rest as in `x`."""
        _, m, q, _ = self.order_parameters(x)
        kink = self.loss.kink
        if kink is not None:
            intercept = (self._majority() * intercept - kink + m) / np.sqrt(q)
        return np.concatenate([x[:3], intercept[None]])

    def _majority(self) -> Array:
        assert self.prior is not None
        return np.where(self.prior >= 0.5, 1.0, -1.0)

    def channel(self, x: Array, nodes: int, quadrature: bool = False) -> tuple[Array, Array]:
        """(hats, derivatives): Vhat, mhat, qhat, E[y M'] and their slopes in the unknowns.

        Shapes (4, points) and (4, unknowns, points); `nodes` and `quadrature` as in `gauss`.
        """
        gamma, m, q, intercept = self.order_parameters(x)
        s = np.sqrt(q)
        classes = [(1.0, np.ones_like(s))]
        if self.prior is not None:
            classes = [(1.0, self.prior), (-1.0, 1 - self.prior)]
        hats, slopes = np.zeros((4, s.size)), np.zeros((4, self.num_unknowns, s.size))
        for label, weight in classes:
            k = margin_moments(self.loss, gamma, m + label * intercept, s, nodes, quadrature)
            found = answer(k, gamma, s, label)
            hats += weight * found.value
            slopes[:, 0] += weight * found.by_log_gamma
            slopes[:, 1] += weight * m * found.by_mean
            slopes[:, 2] += weight * found.by_log_q
            if self.prior is not None:
                for unknown, slope in enumerate(self.intercept_slopes(x), start=1):
                    slopes[:, unknown] += weight * label * slope * found.by_mean
        return hats, slopes

    def residual(self, x: Array, nodes: int, quadrature: bool = False) -> tuple[Array, Array]:
        """(residual, Jacobian) at x: shapes (unknowns, points), (unknowns, unknowns, points)."""
        (v, m_hat, q_hat, tilt), d = self.channel(x, nodes, quadrature)
        (t1, t2, t3), (b1, b2, b3) = self.geometry.resolvent_moments(self.ridge, v)
        delta, scale = self.sampling_ratio, self.mean_scale
        none = scale == 0
        b1_unit = np.where(none, 1.0, b1 / np.where(none, 1.0, scale))
        b2_by_b1 = np.where(none, 0.0, b2 / np.where(none, 1.0, b1))
        pull, noise = m_hat**2, q_hat / delta
        energy = pull * b2 + noise * t2
        r, jacobian = np.empty_like(x), np.empty_like(d[: self.num_unknowns])
        r[0] = np.log(t1 / delta) - x[0]
        r[1] = np.log(m_hat * b1_unit) - x[1]
        r[2] = np.log(energy) - x[2]
        jacobian[0] = -(t2 / t1) * d[0]
        jacobian[1] = d[1] / m_hat - b2_by_b1 * d[0]
        jacobian[2] = (2 * m_hat * b2 / energy) * d[1] + (t2 / delta / energy) * d[2]
        jacobian[2] -= (2 * (pull * b3 + noise * t3) / energy) * d[0]
        for i in range(3):
            jacobian[i, i] -= 1
        if self.prior is not None:
            root = np.sqrt(q_hat)
            r[3] = tilt / root
            jacobian[3] = d[3] / root - 0.5 * tilt / (q_hat * root) * d[2]
        return r, jacobian

    def start(self, nodes: int) -> Array:
        """Unknowns near a solution: the square loss's, with the intercept balanced."""
        return self.balanced(self.square_loss_solution(), nodes)

    def square_loss_solution(self) -> Array:
        """Unknowns of the square loss at this geometry and ridge, exact (numerics.md, square loss).

        gamma solves T_1(lambda, 1/(1+gamma)) = delta gamma, whose left side over gamma decreases;
        then m = B_1 v/(1 + B_1 v) with v = 1/(1+gamma), and q is linear in m^2 and (1-m)^2. The
        intercept, if there is one, starts from zero.
        """
        geometry, ridge, delta = self.geometry, self.ridge, self.sampling_ratio
        log_gamma = square_loss_step(
            lambda gamma: geometry.resolvent_moments(ridge, 1 / (1 + gamma))[0][:2], delta
        )
        v = 1 / (1 + np.exp(log_gamma))
        traces, overlaps = geometry.resolvent_moments(ridge, v)
        m = overlaps[0] * v / (1 + overlaps[0] * v)
        noise = traces[1] / delta * v**2
        q = (((1 - m) * v) ** 2 * overlaps[1] + (1 - m) ** 2 * noise) / (1 - noise)
        scale = self.mean_scale
        log_m = np.log(np.where(scale > 0, m / np.where(scale > 0, scale, 1.0), 1.0))
        x = np.stack([log_gamma, log_m, np.log(q)])
        return x if self.prior is None else self.at_zero_intercept(x)

    def balanced(self, x: Array, nodes: int) -> Array:
        """`x` with the intercept that solves E[y M'] = 0 at the other unknowns.

        E[y M'] increases in b: Newton inside a bracket, bisecting arcsinh(b) where Newton leaves.
        """
        if self.prior is None:
            return x
        gamma, m, q, b = self.order_parameters(x)
        high = np.arcsinh(50 + np.abs(m) + 20 * np.sqrt(q) + 2 * gamma)
        low, left = -high, np.arange(b.size)
        for _ in range(80):
            part, here = self.take(left), self.at_intercept(x, b)[:, left]
            hats, slopes = part.channel(here, nodes)
            tilt, slope = hats[3], slopes[3, 3] / part.intercept_slopes(here)[2]
            again = np.abs(tilt) > 1e-3 * np.sqrt(hats[2])
            left, tilt, slope = left[again], tilt[again], slope[again]
            if not left.size:
                break
            at = b[left]
            low[left] = np.where(tilt < 0, np.arcsinh(at), low[left])
            high[left] = np.where(tilt > 0, np.arcsinh(at), high[left])
            target = np.arcsinh(at - tilt / np.where(slope > 0, slope, np.inf))
            inside = (low[left] < target) & (target < high[left]) & (slope > 0)
            inside &= high[left] - low[left] < 1.0
            b[left] = np.sinh(np.where(inside, target, 0.5 * (low[left] + high[left])))
        return self.at_intercept(x, b)

    def averaging_scale(self) -> Array:
        """The ridge at which the averaging classifier's margins are of order one."""
        one = np.ones_like(self.ridge)
        traces, overlaps = self.geometry.resolvent_moments(one, one)
        delta = self.sampling_ratio
        return np.asarray(
            overlaps[0] + np.sqrt(overlaps[1] + traces[1] / delta) + traces[0] / delta
        )

    def penalised(self, ridge: Array, loss: Loss | None = None) -> SaddlePoint:
        """The same equations at another ridge, and another loss if one is given."""
        return replace(self, ridge=ridge, loss=self.loss if loss is None else loss)

    def rescaled(self, x: Array, factor: Array) -> Array:
        """The unknowns with gamma multiplied by `factor`."""
        x = x.copy()
        x[0] += np.log(factor)
        return x

    @property
    def batch(self) -> int:
        """16384 points of a few atoms, 512 of many."""
        few = isinstance(self.geometry, Spectrum) and self.geometry.eigenvalues.shape[-1] <= 16
        return 16384 if few else 512

    @property
    def fits_intercept(self) -> bool:
        """Whether b is an unknown."""
        return self.prior is not None

    def without_intercept(self) -> SaddlePoint:
        """The same equations with b = 0 and no condition for it."""
        return replace(self, prior=None)

    def at_zero_intercept(self, x: Array) -> Array:
        """The three unknowns `x` with a fourth that makes b = 0."""
        padded = np.concatenate([x, np.zeros((1, x.shape[1]))])
        return self.at_intercept(padded, np.zeros(x.shape[1]))

    def less_unequal(self, share: Array) -> SaddlePoint:
        """The classes' log-odds times 1 - `share`: balanced at share 1."""
        assert self.prior is not None
        odds = np.log(self.prior) - np.log1p(-self.prior)
        return replace(self, prior=expit(odds * (1 - share)))


def square_loss_step(
    traces: Callable[[Array], tuple[Array, Array] | Array], sampling_ratio: Array
) -> Array:
    """log gamma with T_1(gamma) = delta gamma, from T_1 and T_2 at the curvature 1/(1 + gamma)."""

    def excess(log_gamma: Array) -> tuple[Array, Array]:
        gamma = np.exp(log_gamma)
        t1, t2 = traces(gamma)
        slope = t2 / t1 * gamma / (1 + gamma) ** 2 - 1
        return np.log(t1 / sampling_ratio) - log_gamma, slope

    widest = np.full_like(sampling_ratio, 100.0)
    return decreasing_root(excess, -widest, widest, np.zeros_like(sampling_ratio))
