"""Symmetric ReLU head: moments against quadrature, the flow against closed forms and samples."""

from itertools import pairwise, product

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad, quad, solve_ivp
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import norm

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.layers.second_moments import Features, dropped
from asymptotics.layers.symmetric_relu import (
    mean_given_label,
    second_moment,
    signal_to_noise,
    symmetric_relu,
    variance_given_label,
    view_correlation,
)
from asymptotics.layers.symmetric_relu_escape import log_escape_time
from asymptotics.layers.symmetric_relu_flow import (
    HEADS,
    diagonal_network,
    weights_after,
)
from asymptotics.layers.symmetric_relu_survival import critical_decay, survival

POSITIVE = st.floats(0.05, 5.0)
POINTS = [(1.0, 0.5, 0.0), (1.0, 0.5, 0.6), (0.3, 1.0, 0.8), (0.7, 0.2, 2.0), (2.0, 0.1, 1.0)]


def quadrature(function, strength, noise, threshold):
    """E function(S(x; b)) for x ~ N(phi, sigma^2), piece by piece."""

    def integrand(x):
        return function(float(symmetric_relu(x, threshold))) * norm.pdf(x, strength, noise)

    edges = sorted({strength - 12 * noise, -threshold, threshold, strength, strength + 12 * noise})
    return sum(quad(integrand, *piece, epsabs=0, epsrel=1e-11)[0] for piece in pairwise(edges))


def loss(features, index, weights, threshold, head):
    """-2 E zz' + (E z^2)^2 of one feature, from quadrature alone."""
    v1, v2 = np.abs(weights)
    phi, sigma, rho = (
        float(x[index]) for x in (features.strength, features.noise, features.correlation)
    )
    inside, outside = (v1, v2) if head == "hidden" else (v1 * v2, 1.0)
    k = threshold / inside
    mean = quadrature(lambda z: z, phi, sigma, k) * inside * outside
    second = quadrature(np.square, phi, sigma, k) * (inside * outside) ** 2
    return -2 * rho * mean**2 + second**2


@given(st.floats(-50, 50), POSITIVE, st.floats(0.01, 100), POSITIVE)
def test_the_symmetric_relu_is_odd_scales_with_its_threshold_and_falls_with_it(x, b, t, more):
    value = symmetric_relu(x, b)
    assert symmetric_relu(-x, b) == -value
    assert symmetric_relu(t * x, t * b) == pytest.approx(t * value, rel=1e-9, abs=1e-9 * t)
    assert abs(symmetric_relu(x, b + more)) <= abs(value)
    assert value == max(x - b, 0) - max(-x - b, 0)


@pytest.mark.parametrize("point", POINTS)
def test_moments_given_the_label_agree_with_adaptive_quadrature(point):
    mean = quadrature(lambda z: z, *point)
    variance = quadrature(lambda z: (z - mean) ** 2, *point)
    assert mean_given_label(*point) == pytest.approx(mean, rel=1e-9)
    assert variance_given_label(*point) == pytest.approx(variance, rel=1e-9)
    assert signal_to_noise(*point) == pytest.approx(mean / np.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize("point", [(1.0, 0.5, 3.0), (0.01, 0.1, 3.0), (1.0, 0.1, 4.5)])
def test_moments_keep_their_digits_far_below_the_threshold(point):
    with mpmath.workdps(40):
        phi, sigma, b = map(mpmath.mpf, point)

        def moment(power):
            def integrand(u):
                tails = [mpmath.npdf(b + u, m, sigma) * c for m, c in signs]
                return u**power * sum(tails)

            signs = ((phi, 1), (-phi, (-1) ** power))
            return mpmath.quad(integrand, [0, sigma**2 / b, 10 * sigma**2 / b, 10 * sigma])

        mean, second = moment(1), moment(2)
        variance = second - mean**2
        assert mean_given_label(*point) == pytest.approx(float(mean), rel=1e-11)
        assert variance_given_label(*point) == pytest.approx(float(variance), rel=1e-11)


def test_the_mean_of_a_vanishing_tail_is_that_of_its_leading_term():
    # M/sqrt(Var) = sqrt(pdf(d)/(2 d)) (1 + O(1/d^2)); at d = 50 M itself, 1e-546, is no double
    for d in (30.0, 50.0):
        with mpmath.workdps(20):
            leading = mpmath.sqrt(mpmath.npdf(d) / (2 * d))
            ratio = signal_to_noise(1.0, 0.02, 1.0 + d * 0.02) / leading
        assert 0 < abs(ratio - 1) < 3 / d**2


def test_the_variance_survives_a_noise_a_million_times_below_the_strength():
    assert variance_given_label(1.0, 1e-6, 0.5) == pytest.approx(1e-12, rel=1e-9)


def test_views_correlate_as_a_double_integral_over_both_noises():
    phi, sigma, rho, b = 1.0, 0.6, 0.4, 0.5

    def integrand(v, u, sign, side, other):
        # u and v are the values of S in the two views
        density = norm.pdf(u + side * b, phi, sigma) * norm.pdf(v + other * b, sign * phi, sigma)
        return u * v * density

    ranges = {1: (0.0, 5.0), -1: (-5.0, 0.0)}
    both = [0.0, 0.0]
    for i, sign in enumerate((1, -1)):
        for side, other in product((1, -1), repeat=2):
            edges = (*ranges[side], *ranges[other])
            both[i] += dblquad(integrand, *edges, args=(sign, side, other), epsrel=1e-8)[0]
    across = (1 + rho) / 2 * both[0] + (1 - rho) / 2 * both[1]
    features = Features(phi, sigma, rho)
    assert view_correlation(features, b) * second_moment(features, b) == pytest.approx(
        across, rel=1e-7
    )


def test_moments_under_dropout_agree_with_samples():
    rng = np.random.default_rng(3)
    features = dropped(Features(1.5, 0.7), 0.4)
    count, b = 400_000, 0.8
    label = rng.choice([-1.0, 1.0], count)
    views = [
        symmetric_relu(
            1.5 * label * (rng.random(count) > 0.4) + 0.7 * rng.standard_normal(count), b
        )
        for _ in range(2)
    ]
    second = second_moment(features, b).item()
    across = view_correlation(features, b).item() * second
    for sample, theory in ((views[0] ** 2, second), (views[0] * views[1], across)):
        standard_error = sample.std() / np.sqrt(count)
        assert standard_error < 0.01 * theory
        assert abs(sample.mean() - theory) < 4 * standard_error


@settings(max_examples=150)
@given(POSITIVE, POSITIVE, st.floats(0.0, 4.0), st.floats(0.05, 2.0))
def test_a_threshold_only_costs_whatever_the_feature(phi, sigma, b, more):
    assume(b + more - phi < 30 * sigma)  # beyond, both are 0 to double precision
    features = Features(phi, sigma, 0.7)
    assert view_correlation(features, b + more) < view_correlation(features, b)
    assert signal_to_noise(phi, sigma, b + more) < signal_to_noise(phi, sigma, b)
    assert signal_to_noise(phi, sigma, 0.0) == pytest.approx(phi / sigma, rel=1e-12)


def test_under_dropout_a_threshold_pays_for_strong_features_alone():
    kept, step = 0.6, 1e-4
    boundary = np.sqrt(np.pi / 2) / (1 - kept)
    features = Features(boundary + np.array([-0.05, 0.05]), 1.0, 0.3, kept)
    weak, strong = view_correlation(features, step) - view_correlation(features, 0.0)
    assert weak < 0 < strong


@pytest.mark.parametrize("head", HEADS)
def test_a_feature_below_the_threshold_is_absent_after_the_head_and_kept_before_it(head):
    strength = np.array([0.2, 0.5, 0.999999, 1.0, 1.000001, 3.0])
    features = Features(strength, 0.0, 0.49)
    found = survival(features, [0.4, 0.2], start=(0.5, 0.8), head=head, time=5.0)
    cut = np.array([[0.4], [0.2]]) / (0.5 if head == "hidden" else 0.4)
    dead = np.broadcast_to(strength, (2, 6)) <= cut
    assert dead.any()
    assert not dead.all()
    np.testing.assert_array_equal(found.survives, ~dead)
    np.testing.assert_array_equal(found.weight_after == 0, dead)
    np.testing.assert_allclose(found.weight_before[dead], 0.5, rtol=1e-14)
    np.testing.assert_array_equal(found.log_escape_time == np.inf, dead)
    end = survival(features, [0.4, 0.2], start=(0.5, 0.8), head=head)
    np.testing.assert_allclose(
        (end.weight_after * strength)[~dead], 0.7, rtol=1e-12, err_msg="sqrt(rho) for survivors"
    )


@pytest.mark.parametrize("head", HEADS)
def test_the_flow_without_noise_ends_where_the_closed_form_says(head):
    features = Features([0.8, 1.0, 2.0], 0.0, [0.9, 0.5, 0.3], [1.0, 0.8, 0.9])
    options = {"start": ([0.9, 1.0, 0.6], [0.3, 0.8, 1.5]), "head": head}
    late, end = (survival(features, [0.0, 0.15], time=t, **options) for t in (300.0, np.inf))
    for name in ("weight_before", "head_weight", "weight_after"):
        np.testing.assert_allclose(getattr(late, name), getattr(end, name), rtol=1e-6)


def test_the_margin_without_noise_passes_its_values_at_the_times_of_the_closed_form():
    phi, rho, b, v1, v2 = 1.3, 0.6, 0.2, 0.4, 0.1
    conserved = (phi * v1 - b) ** 2 - (phi * v2) ** 2

    def clock(y):
        r, last = (np.sqrt(conserved**2 + 4 * phi**2 * z) for z in (y**2, rho))
        size = abs(conserved)
        first = np.log((r - size) / (r + size)) / (2 * size)
        return (first + np.log((last + r) / (last - r)) / (2 * last)) / (4 * rho)

    for y in (0.1, 0.4, 0.75):
        time = clock(y) - clock(v2 * (phi * v1 - b))
        found = survival(Features(phi, 0.0, rho), b, start=(v1, v2), time=time)
        assert phi * found.weight_after.item() == pytest.approx(y, rel=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_the_flow_follows_the_gradient_of_the_loss_by_quadrature(head):
    features = Features([1.0, 0.5], [0.5, 0.4], [0.8, 0.4])
    start, b, time, step = np.array([0.7, 0.9]), 0.4, 1e-3, 1e-4
    found = survival(features, b, start=tuple(start), head=head, time=time)
    for i in range(2):
        slope = [
            loss(features, i, start + e, b, head) - loss(features, i, start - e, b, head)
            for e in step * np.eye(2)
        ]
        moved = np.array([found.weight_before[i], found.head_weight[i]]) - start
        np.testing.assert_allclose(moved / time, -np.array(slope) / (2 * step), rtol=5e-3)


@pytest.mark.parametrize("head", HEADS)
def test_the_actual_network_trained_on_samples_moves_as_the_population_does(head):
    rng = np.random.default_rng(11)
    phi, sigma, rho = np.array([0.6, 1.0, 2.0]), 0.5, np.array([0.9, 0.5, 0.7])
    count, replicas, b, time = 4000, 12, 0.5, 0.7
    start = np.repeat([0.8, 0.9], 3)

    def velocity(_, v, first, second):
        """Minus the gradient of -2 mean z.z' + |Z^T Z/n|^2 for the whole network."""
        v1, v2 = v[:3], v[3:]
        gradients = np.zeros(6)
        inside = v1 if head == "hidden" else v1 * v2
        outside = v2 if head == "hidden" else np.ones(3)
        z = [symmetric_relu(inside * x, b) * outside for x in (first, second)]
        pool = np.concatenate(z)
        gram = pool.T @ pool / len(pool)
        for x, mine, other in ((first, *z), (second, *z[::-1])):
            pull = -2 * other / count + 4 * mine @ gram / len(pool)
            passed = (np.abs(inside * x) > b) * outside
            inner = (pull * passed * x).sum(axis=0)
            if head == "hidden":
                gradients[:3] += inner
                gradients[3:] += (pull * mine).sum(axis=0) / v2
            else:
                gradients += np.concatenate([inner * v2, inner * v1])
        return -gradients

    ends = []
    for _ in range(replicas):
        label = rng.choice([-1.0, 1.0], (count, 3))
        same = np.where(rng.random((count, 3)) < (1 + rho) / 2, 1.0, -1.0)
        views = [s * phi + sigma * rng.standard_normal((count, 3)) for s in (label, label * same)]
        run = solve_ivp(velocity, (0, time), start, args=views, rtol=1e-5, atol=1e-7)
        ends.append(run.y[:, -1])
    mean, error = np.mean(ends, axis=0), np.std(ends, axis=0, ddof=1) / np.sqrt(replicas)
    found = survival(Features(phi, sigma, rho), b, start=(0.8, 0.9), head=head, time=time)
    theory = np.concatenate([found.weight_before, found.head_weight])
    assert np.max(error) < 4e-3
    assert np.max(np.abs(theory - start)) > 0.1
    assert np.max(np.abs(mean - theory) / error) < 4.5


def test_the_escape_time_is_when_the_flow_lifts_the_label_to_the_threshold():
    for strength, rho in ((0.6, 0.9), (1.0, 0.6)):
        feature = Features(strength, 0.4, rho)
        network, _ = diagonal_network(feature, 0.65, (0.5, 0.5))
        (logarithm,), error = log_escape_time(network)
        assert error < 1e-6
        times = np.exp(logarithm) * np.array([0.999, 1.001])
        seen = [survival(feature, 0.65, start=(0.5, 0.5), time=t).survives.item() for t in times]
        assert seen == [False, True]


@pytest.mark.parametrize("head", HEADS)
def test_the_escape_time_is_exponential_in_the_squared_depth(head):
    depth, noise, rho, v = np.array([6.0, 12.0, 24.0]), 0.3, 0.8, 0.1
    k = 1.0 + depth * noise
    threshold = k * (v if head == "hidden" else v**2)
    network, _ = diagonal_network(Features(1.0, noise, rho), threshold, (v, v), head)
    found, _ = log_escape_time(network)
    metric = v**2 if head == "hidden" else 2 * v**2
    leading = depth**2 + np.log(np.pi / (4 * rho) * (depth / k) ** 2 / metric)
    gap = (found - leading) * depth**2
    # the relative correction is of order 1/depth^2 with a coefficient that settles
    assert np.all((gap > 2) & (gap < 3.5))
    assert abs(gap[2] - gap[1]) < abs(gap[1] - gap[0]) < 0.5


@pytest.mark.parametrize("head", HEADS)
def test_the_escape_time_grows_with_the_threshold_and_never_comes_back_from_never(head):
    features = Features([0.5, 1.0, 2.0], 0.3, [0.9, 0.5, 0.2])
    network, shape = diagonal_network(features, np.linspace(0, 3, 31), (1.0, 1.0), head)
    times = np.exp(log_escape_time(network)[0].reshape(shape))
    waiting = times[1:] > 0
    assert np.all(times[1:][waiting] >= times[:-1][waiting])
    assert np.all((times[1:] > times[:-1])[waiting & np.isfinite(times[:-1])])
    assert np.any(np.isinf(times)) == (head == "output")


@pytest.mark.parametrize(("rho", "escapes"), [(0.05, False), (0.95, True)])
def test_before_an_output_threshold_a_feature_escapes_iff_its_best_weight_does(rho, escapes):
    features, b = Features(1.0, 1.0, rho), 0.8
    best = minimize_scalar(
        lambda w: loss(features, 0, (w, 1.0), b, "output"), bounds=(0.05, 5), method="bounded"
    )
    assert (b / best.x < 1) == escapes
    network, _ = diagonal_network(features, b, (0.4, 0.6), "output")
    assert np.isfinite(log_escape_time(network)[0].item()) == escapes


def test_a_start_above_the_nullcline_sinks_first_and_still_escapes():
    features, b, start = Features(1.0, 0.5, 0.3), 0.8, (0.7, 3.0)
    network, _ = diagonal_network(features, b, start)
    assert weights_after(network, 0.02)[0][0].item() < start[0]
    (logarithm,), _ = log_escape_time(network)
    before, after = (
        weights_after(network, factor * np.exp(logarithm))[0][0].item() for factor in (0.99, 1.01)
    )
    assert before < b < after


def test_with_noise_the_encoder_outgrows_the_threshold_like_the_cube_root_of_time():
    phi, sigma, rho, b = 1.0, 0.5, 0.8, 0.6
    r = phi / sigma
    q = r**2 / (1 + r**2)
    slope = (2 * norm.cdf(r) - 1) - 2 * r * norm.pdf(r)
    growth = 4 * rho**2 * q**2 * slope / (sigma * r * (1 + r**2))
    times = np.array([1e4, 1e6])
    found = [survival(Features(phi, sigma, rho), b, start=(0.8, 0.8), time=t) for t in times]
    excess = np.array([x.weight_before.item() for x in found]) ** 3 / (3 * growth * b * times) - 1
    assert abs(excess[1]) < 0.03
    assert excess[0] / excess[1] == pytest.approx(100 ** (1 / 3), rel=0.1)
    linear = np.sqrt(rho) * phi / (phi**2 + sigma**2)
    assert found[1].weight_after.item() == pytest.approx(linear, rel=5e-3)


def test_under_dropout_the_encoder_stops_where_the_threshold_serves_best():
    features, b = Features(6.0, 1.0, 0.3, 0.6), 0.8
    best = minimize_scalar(
        lambda k: -view_correlation(features, k).item(), bounds=(0.01, 5), method="bounded"
    )
    found = survival(features, b, start=(0.5, 0.5), time=1e5)
    assert found.weight_before.item() == pytest.approx(b / best.x, rel=1e-5)


def test_at_no_threshold_the_flow_ends_at_the_linear_networks_weights():
    features = Features([0.2, 0.5, 1.0, 2.0, 1.0, 1.0], 0.5, [0.9, 0.9, 0.9, 0.9, 0.5, 0.2])
    found = survival(features, 0.0, start=(0.5, 0.5), time=1000.0)
    weight = np.sqrt(features.shared) / features.variance
    np.testing.assert_allclose(found.weight_after, weight, rtol=1e-6)
    np.testing.assert_allclose(found.weight_before, np.sqrt(weight), rtol=1e-6)
    np.testing.assert_allclose(found.surviving_fraction, np.sqrt(weight), rtol=1e-6)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("phi", "rho", "kept", "b"), [(0.5, 0.9, 1.0, 0.3), (1.4, 0.5, 0.8, 1.0)])
def test_weight_decay_drops_a_feature_from_the_optimum_where_announced(head, phi, rho, kept, b):
    critical = critical_decay(Features(phi, 0.0, rho, kept), b, head).item()

    def lowest(decay):
        def penalised(log_v):
            v1, v2 = np.exp(log_v)
            y = v2 * max(phi * v1 - b, 0) if head == "hidden" else max(phi * v1 * v2 - b, 0)
            return -2 * rho * y**2 + kept**2 * y**4 + decay * (v1**2 + v2**2)

        starts = [np.log([b / phi + x, z]) for x in (0.3, 1.0, 3.0) for z in (0.5, 1.0, 2.0)]
        runs = [
            minimize(penalised, x, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-13})
            for x in starts
        ]
        kept_alive = [x.fun for x in runs if np.all(x.x > -10)]  # the others found v = 0
        return min(kept_alive, default=np.inf)

    assert lowest(0.99 * critical) < 0 < lowest(1.01 * critical)


def test_the_critical_decay_without_a_threshold_is_the_linear_networks():
    features = Features([0.5, 1.0, 2.0], 0.0, [0.9, 0.5, 0.0])
    expected = (2 / 3) ** 1.5 * features.shared**1.5 / features.variance
    for head in HEADS:
        np.testing.assert_allclose(critical_decay(features, 0.0, head), expected, rtol=1e-9)


def test_values_outside_the_model_are_refused():
    noisy = Features([1.0, 2.0], 0.5)
    refused = [
        lambda: symmetric_relu(1.0, -0.1),
        lambda: mean_given_label(1.0, -1.0, 0.0),
        lambda: survival(noisy, 0.1, start=(0.5, 0.0), time=1.0),
        lambda: survival(noisy, 0.1, start=(0.5, 0.5), time=np.inf),
        lambda: survival(noisy, 0.1, start=(0.5, 0.5), time=-1.0),
        lambda: survival(noisy, 0.1, start=(0.5, 0.5), time=1.0, head="middle"),
        lambda: critical_decay(noisy, 0.1),
    ]
    for call in refused:
        with pytest.raises(InvalidInput):
            call()
    spurious = Features([1.0, 2.0], 0.5, 0.8, spurious=[[1.0, 0.5], [0.5, 1.0]])
    with pytest.raises(InvalidInput, match="independent"):
        survival(spurious, 0.1, start=(0.5, 0.5), time=1.0)


@pytest.mark.parametrize(("depth", "head"), [(99.0, "hidden"), (1e3, "hidden"), (1e12, "hidden")])
def test_a_feature_far_below_the_threshold_escapes_at_the_time_of_laplace(depth, head):
    """log T = d^2 + log[pi d^2/(4 rho k^2 m^2)] + O(d^{-2}), equation 12, at phi = sigma = 1/2."""
    k = 0.5 + 0.5 * depth
    network, _ = diagonal_network(Features([0.5], [0.5]), [k], (1.0, 1.0), head)
    found, error = log_escape_time(network)
    leading = depth**2 + np.log(np.pi / 4 * (depth / k) ** 2)
    assert abs(found[0] - leading) < 5 / depth**2 + 1e-15 * leading
    assert error < 1e-3


@pytest.mark.parametrize("threshold", [50.0, 100.0, 1e3])
def test_far_below_the_threshold_nothing_moves(threshold):
    found = survival(Features([0.5], [0.5]), [threshold], start=(1.0, 1.0), time=10.0)
    assert found.weight_before[0, 0] == 1.0
    assert found.head_weight[0, 0] == 1.0
    assert not found.survives[0, 0]


@pytest.mark.parametrize("head", ["hidden", "output"])
def test_a_feature_that_no_views_share_does_not_survive_training_without_end(head):
    found = survival(Features([0.5, 1.0], [0, 0], 0.0), [0.0, 0.3], start=(1.0, 0.5), head=head)
    assert np.all(found.weight_after == 0)
    assert not np.any(found.survives)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"threshold": [1e200]}, "threshold must be at most"),
        ({"threshold": [1e40]}, "threshold, over the start"),
        ({"start": (1e-300, 1.0)}, "start must lie in"),
        ({"start": (1.0, 1e40)}, "start must lie in"),
    ],
)
def test_numbers_beyond_the_range_of_the_flow_are_named(given, named):
    with pytest.raises(InvalidInput, match=named):
        survival(
            Features([0.5], [0.5]), **({"threshold": [1.0], "start": (1.0, 1.0)} | given), time=1.0
        )


def test_a_time_at_which_rounding_rules_the_flow_is_refused():
    with pytest.raises(NotConverged, match="shorter time"):
        survival(Features([0.5, 1.0], [0.5, 0.5]), [1.0], start=(1.0, 1.0), time=1e20)
