"""The square loss solved by sympy: its limits are derived, its series and signs hold."""

import numpy as np
import pytest
import sympy as sp
from mpmath import mp

from asymptotics.contrastive.projector import projector
from asymptotics.gauss import margin_moments
from asymptotics.limits import limit
from asymptotics.losses import LOSSES
from asymptotics.reference import reference_accuracy
from asymptotics.sensitivity import differentiate
from asymptotics.sweep import make_problem
from asymptotics.symbolic import exact, many_samples, series

R, DELTA, RIDGE, GAIN = exact.square_loss().parameters
GAMMA = exact.square_loss().gamma


def vanishes(expression):
    return sp.simplify(expression) == 0


def accuracy_of(squared_t):
    return 0.5 * (1 + sp.erf(sp.sqrt(squared_t) / sp.sqrt(2)))


def test_the_solved_square_loss_is_the_solver_at_random_points():
    rng = np.random.default_rng(0)
    size = 300
    signal, gain = rng.uniform(0.1, 4, size), 10 ** rng.uniform(-1, 1, size)
    ratio, ridge = 10 ** rng.uniform(-1, 1, size), 10 ** rng.uniform(-2, 2, size)
    solved = exact.square_loss()
    arguments = (signal, ratio, ridge, gain)
    gamma = sp.lambdify(solved.parameters, solved.positive_root())(*arguments)
    squared_t = sp.lambdify((GAMMA, *solved.parameters), solved.squared_t)(gamma, *arguments)
    found = limit(
        make_problem(loss="square", signal=signal, sampling_ratio=ratio, ridge=ridge, gain=gain)
    )
    np.testing.assert_allclose(gamma, found.gamma, rtol=1e-9)
    np.testing.assert_allclose(np.sqrt(squared_t), found.m / np.sqrt(found.q), rtol=1e-10)


def test_the_derived_solution_is_the_closed_form_of_the_theory_page():
    solved = exact.square_loss()
    page = RIDGE * GAMMA**2 + (RIDGE + 1 - 1 / DELTA) * GAMMA - 1 / DELTA
    assert vanishes(solved.quadratic / DELTA - page)
    assert vanishes(solved.m - R / (1 + R**2 + RIDGE * (1 + GAMMA) / GAIN**2))
    kappa = DELTA * GAMMA**2 / (1 + GAMMA) ** 2
    squared_q = kappa * ((1 - R * solved.m) ** 2 + solved.m**2) / (1 - kappa)
    assert vanishes(solved.squared_q - squared_q)


def test_limits_of_the_ridge_are_min_norm_least_squares_and_averaging():
    pull = DELTA * R**2 * GAIN**2 / (1 - DELTA + DELTA * GAIN**2)
    assert vanishes(exact.min_norm() - pull**2 * (1 - DELTA) / (pull**2 / R**2 + DELTA))
    assert vanishes(exact.least_squares() - R**4 * (1 - 1 / DELTA) / (R**2 + 1 / DELTA))
    assert vanishes(exact.averaging() - GAIN**4 * R**4 / (GAIN**4 * R**2 + 1 / DELTA))


def test_infinitely_many_samples_give_bayes_at_every_ridge_and_gain():
    assert vanishes(exact.bayes() - R**2)


def test_the_derived_collapse_is_the_solver_at_infinite_gain():
    found = limit(
        make_problem(loss="square", signal=1.4, sampling_ratio=0.8, ridge=0.3, gain=np.inf)
    )
    values = {R: 1.4, DELTA: 0.8, GAMMA: float(found.gamma)}
    squared_t = float(exact.collapsed_head().subs(values))
    assert np.sqrt(squared_t) == pytest.approx(float(found.m / np.sqrt(found.q)), rel=1e-12)


def test_the_spectral_boundary_is_solved_and_it_is_the_only_one():
    assert vanishes(exact.spectral_boundary() - sp.sqrt(1 + R**2))
    assert exact.squared_gain_slope().is_positive
    for gain in (0.8, 1.0, 1.5):
        level = exact.spectral_boundary(sp.Symbol("g", positive=True))
        variance = float(level.subs({R: 2.0, sp.Symbol("g", positive=True): gain}))
        trained = projector("spectral", signal=2.0, augmentation=np.sqrt(variance), dimension=9)
        assert float(trained.gain) == pytest.approx(gain, rel=1e-12)


# name: (series, reference point of x, the value of gamma where the series needs it)
POINT = {"signal": "1.3", "sampling_ratio": "1.7", "ridge": "0.4", "gain": "0.8"}
SERIES = {
    "log_gain": (
        series.log_gain_series,
        lambda x: {**POINT, "gain": mp.exp(x)},
    ),
    "1/sampling_ratio": (
        series.inverse_sampling_ratio_series,
        lambda x: {**POINT, "sampling_ratio": 1 / x},
    ),
    "ridge, overdetermined": (
        lambda: series.ridge_series(True),
        lambda x: {**POINT, "ridge": x},
    ),
    "ridge, interpolating": (
        lambda: series.ridge_series(False),
        lambda x: {**POINT, "sampling_ratio": "0.6", "ridge": x},
    ),
    "1/ridge": (series.inverse_ridge_series, lambda x: {**POINT, "ridge": 1 / x}),
}


@pytest.mark.parametrize("name", SERIES)
def test_series_miss_the_reference_by_their_third_order(name):
    make, at = SERIES[name]
    found = make().accuracy()
    with mp.workdps(40):
        base = at(mp.mpf(1) / 1000)
        values = {
            R: sp.Float(base["signal"], 40),
            DELTA: sp.Float(str(base["sampling_ratio"]), 40),
            RIDGE: sp.Float(str(base["ridge"]), 40),
            GAIN: sp.Float(POINT["gain"], 40),
        }
        root = exact.square_loss().positive_root()
        at_gamma = {GAMMA: root.subs(values)} if name == "log_gain" else {}
        coefficients = [mp.mpf(str(sp.N(c.subs(at_gamma).subs(values), 35))) for c in found]
        missed = []
        for x in (mp.mpf("1e-4"), mp.mpf("5e-5")):
            exact_value = reference_accuracy("square", **at(x), digits=25).accuracy
            guess = mp.polyval(coefficients[::-1], x)
            missed.append(abs(exact_value - guess))
        assert missed[0] < 1e-8
        assert 7.9 < missed[0] / missed[1] < 8.1


def test_expansion_always_helps_the_square_loss():
    # every symbol is positive, and so is the slope of log(m^2/q^2) in log a
    assert series.ratio_slope("log_gain").is_positive


def test_more_samples_help_to_first_order_and_a_little_ridge_helps_above_a_gain():
    assert (-series.inverse_sampling_ratio_series().squared_t[1]).is_positive
    help_by_ridge = GAIN**2 * DELTA * (1 + R**2) - (DELTA - 1)
    square = R**2 * GAIN**4 * DELTA + (1 + DELTA * (GAIN**2 - 1)) ** 2
    above = 2 * R**4 * DELTA / (GAIN**2 * (DELTA - 1) * (1 + DELTA * R**2) ** 2)
    below = 2 * R**4 * GAIN**6 * DELTA**3 / ((1 - DELTA) * square**2)
    assert vanishes(series.ridge_series(True).squared_t[1] - above * help_by_ridge)
    assert vanishes(series.ridge_series(False).squared_t[1] - below * help_by_ridge)


def test_infinite_ridge_is_best_exactly_where_the_head_does_not_shrink():
    slope = series.ratio_slope("gamma")
    wider = sp.Symbol("wider", nonnegative=True)  # a^2 = 1 + wider
    numerator = sp.numer(slope) / (2 * DELTA)
    grown = sp.expand(numerator.subs(GAIN, sp.sqrt(1 + wider)))
    assert all(c.is_positive for c in sp.Poly(grown, wider, R, DELTA, GAMMA).coeffs())
    first = series.inverse_ridge_series().squared_t[1]
    assert first.subs({GAIN: sp.Rational(9, 10), R: 1, DELTA: 1}) > 0
    assert vanishes(first.subs(GAIN, 1))


@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared-hinge"])
def test_gain_response_from_the_hessian_is_the_implicit_derivative(loss):
    response, symbols = series.gain_response()
    names = {moment.func.__name__.lower(): symbol for moment, symbol in symbols.items()}
    point = {"signal": 1.3, "sampling_ratio": 2.0, "ridge": 0.2, "gain": 0.7}
    found = limit(make_problem(loss=loss, **point))
    m, variance = float(found.m) / 1.3, float(found.q)
    q = np.sqrt(variance - m**2)
    means = margin_moments(
        LOSSES[loss],
        *(np.array([float(x)]) for x in (found.gamma, found.m, np.sqrt(variance))),
        200,
    )
    values = {symbol: float(getattr(means, name)[0]) for name, symbol in names.items()}
    values |= dict(zip(exact.square_loss().parameters, point.values(), strict=True))
    gamma, m_symbol, q_symbol = exact.isotropic_potential().unknowns
    values |= {gamma: float(found.gamma), m_symbol: m, q_symbol: q}
    ratio_slope = float(response.subs(values))
    # t = R m/sqrt(m^2 + q^2): dt = t q^2/(m^2 + q^2) dlog(m/q)
    t = float(found.m) / np.sqrt(variance)
    density = np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    slope = density * t * q**2 / variance * ratio_slope / point["gain"]
    assert slope == pytest.approx(float(differentiate(found, "gain").accuracy), rel=1e-9)


@pytest.mark.parametrize("loss", ["squared-hinge", "hinge"])
def test_expansion_can_hurt_beside_separability(loss):
    """A counterexample from two mpmath solutions: the error grows by more than 0.1%."""
    point = {"signal": "3", "sampling_ratio": "150", "ridge": "0.0003"}
    before, after = (
        reference_accuracy(loss, **point, gain=gain, digits=15).test_error for gain in ("1", "1.1")
    )
    assert after > before * (1 + mp.mpf("1e-3"))


def test_the_variance_ratio_of_the_potential_is_the_solver_s():
    found = limit(make_problem(loss="squared-hinge", signal=1.3, sampling_ratio=2.0, ridge=0.2))
    gamma, mean, variance = (float(x) for x in (found.gamma, found.m, found.q))
    m = mean / 1.3
    moments = margin_moments(
        LOSSES["squared-hinge"], *(np.array([x]) for x in (gamma, mean, np.sqrt(variance))), 100
    )
    ratio = many_samples.variance_ratio()
    values = {"M11": moments.m11[0], "M2": moments.m2[0], "m": m, "lambda": 0.2}
    predicted = float(ratio.subs({s: values[s.name] for s in ratio.free_symbols}))
    assert 2.0 * (variance - m**2) / m**2 == pytest.approx(predicted, rel=1e-10)


def test_vanishing_ridge_and_many_samples_turn_expansion_from_help_to_harm():
    squared = many_samples.squared_hinge()
    turn = {many_samples.c: 0}
    assert vanishes(squared.slope().subs(turn))
    assert vanishes(squared.signal.subs(turn) - sp.sqrt(sp.pi / 2))
    p, mass, c = many_samples.DENSITY, many_samples.MASS, many_samples.c
    page = 2 * c * (mass**2 - c * p * mass - p**2) / (mass * ((1 + c**2) * mass + c * p))
    hinge = many_samples.hinge()
    for value in (-2.5, -0.7, 0.4, 1.8):
        assert float((squared.slope() - page).subs(c, value)) == pytest.approx(0, abs=1e-9)
        expected = float((hinge.signal + 2 * c).subs(c, value))
        assert float(hinge.slope().subs(c, value)) == pytest.approx(expected, rel=1e-9)
    at = sp.nsolve(hinge.slope(), many_samples.c, -0.6)
    hinge_turn = float(hinge.signal.subs(many_samples.c, at))
    # c falls as the signal grows, so that help is left of each turn
    for population in (squared, hinge):
        signals = [float(population.signal.subs(many_samples.c, x)) for x in (-2, -1, 0, 1)]
        assert signals == sorted(signals, reverse=True)
    turns = {"logistic": np.sqrt(np.pi / 2), "squared-hinge": np.sqrt(np.pi / 2)}
    for loss, signal in (turns | {"hinge": hinge_turn}).items():
        shifts = signal * np.array([0.99, 1.01])
        found = limit(
            make_problem(loss=loss, signal=shifts, sampling_ratio=1e4, ridge=1e-7)
        ).raise_on_failure()
        helps, hurts = differentiate(found, "gain").log_test_error * 1e11
        assert helps < -0.01
        assert hurts > 0.01


def test_the_logistic_turn_is_self_dual():
    balance = many_samples.logistic_balance(sp.sqrt(sp.pi / 2))
    with mp.workdps(25):
        (z, *_) = balance.limits[0]
        integrand = sp.lambdify(z, balance.function, "mpmath")
        assert abs(mp.quad(integrand, [-mp.inf, 0, mp.inf])) < mp.mpf(10) ** -23
