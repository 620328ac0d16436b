"""The three limits of the cosine objective: reference values, raw definitions, and each other."""

import numpy as np
import pytest
from scipy.special import logsumexp

from asymptotics.contrastive import cosine_fixed_temperature, cosine_scaled
from asymptotics.contrastive import cosine_scaled_two_laws as two_laws
from asymptotics.contrastive.cosine_large_signal import collapse_temperature
from asymptotics.contrastive.cosine_scaled import critical_temperature
from asymptotics.contrastive.objective import Setting
from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.views import ViewPair, gaussian_noise


def setting(views, temperature, dimension):
    arrays = np.broadcast_arrays(*views.arrays(), temperature, dimension)
    flat = [np.ravel(array).astype(float) for array in arrays]
    return Setting(ViewPair.of_arrays(tuple(flat[:7])), flat[7], flat[8])


def slope_matches_loss(module, point, log_gain, scale):
    """The slope is `scale` times a central difference of the loss."""
    landscape = module.landscape(point)
    step = 1e-4
    ahead = landscape.loss(log_gain + step, *landscape.parameters)
    behind = landscape.loss(log_gain - step, *landscape.parameters)
    numeric = (ahead - behind) / (2 * step) * scale
    np.testing.assert_allclose(
        landscape.slope(log_gain, *landscape.parameters), numeric, rtol=1e-5, atol=1e-7
    )


# --- large signal


def test_large_signal_energy_fraction_is_linear_in_temperature_up_to_collapse():
    augmentation = np.array([0.4, 0.5, 0.6, 0.7])[:, None]
    ratio = np.array([0.05, 0.5, 0.999, 1.001, 3.0])
    threshold = collapse_temperature(np.array(5.0), augmentation)
    found = projector(
        "cosine-large-signal",
        signal=5.0,
        augmentation=augmentation,
        temperature=ratio * threshold,
        dimension=50,
    )
    np.testing.assert_allclose(
        found.signal_energy_fraction, np.broadcast_to(np.minimum(1, ratio), (4, 5)), rtol=1e-10
    )
    assert np.all(found.regime[:, 3:] == "collapse")
    assert np.all(found.expansion_measure[:, 3:] == 50)


def test_large_signal_thresholds_are_the_published_ones_within_reading_error():
    published = np.array([6.82, 4.70, 3.50, 2.77])
    found = collapse_temperature(np.array(5.0), np.array([0.4, 0.5, 0.6, 0.7]))
    np.testing.assert_allclose(found, published, rtol=0.01)


# --- fixed temperature


def brute_loss(signal, noisy, temperature, kappa):
    """The definition on plain uniform grids."""
    spread = np.sqrt(noisy)
    far = signal + 9 * spread + 30
    h, step = np.linspace(-far, far, 8001, retstep=True)
    log_density = np.logaddexp(
        -((h - signal) ** 2) / (2 * noisy), -((h + signal) ** 2) / (2 * noisy)
    ) + np.log(step / 2 / np.sqrt(2 * np.pi * noisy))
    q, rest = h / np.sqrt(h**2 + kappa), np.sqrt(kappa / (h**2 + kappa))
    outer = slice(None, None, 20)
    log_mean = np.array([logsumexp(log_density + value * q / temperature) for value in q[outer]])
    uniform = 20 * np.sum(np.exp(log_density[outer]) * log_mean)
    x, dx = np.linspace(signal - 9, signal + 9, 301, retstep=True)
    e, de = np.linspace(-9, 9, 801, retstep=True)
    shifted = x[:, None] + np.sqrt(noisy - 1) * e
    weight = np.exp(-(e**2) / 2) * de / np.sqrt(2 * np.pi)
    mean_q = (weight * shifted / np.sqrt(shifted**2 + kappa)).sum(axis=1)
    mean_rest = (weight * np.sqrt(kappa / (shifted**2 + kappa))).sum(axis=1)
    outer_weight = np.exp(-((x - signal) ** 2) / 2) * dx / np.sqrt(2 * np.pi)
    aligned = np.sum(outer_weight * (mean_q**2 + mean_rest**2 / noisy))
    assert rest.max() <= 1
    return uniform - aligned / temperature


@pytest.mark.parametrize(
    ("signal", "augmentation", "temperature", "log_gain"),
    [(2.0, 1.0, 1.0, 1.0), (0.5, 2.0, 0.5, 0.5), (5.0, 0.5, 2.0, 1.5), (2.0, 1.0, 0.02, 0.3)],
)
def test_fixed_temperature_loss_is_its_definition(signal, augmentation, temperature, log_gain):
    noisy = 1 + augmentation**2
    point = setting(gaussian_noise(signal, augmentation), temperature, 50.0)
    landscape = cosine_fixed_temperature.landscape(point)
    value = landscape.loss(np.array([log_gain]), *landscape.parameters)[0]
    kappa = 49 * noisy * np.exp(-2 * log_gain)
    assert value == pytest.approx(brute_loss(signal, noisy, temperature, kappa), rel=1e-9)


@pytest.mark.parametrize("views", [1, 2])
def test_fixed_temperature_slope_is_the_derivative_of_its_loss(views):
    signal, tau = np.array([0.3, 2.0, 10.0]), np.array([0.05, 1.0, 30.0])
    point = setting(gaussian_noise(signal, 0.8, views), tau, 50.0)
    _, v1, *_, n1, _, _ = point.views.arrays()
    log_gain = np.array([0.5, 1.0, 2.0])
    energy = np.exp(2 * log_gain) * (signal**2 + v1) / (49 * n1)
    slope_matches_loss(
        cosine_fixed_temperature, point, log_gain, tau * (1 + energy) ** 1.5 / energy
    )


def test_fixed_temperature_loss_reaches_its_collapse_limit():
    signal, tau = np.array([0.0, 0.3, 2.0, 10.0]), np.array([0.05, 0.1, 1.0, 30.0])
    for views in (1, 2):
        point = setting(gaussian_noise(signal, 0.8, views), tau, 50.0)
        landscape = cosine_fixed_temperature.landscape(point)
        value = landscape.loss(np.full(4, 25.0), *landscape.parameters)
        limit = landscape.loss_at_collapse(*landscape.parameters)
        np.testing.assert_allclose(value, limit, rtol=1e-8)


def test_fixed_temperature_has_two_wells_at_low_temperature_strong_noise_and_large_signal():
    found = projector(
        "cosine-fixed-temperature",
        signal=9.438194387175805,
        augmentation=5.00356430736871,
        temperature=0.01119471978908865,
        dimension=50,
    )
    first, second = found.minima_at()
    assert found.num_minima == 2
    assert first.log_gain < 0 < second.log_gain
    noisy = 1 + 5.00356430736871**2
    middle = (first.log_gain + second.log_gain) / 2
    low, ridge, high = (
        brute_loss(9.438194387175805, noisy, 0.01119471978908865, 49 * noisy * np.exp(-2 * x))
        for x in (first.log_gain, middle, second.log_gain)
    )
    assert low < high < ridge
    assert found.from_identity == pytest.approx(np.exp(first.log_gain))


def test_fixed_temperature_without_signal_is_refused_by_name():
    found = projector(
        "cosine-fixed-temperature",
        signal=[0.0, 2.0],
        augmentation=1.0,
        temperature=1.0,
        dimension=50,
    )
    assert found.status.tolist() == ["no minimum", "converged"]
    assert found.regime[0] == "undefined"


# --- scaled


def test_scaled_limit_reproduces_the_reference_gains():
    augmentation = np.sqrt([0.1, 0.1, 1.0, 1.0])
    found = projector(
        "cosine-scaled",
        signal=2.0,
        augmentation=augmentation,
        temperature=np.array([4.0, 20.0, 4.0, 20.0]) / 50,
        dimension=50,
    )
    np.testing.assert_allclose(found.gain, [0.53301, 0.72604, 0.97610, 1.64915], atol=5e-6)


def test_scaled_slope_is_the_derivative_of_its_loss():
    rng = np.random.default_rng(5)
    size = 60
    signal, augmentation = rng.uniform(0, 20, size), rng.uniform(0, 10, size)
    scaled = 10 ** rng.uniform(-1, 2, size)
    log_gain = rng.uniform(-1, 1, size)
    for views in (1, 2):
        point = setting(gaussian_noise(signal, augmentation, views), scaled, 1.0)
        _, v1, _, _, n1, _, _ = point.views.arrays()
        s = np.exp(2 * log_gain)
        stretch = 1 + 2 * s * v1 / n1 / (scaled * (scaled + np.sqrt(scaled**2 + 4)))
        scale = 1 / (2 * s * (1 / scaled + s / stretch / scaled**2))
        slope_matches_loss(cosine_scaled, point, log_gain, scale)


def test_the_scan_sees_the_sign_of_the_slope_next_to_every_zero():
    rng = np.random.default_rng(8)
    size = 2000
    signal, augmentation = rng.uniform(0, 20, size), 10 ** rng.uniform(-2, 1, size)
    point = setting(gaussian_noise(signal, augmentation), 10 ** rng.uniform(-1, 2, size), 1.0)
    landscape = cosine_scaled.landscape(point)
    minima = landscape.minima()
    chosen = tuple(x[minima.point] for x in landscape.parameters)
    assert landscape.scan_slope is not landscape.slope
    for distance in (-1e-3, -1e-6, -1e-9, 1e-9, 1e-6, 1e-3):
        at = minima.position + distance
        sign = np.sign(landscape.scan_slope(at, *chosen))
        np.testing.assert_array_equal(sign, np.sign(landscape.slope(at, *chosen)))
    everywhere = np.repeat(np.arange(size), landscape.grid.shape[1])
    chosen = tuple(x[everywhere] for x in landscape.parameters)
    scan, slope = (
        f(landscape.grid.ravel(), *chosen) for f in (landscape.scan_slope, landscape.slope)
    )
    np.testing.assert_array_equal(np.sign(scan), np.sign(slope))


def test_two_laws_reduce_to_the_closed_form_when_they_are_one():
    rng = np.random.default_rng(6)
    size = 100
    signal, log_gain = rng.uniform(0, 20, size), rng.uniform(-2, 2, size)
    variance, noise = 1 + 10 ** rng.uniform(-4, 2, (2, size))
    t = 10 ** rng.uniform(-2, 3, size)
    parameters = (t, np.zeros(size), signal, variance, variance, noise, noise)
    c = 2 / (t * (t + np.sqrt(t * t + 4)))
    law = (variance, noise)
    value, _ = two_laws.uniformity(np.exp(2 * log_gain), t, c, signal, (law, law))
    np.testing.assert_allclose(
        value, cosine_scaled.loss(log_gain, *parameters), rtol=1e-10, atol=1e-12
    )


def test_below_the_critical_temperature_the_scaled_limit_collapses():
    signal, augmentation = np.array([0.5, 2.0, 10.0]), np.array([2.0, 1.0, 0.3])
    noisy = 1 + augmentation**2
    expected = 2 * signal**2 * (noisy - 1) / (noisy * (signal**2 + noisy))
    views = gaussian_noise(signal, augmentation)
    np.testing.assert_allclose(critical_temperature(setting(views, 1.0, 1.0)), expected, rtol=1e-14)
    found = projector(
        "cosine-scaled",
        signal=signal,
        augmentation=augmentation,
        temperature=expected / 1e6 * np.array([[1 - 1e-6], [1 + 1e-6]]),
        dimension=1e6,
    )
    assert np.all(found.regime[0] == "collapse")
    assert np.all((found.gain[1] > 100) & np.isfinite(found.gain[1]))
    assert found.converged.all()


def test_gain_is_not_monotone_in_temperature_and_the_boundary_has_two_branches():
    found = projector(
        "cosine-scaled",
        signal=2.0,
        augmentation=1.0,
        temperature=np.array([0.8, 1.2, 2.0, 4.0, 10.0]) / 50,
        dimension=50,
    )
    assert found.regime.tolist() == [
        "expansion",
        "expansion",
        "shrinkage",
        "shrinkage",
        "expansion",
    ]


# --- against the exact finite-dimensional objective


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize(
    ("name", "temperature"), [("cosine-scaled", 4.0), ("cosine-fixed-temperature", 1.0)]
)
def test_limits_are_approached_like_one_over_d(name, temperature, views):
    dimension = np.array([200, 400, 800])
    tau = temperature / dimension if name == "cosine-scaled" else np.full(3, temperature)
    inputs = {
        "signal": 2.0,
        "augmentation": 1.0,
        "temperature": tau,
        "dimension": dimension,
        "views": views,
    }
    gap = projector("cosine", **inputs).log_gain - projector(name, **inputs).log_gain
    scaled = gap * dimension
    assert np.all(np.abs(gap) < 0.03)
    assert scaled[2] == pytest.approx(scaled[1], rel=0.1)
    assert abs(scaled[2] - scaled[1]) < abs(scaled[1] - scaled[0])
