"""The separability threshold against its table, brute force and a simulation."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import linprog, minimize

from asymptotics import InvalidInput, separability


def test_the_table_of_thresholds():
    found = separability([0, 0.5, 1, 1.5, 2, 3]).threshold
    expected = [2, 2.34118437, 3.70003346, 7.69749436, 20.722946, 315.92831]
    np.testing.assert_allclose(found, expected, rtol=2e-8)


def test_no_signal_is_covers_two():
    assert float(separability(0.0).threshold) == pytest.approx(2.0, abs=1e-14)


@pytest.mark.parametrize(("signal", "expected"), [(0.0, 2.406), (1.0, 4.401)])
def test_an_intercept_on_unequal_classes_separates_more(signal, expected):
    assert float(separability(signal, 0.25).threshold) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(("signal", "prior"), [(1.3, 0.5), (0.7, 0.3), (2.0, 0.05)])
def test_the_threshold_is_the_maximum_over_direction_and_intercept(signal, prior):
    def excess(at):
        def density(z):
            return (z - at) ** 2 * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)

        return quad(density, at, at + 40, epsabs=0, epsrel=1e-11, limit=200)[0]

    def negative(x):
        rho, b = np.tanh(x[0]), x[1]
        mean = prior * excess(signal * rho + b) + (1 - prior) * excess(signal * rho - b)
        return -np.log((1 - rho**2) / mean)

    brute = minimize(negative, [0.5, 0.0], method="Nelder-Mead", options={"xatol": 1e-9})
    found = separability(signal, prior)
    assert float(found.threshold) == pytest.approx(np.exp(-brute.fun), rel=1e-9)
    assert float(found.cosine) == pytest.approx(np.tanh(brute.x[0]), abs=1e-4)
    assert float(found.intercept) == pytest.approx(brute.x[1], abs=1e-4)


def test_the_threshold_keeps_its_digits_far_out():
    """At R = 20 against mpmath's direct evaluation at 60 digits."""
    from mpmath import mp

    with mp.workdps(60):

        def log_ratio(rho):
            b = 20 * rho
            tail = mp.erfc(b / mp.sqrt(2)) / 2
            phi = mp.exp(-b * b / 2) / mp.sqrt(2 * mp.pi)
            return mp.log(1 - rho**2) - mp.log((1 + b * b) * tail - b * phi)

        rho = mp.findroot(
            lambda r: mp.diff(log_ratio, r),
            (mp.mpf("0.99"), mp.mpf("0.9999")),
            solver="bisect",
            maxsteps=60,
            verify=False,
        )
        expected = float(mp.exp(log_ratio(rho)))
    assert float(separability(20.0).threshold) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("prior", [None, 0.3, 0.500001, 1 - 1e-9, 1e-200])
def test_the_threshold_is_stationary_and_finite_from_no_signal_to_a_huge_one(prior):
    signal = np.array([0.0, 1e-300, 1e-10, 1e-3, 1.0, 10.0, 1e3, 1e150, 1e308])
    found = separability(signal, prior)
    assert np.all(np.diff(found.threshold[:6]) >= -1e-13 * found.threshold[:5])
    assert np.all(np.isinf(found.threshold[6:]))
    assert np.all(np.diff(found.cosine) >= 0)
    assert found.cosine[-1] == 1
    # rho = R c to first order, with the slope c of the point R = 0
    small = found.cosine[1:4] / signal[1:4]
    np.testing.assert_allclose(small, small[0], rtol=2e-6)
    np.testing.assert_allclose(found.threshold[:3], found.threshold[0], rtol=1e-9)
    if prior is None:
        assert small[0] == pytest.approx(np.sqrt(2 / np.pi), rel=1e-13)


@pytest.mark.parametrize("prior", [None, 0.2])
def test_newtons_slope_of_the_threshold_is_the_derivative(prior):
    from asymptotics.thresholds import _excess_ratio

    offset, share = np.array([0.0, 0.3, 2.0, 7.0, 12.0]), np.full(5, prior or 0.5)
    ratio, shrinks = _excess_ratio(offset, share)
    up, down = (_excess_ratio(offset + h, share)[0] for h in (1e-4, -1e-4))
    np.testing.assert_allclose((np.log(up) - np.log(down)) / 2e-4, 2 * ratio - shrinks, atol=3e-8)


def test_finite_samples_cross_over_at_the_threshold():
    """Fraction of separable draws at p = 60: one half within the threshold's 1/sqrt(p) window."""
    rng = np.random.default_rng(0)
    p, draws = 60, 24
    star = float(separability(0.5).threshold)

    def separable(ratio):
        n = round(ratio * p)
        x = rng.normal(size=(n, p))
        x[:, 0] += 0.5
        solution = linprog(np.zeros(p), A_ub=-x, b_ub=-np.ones(n), bounds=(None, None))
        return solution.status == 0

    below = np.mean([separable(0.75 * star) for _ in range(draws)])
    above = np.mean([separable(1.25 * star) for _ in range(draws)])
    assert below > 0.85
    assert above < 0.15


@pytest.mark.parametrize(
    ("signal", "prior", "message"),
    [(-1.0, None, "signal must be finite and >= 0"), (1.0, 0.0, "prior must lie strictly")],
)
def test_bad_input_is_refused(signal, prior, message):
    with pytest.raises(InvalidInput, match=message):
        separability(signal, prior)
