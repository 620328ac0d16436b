"""The probe's saddle-point equations in ball arithmetic.

Unknowns: log gamma, log m (absent where nu = 0: then m = 0), log q, and the intercept b if one is
fitted. The residual is that of docs/theory/certificates.md, equation (3),

    log[T_1/(delta gamma)],   log[mhat B_1/m],   log[(mhat^2 B_2 + qhat T_2/delta)/q],
    E[y M']/sqrt(qhat),

the same equations as `asymptotics.saddle_point`, written again: nothing numeric is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb

from asymptotics.certify.gaussian import upper_tail
from asymptotics.certify.logistic import ALL_MOMENTS, FIRST_MOMENTS, logistic_moments
from asymptotics.certify.piecewise import affine_moments
from asymptotics.losses import Loss


@dataclass(frozen=True)
class Resolvent:
    """Moments of G = (ridge + Vhat S)^{-1} behind the head W_a, by atoms (s_k, w_k, c_k).

    The head has no weight in the traces. In the overlaps it adds ridge (1/a^2 - 1) muhat muhat^T
    to the inverse resolvent of the features before the head (Sherman-Morrison); `stiffening` is
    (1/a^2 - 1)/|mu|^2.
    """

    atoms: Sequence[tuple[arb, arb, arb]]
    ridge: arb
    stiffening: arb

    def moments(self, curvature: arb) -> tuple[list[arb], list[arb]]:
        """traces_j = (1/p) tr (S G)^j and overlaps_j = nu^T G (S G)^{j-1} nu for j = 1, 2, 3."""
        traces, before = [arb(0)] * 3, [arb(0)] * 3
        for s, w, c in self.atoms:
            inverse = 1 / (self.ridge + curvature * s)
            for j in range(3):
                traces[j] += w * (s * inverse) ** (j + 1)
                before[j] += c * inverse * (s * inverse) ** j
        pull = self.ridge * self.stiffening
        shrink = 1 / (1 + pull * before[0])
        overlaps = [
            before[0] * shrink,
            before[1] * shrink**2,
            before[2] * shrink**2 - pull * before[1] ** 2 * shrink**3,
        ]
        return traces, overlaps


@dataclass(frozen=True)
class Saddle:
    """One problem. `prior` is P(y = 1) where an intercept is fitted, else None."""

    loss: Loss
    resolvent: Resolvent
    sampling_ratio: arb
    has_signal: bool
    prior: arb | None

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names, in the order of the equations."""
        names = ["log_gamma"] + ["log_mean"] * self.has_signal + ["log_variance"]
        return tuple(names + ["intercept"] * (self.prior is not None))

    def order_parameters(self, x: Sequence[arb]) -> tuple[arb, arb, arb, arb]:
        """(gamma, m, q, b)."""
        at = dict(zip(self.unknowns, x, strict=True))
        mean = at["log_mean"].exp() if self.has_signal else arb(0)
        return at["log_gamma"].exp(), mean, at["log_variance"].exp(), at.get("intercept", arb(0))

    def _classes(self) -> list[tuple[int, arb]]:
        return [(1, arb(1))] if self.prior is None else [(1, self.prior), (-1, 1 - self.prior)]

    def _laws(
        self, x: Sequence[arb], bits: int, names: tuple[str, ...]
    ) -> list[tuple[int, arb, dict[str, arb]]]:
        gamma, mean, variance, b = self.order_parameters(x)
        deviation, laws = variance.sqrt(), []
        for label, weight in self._classes():
            margin = gamma, mean + label * b, deviation
            if self.loss.closed_form:
                moments = affine_moments(self.loss, *margin)
            else:
                moments = logistic_moments(*margin, bits, names)
            laws.append((label, weight, moments))
        return laws

    def residual(self, x: Sequence[arb], bits: int) -> list[arb]:
        """The logarithms of the module, zero at a solution."""
        laws = self._laws(x, bits, FIRST_MOMENTS)
        v, m_hat, q_hat, tilt = _hats(laws)
        gamma, mean, variance, _ = self.order_parameters(x)
        traces, overlaps = self.resolvent.moments(v)
        delta = self.sampling_ratio
        energy = m_hat**2 * overlaps[1] + q_hat * traces[1] / delta
        rows = [(traces[0] / (delta * gamma)).log()]
        if self.has_signal:
            rows.append((m_hat * overlaps[0] / mean).log())
        rows.append((energy / variance).log())
        return rows + [tilt / q_hat.sqrt()] * (self.prior is not None)

    def jacobian(self, x: Sequence[arb], bits: int) -> list[list[arb]]:
        """Exact derivatives, from d_gamma M' = -M' M'' and Gaussian integration by parts."""
        laws = self._laws(x, bits, ALL_MOMENTS)
        v, m_hat, q_hat, tilt = _hats(laws)
        traces, overlaps = self.resolvent.moments(v)
        delta = self.sampling_ratio
        energy = m_hat**2 * overlaps[1] + q_hat * traces[1] / delta
        slope = 2 * (m_hat**2 * overlaps[2] + q_hat * traces[2] / delta)
        columns = []
        for d_v, d_m, d_q, d_tilt in self._hat_slopes(x, laws):
            column = [-traces[1] / traces[0] * d_v]
            if self.has_signal:
                column.append(d_m / m_hat - overlaps[1] / overlaps[0] * d_v)
            moved = 2 * m_hat * overlaps[1] * d_m + traces[1] / delta * d_q - slope * d_v
            column.append(moved / energy)
            if self.prior is not None:
                column.append(d_tilt / q_hat.sqrt() - tilt * d_q / (2 * q_hat * q_hat.sqrt()))
            columns.append(column)
        rows = [list(row) for row in zip(*columns, strict=True)]
        for i in range(2 + self.has_signal):
            rows[i][i] -= 1
        return rows

    def _hat_slopes(
        self, x: Sequence[arb], laws: list[tuple[int, arb, dict[str, arb]]]
    ) -> list[list[arb]]:
        """Slopes of (Vhat, mhat, qhat, E[y M']) in each unknown."""
        gamma, mean, variance, _ = self.order_parameters(x)
        s = variance.sqrt()
        total = [[arb(0)] * 4 for _ in range(4)]
        for label, weight, k in laws:
            by_gamma = [-k["m12z"] / s, k["m12"], -2 * k["m112"], -label * k["m12"]]
            by_mean = [k["m2z"] / s, -k["m2"], 2 * k["m12"], label * k["m2"]]
            by_log_q = [
                (k["m2zz"] - k["m2"]) / 2,
                -k["m2z"] * s / 2,
                k["m12z"] * s,
                label * k["m2z"] * s / 2,
            ]
            for j in range(4):
                total[0][j] += weight * gamma * by_gamma[j]
                total[1][j] += weight * mean * by_mean[j]
                total[2][j] += weight * by_log_q[j]
                total[3][j] += weight * label * by_mean[j]
        kept = [True, self.has_signal, True, self.prior is not None]
        return [slopes for slopes, used in zip(total, kept, strict=True) if used]

    def observe(self, x: Sequence[arb]) -> dict[str, arb]:
        """Accuracy and test error of a fresh sample."""
        _, mean, variance, b = self.order_parameters(x)
        s = variance.sqrt()
        # without an intercept the classes fare alike
        share = arb(1) / 2 if self.prior is None else self.prior
        right, left = (mean + b) / s, (mean - b) / s
        return {
            "accuracy": share * upper_tail(-right) + (1 - share) * upper_tail(-left),
            "test_error": share * upper_tail(right) + (1 - share) * upper_tail(left),
        }


def _hats(laws: list[tuple[int, arb, dict[str, arb]]]) -> tuple[arb, arb, arb, arb]:
    """Vhat, mhat, qhat and E[y M']."""
    hats = [arb(0)] * 4
    for label, weight, k in laws:
        for j, value in enumerate((k["m2"], -k["m1"], k["m11"], label * k["m1"])):
            hats[j] = hats[j] + weight * value
    return hats[0], hats[1], hats[2], hats[3]
