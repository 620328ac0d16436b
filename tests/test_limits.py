"""The limiting accuracy: published values, closed forms, identities, extremes, failures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_ndtr, ndtr

from asymptotics import (
    PROBES,
    Gain,
    InvalidInput,
    NoLimit,
    Problem,
    accuracy,
    curve,
    isotropic_mixture,
    limit,
    make_problem,
    separability,
)
from asymptotics.probes import Existence

PENALISED = [name for name, probe in PROBES.items() if probe.ridge is None]
GAINS = [0.5, 1.0, 2.0]


def solve(loss, **parameters):
    """`limit` of a problem, arrays allowed."""
    return limit(make_problem(loss=loss, **parameters))


@pytest.mark.parametrize(
    ("loss", "ridge", "expected"),
    [
        ("logistic", 0.1, [0.78891233, 0.89182566, 0.91800538]),
        ("hinge", 0.1, [0.78438210, 0.85008315, 0.88473643]),
        ("square", 0.1, [0.80343515, 0.83625249, 0.84344520]),
        ("max-margin", None, [0.77631087, 0.84746745, 0.88430062]),
    ],
)
def test_reference_values_of_three_gains(loss, ridge, expected):
    result = solve(loss, signal=1.5, sampling_ratio=1.5, ridge=ridge, gain=GAINS)
    np.testing.assert_allclose(result.accuracy, expected, atol=6e-9)


def test_a_published_point_of_logistic_regression_on_a_mixture():
    """Loureiro et al. 2106.03791: x = y mu/sqrt(p) + N(0, I/2), sum of losses, lambda = 0.01."""
    spectrum = {"eigenvalues": [0.5], "weights": [1.0], "squared_means": [1.0]}
    result = solve(
        "logistic",
        spectrum=spectrum,
        sampling_ratio=1.268947,
        ridge=0.01,
        ridge_convention="scaled-sum",
    )
    # they print n/p to seven digits, which moves V, m and q in the seventh
    np.testing.assert_allclose(result.gamma, 25.0454437, rtol=3e-7)
    np.testing.assert_allclose(result.m, 2.7898260, rtol=3e-7)
    np.testing.assert_allclose(result.q, 7.0655474, rtol=6e-7)
    np.testing.assert_allclose(result.test_error, 0.14696193, atol=1e-8)


def ordinary_points(count=200, seed=0):
    """signal, sampling_ratio, ridge and gain in the range of an ordinary figure."""
    rng = np.random.default_rng(seed)
    return {
        "signal": rng.uniform(0.1, 3, count),
        "sampling_ratio": 10 ** rng.uniform(-0.7, 1, count),
        "gain": 10 ** rng.uniform(-1, 1, count),
    }


def test_min_norm_interpolation_is_its_closed_form():
    x = ordinary_points()
    x["sampling_ratio"] = x["sampling_ratio"] / 11
    delta, a, radius = x["sampling_ratio"], x["gain"], x["signal"]
    signal = delta * radius**2 * a**2 / (1 - delta + delta * a**2)
    t = signal * np.sqrt(1 - delta) / np.sqrt(signal**2 / radius**2 + delta)
    np.testing.assert_allclose(solve("min-norm", **x).accuracy, ndtr(t), atol=1e-13)


def test_least_squares_is_its_closed_form_at_every_gain():
    x = ordinary_points()
    x["sampling_ratio"] = 1 + x["sampling_ratio"]
    radius, delta = x["signal"], x["sampling_ratio"]
    t = radius**2 * np.sqrt(1 - 1 / delta) / np.sqrt(radius**2 + 1 / delta)
    np.testing.assert_allclose(solve("least-squares", **x).accuracy, ndtr(t), atol=1e-13)


def test_averaging_is_its_closed_form_in_the_tail():
    x = ordinary_points() | {"signal": np.linspace(0.1, 20, 200)}
    radius, delta, a = x["signal"], x["sampling_ratio"], x["gain"]
    t = a**2 * radius**2 / np.sqrt(a**4 * radius**2 + 1 / delta)
    expected = np.exp(log_ndtr(-t))
    np.testing.assert_allclose(solve("averaging", **x).test_error, expected, rtol=1e-11)


def test_bayes_is_phi_of_the_signal():
    np.testing.assert_allclose(
        solve("bayes", signal=[0.0, 1.0, 8.0], sampling_ratio=1.0).test_error,
        ndtr([0.0, -1.0, -8.0]),
        rtol=1e-14,
    )


@pytest.mark.parametrize("loss", PENALISED)
def test_a_large_ridge_is_the_averaging_classifier(loss):
    x = ordinary_points()
    large = solve(loss, ridge=1e6, **x)
    np.testing.assert_allclose(large.accuracy, solve("averaging", **x).accuracy, atol=1e-3)
    larger = solve(loss, ridge=1e8, **x)
    np.testing.assert_allclose(larger.accuracy, solve("averaging", **x).accuracy, atol=1e-5)


def test_a_vanishing_ridge_of_the_square_loss_switches_at_interpolation():
    x = ordinary_points()
    below, above = x["sampling_ratio"] < 0.9, x["sampling_ratio"] > 1.1
    small = solve("square", ridge=1e-9, **x).accuracy
    for chosen, name in ((below, "min-norm"), (above, "least-squares")):
        part = {key: value[chosen] for key, value in x.items()}
        np.testing.assert_allclose(small[chosen], solve(name, **part).accuracy, atol=1e-6)


def test_squared_hinge_reaches_max_margin_linearly_in_the_ridge():
    x = {"signal": 2.0, "sampling_ratio": 2.0, "gain": 0.7}
    hard = solve("max-margin", **x).accuracy
    gaps = [float(solve("squared-hinge", ridge=r, **x).accuracy - hard) for r in (1e-4, 1e-5)]
    assert gaps[1] == pytest.approx(gaps[0] / 10, rel=1e-2)


def test_hinge_reaches_max_margin_exponentially_fast_in_the_inverse_ridge():
    """The gap is about Phi(-gamma/(ridge sqrt q)) of max-margin's gamma and q: never zero."""
    x = {"signal": 1.5, "sampling_ratio": 1.5}
    hard = solve("max-margin", **x).accuracy
    gaps = [abs(float(solve("hinge", ridge=r, **x).accuracy - hard)) for r in (0.1, 0.05, 0.03)]
    assert gaps[0] > 1e-3
    assert 1e-7 < gaps[1] < 1e-4
    assert gaps[2] < 1e-11


def test_small_ridge_logistic_is_the_mle_past_separability():
    x = {"signal": 1.0, "sampling_ratio": 8.0, "gain": 3.0}
    difference = solve("logistic", ridge=1e-9, **x).accuracy - solve("logistic-mle", **x).accuracy
    assert abs(difference) < 1e-8


@pytest.mark.parametrize("loss", ["least-squares", "logistic-mle"])
def test_an_unpenalised_fit_ignores_the_projector(loss):
    result = solve(loss, signal=1.0, sampling_ratio=6.0, gain=[1e-3, 0.5, 1.0, 2.0, 1e3])
    np.testing.assert_allclose(result.accuracy, result.accuracy[2], atol=1e-12)


@pytest.mark.parametrize("loss", PENALISED)
def test_few_samples_carry_nothing_and_many_carry_everything(loss):
    few = solve(loss, signal=1.0, sampling_ratio=1e-8, ridge=1.0)
    many = solve(loss, signal=1.0, sampling_ratio=1e8, ridge=1.0)
    assert float(few.accuracy) == pytest.approx(0.5, abs=2e-4)
    assert float(many.accuracy) == pytest.approx(float(ndtr(1.0)), abs=1e-7)


@pytest.mark.parametrize("loss", list(PROBES))
def test_no_signal_is_a_coin(loss):
    exists = {Existence.INSEPARABLE: 3.0, Existence.DETERMINED: 3.0}
    delta = exists.get(PROBES[loss].existence, 0.5)
    ridge = 0.1 if PROBES[loss].ridge is None else None
    result = solve(loss, signal=0.0, sampling_ratio=delta, ridge=ridge, gain=2.0)
    assert float(result.accuracy) == 0.5


@pytest.mark.parametrize("loss", PENALISED)
@settings(deadline=None, max_examples=40)
@given(
    signal=st.floats(0, 20),
    log_ratio=st.floats(-2, 3),
    log_ridge=st.floats(-10, 6),
    log_gain=st.floats(-3, 3),
)
def test_any_point_of_the_box_is_between_a_coin_and_bayes(
    loss, signal, log_ratio, log_ridge, log_gain
):
    result = solve(
        loss,
        signal=signal,
        sampling_ratio=10**log_ratio,
        ridge=10**log_ridge,
        gain=10**log_gain,
    )
    # a typed failure is allowed (counted by the test below), a wrong number is not
    if result.converged:
        assert 0.5 - 1e-12 <= result.accuracy <= ndtr(signal) + 1e-12
        assert result.accuracy + result.test_error == pytest.approx(1.0, abs=1e-15)


def box(count, seed):
    """Random points of the box R <= 20, n/p in [1e-2, 1e3], ridge in [1e-10, 1e6], gain."""
    rng = np.random.default_rng(seed)
    return {
        "signal": rng.uniform(0, 20, count),
        "sampling_ratio": 10 ** rng.uniform(-2, 3, count),
        "ridge": 10 ** rng.uniform(-10, 6, count),
        "gain": 10 ** rng.uniform(-3, 3, count),
    }


def assert_box_is_solved(loss, count, seed):
    points = box(count, seed)
    if PROBES[loss].ridge is not None:
        del points["ridge"]
    if loss == "logistic-mle":
        points["signal"] /= 5
    result = solve(loss, **points)
    exists = result.status != "no limit"
    assert np.sum(exists & ~result.converged) <= max(0.001 * np.sum(exists), 1)
    assert np.all(result.error_estimate[result.converged] < 1e-10)
    assert np.all(np.abs(result.overlap[result.converged]) <= 1 + 1e-9)


@pytest.mark.parametrize("loss", list(PROBES))
def test_random_points_of_the_box_are_solved(loss):
    assert_box_is_solved(loss, 150, seed=5)


@pytest.mark.slow
@pytest.mark.parametrize("loss", list(PROBES))
def test_999_of_1000_random_points_of_the_box_are_solved(loss):
    assert_box_is_solved(loss, 4000, seed=6)


def test_tiny_test_errors_keep_their_digits():
    """At R = 14 the error of least squares is near 1e-40; the closed form gives every digit."""
    delta = 1.5 + np.arange(5.0)
    t = 14**2 * np.sqrt(1 - 1 / delta) / np.sqrt(14**2 + 1 / delta)
    result = solve("least-squares", signal=14.0, sampling_ratio=delta)
    np.testing.assert_allclose(result.test_error, np.exp(log_ndtr(-t)), rtol=1e-10)
    assert result.test_error[-1] < 1e-30


@pytest.mark.parametrize(
    ("loss", "below", "above", "message"),
    [
        ("max-margin", True, False, "separability threshold 3.7000335"),
        ("logistic-mle", False, True, "separability threshold 3.7000335"),
        ("min-norm", True, False, "interpolation threshold 1"),
        ("least-squares", False, True, "interpolation threshold 1"),
    ],
)
def test_existence_switches_exactly_at_the_threshold(loss, below, above, message):
    existence = PROBES[loss].existence
    star = 1.0
    if existence in (Existence.SEPARABLE, Existence.INSEPARABLE):
        star = float(separability(1.0).threshold)
    result = solve(loss, signal=1.0, sampling_ratio=star * np.array([1 - 1e-6, 1, 1 + 1e-6]))
    expected = ["converged" if below else "no limit", "no limit"]
    assert result.status.tolist() == [*expected, "converged" if above else "no limit"]
    assert np.all(np.isnan(result.accuracy[result.status == "no limit"]))
    with pytest.raises(NoLimit, match=message):
        accuracy(loss=loss, signal=1.0, sampling_ratio=star)


def test_max_margin_and_mle_meet_at_separability():
    star = float(separability(1.5).threshold)
    hard = solve("max-margin", signal=1.5, sampling_ratio=star * (1 - 1e-7), gain=0.5)
    mle = solve("logistic-mle", signal=1.5, sampling_ratio=star * (1 + 1e-7))
    assert float(hard.accuracy) == pytest.approx(float(mle.accuracy), abs=1e-5)
    cosine = float(separability(1.5).cosine)
    assert float(hard.overlap) == pytest.approx(cosine, abs=1e-5)


@pytest.mark.parametrize("loss", ["square", "logistic", "hinge", "squared-hinge", "max-margin"])
def test_a_balanced_intercept_is_zero_and_changes_nothing(loss):
    x = {"signal": 1.5, "sampling_ratio": 2.0, "gain": 0.5}
    x["ridge"] = 0.1 if PROBES[loss].ridge is None else None
    with_one, without = solve(loss, intercept=True, **x), solve(loss, **x)
    assert float(with_one.intercept) == pytest.approx(0, abs=1e-12)
    assert float(with_one.accuracy) == pytest.approx(float(without.accuracy), abs=1e-12)


def test_swapping_the_classes_flips_the_intercept():
    x = {"signal": 1.0, "sampling_ratio": 3.0, "ridge": 0.1, "intercept": True}
    one, other = solve("logistic", prior=0.2, **x), solve("logistic", prior=0.8, **x)
    assert float(one.intercept) == pytest.approx(-float(other.intercept), rel=1e-10)
    assert float(one.accuracy) == pytest.approx(float(other.accuracy), abs=1e-12)


def test_the_prior_does_not_matter_without_an_intercept():
    x = {"signal": 1.0, "sampling_ratio": 3.0, "ridge": 0.1}
    difference = solve("hinge", prior=0.1, **x).accuracy - solve("hinge", **x).accuracy
    assert float(difference) == 0.0


def test_a_grid_is_its_points():
    grid = solve("logistic", signal=1.0, sampling_ratio=[[0.5], [2.0]], ridge=0.1, gain=GAINS)
    assert grid.accuracy.shape == (2, 3)
    for i, delta in enumerate([0.5, 2.0]):
        for j, gain in enumerate(GAINS):
            one = solve("logistic", signal=1.0, sampling_ratio=delta, ridge=0.1, gain=gain)
            assert float(one.accuracy) == pytest.approx(grid.accuracy[i, j], abs=1e-12)


def test_curve_runs_over_the_product_of_grids_and_marks_what_is_missing():
    table = curve(loss="max-margin", signal=1.0, sampling_ratio=[1.0, 5.0], gain=GAINS)
    assert len(table) == 6
    rows = table.rows()
    assert [row["gain"] for row in rows] == GAINS * 2
    assert all(row["accuracy"] is None and row["status"] == "no limit" for row in rows[3:])
    assert all(row["threshold"] == pytest.approx(3.70003346) for row in rows)


def test_ridge_conventions_are_the_same_problem():
    x = {"signal": 1.0, "sampling_ratio": 2.0, "loss": "logistic"}
    own = accuracy(ridge=0.1, **x).accuracy
    others = [
        accuracy(ridge=0.2, ridge_convention="scaled-sum", **x).accuracy,
        accuracy(ridge=50.0, ridge_convention="sum", num_samples=500, **x).accuracy,
        accuracy(ridge=0.02, ridge_convention="C", num_samples=500, **x).accuracy,
    ]
    np.testing.assert_allclose(others, own, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": -1.0}, "ridge must be finite and > 0, got -1"),
        ({"ridge": np.nan}, "ridge must be finite and > 0, got nan"),
        ({"ridge": None}, "ridge is required by the loss logistic"),
        ({"sampling_ratio": 0.0}, "sampling_ratio must be finite and > 0, got 0"),
        ({"sampling_ratio": "many"}, "sampling_ratio must be a number > 0"),
        ({"signal": -1.0}, "signal must be finite and >= 0, got -1"),
        ({"gain": -2.0}, "gain must be >= 0, got -2"),
        ({"prior": 1.0}, "prior must lie strictly between 0 and 1, got 1"),
        ({"loss": "huber"}, "loss must be one of square, logistic"),
        ({"loss": "max-margin"}, "ridge is not a parameter of the limit max-margin"),
        ({"ridge_convention": "sum"}, "num_samples is required"),
        ({"ridge_convention": "mine"}, "ridge_convention must be one of"),
        ({"signal": [1.0, 2.0], "gain": [1.0, 2.0, 3.0]}, "do not broadcast"),
        ({"signal": None}, "exactly one of signal, spectrum and arrays"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    parameters = {"loss": "logistic", "signal": 1.0, "sampling_ratio": 2.0, "ridge": 0.1} | change
    with pytest.raises(InvalidInput, match=message) as caught:
        accuracy(**parameters)
    assert "\n" not in str(caught.value)


def test_averaging_refuses_an_intercept():
    with pytest.raises(InvalidInput, match="averaging has no intercept"):
        Problem(isotropic_mixture(1.0), Gain(), "averaging", 1.0, intercept=True)
