"""What a probe sees behind a pretrained head: resolvent moments of its random W^T W = A.

A = T^{-1/2} phi(B) T^{-1/2} with T and B as in `two_wisharts`, free of one another but for the
signal. With D(beta) = lambda h + V phi(beta) and b = |2 - c|,

    h = b + c V T_1,     T_1 = int phi/D dJ,                              (pretraining.md, 13)
    R^2/B_1 = V (1 + X_zz) + h X_ez^2/Phi_ee,     X = lambda int dmu/D,  Phi = int phi/D dmu,
                                                                           (pretraining.md, 14)

and for N < p/2, where the pairs span 2 N dimensions only and y = 1/(lambda h/phi + V),

    T_1 = y/c,     B_1 = R^2 (c + ell (c-1)) y/[(c + ell)(c + ell - ell V y)].  (pretraining.md, 18)

The other moments are Taylor coefficients in V: T_1(V + x) = sum_j (-x)^{j-1} T_j(V).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from asymptotics.power_series import multiply, reciprocal

Array = NDArray[np.float64]
Points = NDArray[np.intp]

_SWEEPS = 200


@dataclass(frozen=True)
class PretrainedGeometry:
    """A batch of trained heads, as an `asymptotics.geometry.Geometry`; made by `pretrained`.

    energy: R^2. aspect, spike: c and ell of `Pairs`. rank: rank(W)/p. All (...).
    response: phi at the nodes, (..., nodes), normalised to tr A = p.
    bulk: weights of J on them.
    learned: weights of the measures at (e, e), (e, zeta), (zeta, zeta), (..., 3, nodes).
    lost: (..., 3), their masses where phi = 0: directions that the head discards.
    """

    energy: Array
    aspect: Array
    spike: Array
    rank: Array
    response: Array = field(repr=False)
    bulk: Array = field(repr=False)
    learned: Array = field(repr=False)
    lost: Array = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch."""
        return np.shape(self.energy)

    def take(self, points: Points) -> PretrainedGeometry:
        """The geometries of flat indices `points`."""
        return self._map(lambda x, own: x.reshape(-1, *own)[points])

    def broadcast_to(self, shape: tuple[int, ...]) -> PretrainedGeometry:
        """The same geometry for every point of a larger batch."""
        return self._map(lambda x, own: np.broadcast_to(x, (*shape, *own)))

    def _map(self, function: Callable[[Array, tuple[int, ...]], Array]) -> PretrainedGeometry:
        batch = len(self.shape)
        arrays = [np.asarray(getattr(self, f.name)) for f in fields(self)]
        return PretrainedGeometry(*(function(x, x.shape[batch:]) for x in arrays))

    def resolvent_moments(
        self, ridge: Array, curvature: Array, terms: int = 3
    ) -> tuple[Array, Array]:
        """(traces, overlaps), each (`terms`, points), at lambda = `ridge` and V = `curvature`.

        nan where the equation of h was not solved.
        """
        one = np.ones_like(curvature)
        v = np.stack([curvature, one, np.zeros_like(one)][:terms])
        h = self._level(ridge, v)
        inverse = reciprocal(self._denominator(ridge, h, v))
        traces = np.sum(self.bulk * self.response * inverse, axis=-1)
        overlaps = np.where(self.aspect < 2, self._many(ridge, h, v, inverse), self._few(traces, v))
        sign = np.array([1.0, -1.0, 1.0][:terms]).reshape(-1, *[1] * one.ndim)
        return sign * traces, sign * self.energy * overlaps

    def _denominator(self, ridge: Array, h: Array, v: Array) -> Array:
        """D = lambda h + V phi as series in V, (3, points, nodes)."""
        return (ridge * h)[..., None] + v[..., None] * self.response

    def _level(self, ridge: Array, v: Array) -> Array:
        """The series of h, the root of F(h) = h - b - c int V phi/D dJ.

        F is concave and increasing, and F(b) <= 0: Newton's method from b rises to the root. Each
        further step with the same slope makes one more coefficient exact.
        """
        c, base, weight = self.aspect, np.abs(2 - self.aspect), self.bulk * self.response
        level, found = base + 0 * v[0], np.zeros(np.shape(v[0]), dtype=bool)
        for _ in range(_SWEEPS):
            denominator = ridge[..., None] * level[..., None] + v[0][..., None] * self.response
            fitted = c * v[0] * np.sum(weight / denominator, axis=-1)
            slope = 1 + c * v[0] * ridge * np.sum(weight / denominator**2, axis=-1)
            step = (base + fitted - level) / slope
            found = np.abs(step) <= 1e-14 * level
            level = level + step
            if np.all(found | np.isnan(step)):
                break
        level = np.where(found, level, np.nan)
        series = np.stack([level, *[0 * level] * (len(v) - 1)])
        for _ in range(len(v) - 1):
            inverse = reciprocal(self._denominator(ridge, series, v))
            mismatch = c * multiply(v, np.sum(weight * inverse, axis=-1)) - series
            mismatch[0] += base
            series = series + mismatch / slope
        return series

    def _many(self, ridge: Array, h: Array, v: Array, inverse: Array) -> Array:
        """B_1/R^2 for N > p/2."""
        over = np.einsum("...km,t...m->tk...", self.learned, inverse)
        spread = ridge * over
        for k in (1, 2):
            spread[:, k] += self.lost[..., k] * reciprocal(h)
        fitted = np.sum(self.learned[..., 0, :] * self.response * inverse, axis=-1)
        one = np.zeros_like(h)
        one[0] = 1.0
        square = multiply(spread[:, 1], spread[:, 1])
        rest = multiply(multiply(h, square), reciprocal(fitted))
        return reciprocal(multiply(v, one + spread[:, 2]) + rest)

    def _few(self, traces: Array, v: Array) -> Array:
        """B_1/R^2 for N < p/2."""
        c, ell = self.aspect, self.spike
        y = c * traces
        rest = -ell * multiply(v, y)
        rest[0] += c + ell
        return (c + ell * (c - 1)) / (c + ell) * multiply(y, reciprocal(rest))

    def gain(self) -> Array:
        """a = sqrt(p |W muhat|^2/|W|_F^2): the signal's energy against a direction's share.

        1 for an isotropic head; a^2 is the expansion measure of GMZ at p -> infinity.
        """
        one, zero = np.ones(self.shape), np.zeros(self.shape)
        overlaps = replace(self, energy=one).resolvent_moments(one, zero)[1]
        return np.asarray(np.sqrt(overlaps[0]))

    def separation(self) -> Array:
        """sqrt(nu^T S^+ nu): R times the length of muhat within the directions that W keeps."""
        c, ell, kept = self.aspect, self.spike, np.sum(self.learned[..., 0, :], axis=-1)
        h = 2 - c + c * self.rank
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = (self.lost[..., 2] + self.lost[..., 1] ** 2 / kept) / h
            inside = np.where(c < 2, 1 / (1 + lost), (c + ell * (c - 1)) / ((c + ell) * c))
        return np.asarray(np.sqrt(self.energy * inside))

    def rank_fraction(self) -> Array:
        """rank(W)/p."""
        return self.rank
