"""The softmax prox against its stationarity condition, over steps of twelve decades."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from asymptotics.multiclass.mixture import contrast_basis
from asymptotics.multiclass.prox import matrix_prox, prox_probabilities

logits = arrays(float, (3, 4), elements=st.floats(-50, 50))


@settings(max_examples=200, deadline=None)
@given(logits, st.floats(-6, 6))
def test_the_scalar_prox_is_stationary(a, log10_gamma):
    gamma = 10.0**log10_gamma
    shifted = a + gamma * np.eye(4)[1]
    p = prox_probabilities(shifted, gamma)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-14)
    # u = a + gamma (e_y - p) must have softmax p; the error of u is rounding of its largest entry
    u = shifted - gamma * p
    np.testing.assert_allclose(softmax(u, axis=1), p, atol=1e-13 * (10 + np.abs(shifted).max()))


@settings(max_examples=50, deadline=None)
@given(arrays(float, (3, 3), elements=st.floats(-20, 20)), st.floats(-3, 3))
def test_a_multiple_of_the_identity_gives_the_scalar_prox(c, log10_gamma):
    gamma, basis = 10.0**log10_gamma, contrast_basis(4)
    found, p = matrix_prox(c, gamma * np.eye(3), 2, c)
    expected = prox_probabilities(c @ basis.T + gamma * np.eye(4)[2], gamma)
    np.testing.assert_allclose(p, expected, atol=1e-10)
    np.testing.assert_allclose(found, c + gamma * (basis[2] - expected @ basis), atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_the_matrix_prox_is_the_minimiser(seed):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((2, 2))
    step = 3 * (root @ root.T + 0.1 * np.eye(2))
    a = 4 * rng.standard_normal((1, 2))
    basis, metric = contrast_basis(3), np.linalg.inv(step)

    def objective(c):
        gap = c - a[0]
        return logsumexp(basis @ c) - (basis @ c)[0] + gap @ metric @ gap / 2

    found, _ = matrix_prox(a, step, 0, a)
    best = minimize(objective, a[0], tol=1e-12).x
    np.testing.assert_allclose(found[0], best, atol=1e-5)
    assert objective(found[0]) <= objective(best) + 1e-14
