"""The cosine loss of K classes in its scaling limit: two classes, and finite dimensions."""

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp

from asymptotics import projector
from asymptotics.errors import InvalidInput, NoLimit
from asymptotics.multiclass.cosine_scaled import CosineScaled, cosine_scaled_minima
from asymptotics.multiclass.gaussian_rule import orbit_rule
from asymptotics.multiclass.mixture import simplex_means
from asymptotics.multiclass.sweep import multiclass_curve


@pytest.mark.parametrize(
    ("variance", "scale"), [(0.1, 4), (0.1, 20), (1.0, 0.7), (1.0, 0.8), (1.0, 4), (1.0, 20)]
)
def test_two_classes_are_the_two_class_objective(variance, scale):
    setting = {"signal": 2.0, "augmentation": variance**0.5}
    binary = projector("cosine-scaled", dimension=50, temperature=scale / 50, **setting)
    found = cosine_scaled_minima(CosineScaled(2, **setting, scale=scale))
    assert found.error_estimate < 1e-10
    assert found.log_gain == pytest.approx(float(binary.log_gain), abs=1e-11)
    assert found.losses[0] == pytest.approx(binary.minima_at()[0].loss, abs=1e-11)


@pytest.mark.parametrize("classes", [3, 5])
def test_the_slope_is_the_derivative_of_the_loss(classes):
    landscape, rule = CosineScaled(classes, 2.0, 1.0, 3.0), orbit_rule(classes, 0.8)
    for x in (-1.0, 0.0, 1.5):
        numerical = (landscape.loss(x + 1e-5, rule) - landscape.loss(x - 1e-5, rule)) / 2e-5
        s, t = np.exp(2 * x), landscape.scale
        per_square = landscape.slope(x, rule) * (1 / t + s / ((1 + landscape.stiffness * s) * t**2))
        assert 2 * s * per_square == pytest.approx(numerical, rel=1e-6, abs=1e-9)


def finite_dimension_loss(rng, dimension, gains, samples=800):
    """The loss of R = 2, K = 3, D = 2, d tau = 4, with the angle between noise parts averaged.

    E exp(k cos) in n dimensions is Gamma(n/2) (2/k)^(n/2-1) I_(n/2-1)(k), here by Debye's series.
    """
    n, tau = dimension - 2, 4.0 / dimension

    def log_mean_exp(k):
        order = n / 2 - 1
        x = k / order
        w = np.hypot(1, x)
        series = order * (w + np.log(x / (1 + w))) - 0.5 * np.log(2 * np.pi * order * w)
        series += np.log1p((3 / w - 5 / w**3) / (24 * order))
        return gammaln(order + 1) + order * np.log(2 / k) + series

    x = simplex_means(3, 2.0)[rng.integers(3, size=samples)]
    x = x + rng.standard_normal(x.shape)
    first, second = (x + rng.standard_normal(x.shape) for _ in range(2))
    lower = np.zeros((samples, 2, 2))  # Bartlett's factor of the noise parts of a pair
    lower[:, 0, 0] = np.sqrt(rng.chisquare(n, samples))
    lower[:, 1, 1] = np.sqrt(rng.chisquare(n - 1, samples))
    lower[:, 1, 0] = rng.standard_normal(samples)
    factor = np.linalg.cholesky([[2.0, 1.0], [1.0, 2.0]]) @ lower
    gram = factor @ np.swapaxes(factor, 1, 2)
    losses = []
    for a in gains:
        lengths = [
            a**2 * np.sum(s**2, axis=1) + gram[:, i, i] for i, s in enumerate((first, second))
        ]
        dots = a**2 * np.sum(first * second, axis=1) + gram[:, 0, 1]
        alignment = np.mean(dots / np.sqrt(lengths[0] * lengths[1]))
        norms = np.sqrt(np.outer(*lengths))
        exponent = a**2 * first @ second.T / norms / tau
        exponent += log_mean_exp(np.sqrt(np.outer(gram[:, 0, 0], gram[:, 1, 1])) / norms / tau)
        np.fill_diagonal(exponent, -np.inf)
        spread = np.mean(logsumexp(exponent, axis=1) - np.log(samples - 1))
        losses.append(spread - alignment / tau)
    return np.array(losses)


def test_the_loss_at_a_large_dimension_is_that_of_the_limit():
    rng, gains = np.random.default_rng(0), [0.7, 1.0, 1.4]
    runs = np.array([finite_dimension_loss(rng, 6400, gains) for _ in range(12)])
    differences = runs[:, [0, 2]] - runs[:, [1]]
    landscape, rule = CosineScaled(3, 2.0, 1.0, 4.0), orbit_rule(3, 0.6)
    theory = [landscape.loss(np.log(a), rule) for a in gains]
    error = differences.std(axis=0, ddof=1) / np.sqrt(12)
    expected = np.array([theory[0] - theory[1], theory[2] - theory[1]])
    assert np.all(error < 0.1 * np.abs(expected))
    assert np.all(np.abs(differences.mean(axis=0) - expected) < 4 * error)


def test_a_low_temperature_collapses_at_its_threshold():
    critical = CosineScaled(3, 2.0, 1.0, 1.0).critical_scale()
    assert critical == pytest.approx(2 * 4 / (2 * (4 + 2 * 2)))
    with pytest.raises(NoLimit, match="collapses"):
        cosine_scaled_minima(CosineScaled(3, 2.0, 1.0, 0.99 * critical))
    slightly_above = cosine_scaled_minima(CosineScaled(3, 2.0, 1.0, 1.01 * critical))
    assert np.exp(slightly_above.log_gain) > 3
    with pytest.raises(InvalidInput, match="temperature"):
        CosineScaled(3, 2.0, 1.0, 0.0)


def test_a_curve_marks_a_collapsed_head():
    table = multiclass_curve(
        classes=3,
        signal=2.0,
        loss="square",
        sampling_ratio=1.0,
        ridge=0.1,
        objective="cosine-scaled",
        augmentation=1.0,
        dimension=50,
        temperature=[0.005, 0.1],
    )
    assert list(table["regime"]) == ["collapse", "expansion"]
    assert list(table["converged"]) == [False, True]
    assert np.isnan(table["accuracy_after"][0])
    assert table["accuracy_after"][1] > table["accuracy_before"][1]
