"""SimCLR on pairs of digits: NT-Xent between two views of each image, minimised by Adam."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput, NotConverged
from validation.images.digit_pairs import Digits, augment, draw_pairs
from validation.images.network import backward, forward, initial, widths
from validation.training.objectives import Cosine

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pretraining:
    """head: "linear" or "relu". hidden: width of h. outputs: of z. temperature: of NT-Xent.

    noise: standard deviation of the pixels' noise in a view, pixels being in [0, 1]. batch_size:
    images a step, 2B views. rate: of Adam, falling to 0 as a cosine. noise up to 1000, temperature
    from 1e-6 to 1e6. Raises InvalidInput.
    """

    head: str = "linear"
    hidden: int = 128
    outputs: int = 32
    temperature: float = 0.5
    noise: float = 0.2
    batch_size: int = 128
    steps: int = 1500
    rate: float = 3e-3

    def __post_init__(self) -> None:
        widths(self.head, 1, self.hidden, self.outputs)
        for name, least in (("hidden", 1), ("outputs", 1), ("batch_size", 2), ("steps", 1)):
            if getattr(self, name) < least:
                raise InvalidInput(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not (np.isfinite(self.noise) and self.noise >= 0):
            raise InvalidInput(f"noise must be finite and >= 0, got {self.noise}")
        if not self.noise <= 1e3:
            raise InvalidInput(f"noise must be at most 1000, got {self.noise:g}")
        if not (np.isfinite(self.rate) and self.rate > 0):
            raise InvalidInput(f"rate must be finite and > 0, got {self.rate}")
        Cosine(self.temperature)
        if not 1e-6 <= self.temperature <= 1e6:
            raise InvalidInput(f"temperature must lie in [1e-6, 1e6], got {self.temperature:g}")


def pretrain(
    digits: Digits, drop: float, setting: Pretraining, rng: np.random.Generator
) -> list[Array]:
    """Parameters of a network trained without labels. Raises NotConverged if it diverges."""
    objective = Cosine(setting.temperature)
    sizes = widths(setting.head, 2 * digits.pixels.shape[1], setting.hidden, setting.outputs)
    parameters = initial(sizes, rng)
    adam = Adam(parameters)
    for step in range(setting.steps):
        images, _ = draw_pairs(digits, setting.batch_size, rng)
        views = [augment(images, drop, setting.noise, rng) for _ in range(2)]
        layers = forward(parameters, np.concatenate(views))
        embeddings = layers[-1][None]
        # an embedding of length zero has no direction: the slope is then nan, and refused
        with np.errstate(divide="ignore", invalid="ignore"):
            loss, slope = objective.gradient(np, embeddings, slice(0, embeddings.shape[1]))
        if not (np.isfinite(loss[0]) and np.all(np.isfinite(slope))):
            raise NotConverged(
                f"training diverged, or an output vanished, at step {step}: take more hidden units "
                f"or outputs, a larger temperature, or a rate below {setting.rate:g}"
            )
        rate = setting.rate * 0.5 * (1 + np.cos(np.pi * step / setting.steps))
        adam.descend(parameters, backward(parameters, layers, slope[0]), rate)
    return parameters


class Adam:
    """p <- p - rate c_t m/(sqrt(v) + 1e-8), m and v running means of g and g^2.

    m over 10 and v over 1000 steps, c_t = sqrt(1 - 0.999^t)/(1 - 0.9^t): Kingma and Ba's constants,
    in their efficient form. What it converges to is not the subject here, as it is where gains are
    measured (`validation.training` uses plain descent).
    """

    def __init__(self, parameters: list[Array]) -> None:
        self._mean = [np.zeros_like(p) for p in parameters]
        self._square = [np.zeros_like(p) for p in parameters]
        self._steps = 0

    def descend(self, parameters: list[Array], gradient: list[Array], rate: float) -> None:
        """One step, in place."""
        self._steps += 1
        scale = rate * np.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps)
        groups = zip(parameters, gradient, self._mean, self._square, strict=True)
        for parameter, slope, mean, square in groups:
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope * slope - square)
            parameter -= scale * mean / (np.sqrt(square) + 1e-8)
