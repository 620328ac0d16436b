"""A problem: mixture, projector, probe, sampling ratio. What theory and simulation share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput
from asymptotics.geometry import Geometry
from asymptotics.mixture import Mixture
from asymptotics.probes import Probe, find_probe
from asymptotics.projectors import Gain, Projector, project
from asymptotics.saddle_point import SaddlePoint

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Features z = W h of a mixture, and the probe fitted to n = `sampling_ratio` p of them.

    mixture: the classes of h (`asymptotics.mixture`); its parameters may be arrays.
    projector: W (`asymptotics.projectors`).
    loss: a name of `asymptotics.probes.PROBES`.
    sampling_ratio: n/p > 0, with p the number of features z.
    ridge: > 0 in the normalisation of probe.md; None for the probes that are limits.
    intercept: whether the probe fits an unpenalised intercept.

    All arrays broadcast: the problem is a grid of problems, its shape `problem.shape`. Raises
    InvalidInput for a value outside its domain.
    """

    mixture: Mixture
    projector: Projector = field(default_factory=Gain)
    loss: str = "logistic"
    sampling_ratio: ArrayLike = 1.0
    ridge: ArrayLike | None = None
    intercept: bool = False

    def __post_init__(self) -> None:
        _positive("sampling_ratio", self.sampling_ratio)
        fixed = self.probe.ridge
        if fixed is None and self.ridge is None:
            raise InvalidInput(f"ridge is required by the loss {self.loss}, a number > 0")
        if fixed is not None and self.ridge is not None:
            raise InvalidInput(f"ridge is not a parameter of the limit {self.loss}: leave it out")
        if self.ridge is not None:
            _positive("ridge", self.ridge)
        if self.intercept and self.loss == "averaging":
            raise InvalidInput("averaging has no intercept: its loss is linear in the margin")

    @property
    def probe(self) -> Probe:
        """The row of the probe table."""
        return find_probe(self.loss)

    def geometry(self) -> Geometry:
        """Covariance and mean behind the projector, as the fixed point sees them."""
        return project(self.mixture, self.projector)

    def equations(self, geometry: Geometry | None = None) -> tuple[SaddlePoint, tuple[int, ...]]:
        """The saddle-point equations of every point, flattened, and the shape of the grid."""
        probe = self.probe
        if probe.loss is None:
            raise InvalidInput(f"{self.loss} is a closed form, not a saddle point")
        geometry = self.geometry() if geometry is None else geometry
        ridge = np.asarray(probe.ridge if self.ridge is None else self.ridge, dtype=float)
        ratio = np.asarray(self.sampling_ratio, dtype=float)
        try:
            shape = np.broadcast_shapes(
                geometry.shape, ridge.shape, ratio.shape, self.mixture.prior.shape
            )
        except ValueError:
            raise InvalidInput(
                "the parameters' shapes do not broadcast: "
                f"mixture and projector {geometry.shape}, ridge {ridge.shape}, "
                f"sampling_ratio {ratio.shape}, prior {self.mixture.prior.shape}"
            ) from None
        size = int(np.prod(shape))
        flat = geometry.broadcast_to(shape).take(np.arange(size))
        prior = np.broadcast_to(self.mixture.prior, shape).ravel() if self.intercept else None
        return (
            SaddlePoint(
                probe.loss,
                flat,
                np.broadcast_to(ridge, shape).ravel(),
                np.broadcast_to(ratio, shape).ravel(),
                prior,
            ),
            shape,
        )


def _positive(name: str, value: ArrayLike) -> None:
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} must be a number > 0, got {value!r}") from None
    bad = array[~(np.isfinite(array) & (array > 0))]
    if bad.size:
        raise InvalidInput(f"{name} must be finite and > 0, got {bad.flat[0]}")
