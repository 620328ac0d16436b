"""Batches of two views: the laws that the theory of contrastive training is about.

A draw holds B pairs as 2B rows; rows i and i + B are two views of one sample. The generators are
read sample by sample, so that the same samples come in batches of any size: runs at several batch
sizes see the same numbers, and their differences have little noise.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asymptotics.contrastive.inputs import at_least, check_pair
from asymptotics.contrastive.views import ViewPair
from asymptotics.errors import InvalidInput
from validation.backends import Scratch, fresh

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stream:
    """Two generators, one for normal numbers and one for uniform ones; drawing advances them."""

    normal: np.random.Generator
    uniform: np.random.Generator

    @classmethod
    def of(cls, rng: np.random.Generator) -> Stream:
        """Two independent children of `rng`."""
        return cls(*rng.spawn(2))

    def again(self) -> Stream:
        """A copy that will draw the same numbers."""
        return copy.deepcopy(self)


class ViewLaw(Protocol):
    """A law of two views of one sample of a mixture with means +- R muhat."""

    @property
    def dimension(self) -> int: ...

    @property
    def direction(self) -> Array:
        """muhat, a unit vector of d entries."""
        ...

    def draw(
        self, num_pairs: int, stream: Stream, out: Array | None = None, scratch: Scratch = fresh
    ) -> Array:
        """(2B, d), written into `out` if it is given: rows i and i + B are a pair."""
        ...


@dataclass(frozen=True)
class GaussianViews:
    """Jointly Gaussian views given the class, of the second moments `pair`; muhat = e_1.

    By rotation invariance the direction is no restriction. In coordinate c, with Cholesky's
    factor of the covariance of the two views there,

        h_1c = sqrt(N_1) n_1,    h_2c = (C/sqrt(N_1)) n_1 + sqrt(N_2 - C^2/N_1) n_2,   n ~ N(0, I)

    plus y R, y = +-1, in both along the signal.
    """

    pair: ViewPair
    dimension: int

    def __post_init__(self) -> None:
        check_pair(self.pair)
        if any(field.ndim for field in self.pair.arrays()):
            raise InvalidInput("one pair of views is trained at a time, got a grid of them")
        at_least("dimension", self.dimension, 2)

    @property
    def direction(self) -> Array:
        return np.eye(1, self.dimension)[0]

    @cached_property
    def _factor(self) -> Array:
        """(3, d): the coefficients of n_1 in h_1, and of n_1 and n_2 in h_2."""
        _, v1, v2, signal_covariance, n1, n2, noise_covariance = self.pair.arrays()
        coordinates = [(v1, v2, signal_covariance)] + [(n1, n2, noise_covariance)] * (
            self.dimension - 1
        )
        first, second, shared = np.array(coordinates).T
        own = np.sqrt(np.maximum(second - shared**2 / first, 0.0))
        return np.stack([np.sqrt(first), shared / np.sqrt(first), own])

    def draw(
        self, num_pairs: int, stream: Stream, out: Array | None = None, scratch: Scratch = fresh
    ) -> Array:
        shape = num_pairs, 2, self.dimension
        normal = stream.normal.standard_normal(shape, out=scratch("normal", shape))
        label = np.where(stream.uniform.random(num_pairs) < 0.5, 1.0, -1.0)
        first, shared, own = self._factor
        out = np.empty((2 * num_pairs, self.dimension)) if out is None else out
        one, other = out[:num_pairs], out[num_pairs:]
        np.multiply(normal[:, 0], first, out=one)
        np.multiply(normal[:, 0], shared, out=other)
        normal[:, 1] *= own
        other += normal[:, 1]
        for view in (one, other):
            view[:, 0] += float(np.asarray(self.pair.signal)) * label
        return out


@dataclass(frozen=True)
class MaskedViews:
    """Views whose coordinates are zero with probability q = `masked`, independently.

    x = y mu + g with mu_i = R/sqrt(d); a masked view is (mask * x)/(1 - q). `views` = 2 masks both
    views, 1 the second alone. The second moments are those of ``asymptotics.contrastive.views
    .masking``; the law is not Gaussian.
    """

    signal: float
    masked: float
    dimension: int
    views: int = 2

    def __post_init__(self) -> None:
        at_least("signal", self.signal, 0.0)
        at_least("dimension", self.dimension, 2)
        if not 0 <= self.masked < 1:
            raise InvalidInput(f"masked must lie in [0, 1), got {self.masked}")
        if self.views not in (1, 2):
            raise InvalidInput(f"views={self.views!r} must be 1 or 2")

    @property
    def direction(self) -> Array:
        return np.full(self.dimension, self.dimension**-0.5)

    def draw(
        self, num_pairs: int, stream: Stream, out: Array | None = None, scratch: Scratch = fresh
    ) -> Array:
        d, kept = self.dimension, 1 - self.masked
        shape, drawn = (num_pairs, d), (num_pairs, 1 + self.views * d)
        sample = stream.normal.standard_normal(shape, out=scratch("normal", shape))
        uniform = stream.uniform.random(drawn, out=scratch("uniform", drawn))
        sample += self.signal * d**-0.5 * np.where(uniform[:, :1] < 0.5, 1.0, -1.0)
        out = np.empty((2 * num_pairs, d)) if out is None else out
        first, second = out[:num_pairs], out[num_pairs:]
        np.copyto(first, sample)
        sample /= kept
        if self.views == 2:
            np.multiply(sample, uniform[:, 1 : 1 + d] < kept, out=first)
        np.multiply(sample, uniform[:, -d:] < kept, out=second)
        return out
