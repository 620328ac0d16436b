"""InfoNCE with cosine similarity (SimCLR's NT-Xent), exact at finite dimension.

For z = W_a h and infinitely many negatives, with A of ``alignment`` and U of ``uniformity``,

    L(a) = -A(a)/tau + U(a),    A = E cos(z_1, z_2),    U = E log E' exp(cos(z, z')/tau).

If the views have two laws, each is the anchor half of the time and the negatives are half and half
(all views of a batch are a pool, as in NT-Xent). The loss depends on a alone and has limits at both
ends: a = 0, where the signal is lost, and a = infinity, collapse. docs/theory/cosine.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.contrastive.alignment import alignment
from asymptotics.contrastive.minima import Minima, local_minima
from asymptotics.contrastive.objective import Landscape, Objective, Setting
from asymptotics.contrastive.sphere import log_cosh, log_direction_average
from asymptotics.contrastive.uniformity import uniformity
from asymptotics.contrastive.views import ViewPair
from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]

_SPACING = 0.5
_REFINED = 1.5
# Newton's method starts this close in log a, and squares the distance at every step.
_BRACKET, _NEWTON_STEPS, _RESTED = 1e-3, 2, 1e-5


def loss_derivatives(
    log_gain2: ArrayLike,
    views: ViewPair,
    temperature: ArrayLike,
    dimension: ArrayLike,
    *,
    resolution: float = 1.0,
) -> tuple[Array, Array, Array]:
    """L and its first two derivatives in ``log a^2``; +-inf are the two ends.

    All arguments, the fields of `views` included, broadcast against each other. `resolution`
    multiplies the number of nodes of every rule: the change from 1 to 1.5 estimates the error.
    Raises InvalidInput where the temperature is too small for the range of gains (below 8e-4).
    """
    arrays = np.broadcast_arrays(log_gain2, temperature, dimension, *views.arrays())
    shape = arrays[0].shape
    gain2, tau, d, *fields = (np.asarray(array, dtype=float).ravel() for array in arrays)
    pair = tuple(fields)
    aligned = alignment(gain2, pair, d, resolution=resolution)
    spread = np.zeros((3, gain2.size))
    inside = np.isfinite(gain2)
    spread[:, inside] = uniformity(
        gain2[inside],
        tuple(field[inside] for field in pair),
        tau[inside],
        d[inside],
        resolution=resolution,
    )
    spread[0, ~inside] = _uniformity_at_end(gain2[~inside], tau[~inside], d[~inside])
    value, slope, curvature = (
        (u - a / tau).reshape(shape) for u, a in zip(spread, aligned, strict=True)
    )
    return value, slope, curvature


def _uniformity_at_end(log_gain2: Array, temperature: Array, dimension: Array) -> Array:
    """``log cosh(1/tau)`` at collapse, ``log M_n(1/tau)`` where the signal is lost."""
    out = log_cosh(1 / temperature)
    for d in np.unique(dimension[log_gain2 < 0]):
        lost = (log_gain2 < 0) & (dimension == d)
        out[lost] = log_direction_average(1 / temperature[lost], d - 1)
    return out


def _balance(signal: Array, v1: Array, v2: Array, n1: Array, n2: Array, d: Array) -> Array:
    """``log a^2`` at which signal and noise carry the same energy."""
    return np.asarray(np.log((d - 1) * (n1 + n2) / (2 * np.square(signal) + v1 + v2)))


def _slope(log_gain: Array, *parameters: Array, resolution: float) -> Array:
    """``tau dL/d(log a) / (u sqrt(1 - u))``, u the energy fraction of the signal.

    The divisor is how the slope vanishes: like a^2 at a = 0 and like 1/a at collapse.
    """
    signal, v1, v2, _, n1, n2, _, tau, d = parameters
    views = ViewPair.of_arrays(parameters[:7])
    _, slope, _ = loss_derivatives(2 * log_gain, views, tau, d, resolution=resolution)
    from_balance = 2 * log_gain - _balance(signal, v1, v2, n1, n2, d)
    return 2 * tau * slope * (1 + np.exp(-from_balance)) * np.sqrt(1 + np.exp(from_balance))


def _newton_step(log_gain: Array, parameters: tuple[Array, ...], resolution: float) -> Array:
    views = ViewPair.of_arrays(parameters[:7])
    _, slope, curvature = loss_derivatives(
        2 * log_gain, views, *parameters[7:], resolution=resolution
    )
    return 0.5 * slope / curvature


def _loss(log_gain: Array, *parameters: Array) -> Array:
    views = ViewPair.of_arrays(parameters[:7])
    return loss_derivatives(2 * log_gain, views, *parameters[7:])[0]


def _loss_at_collapse(*parameters: Array) -> Array:
    return _loss(np.full_like(parameters[0], np.inf), *parameters)


@dataclass(frozen=True)
class CosineLandscape(Landscape):
    """A landscape whose curvature is known, so that Newton's method polishes its minima."""

    def minima(self) -> Minima:
        """All local minima: bracketed to `_BRACKET` in log a, then polished by Newton's method.

        Points where Newton's method leaves a bracket, or is not at rest, are bracketed to the end.
        """
        found = local_minima(self.slope, self.grid, self.parameters, tolerance=_BRACKET)
        chosen = tuple(parameter[found.point] for parameter in self.parameters)
        position, step = found.position, np.zeros(found.position.size)
        for _ in range(_NEWTON_STEPS):
            step = _newton_step(position, chosen, 1.0)
            position = position - step
        rested = (np.abs(position - found.position) < 4 * _BRACKET) & (np.abs(step) < _RESTED)
        again = np.unique(found.point[~rested])
        slow = local_minima(self.slope, self.grid[again], tuple(p[again] for p in self.parameters))
        kept = ~np.isin(found.point, again)
        point = np.append(found.point[kept], again[slow.point])
        position = np.append(position[kept], slow.position)
        order = np.lexsort((position, point))
        unresolved = found.unresolved.copy()
        unresolved[again] |= slow.unresolved
        return replace(found, point=point[order], position=position[order], unresolved=unresolved)

    def newton_steps(self, log_gain: Array, point: NDArray[np.intp]) -> tuple[Array, Array]:
        """Over the exact curvature, each by its own rule."""
        chosen = tuple(parameter[point] for parameter in self.parameters)
        plain, refined = (_newton_step(log_gain, chosen, r) for r in (1.0, _REFINED))
        return plain, refined


def landscape(setting: Setting) -> CosineLandscape:
    """The loss over log a.

    The scan begins below the gain that gives signal and noise equal variances, and where the
    signal's energy fraction is a thousandth of tau, and ends at collapse to within 1e-12 of the
    energy, in doubling steps from where the law's small cosines alone govern the slope.
    """
    between = setting.dimension[(setting.dimension > 2) & (setting.dimension < 3)]
    if between.size:
        raise InvalidInput(f"dimension must be 2 or >= 3 for the cosine loss, got {between[0]:g}")
    arrays = setting.views.arrays()
    signal, v1, v2, _, n1, n2, _ = arrays
    centre = 0.5 * _balance(signal, v1, v2, n1, n2, setting.dimension)
    sharpest = -0.5 * np.log(min(float(setting.temperature.min(initial=1.0)), 1.0))
    widest = 0.5 * np.log(float(setting.dimension.max(initial=2.0)))
    core = np.arange(-max(sharpest + 4.5, widest + 2.0), sharpest + 2.0, _SPACING)
    beyond = core[-1] + _SPACING * (2.0 ** np.arange(1, 6) - 1)
    return CosineLandscape(
        parameters=(*arrays, setting.temperature, setting.dimension),
        loss=_loss,
        slope=partial(_slope, resolution=1.0),
        refined_slope=partial(_slope, resolution=_REFINED),
        grid=centre[:, None] + np.append(core, beyond),
        loss_at_collapse=_loss_at_collapse,
    )


OBJECTIVE = Objective(
    "cosine",
    frozenset({"temperature", "dimension"}),
    landscape,
    "InfoNCE with cosine similarity, exact at finite dimension",
)
