"""The limiting accuracy of a two-class probe on estimated features with a covariance a class.

The equations are those of components.md with their geometry replaced by the estimate of
`class_covariances`. Unknowns of a point, for the two classes c (also their covariances):

    log w_c,   log q_c,   t_c = m_c/sqrt q_c,   and b with an intercept

w being the weights of the sample covariances, so that V(w), T(w) and the overlaps are explicit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root
from scipy.special import ndtr

from asymptotics.component_channel import component_channel
from asymptotics.component_equations import ComponentSaddlePoint
from asymptotics.errors import InvalidInput
from asymptotics.limits import limit
from asymptotics.mixture import component_mixture
from asymptotics.problem import Problem
from validation.class_covariances import EstimatedCovariances
from validation.prediction import NO_LIMIT, PREDICTED, UNRESOLVED

Array = NDArray[np.float64]

_NODES = 256  # of the channel's rule; its error is far below that of the estimate
_RESIDUAL = 1e-7
# the labels of the classes 0 and 1 of `EstimatedCovariances`
_LABELS = np.array([-1, 1])


@dataclass(frozen=True)
class CovariancePrediction:
    """One prediction for each training size; arrays of one length.

    accuracy: nan where `status` is not "predicted". residual: of the equations, scale-free.
    status: "predicted", "no limit" or "not resolved", as in `validation.prediction`; there is no
        threshold for a separable limit, which ends as "not resolved".
    """

    accuracy: Array
    residual: Array
    status: NDArray[np.str_]


def predict_with_covariances(
    estimate: EstimatedCovariances,
    loss: str,
    num_samples: NDArray[np.intp],
    priors: Array,
    ridge: float | None = None,
    intercept: bool = False,
) -> CovariancePrediction:
    """The accuracy of the probe `loss` on `num_samples` features of two classes 0 and 1.

    priors: P(class), (2,). ridge: in squared units of the features, None for a limit.
    Raises InvalidInput.
    """
    if len(estimate.freedom) != 2:
        raise InvalidInput(f"two covariances are needed, got {len(estimate.freedom)}")
    if ridge is not None and not (0 < ridge < np.inf):
        raise InvalidInput(f"ridge must be finite and > 0, got {ridge}")
    p = estimate.means.shape[1]
    estimate, unit = estimate.in_natural_units()
    plug_in = Problem(
        component_mixture(estimate.means, _LABELS, priors, estimate.covariances),
        loss=loss,
        sampling_ratio=num_samples / p,
        ridge=None if ridge is None else ridge / unit,
        intercept=intercept,
    )
    start = limit(plug_in)
    equations, _ = plug_in.equations()
    assert isinstance(equations, ComponentSaddlePoint)
    accuracy, residual = np.full((2, len(num_samples)), np.nan)
    # for two covariances the plug-in's only threshold is that of interpolation, a rank
    status = np.where(start.status == NO_LIMIT, NO_LIMIT, UNRESOLVED).astype("<U12")
    for i in np.flatnonzero(start.converged):
        laws, b = start.margins, start.intercept[i]
        mean = laws.mean[:, i] - _LABELS * b
        orders = np.concatenate(
            [
                np.log(laws.step[:, i]),
                2 * np.log(laws.deviation[:, i]),
                mean / laws.deviation[:, i],
            ]
        )
        point = _Point(equations.take(np.array([i])), estimate, int(num_samples[i]))
        found = point.solve(point.with_intercept(orders, b))
        if found is None:
            continue
        accuracy[i], residual[i] = found
        status[i] = PREDICTED
    return CovariancePrediction(accuracy, residual, status)


@dataclass(frozen=True)
class _Point:
    """The equations at one training size; x as the module has it, `orders` with log gamma."""

    equations: ComponentSaddlePoint
    estimate: EstimatedCovariances
    num_samples: int

    def with_intercept(self, orders: Array, b: float) -> Array:
        """`orders`, and the unknown that stands for b where one is fitted."""
        if not self.equations.intercept:
            return orders
        return np.asarray(self.equations.at_intercept(orders[:, None], np.array([b])))[:, 0]

    def solve(self, orders: Array) -> tuple[float, float] | None:
        """(accuracy, residual) from the plug-in's solution, or None where there is none.

        The plug-in is the same equations with exact covariances and means: where its solution is
        too far to start from, the sample size falls from there to what it is.
        """
        curvature = component_channel(self.equations, orders[:, None], _NODES).curvature[:, 0]
        if not np.any(curvature):  # a linear loss: the channel answers the same to everything
            accuracy = self._accuracy(self._images(orders, np.zeros(2))[1])
            return None if accuracy is None else (accuracy, 0.0)
        x = np.concatenate([np.log(curvature), orders[2:]])
        for shares in ((1.0,), (0.1, 0.3, 0.6, 1.0)):
            found = self._followed(x, shares)
            if found is not None:
                accuracy = self._accuracy(self._images(*self._orders(found[0]))[1])
                return None if accuracy is None else (accuracy, found[1])
        return None

    def _followed(self, x: Array, shares: tuple[float, ...]) -> tuple[Array, float] | None:
        """(x, residual) at the last of `shares` of the estimate's noise, or None."""
        residual = np.inf
        for share in shares:
            found = self._exact_to(share)._root(x)
            if found is None:
                return None
            x, residual = found
        return x, residual

    def _exact_to(self, share: float) -> _Point:
        """The same with samples 1/share times as large behind the same estimates."""
        e = self.estimate
        moved = replace(e, freedom=e.freedom / share, mean_noise=e.mean_noise * share)
        return replace(self, estimate=moved)

    def _root(self, x: Array) -> tuple[Array, float] | None:
        """(x, residual), or None."""
        with np.errstate(all="ignore"):
            try:
                found = root(self._residual, x, method="hybr", options={"factor": 1.0})
                size = float(np.abs(self._residual(found.x)).max())
            except (np.linalg.LinAlgError, ValueError):
                return None
        return (found.x, size) if size < _RESIDUAL else None

    def _orders(self, x: Array) -> tuple[Array, Array]:
        """(orders, w) of the unknowns: gamma_c = T_c(w)/n."""
        weight = np.exp(x[:2])
        traces = self.estimate.moments(float(self.equations.ridge[0]), weight).traces
        return np.concatenate([np.log(traces / self.num_samples), x[2:]]), weight

    def _residual(self, x: Array) -> Array:
        orders, weight = self._orders(x)
        return self._images(orders, weight)[0]

    def _images(self, orders: Array, weight: Array) -> tuple[Array, Array]:
        """(residual, the right-hand sides as orders) (components.md, equations 2 to 4)."""
        moments = self.estimate.moments(float(self.equations.ridge[0]), weight)
        h = component_channel(self.equations, orders[:, None], _NODES)
        pull, noise = _LABELS * h.pull[:, 0], h.noise[:, 0]
        mean = _LABELS * (moments.overlaps @ pull)
        energy = pull @ moments.pair_overlaps @ pull
        energy = energy + moments.pair_traces @ noise / self.num_samples
        _, q, t, _ = self.equations.parts(orders[:, None])
        deviation = np.sqrt(q[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):  # a linear loss has no curvature
            bend = np.log(h.curvature[:, 0]) - np.log(moments.curvature)
        residual = [
            bend,
            np.log(energy / q[:, 0]),
            mean / deviation - t[:, 0],
        ]
        after = [np.log(moments.traces / self.num_samples), np.log(energy), mean / np.sqrt(energy)]
        if self.equations.intercept:
            residual.append(h.tilt / np.sqrt(noise.sum()))
            after.append(orders[-1:])
        return np.concatenate(residual), np.concatenate(after)

    def _accuracy(self, orders: Array) -> float | None:
        """sum_c pi_c Phi((m_c + y_c b)/sqrt q_c); None without a signal above its noise."""
        _, q, t, b = self.equations.parts(orders[:, None])
        ratio = t[:, 0] + _LABELS * b / np.sqrt(q[:, 0])
        if not (np.all(np.isfinite(ratio)) and np.all(t > 0)):
            return None
        return float(self.equations.priors[:, 0] @ ndtr(ratio))
