"""Masked views under inner-product InfoNCE: limits that are known, and a sampled loss."""

import numpy as np
import pytest
from scipy.optimize import minimize

from asymptotics.contrastive.masking import masked_inner_product
from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.views import masking
from asymptotics.errors import InvalidInput


def test_without_masking_it_is_the_gaussian_equation_without_noise():
    signal = np.array([0.0, 0.3, 1.0, 2.0, 8.0])
    plain = projector("inner-product", signal=signal, augmentation=0.0, dimension=3)
    found = masked_inner_product(signal, 0.0)
    np.testing.assert_allclose(found.gain, plain.gain, rtol=1e-10)
    np.testing.assert_allclose(found.noise_eigenvalue, 1.0, rtol=1e-12)


def test_without_signal_it_is_isotropic_and_the_equations_are_solved():
    found = masked_inner_product(np.array([0.0, 1.0])[:, None], np.array([0.1, 0.5, 0.9]))
    np.testing.assert_allclose(found.log_gain[0], 0.0, atol=1e-12)
    assert np.all(found.residual < 1e-12)


def test_at_strong_signal_the_gaussian_of_the_same_moments_is_wrong_by_a_factor():
    exact = masked_inner_product(5.0, 0.5).gain
    gaussian = projector("inner-product", pair=masking(5.0, 0.5, 1e9), dimension=2).gain
    assert gaussian / exact > 1.9


def test_a_strong_signal_moderately_masked_is_removed():
    found = masked_inner_product(np.array([9.0, 10.0, 20.0]), 0.3)
    assert found.gain[-1] == 0.0
    assert np.all(np.diff(found.gain) <= 0)


@pytest.mark.slow
@pytest.mark.parametrize(("signal", "masked"), [(1.0, 0.5), (1.0, 0.8)])
def test_the_gain_minimises_the_sampled_loss_in_a_large_dimension(signal, masked):
    kept, dimension, count = 1 - masked, 300, 1500
    mean = signal / np.sqrt(dimension)

    def sampled(rng):
        h = (rng.random((count, dimension)) < kept) * (
            mean + rng.standard_normal((count, dimension))
        )
        along = h.sum(axis=1, keepdims=True) / dimension

        def loss(eigenvalues):
            across, top = eigenvalues
            v = across * h + (top - across) * along
            sides = [
                np.log(masked + kept * np.exp(v * v / 2 + s * v * mean)).sum(axis=1)
                for s in (1, -1)
            ]
            aligned = kept**2 * (across * (dimension - 1) + top * (signal**2 + 1))
            return np.mean(np.logaddexp(*sides)) - aligned

        options = {"xatol": 1e-5, "fatol": 1e-7}
        start = [float(masked_inner_product(signal, masked).noise_eigenvalue)] * 2
        best = minimize(loss, start, method="Nelder-Mead", options=options).x
        return 0.5 * np.log(best[1] / best[0])

    gains = np.array([sampled(rng) for rng in np.random.default_rng(8).spawn(4)])
    error = gains.std(ddof=1) / 2
    exact = float(masked_inner_product(signal, masked).log_gain)
    assert error < 0.03
    assert abs(gains.mean() - exact) < 5 * error + 5 / dimension


@pytest.mark.parametrize("masked", [1.0, -0.1, np.nan])
def test_impossible_masks_are_refused(masked):
    with pytest.raises(InvalidInput, match="masked="):
        masked_inner_product(1.0, masked)
