"""The gain that a contrastive objective trains into a linear projector, for a whole grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.contrastive.inputs import find_objective, read_pair, read_setting
from asymptotics.contrastive.objective import Objective, Setting
from asymptotics.contrastive.views import ViewPair
from asymptotics.contrastive.wells import STATUSES, Wells, join, wells
from asymptotics.errors import NotConverged
from asymptotics.table import Table

Array = NDArray[np.float64]
CHUNK = 8192  # points solved together; bounds memory, changes no digit
ISOTROPIC = 1e-11  # |log gain| that is a = 1 within the rounding of the root


@dataclass(frozen=True)
class LocalMinimum:
    """One well: its log gain (inf at collapse) and the loss there."""

    log_gain: float
    loss: float


@dataclass(frozen=True)
class Projection:
    """What an objective trains, on a grid: every array has the broadcast shape of the inputs.

    ``gain``                    a of the lowest minimum; inf at collapse, nan where there is none
    ``log_gain``                log a
    ``expansion_measure``       EM = d a^2/(a^2 + d - 1); d at collapse
    ``signal_energy_fraction``  u = a^2 (R^2+V_1)/[a^2 (R^2+V_1) + (d-1) N_1] of view 1
    ``loss``                    the objective's loss there (its module says up to which constant)
    ``regime``                  "shrinkage", "expansion", "collapse", "isotropic" (a = 1 to 1e-11),
                                or "undefined"
    ``from_identity``           the gain that gradient flow from W = I reaches
    ``num_minima``              wells found, collapse included; ``minima_at`` lists them
    ``residual``                Newton step in log gain at the answer
    ``error_estimate``          bound on the error of log gain, from a rule half again as fine
    ``required_log_negatives``  log N below which infinitely many negatives are no approximation
    ``converged``, ``status``   "converged", or why not
    ``enough_negatives``        log N of the call is at least ``required_log_negatives``
    """

    objective: str
    gain: Array
    log_gain: Array
    expansion_measure: Array
    signal_energy_fraction: Array
    loss: Array
    regime: NDArray[np.str_]
    from_identity: Array
    num_minima: NDArray[np.intp]
    residual: Array
    error_estimate: Array
    required_log_negatives: Array
    enough_negatives: NDArray[np.bool_]
    converged: NDArray[np.bool_]
    status: NDArray[np.str_]
    wells: Wells

    def table(self) -> Table:
        """A row a point: the gain, what it means, and its evidence."""
        names = ("gain", "log_gain", "expansion_measure", "regime", "from_identity", "num_minima")
        chosen = (*names, "error_estimate", "status")
        return Table({name: np.ravel(getattr(self, name)) for name in chosen})

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def minima_at(self, *index: int) -> tuple[LocalMinimum, ...]:
        """All wells of the grid point `index`, by increasing gain; collapse is the last."""
        point = int(np.ravel_multi_index(index, self.gain.shape)) if index else 0
        return tuple(LocalMinimum(*pair) for pair in self.wells.at(point))


def projector(
    objective: str,
    *,
    dimension: ArrayLike,
    signal: ArrayLike | None = None,
    augmentation: ArrayLike | None = None,
    temperature: ArrayLike | None = None,
    views: int = 2,
    negatives: ArrayLike = np.inf,
    pair: ViewPair | None = None,
) -> Projection:
    """The gain a of the head ``W_a = I + (a-1) muhat muhat^T`` that `objective` is minimised by.

    `objective` is a key of ``OBJECTIVES``. `signal` R >= 0, `augmentation` sigma >= 0 (isotropic
    Gaussian noise on both views, or on one: ``views=1``), `temperature` tau > 0 and `dimension`
    d >= 2 broadcast against one another. Any other augmentation comes as `pair`, in the place of
    `signal` and `augmentation` (see ``views``). The dimension always enters the expansion measure;
    which of temperature and dimension move the gain is in ``OBJECTIVES[objective].needs``.
    `negatives` N only decides ``enough_negatives``; the gain is that of infinitely many.

    Raises ``InvalidInput`` for a bad or missing value, ``NotConverged`` for a single point without
    a trustworthy minimum; a grid marks such points in ``status`` instead.
    """
    entry = find_objective(objective)
    both = read_pair(signal, augmentation, views, pair)
    setting, log_negatives, shape = read_setting(entry, both, temperature, dimension, negatives)
    starts = range(0, setting.dimension.size, CHUNK)
    parts = [wells(entry.landscape(setting.part(slice(k, k + CHUNK)))) for k in starts]
    result = _projection(entry, setting, log_negatives, join(parts), shape)
    if shape == () and not result.converged:
        raise NotConverged(
            f"{objective}: {result.status} (error estimate {result.error_estimate:.2g} in log gain)"
            f"; {_ADVICE[str(result.status)]}"
        )
    return result


def slope_at_identity(
    objective: str,
    *,
    dimension: ArrayLike,
    signal: ArrayLike | None = None,
    augmentation: ArrayLike | None = None,
    temperature: ArrayLike | None = None,
    views: int = 2,
    pair: ViewPair | None = None,
) -> Array:
    """dL/d log a at a = 1 up to a positive factor, whose sign is the side that flow from I takes.

    Arguments as in `projector`; far cheaper than its minimum, for tracing the boundary EM = 1.
    """
    entry = find_objective(objective)
    both = read_pair(signal, augmentation, views, pair)
    setting, _, shape = read_setting(entry, both, temperature, dimension, np.inf)
    landscape = entry.landscape(setting)
    return landscape.slope(np.zeros(setting.dimension.size), *landscape.parameters).reshape(shape)


_ADVICE = {
    "no minimum": "the loss falls towards a = o(sqrt d); cosine-scaled or cosine resolves it",
    "unresolved minima": "two minima are closer than the scan resolves; move a parameter slightly",
    "inaccurate": "the minimum is too flat, or the point too extreme, for double precision",
}


def expansion_measure(log_gain: Array, dimension: Array) -> Array:
    """``EM = d a^2/(a^2 + d - 1)``, d at collapse (a = inf), of Gui, Ma and Zhong."""
    return dimension / (1.0 + (dimension - 1.0) * np.exp(-2.0 * log_gain))


def regime(log_gain: Array) -> NDArray[np.str_]:
    """shrinkage (a < 1), isotropic, expansion (a > 1), collapse (a = inf), undefined (nan)."""
    names = np.array(["undefined", "shrinkage", "isotropic", "expansion", "collapse"])
    with np.errstate(invalid="ignore"):
        side = np.where(np.abs(log_gain) <= ISOTROPIC, 0, np.sign(log_gain))
    level = np.where(np.isposinf(log_gain), 4, 2 + side)
    return names[np.where(np.isnan(log_gain), 0, level).astype(int)]


def _projection(
    entry: Objective,
    setting: Setting,
    log_negatives: Array,
    found: Wells,
    shape: tuple[int, ...],
) -> Projection:
    x, dimension = found.log_gain, setting.dimension
    signal, v1, _, _, n1, _, _ = setting.views.arrays()
    required = entry.log_negatives(setting.views, setting.temperature, dimension, x)
    energy = (dimension - 1.0) * n1 / (np.square(signal) + v1)
    fields = {
        "gain": np.exp(x),
        "log_gain": x,
        "expansion_measure": expansion_measure(x, dimension),
        "signal_energy_fraction": 1.0 / (1.0 + energy * np.exp(-2.0 * x)),
        "loss": found.loss,
        "regime": regime(x),
        "from_identity": np.exp(found.from_identity),
        "num_minima": found.count(),
        "residual": found.residual,
        "error_estimate": found.error_estimate,
        "required_log_negatives": required,
        "enough_negatives": log_negatives >= required,
        "converged": found.status == 0,
        "status": np.array(STATUSES)[found.status],
    }
    shaped = {name: np.asarray(value).reshape(shape) for name, value in fields.items()}
    return Projection(objective=entry.name, wells=found, **shaped)
