"""Lattice, orbit and Sobol rules against exact moments and adaptive quadrature."""

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.special import logsumexp

from asymptotics.errors import NotConverged
from asymptotics.multiclass.gaussian_rule import (
    lattice_rule,
    orbit_rule,
    sobol_rules,
    student_error,
)
from asymptotics.multiclass.mixture import contrast_basis


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_contrasts_have_the_moments_of_normals(classes):
    rule = lattice_rule(classes, 1.0)
    c, w = rule.contrasts(), rule.weights
    assert w.sum() == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(w @ c, 0, atol=1e-12)
    np.testing.assert_allclose((c.T * w) @ c, np.eye(classes - 1), atol=1e-11)
    np.testing.assert_allclose(w @ c**4, 3.0, atol=2e-10)


def test_the_mean_of_log_sum_exp_is_that_of_adaptive_quadrature():
    basis = contrast_basis(3)

    def integrand(y, x):
        return logsumexp(2 * basis @ [x, y]) * np.exp(-(x * x + y * y) / 2) / (2 * np.pi)

    exact, _ = dblquad(integrand, -8, 8, -8, 8, epsabs=1e-8)
    rule = lattice_rule(3, 0.5)
    assert rule.weights @ logsumexp(2 * rule.contrasts() @ basis.T, axis=1) == pytest.approx(
        exact, abs=1e-7
    )


@pytest.mark.parametrize(("classes", "spacing"), [(3, 0.7), (4, 1.0), (5, 1.4)])
def test_orbits_give_what_all_points_give(classes, spacing):
    def mean(rule):
        z = rule.nodes + np.eye(classes)[0]  # symmetric in all but the first
        return rule.weights @ logsumexp(z - z.mean(axis=1, keepdims=True), axis=1)

    orbits, points = orbit_rule(classes, spacing), lattice_rule(classes, spacing)
    assert mean(orbits) == pytest.approx(mean(points), abs=1e-13)
    assert len(orbits.weights) < len(points.weights)


@pytest.mark.parametrize("classes", [6, 8, 10])
def test_orbits_reach_many_classes(classes):
    rule = orbit_rule(classes, 1.3)
    z = rule.nodes - rule.nodes.mean(axis=1, keepdims=True)
    assert rule.weights @ z[:, 0] ** 2 == pytest.approx(1 - 1 / classes, abs=1e-6)
    assert rule.weights @ np.sum(z**2, axis=1) == pytest.approx(classes - 1, abs=1e-6)


def test_sobol_replicates_cover_the_lattice():
    def mean(rule):
        return rule.weights @ logsumexp(2 * rule.nodes + [1, 0, 0, 0], axis=1)

    found = np.array([mean(rule) for rule in sobol_rules(4, 9, 8, seed=1)])
    centred = lattice_rule(4, 0.7)
    z = centred.nodes - centred.nodes.mean(axis=1, keepdims=True)
    exact = centred.weights @ logsumexp(2 * z + [1, 0, 0, 0], axis=1)
    assert student_error(found) < 4e-3
    assert abs(found.mean() - exact) < 2 * student_error(found)


def test_too_many_nodes_are_refused():
    with pytest.raises(NotConverged, match="nodes for 6 classes"):
        lattice_rule(6, 0.5, 1000)
