"""A multilayer perceptron, x_l = relu(x_{l-1} W_l + b_l), its last layer linear; gradient by hand.

The first layer is the encoder, h = x_1; the others are the projection head, z = x_L.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]
HEADS = ("linear", "relu")


def widths(head: str, inputs: int, hidden: int, outputs: int) -> list[int]:
    """Of the layers: a linear head maps h to z, a `relu` head has a hidden layer as wide as h."""
    if head not in HEADS:
        raise InvalidInput(f"head must be one of {', '.join(HEADS)}, got {head!r}")
    return [inputs, hidden, outputs] if head == "linear" else [inputs, hidden, hidden, outputs]


def initial(sizes: Sequence[int], rng: np.random.Generator) -> list[Array]:
    """[W_1, b_1, W_2, b_2, ...]: W ~ N(0, 2/inputs) (He et al.), b = 0."""
    parameters: list[Array] = []
    for inputs, outputs in pairwise(sizes):
        parameters += [
            rng.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs),
            np.zeros(outputs),
        ]
    return parameters


def forward(parameters: Sequence[Array], images: Array) -> list[Array]:
    """[x_0, h, ..., z]."""
    layers = [images]
    pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
    for number, (matrix, bias) in enumerate(pairs, start=1):
        linear = layers[-1] @ matrix + bias
        layers.append(linear if number == len(pairs) else np.maximum(linear, 0.0))
    return layers


def backward(parameters: Sequence[Array], layers: Sequence[Array], slope: Array) -> list[Array]:
    """dL/d(parameters), in their order, from dL/dz = `slope`."""
    found: list[Array] = []
    for number in range(len(layers) - 1, 0, -1):
        found = [layers[number - 1].T @ slope, slope.sum(axis=0), *found]
        slope = (slope @ parameters[2 * number - 2].T) * (layers[number - 1] > 0)
    return found
