"""The statistics of a comparison alone: false alarms, power, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ks_1samp
from scipy.stats import t as student

from asymptotics.errors import InvalidInput
from validation.compare import Row, compare, holm
from validation.estimate import Estimate, combine, mean_of
from validation.finite_size import extrapolate

DIMENSIONS = (100, 200, 400)


def trials(rng, limit, bias, spread, num_trials=20, dimensions=DIMENSIONS, curvature=0.0):
    """Independent trials y + b/p + c/p^2 + (spread/sqrt p) noise at each dimension."""
    return [
        limit + bias / p + curvature / p**2 + spread / np.sqrt(p) * rng.standard_normal(num_trials)
        for p in dimensions
    ]


def row(found, theory, bound=0.1, **extra):
    return Row(
        {"signal": 1.0},
        "accuracy",
        theory,
        found.limit,
        bound,
        fit_p_value=found.fit_p_value,
        **extra,
    )


def test_the_limit_of_an_exact_line_in_the_inverse_dimension_is_its_constant():
    exact = [np.array([0.8 + 3.0 / p + d for d in (-1e-3, 1e-3)]) for p in (50, 80, 200, 300)]
    found = extrapolate((50, 80, 200, 300), exact)
    assert found.limit.value == pytest.approx(0.8, abs=1e-13)
    assert found.bias.value == pytest.approx(3.0, abs=1e-10)
    assert found.fit_p_value == pytest.approx(1.0)


def test_the_extrapolated_limit_is_unbiased_and_studentised_as_stated():
    rng = np.random.default_rng(0)
    scores, fits = [], []
    for _ in range(1000):
        found = extrapolate(DIMENSIONS, trials(rng, 0.8, 3.0, 0.15, num_trials=10))
        z = (found.limit.value - 0.8) / found.limit.standard_error
        scores.append(student.cdf(z, found.limit.degrees_of_freedom))
        fits.append(found.fit_p_value)
    # uniform where the law is Student's: a wrong variance or degrees of freedom shows
    assert ks_1samp(scores, lambda u: u).pvalue > 0.01
    assert ks_1samp(fits, lambda u: u).pvalue > 0.001


def test_welch_and_satterthwaite_give_the_degrees_of_freedom_of_equal_samples():
    equal = Estimate(1.0, 0.5, 9.0)
    both = combine([1, -1], [equal, equal])
    assert (both.value, both.degrees_of_freedom) == (0.0, pytest.approx(18.0))
    assert both.standard_error == pytest.approx(0.5 * np.sqrt(2))
    # a tiny part leaves those of the large one
    tiny = combine([1, 1], [equal, Estimate(0.0, 1e-200, 3.0)])
    assert tiny.degrees_of_freedom == pytest.approx(9.0)


def test_holm_is_at_least_as_sharp_as_bonferroni_and_keeps_the_order():
    p = np.array([0.04, 0.001, np.nan, 0.5, 0.02])
    adjusted = holm(p)
    assert np.isnan(adjusted[2])
    expected = [0.08, 0.004, np.nan, 0.5, 0.06]
    np.testing.assert_allclose(adjusted, expected)
    known = ~np.isnan(p)
    assert np.all(adjusted[known] <= np.minimum(4 * p[known], 1))
    assert np.all(adjusted[known] >= false_discovery_control(p[known]))


def table_of(rng, theories, limits):
    found = [extrapolate(DIMENSIONS, trials(rng, y, 3.0, 0.15, 40)) for y in limits]
    return compare([row(f, t) for f, t in zip(found, theories, strict=True)], level=0.05)


def test_a_right_theory_is_called_wrong_as_rarely_as_stated():
    rng = np.random.default_rng(1)
    limits = np.linspace(0.7, 0.9, 8)
    verdicts = [table_of(rng, limits, limits).agreement for _ in range(300)]
    alarms = verdicts.count(False)
    # 5% of 300 tables of eight rows, and its binomial spread of 3.8
    assert alarms <= 15 + 3 * 3.8
    assert alarms >= 4  # so that the rate is no accident of a test that never alarms
    assert verdicts.count(None) <= 15 + 3 * 3.8


def test_an_error_of_one_percent_in_one_row_of_eight_is_detected():
    rng = np.random.default_rng(2)
    limits = np.linspace(0.7, 0.9, 8)
    planted = limits * np.where(np.arange(8) == 3, 1.01, 1.0)
    # 200 trials bring the standard error below 0.0015
    for _ in range(20):
        found = [extrapolate(DIMENSIONS, trials(rng, y, 3.0, 0.15, 200)) for y in limits]
        rows = [row(f, t, 0.0015) for f, t in zip(found, planted, strict=True)]
        comparison = compare(rows)
        assert comparison.agreement is False
        assert comparison.table["status"][3] == "disagrees"


def test_an_error_of_the_detectable_size_is_detected_with_probability_0_99():
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(1000):
        found = extrapolate(DIMENSIONS, trials(rng, 0.8, 3.0, 0.15, 30))
        size = compare([row(found, 0.8)]).table["detectable"][0]
        missed += compare([row(found, 0.8 + size)]).agreement is True
    assert missed <= 10 + 3 * np.sqrt(10)


def test_a_noisy_row_is_no_agreement_and_no_disagreement():
    found = extrapolate(DIMENSIONS, trials(np.random.default_rng(4), 0.8, 3.0, 0.15))
    comparison = compare([row(found, found.limit.value, bound=1e-6)])
    assert comparison.table["status"].tolist() == ["too noisy"]
    assert comparison.agreement is None
    assert "nothing decided" in str(comparison)


def test_noise_does_not_hide_a_disagreement():
    found = extrapolate(DIMENSIONS, trials(np.random.default_rng(5), 0.8, 3.0, 0.15))
    assert compare([row(found, 0.5, bound=1e-6)]).agreement is False


def test_a_bias_that_is_no_line_is_not_extrapolated():
    rng = np.random.default_rng(6)
    found = extrapolate(
        (10, 20, 40), trials(rng, 0.8, 0.0, 0.01, 200, (10, 20, 40), curvature=-8.0)
    )
    comparison = compare([row(found, 0.8)])
    assert comparison.table["status"].tolist() == ["bias not linear in 1/p"]
    assert comparison.agreement is None


def test_a_row_without_an_estimate_says_why_and_is_no_test():
    found = extrapolate(DIMENSIONS, trials(np.random.default_rng(7), 0.8, 3.0, 0.15))
    missing = Row({"signal": 2.0}, "accuracy", np.nan, None, 0.1, fault="no limit")
    comparison = compare([row(found, found.limit.value), missing])
    assert comparison.table["status"].tolist() == ["agrees", "no limit"]
    assert comparison.agreement is None
    assert comparison.rows()[1]["z"] is None
    # one test, not two
    assert comparison.table["adjusted_p_value"][0] == pytest.approx(1.0)


def test_identical_trials_agree_with_the_same_number_and_with_no_other():
    same = extrapolate(DIMENSIONS, [np.full(10, 0.5)] * 3)
    assert compare([row(same, 0.5)]).agreement is True
    assert compare([row(same, 0.5 + 1e-6)]).agreement is False


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: extrapolate((100, 200), [[1, 2]] * 2), "three or more different"),
        (lambda: extrapolate((100, 200, 200), [[1, 2]] * 3), "three or more different"),
        (lambda: extrapolate(DIMENSIONS, [[1.0]] * 3), "2 or more finite trials"),
        (lambda: mean_of([0.5, np.nan]), "2 or more finite trials"),
        (lambda: compare([]), "nothing to compare"),
        (lambda: compare([row(extrapolate(DIMENSIONS, [[1, 2]] * 3), 1)], level=0.6), "level"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
