"""The exact cosine objective: its minima against training, limits, simulation and itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from asymptotics.contrastive.alignment import alignment
from asymptotics.contrastive.cosine import landscape, loss_derivatives
from asymptotics.contrastive.objective import Setting
from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.views import ViewPair, gaussian_noise


def setting(signal, augmentation, temperature, dimension, views: int = 2) -> Setting:
    fields = np.broadcast_arrays(signal, augmentation, temperature, dimension)
    signal, augmentation, temperature, dimension = (np.ravel(f).astype(float) for f in fields)
    arrays = gaussian_noise(signal, augmentation, views).arrays()
    pair = ViewPair.of_arrays(tuple(np.broadcast_to(a, signal.shape).copy() for a in arrays))
    return Setting(pair, temperature, dimension)


def gains(signal, augmentation, temperature, dimension, views: int = 2):
    return projector(
        "cosine",
        signal=signal,
        augmentation=augmentation,
        temperature=temperature,
        dimension=dimension,
        views=views,
    )


def test_gains_are_those_that_training_from_the_identity_reached():
    variance, temperature = np.array([0.1, 0.1, 1.0]), np.array([0.2, 1.0, 1.0])
    found = gains(2.0, np.sqrt(variance), temperature, 20)
    np.testing.assert_allclose(found.gain, [0.531, 0.776, 2.618], atol=6e-4)
    assert np.all(found.error_estimate < 1e-11)


@pytest.mark.parametrize("views", [1, 2])
def test_without_a_signal_the_gain_is_one(views):
    # the class direction is then like any other, whatever the augmentation and the temperature
    augmentation = np.array([0.0, 0.3, 10.0])[:, None]
    dimension, temperature = np.array([2, 50, 100_000, 100_000]), np.array([0.5, 0.02, 1e-3, 30.0])
    found = gains(0.0, augmentation, temperature, dimension, views)
    assert np.all(found.num_minima == 1)
    np.testing.assert_allclose(found.gain, 1.0, atol=1e-9)


@pytest.mark.parametrize(
    ("variance", "scaled_temperature", "limit"),
    [(0.1, 4.0, 0.53301), (0.1, 20.0, 0.72604), (1.0, 4.0, 0.97610), (1.0, 20.0, 1.64915)],
)
def test_fixed_scaled_temperature_is_approached_like_one_over_d(
    variance, scaled_temperature, limit
):
    dimension = np.array([1000, 2000, 4000])
    found = gains(2.0, np.sqrt(variance), scaled_temperature / dimension, dimension)
    exact = projector(
        "cosine-scaled",
        signal=2.0,
        augmentation=np.sqrt(variance),
        temperature=scaled_temperature / 1000,
        dimension=1000,
    )
    assert exact.gain == pytest.approx(limit, abs=1e-5)
    scaled_error = (found.gain - exact.gain) * dimension
    assert scaled_error[2] == pytest.approx(scaled_error[1], rel=0.02)
    assert np.all(np.abs(scaled_error) < 40)
    extrapolated = 2 * found.gain[2] - found.gain[1]
    assert extrapolated == pytest.approx(float(exact.gain), abs=2e-5)


@pytest.mark.parametrize(("augmentation", "temperature"), [(1.0, 0.5), (0.5, 0.2), (2.0, 3.0)])
@pytest.mark.parametrize("views", [1, 2])
def test_fixed_temperature_is_approached_like_one_over_d(augmentation, temperature, views):
    dimension = np.array([2000, 4000, 8000])
    exact = projector(
        "cosine-fixed-temperature",
        signal=2.0,
        augmentation=augmentation,
        temperature=temperature,
        dimension=dimension,
        views=views,
    )
    found = gains(2.0, augmentation, temperature, dimension, views)
    scaled_error = (found.log_gain - exact.log_gain) * dimension
    assert scaled_error[2] == pytest.approx(scaled_error[1], rel=0.05, abs=0.01)
    assert np.all(np.abs(found.log_gain - exact.log_gain) < 0.02)


def test_the_signal_takes_all_the_energy_at_the_published_thresholds():
    # Gui, Ma, Zhong, R = 5, d = 50: read off their figure to 1%
    threshold = np.array([6.82, 4.70, 3.50, 2.77])
    augmentation = np.array([0.4, 0.5, 0.6, 0.7])
    energy = [
        gains(5.0, augmentation, ratio * threshold, 50).signal_energy_fraction
        for ratio in (0.5, 0.97, 1.03)
    ]
    np.testing.assert_allclose(energy[0], 0.5, atol=0.02)
    assert np.all(energy[1] < 0.993)
    assert np.all(energy[2] > 0.9998)


def simulated_loss(rng, log_gain2, signal, augmentation, temperature, dimension, samples, views):
    """L of a batch of `samples`, all its views a pool, by the raw definition."""
    clean = rng.standard_normal((samples, dimension))
    clean[:, 0] += signal * rng.choice([-1.0, 1.0], samples)
    pool = [
        clean + augmentation * noisy * rng.standard_normal(clean.shape)
        for noisy in (float(views == 2), 1.0)
    ]
    for view in pool:
        view[:, 0] *= np.exp(log_gain2 / 2)
        view /= np.linalg.norm(view, axis=1)[:, None]
    aligned = np.mean(np.sum(pool[0] * pool[1], axis=1))
    average = 0.0
    for anchor in pool:
        kernel = sum(np.exp(anchor @ other.T / temperature) for other in pool) / 2
        np.fill_diagonal(kernel, 0.0)
        average += np.mean(np.log(kernel.sum(axis=1) / (samples - 1))) / 2
    return average - aligned / temperature


@pytest.mark.parametrize(
    ("log_gain2", "signal", "augmentation", "temperature", "dimension", "views"),
    [(0.5, 2.0, 1.0, 0.5, 2, 1), (2.0, 5.0, 0.7, 1.0, 50, 2), (7.0, 2.0, 0.5, 1.0, 10, 1)],
)
def test_loss_matches_large_batches(log_gain2, signal, augmentation, temperature, dimension, views):
    rng = np.random.default_rng(11)
    draws = np.array(
        [
            simulated_loss(
                rng, log_gain2, signal, augmentation, temperature, dimension, 1500, views
            )
            for _ in range(12)
        ]
    )
    error = draws.std(ddof=1) / np.sqrt(draws.size)
    assert error < 0.02
    pair = gaussian_noise(signal, augmentation, views)
    exact = float(loss_derivatives(log_gain2, pair, temperature, dimension)[0])
    # a batch of N has a bias of order 1/N
    assert abs(draws.mean() - exact) < 4 * error + 3 / 1500


COEXISTENCE = (5.0, 1.88, 0.0327, 50)


def brute_uniformity(gain, signal, augmentation, temperature, dimension):
    """U by a product rule in (s, r), the mean over anchors interpolated in the angle."""
    deviation, order = np.sqrt(1 + augmentation**2), (dimension - 3) / 2
    x, w = np.polynomial.legendre.leggauss(120)
    s, r = (signal + 9 * deviation) * (x + 1) / 2, deviation * 15 * (x + 1) / 2
    weights = np.outer(
        stats.norm.pdf(s, signal, deviation) + stats.norm.pdf(s, -signal, deviation),
        stats.chi.pdf(r / deviation, dimension - 1) / deviation,
    ) * np.outer(w, w)
    keep = weights > 1e-17 * weights.max()
    weights = weights[keep] / weights[keep].sum()
    angle = np.arctan2(gain * s[:, None], r[None, :])[keep]
    anchors = np.pi / 4 * (1 + np.polynomial.chebyshev.chebpts1(80))
    k = np.maximum(np.outer(np.cos(anchors), np.cos(angle)) / temperature, 1e-8)
    bessel = np.log(special.ive(order, k)) + k - order * np.log(k / 2) + special.gammaln(order + 1)
    pull = np.outer(np.sin(anchors), np.sin(angle)) / temperature
    logs = special.logsumexp(bessel + np.logaddexp(pull, -pull) - np.log(2), b=weights, axis=1)
    fit = np.polynomial.Chebyshev.fit(anchors, logs, 79, domain=[0, np.pi / 2])
    return weights @ fit(angle)


def test_two_minima_coexist_and_are_no_artefact_of_quadrature():
    signal, augmentation, temperature, dimension = COEXISTENCE
    found = gains(*COEXISTENCE)
    wells = found.minima_at()
    assert len(wells) == 2
    assert float(found.error_estimate) < 1e-11
    gain = np.exp([wells[0].log_gain, np.log(4.2), wells[1].log_gain])
    pair = gaussian_noise(signal, augmentation)
    exact = loss_derivatives(2 * np.log(gain), pair, temperature, dimension)[0]
    assert exact[0] < exact[1] > exact[2]
    brute = [brute_uniformity(a, signal, augmentation, temperature, dimension) for a in gain]
    fields = tuple(np.full(3, float(field)) for field in pair.arrays())
    aligned, *_ = alignment(2 * np.log(gain), fields, np.full(3, float(dimension)))
    np.testing.assert_allclose(brute - aligned / temperature, exact, atol=1e-11)


def test_collapse_is_an_ordinary_end_of_the_loss():
    pair = gaussian_noise(2.0, 1.0)
    value, slope, _ = loss_derivatives(np.array([80.0, np.inf]), pair, 0.5, 10)
    assert value[0] == pytest.approx(value[1], abs=1e-13)
    assert slope[1] == 0
    assert gains(20.0, 0.1, 1000.0, 10).regime == "collapse"
    found = gains(5.0, 0.4, 27.0, 50)  # all but collapsed, and still an ordinary minimum
    assert 1e3 < found.gain < 1e7
    assert found.error_estimate < 1e-8


def test_the_loss_leaves_collapse_downwards_by_the_density_of_small_signals():
    # equation (16) of docs/theory/cosine.md: L = L(inf) - c/a, however hot
    signal, augmentation, temperature, dimension = 2.0, 0.5, 3.0, 8
    deviation = np.sqrt(1 + augmentation**2)
    density = 2 * stats.norm.pdf(signal, scale=deviation)
    z = np.exp(np.linspace(-20, 12, 6001))
    x = z / np.hypot(z, 1)
    anchors = np.log(np.cosh(x / temperature) / np.cosh(1 / temperature))
    negatives = np.cosh(x / temperature) / np.cosh(1 / temperature) - 1
    step = np.log(z[1] / z[0])
    mean_norm = deviation * stats.chi.mean(dimension - 1)
    c = -density * mean_norm * np.sum((anchors + negatives) * z) * step
    gain = 1e9  # the next order is log(a)/a^2
    _, slope, _ = loss_derivatives(
        2 * np.log(gain), gaussian_noise(signal, augmentation), temperature, dimension
    )
    assert c > 0
    assert float(slope) * 2 * gain == pytest.approx(c, rel=1e-4)


def test_lost_signal_is_an_ordinary_end_of_the_loss():
    value, slope, _ = loss_derivatives([-90.0, -np.inf], gaussian_noise(2.0, 1.0), 0.5, 10)
    assert value[0] == pytest.approx(value[1], abs=1e-13)
    assert slope[1] == 0


@pytest.mark.parametrize("views", [1, 2])
def test_gains_keep_eight_digits_over_the_whole_domain(views):
    rng = np.random.default_rng(views)
    for _ in range(6):
        dimension = int(np.exp(rng.uniform(np.log(2), np.log(1e5))))
        coldest = max(1e-3, 1 / dimension)
        temperature = np.exp(rng.uniform(np.log(coldest), np.log(1e3)))
        signal, augmentation = rng.uniform(0, 20), rng.uniform(0, 10) * rng.integers(0, 2)
        case = setting(signal, augmentation, temperature, dimension, views)
        found = landscape(case)
        minima = found.minima()
        assert not minima.unresolved.any()
        assert not minima.rises_at_lower.any()
        assert minima.point.size + minima.falls_at_upper.sum() >= 1
        _, step = found.newton_steps(minima.position, minima.point)
        assert np.all(np.abs(step) < 1e-8)


def test_points_do_not_depend_on_their_company():
    augmentation, temperature = np.array([0.2, 1.0, 2.0]), np.array([[0.05], [0.5], [20.0]])
    together = gains(3.0, augmentation, temperature, 30)
    alone = [
        [float(gains(3.0, s, t, 30).log_gain) for s in augmentation] for t in temperature.ravel()
    ]
    np.testing.assert_allclose(together.log_gain, alone, atol=1e-10)
