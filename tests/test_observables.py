"""Observables of a probe: identities, adaptive quadrature, fitted probes."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, ndtr

from asymptotics import Problem, isotropic_mixture, limit
from asymptotics.calibration import calibration_error, reliability
from asymptotics.errors import InvalidInput
from asymptotics.losses import LOSSES, prox
from asymptotics.margins import best_shift
from asymptotics.observables import (
    NAMES,
    TEST,
    balanced_accuracy,
    margin_distribution,
    observe,
)
from asymptotics.projectors import Gain
from asymptotics.training_margins import training_margins
from validation.compare import Row, compare
from validation.component_data import components_at
from validation.finite_size import extrapolate
from validation.probes import fit_probe

CASES = {
    "logistic": Problem(
        isotropic_mixture(1.5, 0.3), Gain(1.4), "logistic", 2.0, 0.05, intercept=True
    ),
    "hinge": Problem(isotropic_mixture(1.2, 0.4), Gain(0.7), "hinge", 2.5, 0.1, intercept=True),
    "squared-hinge": Problem(isotropic_mixture(1.5), Gain(1.0), "squared-hinge", 1.5, 0.05),
    "square": Problem(isotropic_mixture(1.0, 0.35), Gain(1.0), "square", 3.0, 0.1, intercept=True),
    "max-margin": Problem(isotropic_mixture(2.0), Gain(1.0), "max-margin", 1.5),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("gamma", [0.03, 2.0, 60.0])
def test_the_rule_of_training_margins_is_adaptive_quadrature_over_the_prox(name, gamma):
    loss, mean, deviation = LOSSES[name], 0.4, 1.7
    rule = training_margins(loss, *(np.array([x]) for x in (gamma, mean, deviation)), 384)
    assert rule.weights.sum() == pytest.approx(1, abs=1e-11)

    def integrand(z):
        u = prox(loss, np.array([mean + deviation * z]), np.array([gamma]))[0]
        return np.cos(u) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    kinks = [
        (u + gamma * piece.derivative(np.array([u]))[0] - mean) / deviation
        for piece in loss.pieces
        for u in (piece.lower, piece.upper)
        if np.isfinite(u)
    ]
    inside = [z for z in [*kinks, (1 - mean) / deviation] if abs(z) < 9]
    expected = quad(integrand, -9, 9, points=inside or None, limit=400, epsabs=1e-12)[0]
    assert rule.average(np.cos(rule.margins))[0] == pytest.approx(expected, abs=1e-9)


def test_the_area_under_the_curve_of_two_normals_is_closed():
    found = limit(CASES["logistic"])
    mean, deviation = found.m, np.sqrt(found.q)
    assert observe(found, "auc") == pytest.approx(ndtr(np.sqrt(2) * mean / deviation), abs=1e-14)


def test_balanced_accuracy_is_the_accuracy_of_balanced_classes():
    found = limit(Problem(isotropic_mixture(1.0), loss="square", sampling_ratio=2.0, ridge=0.1))
    assert observe(found, "balanced-accuracy") == pytest.approx(found.accuracy)
    assert observe(found, "accuracy-positive") == pytest.approx(observe(found, "accuracy-negative"))


def test_training_error_of_a_separating_probe_is_zero():
    assert observe(limit(CASES["max-margin"]), "training-error") == 0


def test_interpolation_leaves_no_training_loss():
    found = limit(Problem(isotropic_mixture(1.0), loss="min-norm", sampling_ratio=0.5))
    assert observe(found, "training-loss") == pytest.approx(0, abs=1e-15)


def test_the_training_loss_of_squares_is_half_of_the_mean_squared_slope():
    found = limit(CASES["square"])
    prior, gamma = 0.35, found.gamma
    means = found.margins.mean
    expected = sum(
        p * ((1 - m) ** 2 + found.q) / (2 * (1 + gamma) ** 2)
        for p, m in zip((prior, 1 - prior), means, strict=True)
    )
    assert observe(found, "training-loss") == pytest.approx(expected, rel=1e-11)


def test_calibration_error_matches_adaptive_quadrature():
    found = limit(CASES["logistic"])
    (positive, negative), s = found.margins.mean, np.sqrt(found.q)

    def integrand(f):
        plus = 0.3 * np.exp(-((f - positive) ** 2) / (2 * s**2))
        minus = 0.7 * np.exp(-((f + negative) ** 2) / (2 * s**2))
        return abs(expit(f) * (plus + minus) - plus) / (s * np.sqrt(2 * np.pi))

    expected = quad(integrand, -60, 60, limit=2000, epsabs=1e-11)[0]
    assert calibration_error(found) == pytest.approx(expected, abs=1e-9)


def test_few_samples_make_a_probe_overconfident():
    # stated odds are more extreme than the true ones on both sides
    found = limit(Problem(isotropic_mixture(1.0), loss="logistic", sampling_ratio=1.5, ridge=1e-3))
    curve = reliability(found)
    assert np.all(np.abs(curve.stated - 0.5) >= np.abs(curve.true - 0.5) - 1e-12)
    assert observe(found, "calibration-error") > 0.1


def test_unlimited_data_make_it_calibrated():
    found = limit(Problem(isotropic_mixture(1.0), loss="logistic", sampling_ratio=1e7, ridge=1e-9))
    assert observe(found, "calibration-error") < 1e-3


def test_calibration_of_a_probe_without_probabilities_is_refused():
    with pytest.raises(InvalidInput, match="calibration is of probes that state a probability"):
        observe(limit(CASES["hinge"]), "calibration-error")


def test_an_unknown_quantity_names_the_known_ones():
    with pytest.raises(InvalidInput, match=r"quantity must be one of .*auc.*got 'f1'"):
        observe(limit(CASES["hinge"]), "f1")


def measured(problem, law, rng):
    """Every observable of one fitted probe: exactly on fresh samples, counted on its own."""
    n = int(np.floor(problem.sampling_ratio * law.dimension + rng.random()))
    z, y = law.draw(n, rng)
    fit = fit_probe(problem.loss, z, y, problem.ridge, problem.intercept)
    margins = y * (z @ fit.theta + fit.intercept)
    positive, negative = law.accuracies(fit.theta, fit.intercept)
    # both classes have one covariance: their scores differ by 2 nu.theta and have one deviation
    apart = (law.means[0] - law.means[1]) @ fit.theta[: law.means.shape[1]]
    deviation = np.sqrt(2) * np.linalg.norm(fit.theta * np.append(law.roots[0], law.scales[0]))
    result = {
        "accuracy-positive": positive,
        "accuracy-negative": negative,
        "balanced-accuracy": (positive + negative) / 2,
        "auc": ndtr(apart / deviation),
        "training-error": np.mean(margins < 0),
        "training-loss": np.mean(LOSSES[problem.loss](margins)),
    }
    if problem.loss in ("hinge", "squared-hinge"):
        result["support-fraction"] = fit.certificate.support / n
    return result


@pytest.mark.parametrize(
    "name",
    [
        "logistic",
        "hinge",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("squared-hinge", "square")),
    ],
)
def test_fitted_probes_have_these_observables(name):
    problem, dimensions, trials = CASES[name], (40, 80, 160), 60
    theory = limit(problem).raise_on_failure()
    rng = np.random.default_rng(5)
    found = {}
    for p in dimensions:
        law = components_at(problem.mixture, p, problem.projector, float(problem.label_noise))
        for _ in range(trials):
            for key, value in measured(problem, law, rng).items():
                found.setdefault(key, {}).setdefault(p, []).append(value)
    rows = []
    for key, values in found.items():
        fit = extrapolate(dimensions, [values[p] for p in dimensions])
        value = float(observe(theory, key))
        rows.append(Row({}, key, value, fit.limit, 0.02, fit_p_value=fit.fit_p_value))
    comparison = compare(rows)
    assert comparison.agreement, comparison.rows()


def test_every_test_observable_is_in_the_table_of_names():
    assert set(TEST) < set(NAMES)


def test_the_best_threshold_of_one_variance_is_in_the_middle():
    given = {"mixture": isotropic_mixture(1.2, 0.2), "loss": "logistic", "sampling_ratio": 2.0}
    found = limit(Problem(**given, ridge=0.1, intercept=True, balanced=True))
    assert found.intercept == pytest.approx(0, abs=1e-10)
    assert observe(found, "accuracy-positive") == pytest.approx(observe(found, "accuracy-negative"))


def test_the_best_threshold_beats_a_fine_scan():
    laws = limit(
        Problem(
            isotropic_mixture(0.8, 0.3, (1.0, 4.0)),
            loss="logistic",
            sampling_ratio=2.0,
            ridge=0.1,
            intercept=True,
        )
    ).margins.reshape((1,))
    best = balanced_accuracy(laws.moved(best_shift(laws)))
    scan = [balanced_accuracy(laws.moved(np.array([x])))[0] for x in np.linspace(-8, 8, 4001)]
    assert best[0] == pytest.approx(max(scan), abs=1e-6)
    assert best[0] >= max(scan)


@pytest.mark.parametrize("name", ["logistic", "hinge", "max-margin"])
def test_the_distribution_of_training_margins_is_that_of_their_rule(name):
    found = limit(CASES[name])
    at = np.array([-1.0, 0.3, 0.99, 1.5])
    _, training = margin_distribution(found, at)
    laws = found.margins.reshape((1,))
    rules = [
        training_margins(
            found.problem.probe.loss, laws.step[c], laws.mean[c], laws.deviation[c], 4000
        )
        for c in range(2)
    ]
    for t, value in zip(at, training, strict=True):
        parts = [float(rule.average((rule.margins <= t).astype(float))[0]) for rule in rules]
        assert value == pytest.approx(laws.weight[:, 0] @ parts, abs=2e-3)  # a step integrand


def test_the_distribution_of_fresh_margins_passes_zero_at_the_test_error():
    found = limit(CASES["logistic"])
    fresh, training = margin_distribution(found, [0.0])
    assert fresh[0] == pytest.approx(found.test_error, abs=1e-14)
    assert training[0] == pytest.approx(observe(found, "training-error"), abs=1e-14)


def test_the_hard_margin_holds_an_atom_of_support_vectors():
    found = limit(CASES["max-margin"])
    _, training = margin_distribution(found, [1 - 1e-12, 1.0])
    assert training[0] == 0
    assert training[1] == pytest.approx(observe(found, "support-fraction"), abs=1e-12)
