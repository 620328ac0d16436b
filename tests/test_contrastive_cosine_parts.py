"""The pieces of the finite-dimension cosine objective, each against another way to the number."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import integrate, special, stats

from asymptotics.contrastive.alignment import alignment
from asymptotics.contrastive.sphere import (
    DirectionAverage,
    RadialTilt,
    log_direction_average,
)
from asymptotics.contrastive.uniformity import tangent_law, uniformity
from asymptotics.contrastive.views import ViewPair, class_redraw, gaussian_noise
from asymptotics.errors import InvalidInput

NOISE_DIMENSIONS = (1, 2, 3, 19, 999, 99_999)


def views(pair: ViewPair, size: int) -> tuple[np.ndarray, ...]:
    return tuple(np.full(size, float(field)) for field in pair.arrays())


def aligned(log_gain2, pair: ViewPair, dimension: int, resolution: float = 1.0) -> np.ndarray:
    gains = np.atleast_1d(np.asarray(log_gain2, dtype=float))
    dimensions = np.full(gains.size, float(dimension))
    return np.stack(alignment(gains, views(pair, gains.size), dimensions, resolution=resolution))


def spread(log_gain2, pair: ViewPair, temperature, dimension, resolution=1.0):
    gains = np.atleast_1d(np.asarray(log_gain2, dtype=float))
    return np.stack(
        uniformity(
            gains,
            views(pair, gains.size),
            np.full(gains.size, float(temperature)),
            np.full(gains.size, float(dimension)),
            resolution=resolution,
        )
    )


@pytest.mark.parametrize("n", NOISE_DIMENSIONS)
@pytest.mark.parametrize("largest", [1e-3, 0.9, 30.0, 1000.0])
def test_direction_average_is_the_hypergeometric_function(n, largest):
    k = largest * np.array([0.0, 1e-2, 0.3, 1.0])
    with mpmath.workdps(40):
        exact = [
            float(mpmath.log(mpmath.hyp0f1(mpmath.mpf(n) / 2, mpmath.mpf(x) ** 2 / 4))) for x in k
        ]
    np.testing.assert_allclose(log_direction_average(k, n), exact, rtol=1e-12)
    np.testing.assert_allclose(DirectionAverage.up_to(largest, n)(k), exact, rtol=1e-12)


@pytest.mark.parametrize("n", NOISE_DIMENSIONS)
@pytest.mark.parametrize("largest", [0.01, 3.0, 20.0])
def test_radial_tilt_is_the_confluent_function_and_its_log_derivative(n, largest):
    b = largest * np.array([0.0, 1e-3, 0.4, 1.0])
    with mpmath.workdps(40):
        half, quarter = (mpmath.mpf(n) + 1) / 2, [mpmath.mpf(x) ** 2 / 2 for x in b]
        value = [mpmath.hyp1f1(half, 0.5, z) for z in quarter]
        slope = [
            x * 2 * half * mpmath.hyp1f1(half + 1, 1.5, z) for x, z in zip(b, quarter, strict=True)
        ]
        logs = [float(mpmath.log(v)) for v in value]
        ratios = [float(s / v) for s, v in zip(slope, value, strict=True)]
    tilt = RadialTilt.up_to(largest, n)
    log_value, ratio = tilt(b)
    np.testing.assert_allclose(log_value, logs, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ratio, ratios, rtol=1e-11, atol=1e-12 * np.sqrt(n))
    assert tilt.log_beta == pytest.approx(float(mpmath.log(mpmath.beta(0.5, n / 2))), abs=1e-12)


@pytest.mark.parametrize(("n", "tilt"), [(1, 0.0), (1, 3.0), (4, 1.5), (60, 5.0)])
def test_tangent_law_is_the_law_of_a_gaussian_over_a_chi(n, tilt):
    y = np.array([-4.0, -1.0, 0.2, 1.0]) - 0.5 * np.log(n)
    law = tangent_law(y, np.full(4, tilt), RadialTilt.up_to(max(tilt, 0.1), n))

    def density(x: float) -> float:
        ratio = np.exp(x)
        normal = stats.norm(tilt)
        bulk = np.sqrt(n) + np.array([-12.0, 12.0])
        return integrate.quad(
            lambda r: (
                ratio * r * (normal.pdf(ratio * r) + normal.pdf(-ratio * r)) * stats.chi.pdf(r, n)
            ),
            max(bulk[0], 0.0),
            bulk[1],
            epsabs=1e-14,
            epsrel=1e-12,
            limit=200,
        )[0]

    np.testing.assert_allclose(law.density, [density(x) for x in y], rtol=1e-9)


def test_tangent_law_derivatives_are_those_of_its_shift():
    y, step = np.linspace(-6.0, 2.0, 9), 1e-4
    radial = RadialTilt.up_to(3.0, 7)
    tilt = np.full(9, 3.0)
    below, here, above = (tangent_law(y - 0.5 * h, tilt, radial) for h in (-step, 0.0, step))
    first = (above.density - below.density) / (2 * step)
    second = (above.first - below.first) / (2 * step)
    np.testing.assert_allclose(here.first, first, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(here.second, second, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dimension", [2, 3, 7, 50, 10_000])
@pytest.mark.parametrize("augmentation", [0.2, 1.0, 10.0])
def test_isotropic_alignment_is_the_mean_correlation_of_gaussian_samples(dimension, augmentation):
    correlation = 1 / (1 + augmentation**2)
    with mpmath.workdps(40):
        half = mpmath.mpf(dimension) / 2
        scale = mpmath.gammaprod([half + 0.5], [half]) ** 2 / half
        series = mpmath.hyp2f1(0.5, 0.5, half + 1, mpmath.mpf(correlation) ** 2)
        exact = float(correlation * scale * series)
    value, slope, _ = aligned(0.0, gaussian_noise(0.0, augmentation), dimension)[:, 0]
    assert value == pytest.approx(exact, rel=1e-11)
    assert abs(slope) < 1e-16


@pytest.mark.parametrize("dimension", [2, 3, 30])
@pytest.mark.parametrize("log_gain2", [-3.0, 0.0, 4.0])
def test_alignment_of_views_that_share_only_the_class_is_a_squared_mean(dimension, log_gain2):
    radius, gain = 2.0, np.exp(log_gain2 / 2)
    # polar coordinates of (gain s, r): the cosine's singularity at the origin disappears
    unit, weights = np.polynomial.legendre.leggauss(600)
    top = 9 + np.sqrt(dimension) + 11 * gain
    length, angle = top * (unit[:, None] + 1) / 2, np.pi * (unit + 1) / 2
    law = stats.norm.pdf(length * np.cos(angle) / gain, radius) / gain
    law *= stats.chi.pdf(length * np.sin(angle), dimension - 1) * length
    mean = weights @ (law * np.cos(angle)) @ weights * top * np.pi / 4
    value = aligned(log_gain2, class_redraw(radius, 1.0), dimension)[0, 0]
    assert value == pytest.approx(mean**2, abs=1e-10)


@pytest.mark.parametrize("log_gain2", [-np.inf, -8.0, 0.0, 12.0, np.inf])
@pytest.mark.parametrize("signal", [0.0, 2.0, 20.0])
def test_equal_views_are_perfectly_aligned(log_gain2, signal):
    value, slope, curvature = aligned(log_gain2, gaussian_noise(signal, 0.0), 6)[:, 0]
    assert value == pytest.approx(1.0, abs=1e-13)
    assert abs(slope) < 1e-12
    assert abs(curvature) < 1e-11


def test_alignment_at_collapse_is_the_agreement_of_two_signs():
    pair = gaussian_noise(2.0, 1.0)
    both = stats.multivariate_normal([2.0, 2.0], [[2.0, 1.0], [1.0, 2.0]]).cdf(np.zeros(2))
    negative = special.ndtr(-2.0 / np.sqrt(2.0))
    value = aligned(np.inf, pair, 50)[0, 0]
    assert value == pytest.approx(1 - 4 * (negative - both), abs=1e-7)


@pytest.mark.parametrize(
    ("log_gain2", "signal", "augmentation", "dimension", "noisy_views"),
    [(0.0, 2.0, 1.0, 2, 2), (1.0, 2.0, 0.5, 5, 1), (3.0, 5.0, 0.7, 30, 2), (6.0, 1.0, 3.0, 3, 1)],
)
def test_alignment_matches_simulated_vectors(
    log_gain2, signal, augmentation, dimension, noisy_views
):
    rng = np.random.default_rng(5)
    clean = rng.standard_normal((100_000, dimension))
    clean[:, 0] += signal
    both = [
        clean + augmentation * rng.standard_normal(clean.shape) * k for k in (noisy_views > 1, 1)
    ]
    for view in both:
        view[:, 0] *= np.exp(log_gain2 / 2)
    cosine = np.sum(both[0] * both[1], axis=1)
    cosine /= np.linalg.norm(both[0], axis=1) * np.linalg.norm(both[1], axis=1)
    error = cosine.std() / np.sqrt(cosine.size)
    assert error < 3e-3
    exact = aligned(log_gain2, gaussian_noise(signal, augmentation, noisy_views), dimension)[0, 0]
    assert abs(cosine.mean() - exact) < 4 * error


def circle_density(theta, signal, variance, noise_variance, gain):
    """The angle of (gain s, g) in the plane, s ~ N(signal, variance): the projected normal law."""
    c, s = np.cos(theta), np.sin(theta)
    v = gain**2 * variance
    spread_ = c**2 / v + s**2 / noise_variance
    pull = c * gain * signal / v / np.sqrt(spread_)
    tail = 1 + pull * special.ndtr(pull) * np.exp(pull**2 / 2) * np.sqrt(2 * np.pi)
    peak = np.exp(-((gain * signal) ** 2) / (2 * v))
    return peak * tail / (2 * np.pi * spread_ * np.sqrt(v * noise_variance))


@pytest.mark.parametrize(
    ("log_gain2", "signal", "augmentation", "temperature"),
    [(0.0, 2.0, 1.0, 0.5), (-2.0, 1.0, 0.3, 2.0), (3.0, 3.0, 0.0, 0.5), (1.0, 0.0, 2.0, 10.0)],
)
def test_uniformity_in_the_plane_is_an_integral_over_the_circle(
    log_gain2, signal, augmentation, temperature
):
    pair = gaussian_noise(signal, augmentation, views=1)
    theta = 2 * np.pi * np.arange(1500) / 1500
    laws = []
    for variance in pair.signal_variances:
        half = circle_density(
            theta, signal, float(variance), float(variance), np.exp(log_gain2 / 2)
        )
        laws.append((half + np.roll(half, 750)) / 2 * 2 * np.pi / 1500)
    law = (laws[0] + laws[1]) / 2
    kernel = np.exp(np.cos(theta[:, None] - theta) / temperature)
    exact = law @ np.log(kernel @ law)
    value = spread(log_gain2, pair, temperature, 2)[0, 0]
    assert value == pytest.approx(exact, rel=1e-11)


def test_uniformity_of_isotropic_views_is_one_average_over_directions():
    # rotations leave the law alone, so log E' exp(cos/tau) is the same for every anchor
    for temperature, dimension in [(0.02, 60), (1.0, 2), (0.3, 5), (1000.0, 100_000)]:
        value, slope, _ = spread(0.0, gaussian_noise(0.0, 1.5), temperature, dimension)[:, 0]
        exact = log_direction_average(np.array([1 / temperature]), dimension)[0]
        assert value == pytest.approx(exact, rel=1e-11)
        assert abs(slope) < 1e-13 * exact


EXTREMES = [
    (0.0, 2.0, 1.0, 0.5, 2),
    (1.0, 2.0, 0.3, 0.2, 5),
    (3.0, 5.0, 0.7, 1.0, 50),
    (12.0, 5.0, 0.7, 0.02, 50),
    (30.0, 5.0, 0.3, 40.0, 50),
    (0.0, 2.0, 1.0, 0.001, 1000),
    (-1.0, 2.0, 1.0, 0.001, 100_000),
    (10.0, 20.0, 0.0, 0.001, 10_000),
    (14.0, 0.0, 1.0, 0.001, 1000),
    (0.0, 5.0, 10.0, 1000.0, 100_000),
    (-3.0, 20.0, 0.0, 1000.0, 2),
]


@pytest.mark.parametrize("point", EXTREMES)
def test_both_terms_converge_under_refinement(point):
    log_gain2, signal, augmentation, temperature, dimension = point
    pair = gaussian_noise(signal, augmentation)
    coarse = spread(log_gain2, pair, temperature, dimension)[:, 0]
    fine = spread(log_gain2, pair, temperature, dimension, resolution=1.5)[:, 0]
    assert np.all(np.abs(coarse - fine) <= 2e-11 * np.abs(fine).max())
    assert coarse[1] == pytest.approx(fine[1], rel=1e-9)
    coarse = aligned(log_gain2, pair, dimension)[:, 0]
    fine = aligned(log_gain2, pair, dimension, resolution=1.5)[:, 0]
    assert np.all(np.abs(coarse - fine) < 1e-11)
    assert coarse[1] == pytest.approx(fine[1], rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("point", EXTREMES)
def test_derivatives_are_those_of_the_value(point):
    log_gain2, signal, augmentation, temperature, dimension = point
    pair, step = gaussian_noise(signal, augmentation), 1e-3
    stencil = log_gain2 + step * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    weights = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / (12 * step)
    for values in (
        spread(stencil, pair, temperature, dimension),
        aligned(stencil, pair, dimension),
    ):
        noise = 1e-12 * np.abs(values).max(axis=1)
        for order in (0, 1):
            assert values[order] @ weights == pytest.approx(
                values[order + 1, 2], rel=1e-8, abs=noise[order] + 1e-11
            )


def test_a_kernel_beyond_the_floating_range_is_refused():
    with pytest.raises(InvalidInput, match="temperature"):
        spread([0.0, 11.0, 30.0], gaussian_noise(2.0, 1.0), 1e-4, 100_000)
