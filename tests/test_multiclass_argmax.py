"""Orthant probabilities of Gaussian logits against scipy's, counting, and adaptive quadrature."""

import mpmath
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from asymptotics.errors import InvalidInput
from asymptotics.multiclass.argmax import confusion_matrix, exchangeable_error, quadrant
from asymptotics.multiclass.mixture import contrast_basis


def logits(classes, seed):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((classes, classes))
    return rng.standard_normal((classes, classes)) * 1.5, root @ root.T


def by_scipy(means, covariance, j, k):
    differences = np.delete(np.eye(len(means))[k] - np.eye(len(means)), k, axis=0)
    law = multivariate_normal(differences @ means[j], differences @ covariance @ differences.T)
    law.maxpts, law.abseps, law.releps = 400_000, 1e-7, 1e-7
    return law.cdf(np.full(len(means) - 1, np.inf), lower_limit=np.zeros(len(means) - 1))


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_entries_agree_with_scipys_orthants(classes):
    means, covariance = logits(classes, classes)
    found = confusion_matrix(means, covariance, 60)
    expected = [[by_scipy(means, covariance, j, k) for k in range(classes)] for j in range(classes)]
    np.testing.assert_allclose(found, expected, atol=3e-5 if classes > 3 else 1e-12)


@pytest.mark.parametrize("classes", [4, 5])
def test_nested_integrals_converge_to_rounding(classes):
    means, covariance = logits(classes, 10 + classes)
    coarse, fine = (confusion_matrix(means, covariance, n) for n in (40, 80))
    np.testing.assert_allclose(coarse, fine, atol=1e-12)


def test_sobol_replicates_cover_the_exchangeable_answer_at_seven_classes():
    projection = np.eye(7) - 1 / 7
    errors = np.array(
        [1 - confusion_matrix(1.3 * projection, 0.8 * projection, 9, s)[2, 2] for s in range(12)]
    )
    truth = exchangeable_error(1.3, 0.8, 7)
    standard_error = errors.std(ddof=1) / np.sqrt(12)
    assert standard_error < 1e-4
    assert abs(errors.mean() - truth) < 4 * standard_error


@pytest.mark.parametrize(("margin", "classes"), [(0.0, 10), (1.7, 3), (9.0, 4), (-1.0, 5)])
def test_the_exchangeable_error_has_relative_digits(margin, classes):
    with mpmath.workdps(30):

        def lost(z):
            return mpmath.npdf(z) * (1 - mpmath.ncdf(z + margin) ** (classes - 1))

        exact = mpmath.quad(lost, list(range(-12, 13, 2)))
    assert float(exchangeable_error(margin, 1.0, classes)) == pytest.approx(float(exact), rel=1e-11)


def test_quadrants_at_the_axes_are_those_of_scipy():
    for h, k, rho in [
        (0.0, 0.0, 0.3),
        (0.0, 1.0, -0.5),
        (1.0, 0.0, 0.5),
        (0.0, -1.0, 0.2),
        (-2.0, 1.0, 0.9),
    ]:
        expected = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([h, k])
        assert float(quadrant(np.array(h), np.array(k), rho)) == pytest.approx(expected, abs=1e-14)


def test_rows_sum_to_one_and_a_shift_of_all_logits_changes_nothing():
    means, covariance = logits(4, 3)
    found = confusion_matrix(means, covariance, 50)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-15)
    shifted = confusion_matrix(means + 5.0, covariance + 2.0, 50)
    np.testing.assert_allclose(shifted, found, atol=1e-12)


def test_logits_without_noise_between_them_are_refused():
    basis = contrast_basis(3)[:, :1]
    with pytest.raises(InvalidInput, match="no noise"):
        confusion_matrix(np.eye(3), np.ones((3, 3)) + 0 * basis @ basis.T, 10)
