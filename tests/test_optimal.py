"""Optimal ridge, gain, temperature and augmentation: closed forms, laws, brute scans, mpmath."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import expit, ndtr
from scipy.stats import norm

from asymptotics.errors import InvalidInput
from asymptotics.joint_maxima import joint_maxima
from asymptotics.local_maxima import (
    BESIDE_UNSOLVED,
    FLAT,
    INTERIOR,
    JUMP,
    LOWER,
    UPPER,
    Slopes,
    local_maxima,
)
from asymptotics.optimal import RANGES, best
from asymptotics.reference import reference_accuracy
from asymptotics.sweep import accuracy, curve
from asymptotics.symbolic.exact import square_loss

LOSSES = ("square", "logistic", "hinge", "squared-hinge")


def square_ridge(signal, ratio, gain):
    """optimal.md, equation 4, before it is cut at 0; infinite for a >= 1."""
    with np.errstate(divide="ignore"):
        ridge = gain**2 * (1 / ratio - 1 + gain**2 * (1 + signal**2)) / (1 - gain**2)
    return np.where(gain >= 1, np.inf, ridge)


def test_the_square_loss_rises_with_the_ridge_up_to_the_closed_form():
    """The derivative of the solved potential, at exact random points on both sides."""
    solved = square_loss()
    ridge, squared_t = solved.along(solved.parameters[2])
    slope = sp.diff(squared_t, solved.gamma) / sp.diff(ridge, solved.gamma)
    names = (*solved.parameters[:2], solved.parameters[3], solved.gamma)
    at = sp.lambdify(names, (ridge, slope))
    rng = np.random.default_rng(0)
    ratio, gamma = 10 ** rng.uniform(-1, 2, 2000), 10 ** rng.uniform(-3, 2, 2000)
    signal, gain = rng.uniform(0.2, 4, 2000), rng.uniform(0.05, 1.5, 2000)
    value, slope = at(signal, ratio, gain, gamma)
    inside = value > 0
    best_ridge = square_ridge(signal, ratio, gain)
    assert inside.sum() > 800
    assert min(np.mean(slope[inside] > 0), np.mean(slope[inside] < 0)) > 0.1
    assert np.all((np.sign(slope) == np.sign(best_ridge - value))[inside])


def test_the_best_ridge_of_the_square_loss_is_the_closed_form_in_all_three_regimes():
    table = best(
        "ridge",
        loss="square",
        signal=[0.7, 2.0],
        sampling_ratio=[0.4, 1.5, 20.0],
        gain=[0.15, 0.3, 0.6, 0.9, 1.0, 1.5],
    )
    assert len(table) == 36
    assert table["converged"].all()
    exact = square_ridge(table["signal"], table["sampling_ratio"], table["gain"])
    expected = np.where(exact <= 0, LOWER, np.where(np.isinf(exact), UPPER, INTERIOR))
    assert np.array_equal(table["status"], expected)
    inside = expected == INTERIOR
    assert 8 <= inside.sum() <= 28
    assert table["ridge"][inside] == pytest.approx(exact[inside], rel=1e-7)
    error = np.abs(np.log(table["ridge"][inside] / exact[inside]))
    assert np.all(error <= table["location_error"][inside] + 1e-12)
    named = {(LOWER, True): "least-squares", (LOWER, False): "min-norm"}
    for status, ratio, limit in zip(
        table["status"], table["sampling_ratio"], table["end_limit"], strict=True
    ):
        assert limit == {UPPER: "averaging", INTERIOR: ""}.get(status, named[LOWER, ratio > 1])


@pytest.mark.parametrize("loss", LOSSES)
def test_without_a_head_no_ridge_beats_averaging(loss):
    ratios = np.array([0.3, 3.0, 30.0])
    table = best("ridge", loss=loss, signal=1.5, sampling_ratio=ratios)
    first = table["rank"] == 1
    averaging = ndtr(2.25 / np.sqrt(2.25 + 1 / ratios))
    assert np.all(table["status"][first] == UPPER)
    ceiling = averaging[np.searchsorted(ratios, table["sampling_ratio"])]
    assert np.all(table["accuracy"] <= ceiling + 1e-13)
    assert table["accuracy"][first] == pytest.approx(averaging, abs=1e-6)
    assert table["end_accuracy"][first] == pytest.approx(averaging, abs=1e-12)
    assert table["gap"][first] == pytest.approx(ndtr(1.5) - averaging, abs=1e-6)


def test_at_finite_sizes_averaging_beats_the_ridge_fit_to_the_same_sample():
    rng = np.random.default_rng(5)
    n, p, signal, ridge = 30, 20, 1.5, 0.1
    gains = []
    for _ in range(400):
        features = rng.standard_normal((n, p))  # y z, the direction of mu being immaterial
        features[:, 0] += signal
        mean = features.mean(axis=0)
        fitted = np.linalg.solve(features.T @ features / n + ridge * np.eye(p), mean)
        by_mean, by_fit = (ndtr(signal * w[0] / np.linalg.norm(w)) for w in (mean, fitted))
        gains.append(by_mean - by_fit)
    standard_error = np.std(gains, ddof=1) / 20
    assert standard_error < 3e-3
    assert np.mean(gains) > 8 * standard_error


def logistic_law(signal):
    """a*^2/lambda of optimal.md, equation 8, by adaptive quadrature."""

    def mean(f, m):
        return quad(lambda z: f(m * (signal + z)) * norm.pdf(z), -12, 12, epsabs=1e-12)[0]

    def slope(w):
        return -expit(-w)

    def bend(w):
        return expit(w) * expit(-w)

    def spread(log_m):
        m = np.exp(log_m)
        return np.log(mean(lambda w: slope(w) ** 2, m)) - 2 * np.log(m * mean(bend, m))

    log_m = minimize_scalar(spread, bounds=(-2, np.log(2 * signal)), method="bounded").x
    m = np.exp(log_m)
    return m / (-signal * mean(slope, m) - m * mean(bend, m))


def gain_laws(signal):
    edge = 1.2240063619249575
    share = norm.cdf(-edge / 2)
    assert edge * share == pytest.approx(norm.pdf(edge / 2), rel=1e-12)
    return {
        "squared-hinge": 2 / (signal * np.sqrt(2 / np.pi) - 1),
        "hinge": 1 / (share * (signal - edge / 2) * (signal - edge)),
        "logistic": logistic_law(signal),
    }


@pytest.mark.parametrize("loss", ["squared-hinge", "hinge", "logistic"])
def test_with_many_samples_the_best_gain_is_a_known_multiple_of_the_root_of_the_ridge(loss):
    law = gain_laws(2.0)[loss]
    distances = []
    for scale in (1e4, 1e5):
        table = best("gain", loss=loss, signal=2.0, sampling_ratio=scale, ridge=1 / scale)
        assert list(table["status"]) == [INTERIOR]
        distances.append(table["gain"][0] ** 2 * scale / law - 1)
    assert abs(distances[1]) < 1e-3
    assert distances[0] / distances[1] == pytest.approx(10, rel=0.03)


def test_the_best_gain_is_that_of_thirty_digit_test_errors():
    point = {"signal": 2.0, "sampling_ratio": 20.0, "ridge": 0.001}
    table = best("gain", loss="hinge", **point)

    def error(log_gain):
        with mp.workdps(40):
            return reference_accuracy("hinge", **point, gain=mp.exp(log_gain), digits=25).test_error

    lowest = error(float(np.log(table["gain"][0])))
    found = minimize_scalar(
        lambda x: float((error(x) - lowest) * 10**6),
        bracket=tuple(np.log([0.04, 0.06, 0.08])),
        tol=1e-8,
    )
    assert np.log(table["gain"][0]) == pytest.approx(found.x, abs=1e-6)
    assert float(lowest) == pytest.approx(table["test_error"][0], rel=1e-11)


def test_two_maxima_of_the_gain_are_ranked_and_change_places():
    table = best(
        "gain", loss="logistic", signal=3.0, sampling_ratio=[8.0, 60.0, 70.0, 400.0], ridge=3e-4
    )
    expected = [UPPER, UPPER, INTERIOR, INTERIOR, UPPER, INTERIOR]
    assert list(table["status"]) == expected
    assert list(table["rank"]) == [1, 1, 2, 1, 2, 1]
    assert list(table["num_maxima"]) == [1, 2, 2, 2, 2, 1]
    assert np.all(table["derivative_gain"][table["status"] == UPPER] > 0)


def test_scans_of_the_accuracy_find_no_other_maximum():
    rng = np.random.default_rng(11)
    for k, loss in enumerate(LOSSES):
        over = ("ridge", "gain")[k % 2]
        problem = {"loss": loss, "signal": 2.5, "sampling_ratio": 10 ** rng.uniform(-0.5, 2)}
        problem |= {"gain": 0.5} if over == "ridge" else {"ridge": 1e-3}
        problem |= {"prior": 0.3, "intercept": True} if k > 1 else {}
        table = best(over, **problem)
        scan = curve(**problem, **{over: np.geomspace(*RANGES[over], 1001)})
        height = -np.log(scan["test_error"])
        inner = (height[1:-1] > height[:-2] + 1e-11) & (height[1:-1] > height[2:] + 1e-11)
        tops = np.sort(scan[over][1:-1][inner])
        inside = np.sort(table[over][table["status"] == INTERIOR])
        assert inside.size == tops.size
        assert inside == pytest.approx(tops, rel=0.03)
        assert table["test_error"][0] <= scan["test_error"].min() * (1 + 1e-9)
        at = accuracy(**problem, **{over: table[over]})
        assert table["accuracy"] == pytest.approx(at.accuracy, abs=1e-13)


def test_a_spectrum_has_a_best_ridge_of_its_own():
    spectrum = {
        "eigenvalues": [0.2, 1.0, 4.0],
        "weights": [0.4, 0.4, 0.2],
        "squared_means": [0.1, 1.0, 1.0],
    }
    problem = {"loss": "hinge", "spectrum": spectrum, "sampling_ratio": 1.2}
    table = best("ridge", **problem)
    scan = curve(**problem, ridge=np.geomspace(*RANGES["ridge"], 2001))
    top = np.argmax(scan["accuracy"])
    assert list(table["status"]) == [INTERIOR]
    assert table["ridge"][0] == pytest.approx(scan["ridge"][top], rel=0.02)
    assert table["accuracy"][0] >= scan["accuracy"][top]
    assert table["bayes_accuracy"][0] == pytest.approx(ndtr(np.sqrt(0.5 + 1.0 + 0.25)), abs=1e-14)


def test_what_the_accuracy_does_not_depend_on_is_flat():
    table = best("gain", loss="least-squares", signal=2.0, sampling_ratio=3.0)
    assert list(table["status"]) == [FLAT]
    low, high = table["plateau_low"][0], table["plateau_high"][0]
    assert (low, high) == pytest.approx(RANGES["gain"])
    assert list(best("ridge", loss="hinge", signal=0.0, sampling_ratio=1.5)["status"]) == [FLAT]


def test_a_hinge_that_has_reached_max_margin_is_level_there_and_no_maximum():
    table = best("ridge", loss="hinge", signal=1.5, sampling_ratio=1.5, gain=0.5)
    assert list(table["status"]) == [INTERIOR]
    low = best(
        "ridge", {"ridge": (1e-5, 1e-2)}, loss="hinge", signal=1.5, sampling_ratio=1.5, gain=0.5
    )
    assert list(low["status"]) == [FLAT]
    limit = accuracy(loss="max-margin", signal=1.5, sampling_ratio=1.5, gain=0.5)
    assert low["accuracy"] == pytest.approx(float(limit.accuracy), abs=1e-12)


@pytest.mark.parametrize(
    ("convention", "factor"), [("scaled-sum", 1.5), ("sum", 300.0), ("C", None)]
)
def test_the_best_ridge_follows_its_convention(convention, factor):
    exact = float(square_ridge(1.5, 1.5, 0.6))
    table = best(
        "ridge",
        loss="square",
        signal=1.5,
        sampling_ratio=1.5,
        gain=[0.6, 1.0],
        ridge_convention=convention,
        num_samples=300,
    )
    expected = 1 / (300 * exact) if convention == "C" else factor * exact
    assert table["ridge"][0] == pytest.approx(expected, rel=1e-8)
    assert table["status"][1] == (LOWER if convention == "C" else UPPER)
    assert table["end_limit"][1] == "averaging"
    assert set(table["ridge_convention"]) == {convention}


def test_the_gap_is_to_the_best_threshold_of_unequal_classes():
    table = best(
        "ridge", loss="squared-hinge", signal=1.5, sampling_ratio=1.5, prior=0.3, intercept=True
    )
    shift = 0.5 * np.log(0.3 / 0.7) / 1.5
    bayes = 0.3 * ndtr(1.5 + shift) + 0.7 * ndtr(1.5 - shift)
    assert table["bayes_accuracy"][0] == pytest.approx(bayes, abs=1e-14)
    assert table["gap"][0] == pytest.approx(bayes - table["accuracy"][0], abs=1e-14)
    assert table["status"][0] == INTERIOR


def test_an_infinite_ridge_of_unequal_classes_is_the_likelier_class():
    table = best(
        "ridge",
        {"ridge": (0.1, 1e6)},
        loss="square",
        signal=0.1,
        sampling_ratio=0.1,
        prior=0.2,
        intercept=True,
    )
    assert list(table["end_limit"]) == ["majority"]
    assert table["end_accuracy"][0] == 0.8
    assert table["accuracy"][0] == pytest.approx(0.8, abs=1e-12)


def test_the_best_augmentation_trains_the_best_gain():
    """The spectral loss inverted, optimal.md, equation 11."""
    probe = {"loss": "squared-hinge", "signal": 1.5, "sampling_ratio": 100.0, "ridge": 0.03}
    gain = best("gain", **probe)
    trained = best("augmentation", objective="spectral", dimension=30, **probe)
    a = gain["gain"][0]
    root = np.sqrt(3.25)
    assert 1 / root < a < root
    expected = np.sqrt(2.25 * a / (root - a) - 1)
    assert list(trained["status"]) == [INTERIOR]
    assert trained["augmentation"][0] == pytest.approx(expected, rel=1e-6)
    assert trained["accuracy"][0] == pytest.approx(gain["accuracy"][0], abs=1e-12)


def test_collapse_is_level_up_to_its_temperature():
    table = best(
        "temperature",
        loss="logistic",
        signal=2.0,
        sampling_ratio=2.0,
        ridge=0.1,
        objective="cosine-scaled",
        augmentation=1.0,
        dimension=30,
    )
    assert list(table["status"]) == [LOWER, UPPER]
    critical = 2 * 4 * 1 / (2 * 6) / 30  # t_c/d
    assert 0.99 * critical < table["plateau_high"][0] <= critical
    collapsed = accuracy(loss="logistic", signal=2, sampling_ratio=2, ridge=0.1, gain=np.inf)
    assert table["accuracy"][0] == pytest.approx(float(collapsed.accuracy), abs=1e-13)


def test_problems_without_a_limit_are_rows_without_numbers():
    table = best("gain", loss="max-margin", signal=1.0, sampling_ratio=[2.0, 5.0])
    assert list(table["status"]) == [UPPER, "no limit"]
    assert list(table["converged"]) == [True, False]
    missing = table.rows()[1]
    assert missing["gain"] is missing["accuracy"] is missing["gap"] is None
    assert missing["num_maxima"] == 0
    none = best("gain", loss="max-margin", signal=1.0, sampling_ratio=5.0)
    assert list(none["status"]) == ["no limit"]


@pytest.mark.parametrize("loss", ["squared-hinge", "hinge"])
def test_ridge_and_gain_together_reach_bayes_in_the_corner(loss):
    table = best(("ridge", "gain"), loss=loss, signal=1.5, sampling_ratio=2.0)
    first = table.rows()[0]
    assert (first["place_gain"], first["status"]) == (UPPER, "at an end")
    assert first["place_ridge"] == UPPER
    assert first["accuracy"] == pytest.approx(ndtr(1.5), abs=1e-11)
    assert 0 < first["gap"] < 1e-11


def test_two_parameters_agree_with_one_at_the_other_end():
    problem = {
        "loss": "squared-hinge",
        "signal": 2.0,
        "sampling_ratio": 3.0,
        "prior": 0.3,
        "intercept": True,
        "objective": "spectral",
        "dimension": 30,
    }
    joint = best(("ridge", "augmentation"), **problem)
    alone = best("ridge", **problem, augmentation=RANGES["augmentation"][1])
    assert (joint["place_ridge"][0], joint["place_augmentation"][0]) == (INTERIOR, UPPER)
    assert joint["ridge"][0] == pytest.approx(alone["ridge"][0], rel=1e-7)
    assert joint["accuracy"][0] == pytest.approx(alone["accuracy"][0], abs=1e-13)
    assert joint["curvature"][0] == pytest.approx(alone["curvature"][0], rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.floats(0.35, 2.0), min_size=1, max_size=6),
    start=st.floats(0.1, 0.5),
    falls=st.booleans(),
)
def test_every_root_where_a_polynomial_slope_falls_is_found(gaps, start, falls):
    roots = start + np.cumsum([0.0, *gaps[:-1]])
    scale = -1.0 if falls else 1.0

    def function(x, problem):
        slope = scale * np.prod(x[:, None] - roots, axis=1)
        antiderivative = np.polynomial.Polynomial.fromroots(roots).integ()
        return Slopes(scale * antiderivative(x), slope, np.full_like(x, 1e-13))

    high = roots[-1] + 0.3
    found = local_maxima(function, np.zeros(1), np.array([high]), 80)
    at = np.concatenate([[0.0], roots, [high]])
    rising = np.array([scale * np.prod(x - roots) > 0 for x in 0.5 * (at[1:] + at[:-1])])
    expected = [r for k, r in enumerate(roots) if rising[k] and not rising[k + 1]]
    assert found.x[found.status == INTERIOR] == pytest.approx(np.array(expected), abs=1e-6)
    assert (LOWER in found.status) == (not rising[0])
    assert (UPPER in found.status) == rising[-1]


def test_plateaus_jumps_and_holes_are_named():
    def function(x, problem):
        over = np.maximum(np.abs(x) - 1, 0)
        height = np.select(
            [problem == 0, problem == 1, problem == 2],
            [-(over**2), x - 2.0 * (x > 1.2345), x + 2.0 * (x > 1.2345)],
            -x,
        )
        slope = np.select([problem == 0, problem <= 2], [-2 * np.sign(x) * over, 1.0], -1.0)
        hole = (problem == 3) & (x < -1)
        height, slope = (np.where(hole, np.nan, values) for values in (height, slope))
        return Slopes(height, slope, np.full_like(x, 1e-15))

    found = local_maxima(function, np.full(4, -5.0), np.full(4, 5.0), 41)
    rows = list(zip(found.problem.tolist(), found.status.tolist(), strict=True))
    assert rows == [(0, FLAT), (1, JUMP), (1, UPPER), (2, UPPER), (3, BESIDE_UNSOLVED)]
    assert (found.plateau_low[0], found.plateau_high[0]) == pytest.approx((-1.0, 1.0))
    assert found.x[1:] == pytest.approx([1.2345, 5.0, 5.0, -1.0], abs=1e-8)


def test_every_corner_end_and_interior_maximum_of_a_box_is_found():
    """V = f(u) + f(v), f = u^2/2 - u^4/4, sheared: maxima at u, v = +-1, cut by the box."""
    shear = np.array([[1.0, 0.4], [0.0, 1.0]])

    def function(x, problem):
        u = np.linalg.solve(shear, x)
        height = np.sum(u**2 / 2 - u**4 / 4, axis=0)
        return Slopes(height, np.linalg.inv(shear).T @ (u - u**3), np.full_like(x, 1e-15))

    low, high = np.full((2, 1), -1.8), np.array([[1.2], [1.8]])
    found = joint_maxima(function, low, high, 17)
    inside = [m for m in found if m.status == INTERIOR]
    places = sorted(tuple(np.round(np.linalg.solve(shear, m.x), 6) + 0.0) for m in inside)
    assert places == [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0)]
    assert all(m.curvature < 0 and m.location_error < 1e-9 for m in inside)
    (edge,) = (m for m in found if m.status == "at an end")
    assert edge.places == (UPPER, INTERIOR)
    v = edge.x[1]
    slope = minimize_scalar(
        lambda y: -float(function(np.array([[1.2], [y]]), None).height[0]),
        bounds=(0.3, 1.7),
        method="bounded",
        options={"xatol": 1e-9},
    ).x
    assert v == pytest.approx(slope, abs=1e-6)


def test_a_level_piece_below_a_hill_is_no_maximum():
    def function(x, problem):
        up = np.maximum(x[0], 0)
        slope = np.stack([2 * up * (1 - x[1] ** 2), -2 * up**2 * x[1]])
        return Slopes(up**2 * (1 - x[1] ** 2), slope, np.full_like(x, 1e-14))

    found = joint_maxima(function, np.full((2, 1), -1.0), np.full((2, 1), 0.9), 17)
    assert [m.places for m in found] == [(UPPER, INTERIOR)]


def test_an_ascent_that_rough_heights_stop_ends_at_a_zero_of_the_exact_gradient():
    def function(x, problem):
        bend = x[1] - x[0] ** 2
        height = -((1 - x[0]) ** 2) - 10 * bend**2 + 1e-7 * np.sin(1e5 * x[0])
        slope = np.stack([2 * (1 - x[0]) + 40 * bend * x[0], -20 * bend])
        return Slopes(height, slope, np.full_like(x, 1e-14))

    found = joint_maxima(function, np.full((2, 1), -0.53), np.full((2, 1), 1.7), 17)
    assert found[0].status == INTERIOR
    assert found[0].x == pytest.approx([1.0, 1.0], abs=1e-9)


def test_a_curve_of_maxima_is_called_flat():
    def function(x, problem):
        u = x.sum(axis=0)
        return Slopes(-(u**2), np.stack([-2 * u, -2 * u]), np.full_like(x, 1e-14))

    found = joint_maxima(function, np.full((2, 1), -1.0), np.full((2, 1), 1.5), 17)
    assert [m.status for m in found] == [FLAT]
    assert found[0].x.sum() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("over", "changed", "message"),
    [
        ("gian", {}, "must be one or two of"),
        (("ridge", "ridge"), {}, "must be one or two of"),
        ((), {}, "must be one or two of"),
        ("ridge", {"ridge": 0.1}, "is what is sought"),
        ("temperature", {"ridge": 0.1}, "parameters of an objective"),
        ("gain", {"ridge": 0.1, "objective": "spectral", "dimension": 9}, "trained head"),
        ("ridge", {"sampling_ratio": None}, "sampling_ratio is required"),
        ("ridge", {"loss": "max-margin"}, "not a parameter of the limit"),
        ("ridge", {"bounds": {"ridge": (2.0, 1.0)}}, "0 < low < high"),
        ("ridge", {"bounds": {"gain": (1.0, 2.0)}}, "which is not sought"),
        ("ridge", {"objective": "spectral", "dimension": 9, "redrawn": 0.5}, "no derivatives"),
    ],
)
def test_a_choice_that_the_problem_does_not_have_is_refused(over, changed, message):
    problem = {"loss": "square", "signal": 1.0, "sampling_ratio": 1.5}
    with pytest.raises(InvalidInput, match=message):
        best(over, **problem | changed)


def test_the_middle_of_a_plateau_that_is_not_known_is_not_converged():
    def level(x, problem):
        known = np.where(x == 0.0, np.nan, 1.0)
        return Slopes(known, 0 * known, 1e-12 * known)

    found = local_maxima(level, np.array([-1.0]), np.array([1.0]), 4)
    assert found.status.tolist() == ["not converged"]


def test_bounds_without_end_are_refused():
    with pytest.raises(InvalidInput, match="bounds of ridge must lie in 1e-12:1e12"):
        best("ridge", {"ridge": (1e-300, 1e300)}, loss="square", signal=1.0, sampling_ratio=1.0)
