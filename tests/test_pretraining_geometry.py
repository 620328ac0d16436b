"""What a probe sees behind a pretrained head: identities, limits, and sampled heads."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from asymptotics import InvalidInput, Problem, isotropic_mixture, limit
from asymptotics.pretraining.balanced import balanced
from asymptotics.pretraining.head import pretrained
from asymptotics.pretraining.pairs import Pairs
from asymptotics.pretraining.two_wisharts import mass_above, measures
from validation.finite_size import extrapolate
from validation.pretraining import sample_moments, train_head

# signal, N/p, sigma, k/p: the positive part idle and at work, an outlier, a count of outputs,
# N < p with and without a singular covariance
REGIMES = {
    "all outputs": (1.5, 12.0, 0.8, 1.0),
    "positive part": (2.0, 3.0, 1.5, 1.0),
    "below the transition": (1.0, 2.0, 0.5, 1.0),
    "half of the outputs": (1.5, 4.0, 0.7, 0.5),
    "N = p": (0.8, 1.0, 1.0, 1.0),
    "N < p": (1.5, 0.7, 0.7, 1.0),
    "N < p, fewer outputs": (1.5, 0.8, 0.7, 0.5),
    "N < p/2": (2.0, 0.4, 0.7, 1.0),
    "N << p": (2.5, 0.1, 1.5, 1.0),
}
every_regime = pytest.mark.parametrize("regime", REGIMES.values(), ids=REGIMES)


def moments_at(geometry, ridge, curvature):
    shape = np.broadcast_shapes(geometry.shape, np.shape(ridge), np.shape(curvature))
    ridge, curvature = (np.broadcast_to(np.asarray(x, float), shape) for x in (ridge, curvature))
    return geometry.broadcast_to(shape).resolvent_moments(ridge, curvature)


@every_regime
def test_moments_are_those_of_sampled_heads(regime):
    signal, ratio, sigma, fraction = regime
    ridge, curvature = 0.4, 0.9
    rng = np.random.default_rng(11)
    sizes, trials = (40, 80, 160), 40
    found = []
    for p in sizes:
        values = []
        for _ in range(trials):
            pairs = int(ratio * p + rng.random())
            head = train_head(*sample_moments(rng, signal, sigma, pairs, p), round(fraction * p))
            gram = head.weights.T @ head.weights
            inside = gram @ np.linalg.inv(ridge * np.eye(p) + curvature * gram)
            square = inside @ inside
            values.append(
                [
                    np.trace(inside) / p,
                    np.trace(square) / p,
                    signal**2 * inside[0, 0],
                    signal**2 * square[0, 0],
                    np.linalg.matrix_rank(gram, tol=1e-8) / p,
                ]
            )
        found.append(np.array(values))
    geometry = pretrained(signal, ratio, sigma, fraction)
    (t1, t2, _), (b1, b2, _) = moments_at(geometry, ridge, curvature)
    theory = [t1, t2, b1, b2, geometry.rank_fraction()]
    for k, value in enumerate(theory):
        estimate = extrapolate(sizes, [trial[:, k] for trial in found]).limit
        # counts of outputs are whole numbers: their error is at least that of rounding
        error = np.hypot(estimate.standard_error, 1e-3 if k == 4 else 0.0)
        assert abs(estimate.value - value) < 4.2 * error, k
        assert estimate.standard_error < (0.01 if k in (0, 1, 4) else 0.03 * signal**2), k


@every_regime
def test_higher_moments_are_derivatives(regime):
    geometry = pretrained(*regime)
    for curvature in (0.3, 3.0):
        step = 1e-3 * curvature
        shifts = np.array([-2, -1, 1, 2]) * step
        for at, around in zip(
            moments_at(geometry, 0.5, curvature),
            moments_at(geometry, 0.5, curvature + shifts),
            strict=True,
        ):
            slope = around @ np.array([1, -8, 8, -1]) / (12 * step)
            np.testing.assert_allclose(slope[0], -at[1], rtol=1e-8)
            np.testing.assert_allclose(slope[1], -2 * at[2], rtol=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.02, 50.0).filter(lambda x: abs(x - 0.5) > 1e-3),
    st.floats(0.02, 5.0),
    st.floats(1e-3, 1e3),
    st.floats(1e-3, 1e3),
)
def test_without_a_signal_no_direction_is_special(ratio, sigma, ridge, curvature):
    # the overlaps' measures must then be the spectral law of A, which the traces know
    geometry = replace(pretrained(0.0, ratio, sigma), energy=np.ones(()))
    traces, overlaps = moments_at(geometry, ridge, curvature)
    np.testing.assert_allclose(overlaps, traces, rtol=1e-9)
    assert geometry.gain() == pytest.approx(1.0, rel=1e-9)
    assert geometry.separation() ** 2 == pytest.approx(geometry.rank_fraction(), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.0, 6.0),
    st.floats(0.02, 200.0).filter(lambda x: abs(x - 0.5) > 1e-3),
    st.floats(0.02, 5.0),
)
def test_a_head_keeps_no_more_signal_than_there_is(signal, ratio, sigma):
    geometry = pretrained(signal, ratio, sigma)
    assert 0 <= geometry.separation() <= signal * (1 + 1e-10)
    assert 0 < geometry.rank_fraction() <= 1 + 1e-14
    traces, overlaps = moments_at(geometry, 1e-9, 1.0)
    assert traces[0] <= geometry.rank_fraction() * (1 + 1e-10)
    assert overlaps[0] <= geometry.separation() ** 2 * (1 + 1e-9) + 1e-12


@given(st.floats(0.1, 5.0), st.floats(0.1, 3.0))
@settings(max_examples=30, deadline=None)
def test_many_pairs_train_the_population_head(signal, sigma):
    d, energy = 1 + sigma**2, signal**2
    population = (energy + 1) * d**2 / (energy + d) ** 2
    found = [pretrained(signal, ratio, sigma).gain() ** 2 for ratio in (1e5, 2e5)]
    assert found[1] == pytest.approx(population, rel=1e-2)
    assert 2 * found[1] - found[0] == pytest.approx(population, rel=1e-5)


@pytest.mark.parametrize(("low", "high"), [(1 - 1e-7, 1 + 1e-7), (0.5 - 1e-7, 0.5 + 1e-7)])
def test_nothing_jumps_where_the_formulas_change(low, high):
    left, right = (moments_at(pretrained(1.3, x, 0.8), 0.5, 0.9) for x in (low, high))
    np.testing.assert_allclose(left, right, rtol=2e-5)


def test_few_pairs_have_a_closed_gain():
    # EM = c (c + ell (c-1))/(c + ell)^2, and EM = 1 at c^2 - 3c = ell
    signal, sigma = 2.0, 0.7
    spike = 2 * signal**2 / (2 + sigma**2)
    c = np.array([2.5, 4.0, 30.0, 1.5 + np.sqrt(2.25 + spike)])
    gain = pretrained(signal, 1 / c, sigma).gain() ** 2
    np.testing.assert_allclose(gain, c * (c + spike * (c - 1)) / (c + spike) ** 2, rtol=1e-12)
    assert gain[-1] == pytest.approx(1.0, rel=1e-12)


def test_an_unpenalised_fit_does_not_see_an_invertible_head():
    problem = Problem(isotropic_mixture(1.0), loss="least-squares", sampling_ratio=2.5)
    before = limit(problem).accuracy
    after = limit(problem, geometry=pretrained(1.0, 30.0, 0.8))
    assert after.accuracy == pytest.approx(float(before), abs=1e-12)
    assert pretrained(1.0, 30.0, 0.8).rank_fraction() == 1


@pytest.mark.parametrize(
    ("ratio", "sigma"), [(3.0, 0.8), (1.0001, 0.3), (1.3, 0.05), (0.6, 0.02), (40.0, 2.0)]
)
def test_the_rule_integrates_the_bulk(ratio, sigma):
    pairs = Pairs(np.asarray(1.0), np.asarray(ratio), np.asarray(sigma))
    c = 1 / ratio
    width, cutoff = np.sqrt(c * (2 - c)), sigma**2 / (1 + sigma**2) - 1
    angle = np.arccos(max(cutoff / width - 0.0, -1.0))
    found = measures(pairs, np.asarray(angle))

    def density(theta, function):
        t = width * np.cos(theta)
        law = (width * np.sin(theta)) ** 2 / (np.pi * c * (1 - t**2))
        return law * function((1 + t) / 2)

    for function in (np.ones_like, lambda b: 1 / (0.1 + b), lambda b: b**3):
        expected = quad(density, 0, angle, args=(function,), epsabs=1e-13, epsrel=1e-12, limit=500)
        atom = max(0.0, 1 - ratio) * function(np.ones(()))
        rule = np.sum(found.bulk * function(found.share))
        assert rule == pytest.approx(expected[0] + atom, rel=1e-10)
    assert mass_above(pairs.aspect, np.asarray(angle)) == pytest.approx(
        float(np.sum(found.bulk)), rel=1e-10
    )


def test_a_batch_is_its_points():
    signal, ratio, sigma, fraction = (np.array(x) for x in zip(*REGIMES.values(), strict=True))
    batch = pretrained(signal, ratio, sigma, fraction)
    ridge, curvature = np.linspace(0.1, 1, 9), np.linspace(2, 0.5, 9)
    together = batch.resolvent_moments(ridge, curvature)
    for i, regime in enumerate(REGIMES.values()):
        alone = moments_at(pretrained(*regime), ridge[i], curvature[i])
        np.testing.assert_allclose(np.stack(together)[..., i], np.stack(alone), rtol=1e-12)
    taken = batch.take(np.array([3, 0]))
    assert taken.shape == (2,)
    np.testing.assert_array_equal(taken.gain(), batch.gain()[[3, 0]])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1.0, 0.5, 1.0), "must not be 1/2"),
        ((1.0, 0.75, 1.0, 0.2), "must exceed 0.25 at pretraining_ratio 0.75"),
        ((1.0, 0.3, 1.0, 0.2), "must exceed 0.3 at pretraining_ratio 0.3"),
        ((1.0, 2.0, 1.0, 0.0), r"output_fraction must lie in \(0, 1\], got 0"),
    ],
)
def test_a_head_that_does_not_exist_is_refused(arguments, text):
    with pytest.raises(InvalidInput, match=text):
        pretrained(*arguments)


@every_regime
def test_moments_before_a_balanced_head_are_those_of_the_root(regime):
    geometry = pretrained(*regime)
    encoder = balanced(geometry)
    ridge, curvature = np.asarray(0.7), np.asarray(1.3)
    traces, overlaps = encoder.resolvent_moments(ridge, curvature)
    steps = curvature * (1 + 1e-3 * np.array([-2, -1, 1, 2]))
    for values, k in ((traces, 0), (overlaps, 1)):
        near = np.stack([encoder.resolvent_moments(ridge, step)[k] for step in steps], axis=-1)
        slope = near @ np.array([1, -8, 8, -1]) / (12e-3 * curvature)
        np.testing.assert_allclose(slope[0], -values[1], rtol=1e-8)
        np.testing.assert_allclose(slope[1], -2 * values[2], rtol=1e-8)
    small, _ = encoder.resolvent_moments(np.asarray(1e-9), np.asarray(1.0))
    assert small[0] == pytest.approx(float(geometry.rank_fraction()), abs=1e-6)
    at_zero = encoder.resolvent_moments(np.asarray(1.0), np.asarray(0.0))[0]
    assert at_zero[0] == pytest.approx(1.0, rel=1e-11)


def test_the_root_of_a_two_point_law_is_exact():
    @dataclass(frozen=True)
    class TwoAtoms:
        shape: tuple[int, ...] = ()

        def broadcast_to(self, shape):
            return self

        def take(self, points):
            return TwoAtoms((len(points),))

        def resolvent_moments(self, ridge, curvature, terms=3):
            inside = [a / (ridge + a * curvature) for a in (4, 9)]
            traces = [0.3 * inside[0] ** j + 0.2 * inside[1] ** j for j in range(1, terms + 1)]
            return np.stack(traces), 2 * np.stack(traces)

        def rank_fraction(self):
            return np.full(self.shape, 0.5)

        def separation(self):
            return np.ones(self.shape)

    scale = 0.3 * 2 + 0.2 * 3
    encoder = balanced(TwoAtoms())
    assert encoder.scale == pytest.approx(scale, rel=1e-11)
    for ridge, curvature in ((0.5, 0.8), (1e-9, 2.0), (1.0, 0.0), (0.0, 2.0)):
        traces, overlaps = encoder.resolvent_moments(np.asarray(ridge), np.asarray(curvature))
        root = np.array([2.0, 3.0]) / scale
        inside = root / (ridge + curvature * root)
        expected = [np.sum(np.array([0.3, 0.2]) * inside**j) for j in (1, 2, 3)]
        np.testing.assert_allclose(traces, expected, rtol=1e-10)
        np.testing.assert_allclose(overlaps, 2 * np.array(expected), rtol=1e-10)
