"""E h tanh(k h) and its derivative in k, h ~ N(m, V), by rigorous integration over z.

With h = m + sqrt(V) z the integrand over |z| < c is meromorphic; outside, |h tanh| <= |h| and
h^2 sech^2 <= h^2 leave the tails R T_0 + sqrt(V) T_1 and 2 (m^2 T_0 + V T_2) on either side.
"""

from __future__ import annotations

from math import log, sqrt

from flint import acb, arb, ctx

from asymptotics.certify.gaussian import either_side, tail_bound


def mean_h_tanh(slope: arb, mean: arb, variance: arb, bits: int) -> arb:
    """E h tanh(k h)."""
    deviation = variance.sqrt()
    tail = 2 * (abs(mean) * _tail(0, bits) + deviation * _tail(1, bits))
    return _integral(slope, mean, deviation, bits, False) + either_side(tail)


def mean_h2_sech2(slope: arb, mean: arb, variance: arb, bits: int) -> arb:
    """E h^2 sech^2(k h), the derivative of `mean_h_tanh` in k."""
    tail = 4 * (mean**2 * _tail(0, bits) + variance * _tail(2, bits))
    return _integral(slope, mean, variance.sqrt(), bits, True) + either_side(tail)


def _cut(bits: int) -> arb:
    return arb(sqrt(2 * (bits + 20) * log(2)))


def _tail(power: int, bits: int) -> arb:
    return tail_bound(power, _cut(bits))


def _integral(slope: arb, mean: arb, deviation: arb, bits: int, squared: bool) -> arb:
    k, m, s = acb(slope), acb(mean), acb(deviation)

    def integrand(z: acb, analytic: bool) -> acb:
        h = m + s * z
        weight = (-z * z / 2).exp()
        return weight * (h * (k * h).sech()) ** 2 if squared else weight * h * (k * h).tanh()

    with ctx.workprec(bits + 40):
        cut, tolerance = acb(_cut(bits)), arb(2) ** -bits
        value = acb.integral(integrand, -cut, cut, rel_tol=tolerance, abs_tol=tolerance**50)
        return value.real / (2 * arb.pi()).sqrt()
