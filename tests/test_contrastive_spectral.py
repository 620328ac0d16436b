"""The spectral loss: closed forms against minimisation of the matrix loss itself."""

import numpy as np
import pytest
from scipy.optimize import minimize

from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.spectral import gram_matrix
from asymptotics.contrastive.views import ViewPair, anisotropic_noise, class_redraw, masking
from asymptotics.errors import InvalidInput


def descend(second, cross, outputs, rng):
    """Minimise -2 tr(W C W') + tr(W S W' W S W') over W (outputs, p) from a random start."""
    p = len(second)

    def loss(flat):
        w = flat.reshape(outputs, p)
        gram = w @ second @ w.T
        value = -2 * np.trace(w @ cross @ w.T) + np.trace(gram @ gram)
        return value, (-4 * w @ cross + 4 * gram @ w @ second).ravel()

    start = 0.3 * rng.standard_normal(outputs * p)
    options = {"maxiter": 20_000, "ftol": 1e-16, "gtol": 1e-12}
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    w = best.x.reshape(outputs, p)
    return w.T @ w


@pytest.mark.parametrize("outputs", [5, 3, 1])
def test_gram_matrix_is_what_descent_on_the_matrix_loss_reaches(outputs):
    rng = np.random.default_rng(3)
    factor = rng.standard_normal((5, 5))
    cross = factor @ factor.T / 5
    second = cross + np.diag(rng.uniform(0.2, 2.0, 5))
    expected = descend(second, cross, outputs, rng)
    np.testing.assert_allclose(gram_matrix(second, cross, outputs), expected, atol=2e-6)


def test_isotropic_noise_gives_the_closed_form_and_its_boundary():
    signal, augmentation = np.meshgrid([0.0, 0.5, 2.0, 20.0], [0.0, 0.3, 1.0, 10.0])
    noisy = 1 + augmentation**2
    found = projector("spectral", signal=signal, augmentation=augmentation, dimension=7)
    exact = (signal**2 + 1) * noisy**2 / (signal**2 + noisy) ** 2
    np.testing.assert_allclose(found.gain**2, exact, rtol=1e-12)
    at_boundary = projector(
        "spectral", signal=2.0, augmentation=np.sqrt(np.sqrt(5.0)), dimension=50
    )
    assert at_boundary.regime == "isotropic"
    assert at_boundary.expansion_measure == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    "pair",
    [
        anisotropic_noise(1.5, 0.4, 1.2, views=1),
        ViewPair(1.0, (1.0, 3.0), 0.8, (2.0, 1.1), 0.5),
        masking(2.0, 0.4, 6),
    ],
)
def test_any_views_give_the_gain_of_the_matrix_loss(pair):
    signal, v1, v2, cs, n1, n2, cn = (float(field) for field in pair.arrays())
    second = np.diag([signal**2 + (v1 + v2) / 2] + [(n1 + n2) / 2] * 5)
    cross = np.diag([signal**2 + cs] + [cn] * 5)
    matrix = descend(second, cross, 6, np.random.default_rng(0))
    found = projector("spectral", pair=pair, dimension=6)
    assert found.gain**2 == pytest.approx(matrix[0, 0] / matrix[1, 1], rel=1e-5)


def test_masked_second_moments_are_those_of_masked_samples():
    rng = np.random.default_rng(7)
    d, masked, signal, count = 6, 0.3, 2.0, 400_000
    mean = signal / np.sqrt(d) * np.array([1, -1, 1, 1, -1, 1])
    x = rng.choice([-1.0, 1.0], (count, 1)) * mean + rng.standard_normal((count, d))
    kept = (rng.random((2, count, d)) > masked) / (1 - masked)
    first, second = x * kept[0], x * kept[1]
    signal_, v1, _, cs, n1, _, cn = (float(field) for field in masking(signal, masked, d).arrays())
    direction = mean / signal
    projection = np.outer(direction, direction)

    def moment(along, across):
        return along * projection + across * (np.eye(d) - projection)

    for sample, exact in (
        (first.T @ first / count, moment(signal_**2 + v1, n1)),
        (first.T @ second / count, moment(signal_**2 + cs, cn)),
    ):
        error = 6 * np.max(np.abs(exact)) * np.sqrt(3 / count) * 2
        assert np.max(np.abs(sample - exact)) < error


def test_redrawing_the_whole_class_collapses_onto_the_signal():
    found = projector("spectral", pair=class_redraw(1.0, np.array([0.95, 1.0])), dimension=10)
    assert found.regime.tolist() == ["expansion", "collapse"]
    assert found.expansion_measure[1] == 10.0
    assert np.isinf(found.gain[1])


def test_k_classes_follow_the_eigenvalues_of_the_between_class_covariance():
    classes, radius, noisy = 4, 2.0, 1.5
    corners = np.eye(classes) - 1 / classes
    corners *= radius / np.linalg.norm(corners[0])
    between = corners.T @ corners / classes
    matrix = gram_matrix(between + noisy * np.eye(classes), between + np.eye(classes))
    energy = radius**2 / (classes - 1)
    expected = (energy + 1) * noisy**2 / (energy + noisy) ** 2
    values = np.sort(np.linalg.eigvalsh(matrix))
    noise_value = 1 / noisy**2
    if expected < 1:
        values = values[::-1]
    np.testing.assert_allclose(values[0], noise_value, rtol=1e-12)
    np.testing.assert_allclose(values[1:] / noise_value, expected, rtol=1e-12)


def test_a_singular_second_moment_is_refused():
    with pytest.raises(InvalidInput, match="positive definite"):
        gram_matrix(np.diag([1.0, 0.0]), np.eye(2))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: masking(1.0, 1.0, 5), r"masked=1 must be in \[0, 1\)"),
        (lambda: masking(1.0, 0.5, 1), "dimension=1 must be"),
        (lambda: class_redraw(1.0, 1.5), r"redrawn=1.5 must be in \[0, 1\]"),
        (lambda: anisotropic_noise(1.0, -1.0, 0.0), "along=-1 must be"),
        (lambda: anisotropic_noise(1.0, 1.0, 0.0, views=0), "views=0 must be 1 or 2"),
    ],
)
def test_impossible_augmentations_are_refused_in_one_line(make, text):
    with pytest.raises(InvalidInput, match=text):
        make()
