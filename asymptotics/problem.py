"""A problem: mixture, projector, probe, sampling ratio. What theory and simulation share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.component_equations import ComponentSaddlePoint
from asymptotics.components import Components, behind
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
    label_noise: probability in [0, 1/2) that a training label is wrong; test labels are right.
    class_weights: factors > 0 of the loss of training samples labelled +1 and -1.
    balanced: whether the rule is tested at the intercept of least balanced error, not the fitted.

    All arrays broadcast: the problem is a grid of problems, its shape `problem.shape`. Raises
    InvalidInput for a value outside its domain.
    """

    mixture: Mixture
    projector: Projector = field(default_factory=Gain)
    loss: str = "logistic"
    sampling_ratio: ArrayLike = 1.0
    ridge: ArrayLike | None = None
    intercept: bool = False
    label_noise: ArrayLike = 0.0
    class_weights: tuple[ArrayLike, ArrayLike] = (1.0, 1.0)
    balanced: bool = False

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
        noise = np.asarray(self.label_noise, dtype=float)
        bad = noise[~((noise >= 0) & (noise < 0.5))]
        if bad.size:
            raise InvalidInput(f"label_noise must be >= 0 and < 0.5, got {bad.flat[0]}")
        for weight in self.class_weights:
            _positive("class_weights", weight)

    @property
    def symmetric(self) -> bool:
        """Whether it is probe.md's problem: two classes N(+-nu, S), right labels, equal weights."""
        return (
            not np.any(np.asarray(self.label_noise))
            and all(np.all(np.asarray(w) == 1.0) for w in self.class_weights)
            and self.mixture.is_symmetric_pair()
        )

    @property
    def probe(self) -> Probe:
        """The row of the probe table."""
        return find_probe(self.loss)

    def geometry(self) -> Geometry | Components:
        """Covariances and means behind the projector, as the fixed point sees them."""
        if self.symmetric:
            return project(self.mixture, self.projector)
        return behind(self.mixture, self.projector)

    def equations(
        self, geometry: Geometry | Components | None = None
    ) -> tuple[SaddlePoint | ComponentSaddlePoint, tuple[int, ...]]:
        """The saddle-point equations of every point, flattened, and the shape of the grid."""
        loss = self.probe.loss
        if loss is None:
            raise InvalidInput(f"{self.loss} is a closed form, not a saddle point")
        geometry = self.geometry() if geometry is None else geometry
        shape = self._shape(geometry)

        def flat(value: ArrayLike) -> Array:
            return np.broadcast_to(np.asarray(value, dtype=float), shape).ravel()

        everywhere = geometry.broadcast_to(shape).take(np.arange(int(np.prod(shape))))
        ridge, ratio = flat(self._ridge()), flat(self.sampling_ratio)
        if not isinstance(everywhere, Components):
            prior = flat(self.mixture.prior) if self.intercept else None
            return SaddlePoint(loss, everywhere, ridge, ratio, prior), shape
        by_label = dict(zip((1, -1), self.class_weights, strict=True))
        classes = self.mixture.classes
        return (
            ComponentSaddlePoint(
                loss,
                everywhere,
                ridge,
                ratio,
                np.stack([flat(c.prior) for c in classes]),
                flat(self.label_noise),
                np.stack([flat(by_label[1]), flat(by_label[-1])]),
                self.intercept,
            ),
            shape,
        )

    def _ridge(self) -> ArrayLike:
        fixed = self.probe.ridge if self.ridge is None else self.ridge
        assert fixed is not None
        return fixed

    def _shape(self, geometry: Geometry | Components) -> tuple[int, ...]:
        parts = {
            "mixture and projector": geometry.shape,
            "ridge": np.shape(self._ridge()),
            "sampling_ratio": np.shape(self.sampling_ratio),
            "prior": np.broadcast_shapes(*(np.shape(c.prior) for c in self.mixture.classes)),
            "label_noise": np.shape(self.label_noise),
            "class_weights": np.broadcast_shapes(*(np.shape(w) for w in self.class_weights)),
        }
        try:
            return np.broadcast_shapes(*parts.values())
        except ValueError:
            listed = ", ".join(f"{name} {shape}" for name, shape in parts.items())
            raise InvalidInput(f"the parameters' shapes do not broadcast: {listed}") from None


def _positive(name: str, value: ArrayLike) -> None:
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} must be a number > 0, got {value!r}") from None
    bad = array[~(np.isfinite(array) & (array > 0))]
    if bad.size:
        raise InvalidInput(f"{name} must be finite and > 0, got {bad.flat[0]}")
