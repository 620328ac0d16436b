"""The first output of a pretrained head: closed forms against spectral laws and sampled heads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from asymptotics import InvalidInput
from asymptotics.pretraining.pairs import Pairs, alignment
from asymptotics.pretraining.transition import (
    critical_augmentation,
    critical_ratio,
    eigenvalue,
    full_rank_ratio,
    learned,
    outlier,
    overlap,
    upper_edge,
)
from validation.finite_size import extrapolate
from validation.pretraining import sample_moments, train_head

signals = st.floats(0.3, 6.0)
augmentations = st.floats(0.05, 4.0)


def pairs(signal, pretraining_ratio, augmentation):
    return Pairs(*(np.asarray(x, dtype=float) for x in (signal, pretraining_ratio, augmentation)))


@given(signals, augmentations)
def test_the_head_learns_above_the_critical_ratio_and_not_below_it(signal, augmentation):
    critical = critical_ratio(signal, augmentation)
    below = pairs(signal, max(1.0, critical * (1 - 1e-6)), augmentation)
    above = pairs(signal, critical * (1 + 1e-6), augmentation)
    assert not learned(below)
    assert overlap(below) == 0
    assert learned(above)
    assert 0 < overlap(above) < 0.05


@given(signals, augmentations)
def test_the_outlier_leaves_the_bulk_exactly_at_the_transition(signal, augmentation):
    at = pairs(signal, critical_ratio(signal, augmentation), augmentation)
    assert outlier(at) == pytest.approx(upper_edge(at), rel=1e-9)
    later = pairs(signal, 2 * critical_ratio(signal, augmentation), augmentation)
    assert outlier(later) > upper_edge(later)


@given(signals, st.floats(0.01, 50.0))
def test_the_critical_augmentation_is_where_learning_ends(signal, ratio):
    critical = critical_augmentation(signal, ratio)
    if np.isnan(critical):
        assert not learned(pairs(signal, ratio, 1e-4))
    elif critical > 1e-3:
        assert learned(pairs(signal, ratio, critical * (1 - 1e-6)))
        assert not learned(pairs(signal, ratio, critical * (1 + 1e-6)))


def test_fewer_pairs_than_dimensions_teach_within_an_island_around_one_half():
    # ell > 2 is needed, and the island is symmetric in N/p -> 1 - N/p
    ratio = np.linspace(0.01, 0.99, 99)
    found = learned(pairs(2.0, ratio, 0.5))
    spike = 8 / 2.25
    np.testing.assert_array_equal(found, np.abs(ratio - 0.5) < np.sqrt(0.25 - 1 / spike**2))
    assert not np.any(learned(pairs(1.41, ratio, 0.01)))
    assert not learned(pairs(50.0, 1.0, 0.01))


def test_many_pairs_find_the_signal_and_its_population_eigenvalue():
    signal, sigma = 1.5, 0.8
    at = pairs(signal, 1e7, sigma)
    assert overlap(at) == pytest.approx(1.0, abs=1e-5)
    population = (signal**2 + 1) / (signal**2 + 1 + sigma**2)
    assert eigenvalue(at) == pytest.approx(population, abs=1e-5)


def wachter_transform(point, ratio):
    """int dJ(f)/(f - point), J the law of V^{-1} U for two Wisharts of N = `ratio` p samples."""
    c = 1 / ratio
    width = np.sqrt(2 * c - c**2)
    low, high = ((1 - width) / (1 - c)) ** 2, ((1 + width) / (1 - c)) ** 2

    def density(angle, function):
        f = low + (high - low) * np.sin(angle) ** 2
        half = (high - low) * np.sin(angle) * np.cos(angle)  # sqrt((high - f) (f - low))
        return (1 - c) * half / (2 * np.pi * f * c * (1 + f)) * 2 * half * function(f)

    def mean(function):
        return quad(density, 0, np.pi / 2, args=(function,), epsabs=1e-13)[0]

    assert mean(np.ones_like) == pytest.approx(1.0, abs=1e-10)
    return mean(lambda f: 1 / (f - point))


@pytest.mark.parametrize(("signal", "ratio", "sigma"), [(2.0, 4.0, 0.7), (1.2, 12.0, 1.0)])
def test_the_outlier_solves_the_secular_equation_of_two_wisharts(signal, ratio, sigma):
    # delta = tr[((1-x) U - x V)^{-1}]/N from Wachter's law of V^{-1} U, at f = x/(1-x)
    at = pairs(signal, ratio, sigma)
    c, spike, x = float(at.aspect), float(at.spike), float(outlier(at))
    f = x / (1 - x)
    delta = c / (2 - c) * (1 + f) * (1 + (1 + f) * wachter_transform(f, ratio))
    # it obeys the fixed point of a sample covariance matrix with weights 1-x and -x
    fitted = (1 - x) / (1 + (1 - x) * delta) - x / (1 - x * delta)
    assert fitted * delta == pytest.approx(c, abs=1e-8)
    # and the spiked direction is null there
    secular = (1 + spike) * (1 - x) / (1 + (1 - x) * delta) - x / (1 - x * delta)
    assert secular == pytest.approx(0.0, abs=1e-8)


# signal, N/p, sigma: above, below, and N < p inside and outside of the island
SAMPLED = [(2.0, 5.0, 0.8), (1.5, 2.0, 1.0), (2.5, 0.6, 0.5), (2.5, 0.3, 0.5), (1.5, 0.5, 1.0)]


@pytest.mark.parametrize("point", SAMPLED)
def test_the_first_output_of_sampled_heads(point):
    signal, ratio, sigma = point
    rng = np.random.default_rng(hash(point) % 1000)
    sizes, trials = (40, 80, 160), 60
    squared, largest = [], []
    for p in sizes:
        heads = [
            train_head(*sample_moments(rng, signal, sigma, round(ratio * p), p))
            for _ in range(trials)
        ]
        squared.append([head.direction[0] ** 2 for head in heads])
        largest.append([head.eigenvalue for head in heads])
    at = pairs(signal, ratio, sigma)
    limit = extrapolate(sizes, squared).limit
    assert abs(limit.value - overlap(at) ** 2) < 4 * limit.standard_error
    assert limit.standard_error < 0.03
    if ratio < 1:
        np.testing.assert_allclose(largest, 1.0, atol=1e-9)
    elif learned(at):
        limit = extrapolate(sizes, largest).limit
        assert abs(limit.value - eigenvalue(at)) < 4 * limit.standard_error
        assert limit.standard_error < 0.005


def test_below_the_transition_the_overlap_falls_like_one_over_p():
    rng = np.random.default_rng(3)
    means = []
    for p in (50, 200):
        heads = [train_head(*sample_moments(rng, 1.0, 1.0, 2 * p, p)) for _ in range(60)]
        means.append(np.mean([head.direction[0] ** 2 for head in heads]))
    assert critical_ratio(1.0, 1.0) > 2
    assert means[1] < 0.4 * means[0]


def test_above_the_full_rank_ratio_no_eigenvalue_is_negative():
    sigma = 0.9
    for factor, positive in ((1.01, True), (0.99, False)):
        c = 1 / (factor * full_rank_ratio(sigma))
        lowest = (1 - np.sqrt(c * (2 - c))) / 2
        assert (alignment(lowest, sigma) > 0) == positive


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((-1.0, 1.0, 1.0), "signal must be finite and >= 0, got -1"),
        ((1.0, 0.0, 1.0), "pretraining_ratio must be finite and > 0, got 0"),
        ((1.0, 1.0, 0.0), "augmentation must be finite and > 0, got 0"),
        (([1.0, 2.0], [1.0, 2.0, 3.0], 1.0), "do not broadcast"),
    ],
)
def test_values_outside_the_domain_are_refused(arguments, text):
    with pytest.raises(InvalidInput, match=text):
        pairs(*arguments)
