"""Heads of K classes: the two-class objectives, the loss they minimise, and quadrature."""

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from asymptotics import projector
from asymptotics.errors import InvalidInput
from asymptotics.multiclass.contrastive import spectral_gains, trained_head
from asymptotics.multiclass.inner_product import inner_product_gain, inner_product_head
from asymptotics.multiclass.mixture import multiclass_mixture, simplex_means

MEANS = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
PRIORS = np.array([0.5, 0.3, 0.2])


@pytest.mark.parametrize("augmentation", [0.3, 1.0, 3.0])
@pytest.mark.parametrize(
    ("objective", "temperature"),
    [("spectral", None), ("inner-product", None), ("inner-product-fixed-norm", 2.0)],
)
def test_two_classes_have_the_gain_of_the_two_class_objective(objective, temperature, augmentation):
    setting = {"signal": 2.0, "augmentation": augmentation, "dimension": 50}
    if temperature is not None:
        setting["temperature"] = temperature
    binary = projector(objective, **setting).gain
    mixture = multiclass_mixture(simplex_means(2, 2.0))
    head, error = trained_head(mixture, objective, augmentation, temperature)
    assert abs(head[0, 0]) == pytest.approx(float(binary), abs=1e-9)
    assert error < 1e-9


def spectral_loss(gram, shared, noisy):
    """-2 tr(A C) + tr(A Sigma A Sigma)."""
    return -2 * np.trace(gram @ shared) + np.trace(gram @ noisy @ gram @ noisy)


def test_the_spectral_head_minimises_its_loss_for_any_means_and_covariance():
    covariance = np.array([[1.5, 0.4], [0.4, 0.7]])
    mixture = multiclass_mixture(MEANS, PRIORS, covariance)
    shared = (MEANS.T * PRIORS) @ MEANS + covariance
    noisy = shared + np.eye(2)  # sigma = 1

    def loss(entries):
        root = entries.reshape(2, 2)
        return spectral_loss(root @ root.T, shared, noisy)

    best = minimize(loss, np.eye(2).ravel(), tol=1e-12)
    root = best.x.reshape(2, 2)
    head, _ = trained_head(mixture, "spectral", 1.0)
    # the head is in units of the noise eigenvalue, 1/D^2 with D = 2
    np.testing.assert_allclose(head.T @ head / 4, root @ root.T, atol=1e-5)


def test_the_spectral_gains_are_those_of_the_head():
    mixture = multiclass_mixture(MEANS, PRIORS)
    energies = np.linalg.eigvalsh((MEANS.T * PRIORS) @ MEANS)
    head, _ = trained_head(mixture, "spectral", 1.4)
    np.testing.assert_allclose(
        np.sort(np.linalg.eigvalsh(head)), np.sort(spectral_gains(energies, 1.4)), atol=1e-12
    )


@pytest.mark.parametrize("classes", [3, 6])
def test_the_spectral_head_is_isotropic_where_the_augmentation_says(classes):
    energy = 4.0 / (classes - 1)
    augmentation = (1 + energy) ** 0.25
    head, _ = trained_head(
        multiclass_mixture(simplex_means(classes, 2.0)), "spectral", augmentation
    )
    np.testing.assert_allclose(head, np.eye(classes - 1), atol=1e-12)


def test_the_inner_product_gain_of_three_classes_is_stationary_under_adaptive_quadrature():
    signal, noise = 1.5, 2.0
    gain, _ = inner_product_gain(3, signal, 1.0)
    x, means = (gain / noise) ** 2, simplex_means(3, signal)

    def integrand(y, z):
        scores = means @ (means[0] + np.sqrt(noise) * np.array([z, y]))
        return softmax(x * scores) @ scores * np.exp(-(z * z + y * y) / 2) / (2 * np.pi)

    pull, _ = dblquad(integrand, -8, 8, -8, 8, epsabs=1e-6)
    energy = signal**2 / 2
    slope = -(energy + 1) + noise * (energy + noise) * x + pull / 2
    assert slope == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("temperature", [None, 2.0])
def test_the_general_head_reduces_to_the_simplex(temperature):
    mixture = multiclass_mixture(simplex_means(3, 1.5))
    head, error = inner_product_head(mixture, 1.0, temperature)
    gain, _ = inner_product_gain(3, 1.5, 1.0, temperature)
    assert error < 1e-9
    np.testing.assert_allclose(head, gain * np.eye(2), atol=1e-9)


def test_the_inner_product_head_minimises_its_loss_for_any_means():
    noise, between = 2.0, (MEANS.T * PRIORS) @ MEANS
    z, weight = np.polynomial.hermite_e.hermegauss(40)
    grid = np.stack(np.meshgrid(z, z), axis=-1).reshape(-1, 2)
    weights = np.outer(weight, weight).ravel() / (2 * np.pi)
    h = MEANS[:, None] + np.sqrt(noise) * grid

    def loss(entries):
        x = np.array([[entries[0], entries[1]], [entries[1], entries[2]]])
        spread = logsumexp(h @ x @ MEANS.T, b=PRIORS, axis=2) @ weights @ PRIORS
        shared = between + np.eye(2)
        return -np.trace(x @ shared) + noise / 2 * np.trace(x @ x @ (shared + np.eye(2))) + spread

    best = minimize(loss, [0.2, 0.0, 0.2], tol=1e-10).x
    head, error = trained_head(multiclass_mixture(MEANS, PRIORS), "inner-product", 1.0)
    assert error < 1e-8
    np.testing.assert_allclose((head @ head / noise**2)[[0, 0, 1], [0, 1, 1]], best, atol=1e-5)


def test_across_the_means_the_head_does_nothing():
    padded = np.pad(MEANS, ((0, 0), (1, 1)))
    head, _ = inner_product_head(multiclass_mixture(padded), 1.0)
    np.testing.assert_allclose(head[[0, 3]], np.eye(4)[[0, 3]], atol=1e-12)


def test_many_classes_state_their_error():
    gain, error = inner_product_gain(8, 2.0, 1.0)
    assert error < 1e-4
    assert 0 < gain < 2.0


@pytest.mark.parametrize(
    ("objective", "means", "message"),
    [
        ("cosine", simplex_means(3, 1.0), "objective for K classes"),
        ("cosine-scaled", MEANS, "simplex"),
        ("cosine-scaled", simplex_means(3, 1.0), "temperature"),
        ("inner-product-fixed-norm", simplex_means(3, 1.0), "temperature"),
    ],
)
def test_what_has_no_sound_route_is_refused(objective, means, message):
    with pytest.raises(InvalidInput, match=message):
        trained_head(multiclass_mixture(means), objective, 1.0)
