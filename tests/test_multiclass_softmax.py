"""Softmax on the simplex and in general position: binary logistic, quadrature, and one another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad
from scipy.special import softmax

from asymptotics import accuracy
from asymptotics.errors import NotConverged
from asymptotics.multiclass.geometry import BlockGeometry
from asymptotics.multiclass.logits import softmax_logits
from asymptotics.multiclass.mixture import contrast_basis, multiclass_mixture, simplex_means
from asymptotics.multiclass.problem import MulticlassProblem
from asymptotics.multiclass.simplex import SimplexEquations, softmax_on_simplex
from asymptotics.multiclass.sweep import multiclass_accuracy

ONE = np.ones(1)


@settings(max_examples=12, deadline=None)
@given(st.floats(0, 3), st.floats(-1, 1), st.floats(-3, 2), st.floats(0.2, 4))
def test_two_classes_are_the_logistic_probe_at_half_the_ridge(signal, log10_ratio, log10, gain):
    point = {"signal": signal, "sampling_ratio": 10**log10_ratio, "gain": gain}
    binary = accuracy(loss="logistic", ridge=10**log10 / 2, **point)
    found = multiclass_accuracy(classes=2, loss="softmax", ridge=10**log10, **point)
    assert found.error_estimate < 1e-9
    assert found.accuracy == pytest.approx(float(binary.accuracy), abs=found.error_estimate + 1e-12)


@pytest.mark.parametrize(("prior", "ratio"), [(0.25, 3.0), (0.5, 0.6), (0.9, 1.5)])
def test_two_unequal_classes_with_an_intercept_are_the_logistic_probe(prior, ratio):
    binary = accuracy(
        loss="logistic", signal=1.0, sampling_ratio=ratio, ridge=0.02, prior=prior, intercept=True
    )
    found = multiclass_accuracy(
        means=[[1.0], [-1.0]],
        priors=[prior, 1 - prior],
        loss="softmax",
        sampling_ratio=ratio,
        ridge=0.04,
        intercept=True,
    )
    assert found.accuracy == pytest.approx(float(binary.accuracy), abs=1e-9)


@pytest.mark.parametrize(
    ("radius", "prior", "ridge", "ratio"), [(6.4, 0.3, 1e-4, 0.12), (4.6, 0.2, 1e-3, 10.0)]
)
def test_far_classes_at_a_small_ridge_are_the_logistic_probe_too(radius, prior, ridge, ratio):
    common = {"sampling_ratio": ratio, "intercept": True}
    binary = accuracy(loss="logistic", signal=radius, prior=prior, ridge=ridge / 2, **common)
    found = multiclass_accuracy(
        means=[[2 * radius], [0.0]],
        priors=[prior, 1 - prior],
        loss="softmax",
        ridge=ridge,
        **common,
    )
    assert found.accuracy == pytest.approx(float(binary.accuracy), abs=1e-10)
    assert found.test_error == pytest.approx(float(binary.test_error), rel=1e-6)


def test_three_classes_solve_the_equations_of_adaptive_quadrature():
    """Integrated over u = prox(a) instead of a, so that no prox is solved."""
    equations = SimplexEquations(3, 1.5, 1.0, ONE, ONE, 0.1, 1.5)
    x = softmax_on_simplex(equations)
    basis = contrast_basis(3)
    centre = x.m * basis[0]

    def mean(pick):
        def integrand(c2, c1):
            c = np.array([c1, c2])
            p = softmax(basis @ c)
            pull = basis[0] - p @ basis
            bend = basis.T @ (np.diag(p) - np.outer(p, p)) @ basis
            jacobian = np.eye(2) + x.gamma * bend
            a = c - x.gamma * pull - centre
            density = np.exp(-a @ a / (2 * x.q)) / (2 * np.pi * x.q) * np.linalg.det(jacobian)
            return pick(p, pull, np.linalg.solve(jacobian, bend)) * density

        return dblquad(integrand, -9, 9, -9, 9, epsabs=1e-6, epsrel=1e-5)[0]

    h = 1.5 * (1 - mean(lambda p, f, v: p[0]))
    qhat = mean(lambda p, f, v: f @ f) / 2
    v = mean(lambda p, f, v: np.trace(v)) / 2
    assert x.gamma == pytest.approx(1 / (1.5 * (0.1 + v)), rel=1e-5)
    assert x.m == pytest.approx(h * 1.5**2 / 2 / (0.1 + v), rel=1e-5)
    assert x.q == pytest.approx(
        (h * 1.5 / (0.1 + v)) ** 2 / 6 + qhat / (1.5 * (0.1 + v) ** 2), rel=1e-5
    )


@pytest.mark.parametrize(("classes", "close"), [(3, 1e-9), (4, 1e-8)])
def test_the_general_equations_reduce_to_the_simplex(classes, close):
    mixture = multiclass_mixture(simplex_means(classes, 1.5))
    (logits,), error = softmax_logits(MulticlassProblem(mixture, "softmax", 1.5, 0.1), 0)
    plain = softmax_on_simplex(SimplexEquations(classes, 1.5, 1.0, ONE, ONE, 0.1, 1.5))
    projection = np.eye(classes) - 1 / classes
    assert error < 2e-8
    np.testing.assert_allclose(logits.means, plain.m * projection, atol=close)
    np.testing.assert_allclose(logits.covariance, plain.q * projection, atol=close)
    np.testing.assert_allclose(logits.step, plain.gamma * projection, atol=10 * close)


def test_a_bulk_of_two_atoms_reduces_to_the_simplex_equations_too():
    bulk, weights = np.array([0.5, 2.0]), np.array([0.6, 0.4])
    mixture = multiclass_mixture(simplex_means(3, 2.0), bulk_eigenvalues=bulk, bulk_weights=weights)
    (logits,), _ = softmax_logits(MulticlassProblem(mixture, "softmax", 1.5, 0.1), 0)
    plain = softmax_on_simplex(SimplexEquations(3, 2.0, 1.0, bulk, weights, 0.1, 1.5))
    np.testing.assert_allclose(np.diag(logits.covariance), plain.q * 2 / 3, rtol=1e-8)


def test_a_finer_lattice_stays_within_the_error_estimate():
    equations = SimplexEquations(6, 1.5, 1.0, ONE, ONE, 0.3, 1.5)
    best = softmax_on_simplex(equations)
    assert best.error_estimate < 1e-8
    # Sobol points know nothing of lattices
    from asymptotics.multiclass.gaussian_rule import sobol_rules, student_error

    start = np.array([np.log(best.gamma), best.m, np.log(best.q)])
    errors = np.array(
        [equations.error(equations.solve(rule, start)[0]) for rule in sobol_rules(6, 9, 8, 3)]
    )
    assert student_error(errors) < 3e-3
    assert abs(errors.mean() - best.error) < student_error(errors)


@pytest.mark.parametrize("classes", [3, 6])
def test_an_infinite_ridge_makes_the_nearest_mean(classes):
    point = {"classes": classes, "signal": 2.0, "sampling_ratio": 1.5}
    softmax_probe = multiclass_accuracy(loss="softmax", ridge=1e6, **point).accuracy
    nearest = multiclass_accuracy(loss="nearest-mean", **point).accuracy
    assert softmax_probe == pytest.approx(nearest, abs=1e-6)


def test_without_signal_every_answer_is_as_likely():
    found = multiclass_accuracy(
        classes=5, signal=0.0, loss="softmax", sampling_ratio=1.0, ridge=0.1
    )
    np.testing.assert_allclose(found.confusion, 0.2, atol=1e-9)


def test_the_names_of_the_classes_do_not_matter():
    means, priors = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), np.array([0.5, 0.3, 0.2])
    point = {"loss": "softmax", "sampling_ratio": 2.0, "ridge": 0.05, "intercept": True}
    order = [2, 0, 1]
    plain = multiclass_accuracy(means=means, priors=priors, **point)
    moved = multiclass_accuracy(means=means[order], priors=priors[order], **point)
    np.testing.assert_allclose(plain.confusion[np.ix_(order, order)], moved.confusion, atol=5e-9)


def test_only_the_geometry_of_the_means_matters():
    means = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])
    point = {"loss": "softmax", "sampling_ratio": 2.0, "ridge": 0.05}
    plain = multiclass_accuracy(means=means, **point)
    turned = multiclass_accuracy(means=np.pad(means @ turn, ((0, 0), (0, 1))), **point)
    np.testing.assert_allclose(plain.confusion, turned.confusion, atol=5e-9)


def test_a_ridge_out_of_reach_is_refused_and_not_answered():
    with pytest.raises(NotConverged, match="residual"):
        multiclass_accuracy(classes=3, signal=2.0, loss="softmax", sampling_ratio=2.0, ridge=1e-10)


def test_the_geometry_reduces_to_scalars():
    mixture = multiclass_mixture(simplex_means(3, 1.0))
    geometry = BlockGeometry.of(mixture, 0.5, 2.0)
    curvature = 0.3 * np.eye(2)
    np.testing.assert_allclose(geometry.step(curvature), np.eye(2) / (2.0 * 0.8))
    pulls = 0.4 * contrast_basis(3)
    means, spread = geometry.logits(curvature, pulls, 0.2 * np.eye(2))
    np.testing.assert_allclose(means, 0.4 / 2 / 0.8 * contrast_basis(3), atol=1e-15)
    expected = (0.4 / 0.8) ** 2 / 6 + 0.2 / (2.0 * 0.64)
    np.testing.assert_allclose(spread, expected * np.eye(2), atol=1e-15)


@pytest.mark.parametrize("prior", [1e-6, 1e-3, 0.02])
def test_two_classes_one_of_them_rare_are_logistic_regression_with_an_intercept(prior):
    # theta = theta_1 - theta_2 has the penalty lambda |theta|^2/4
    point = {"signal": 1.5, "sampling_ratio": 3.0, "intercept": True}
    found = multiclass_accuracy(
        classes=2, priors=[prior, 1 - prior], loss="softmax", ridge=0.01, **point
    )
    binary = accuracy(prior=prior, loss="logistic", ridge=0.005, **point)
    assert found.test_error == pytest.approx(float(binary.test_error), abs=1e-10)
