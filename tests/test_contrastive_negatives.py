"""Finitely many negatives: the first correction against simulation, and the scale of N it needs."""

import numpy as np
import pytest
from scipy.special import logsumexp

from asymptotics.contrastive import exponents
from asymptotics.contrastive.inputs import find_objective, read_pair, read_setting
from asymptotics.contrastive.negatives import few_negatives
from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.views import gaussian_noise

POINT = {"signal": 1.0, "augmentation": 0.8, "dimension": 6}


def cosines(log_gain, temperature, count, negatives, rng):
    """Exponents X of `count` anchors against `negatives` negatives each, under W_a."""
    spread = np.array([np.exp(log_gain)] + [1.0] * 5)

    def draw(*shape):
        h = np.sqrt(1.64) * rng.standard_normal((*shape, 6))
        h[..., 0] += rng.choice([-1.0, 1.0], shape)
        z = h * spread
        return z / np.linalg.norm(z, axis=-1, keepdims=True)

    return np.einsum("nd,njd->nj", draw(count), draw(count, negatives)) / temperature


def test_loss_shift_is_what_simulation_finds():
    rng = np.random.default_rng(4)
    temperature, negatives, count, groups = 0.5, 64, 2000, 8
    theory = few_negatives(negatives=negatives, temperature=temperature, **POINT)
    assert theory.valid
    x = cosines(float(theory.log_gain), temperature, count, negatives * groups, rng)
    many = logsumexp(x, axis=1) - np.log(negatives * groups)
    few = logsumexp(x.reshape(count, groups, negatives), axis=2) - np.log(negatives)
    difference = few.mean(axis=1) - many
    expected = float(theory.loss_shift) * (1 - 1 / groups)
    error = difference.std() / np.sqrt(count)
    assert error < 0.03 * abs(expected)
    # anchors are averaged in the exponent, which understates the correction a little
    assert difference.mean() == pytest.approx(expected, rel=0.1)
    assert abs(difference.mean()) > abs(expected) - 3 * error


def test_gain_shift_minimises_the_corrected_loss():
    negatives, temperature = 200.0, 0.4
    theory = few_negatives(negatives=negatives, temperature=temperature, **POINT)
    x = float(theory.log_gain) + np.linspace(-0.03, 0.03, 13)
    entry = find_objective("cosine")
    views = read_pair(1.0, 0.8, 2, None)

    def loss(tau):
        setting, _, _ = read_setting(entry, views, np.full(13, tau), 6, np.inf)
        landscape = entry.landscape(setting)
        return landscape.loss(x, *landscape.parameters)

    full = loss(temperature)
    corrected = full - np.exp(loss(temperature / 2) - 2 * full) / (2 * negatives)
    quadratic = np.polynomial.Polynomial.fit(x, corrected, 4)
    best = min(quadratic.deriv().roots(), key=lambda root: abs(root - theory.log_gain))
    assert float(best.real) - theory.log_gain == pytest.approx(theory.log_gain_shift, rel=0.1)


def test_corrections_vanish_like_one_over_n_and_validity_is_reported():
    theory = few_negatives(negatives=[1e2, 1e3, 1e6], temperature=0.3, **POINT)
    np.testing.assert_allclose(theory.log_gain_shift[1:] / theory.log_gain_shift[0], [0.1, 1e-4])
    cold = few_negatives(negatives=[10.0, 1e9], temperature=0.05, **POINT)
    assert cold.valid.tolist() == [False, True]


def test_the_estimate_for_cosine_is_the_exact_moment_in_high_dimension():
    d = np.array([400.0])
    temperature, log_gain = np.array([4.0]) / d, np.array([0.0])
    estimate = exponents.cosine(gaussian_noise(np.zeros(1), 1.0), temperature, d, log_gain)
    theory = few_negatives(
        negatives=1e9, signal=0.0, augmentation=1.0, temperature=temperature[0], dimension=400
    )
    assert estimate[0] == pytest.approx(float(theory.log_moment), rel=0.02)


def test_a_gaussian_exponent_needs_its_variance():
    views = gaussian_noise(np.zeros(1), np.ones(1))
    d, tau, x = np.array([101.0]), np.array([2.0]), np.zeros(1)
    noise = exponents.inner_product_fixed_norm(views, tau, d, x)
    # d = 101 directions, each of variance y^2 N_1 N_2 = (1/2)^2 2^2
    assert noise[0] == pytest.approx(101.0)


def test_the_branch_below_the_critical_temperature_is_out_of_reach_of_any_batch():
    found = projector(
        "cosine-scaled",
        signal=2.0,
        augmentation=1.0,
        temperature=np.array([0.5, 20.0]) / 1000,
        dimension=1000,
        negatives=1e9,
    )
    assert found.regime.tolist() == ["collapse", "expansion"]
    assert found.enough_negatives.tolist() == [False, True]
    assert found.required_log_negatives[0] > 100
