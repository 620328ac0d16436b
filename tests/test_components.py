"""Mixtures of any components: reductions, algebra, simulation."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

import asymptotics
from asymptotics import Matrix, NotConverged, Problem, explicit_mixture, isotropic_mixture, limit
from asymptotics.errors import InvalidInput
from asymptotics.mixture import Class, Mixture
from asymptotics.projectors import Directions, Gain, tilted
from asymptotics.thresholds import separability
from validation.compare import Row, compare
from validation.component_data import components_at
from validation.finite_size import extrapolate
from validation.pretraining import sample_moments, train_head
from validation.probes import fit_probe

LOSSES = {
    "square": 0.1,
    "logistic": 0.1,
    "hinge": 0.1,
    "squared-hinge": 0.1,
    "max-margin": None,
    "min-norm": None,
    "averaging": None,
}


@dataclass(frozen=True)
class General(Problem):
    """A problem whose equations are always those of components."""

    @property
    def symmetric(self):
        return False


def groups(core=1.0, spurious=1.0, agreement=0.9, variance=1.0):
    """y = +-1 along one direction, s = +-1 along another, P(s = y) = agreement."""
    classes = tuple(
        Class(
            (agreement if s == y else 1 - agreement) / 2,
            np.array([y * core, s * spurious]),
            variance * np.eye(2),
            y,
        )
        for y in (1, -1)
        for s in (1, -1)
    )
    return Mixture(classes, np.array([variance]), np.array([1.0]))


def two_variances(signal=1.5, positive=1.0, negative=2.0, prior=0.4):
    """N(+-signal, v_y I): a variance of its own for each class, in every direction."""
    pair = zip((1, -1), (prior, 1 - prior), (positive, negative), strict=True)
    classes = tuple(
        Class(share, np.array([y * signal]), np.array([[v]]), y, np.array([v]))
        for y, share, v in pair
    )
    return Mixture(classes, np.array([1.0]), np.array([1.0]))


@pytest.mark.parametrize(
    ("loss", "prior", "intercept"),
    [(loss, 0.5, False) for loss in LOSSES]
    + [(loss, 0.3, True) for loss in LOSSES if loss != "averaging"],
)
def test_two_symmetric_classes_are_a_special_case(loss, prior, intercept):
    given_problem = {
        "mixture": isotropic_mixture(1.5, prior),
        "projector": Gain(np.array([0.5, 2.0])),
        "loss": loss,
        "sampling_ratio": 0.8,
        "ridge": LOSSES[loss],
        "intercept": intercept,
    }
    known, general = limit(Problem(**given_problem)), limit(General(**given_problem))
    assert np.all(general.converged)
    assert general.accuracy == pytest.approx(known.accuracy, abs=1e-12)
    assert general.test_error == pytest.approx(known.test_error, rel=1e-10)
    assert general.margins.mean == pytest.approx(known.margins.mean, rel=1e-9)


def test_explicit_arrays_are_components_too():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(12, 12))
    mixture = explicit_mixture(rng.normal(size=12) / 3, root @ root.T / 12 + 0.1 * np.eye(12))
    head = Matrix(rng.normal(size=(9, 12)))
    known, general = (
        limit(kind(mixture, head, "logistic", 1.7, 0.05)) for kind in (Problem, General)
    )
    assert general.accuracy == pytest.approx(known.accuracy, abs=1e-12)


def test_components_that_coincide_are_one():
    whole = isotropic_mixture(1.2)
    half = [Class(c.prior / 2, c.mean, c.covariance, c.label) for c in whole.classes]
    split = Mixture((*half, *half), whole.bulk_eigenvalues, whole.bulk_weights)
    one, two = (
        limit(Problem(m, loss="hinge", sampling_ratio=1.3, ridge=0.2)) for m in (whole, split)
    )
    assert two.accuracy == pytest.approx(one.accuracy, abs=1e-13)


@given(angle=st.floats(0, 2 * np.pi), agreement=st.floats(0.55, 0.98))
@settings(max_examples=10, deadline=None)
def test_a_rotation_of_the_block_changes_nothing(angle, agreement):
    c, s = np.cos(angle), np.sin(angle)
    turn = Matrix(np.array([[c, -s], [s, c]]))
    problem = {"loss": "logistic", "sampling_ratio": 2.0, "ridge": 0.05}
    plain, turned = (
        limit(Problem(groups(agreement=agreement), head, **problem))
        for head in (Matrix(np.eye(2)), turn)
    )
    assert turned.component_accuracy == pytest.approx(plain.component_accuracy, abs=1e-11)


def test_a_spurious_feature_that_says_nothing_is_a_nuisance():
    useless = limit(Problem(groups(agreement=0.5), loss="square", sampling_ratio=3.0, ridge=0.1))
    aligned, conflicting = useless.component_accuracy[:2]
    assert aligned == pytest.approx(conflicting, abs=1e-12)


def test_a_conflicting_group_can_fall_below_chance():
    found = limit(Problem(groups(0.5, 2.0, 0.97), loss="logistic", sampling_ratio=4.0, ridge=0.01))
    assert found.converged
    assert found.component_accuracy.min() < 0.5 < found.accuracy


def test_averaging_on_groups_is_the_mean_of_the_signed_features():
    core, spurious, agreement, delta = 0.8, 1.3, 0.9, 2.0
    found = limit(
        Problem(groups(core, spurious, agreement), loss="averaging", sampling_ratio=delta)
    )
    # theta = mean of y z: its mean (core, (2 agreement - 1) spurious) plus N(0, I/n)
    nu = np.array([core, (2 * agreement - 1) * spurious])
    deviation = np.sqrt(nu @ nu + 1 / delta)
    expected = [nu @ [core, sign * spurious] / deviation for sign in (1, -1)]
    assert found.margins.ratio[:2] == pytest.approx(expected, abs=1e-12)


def test_least_squares_with_many_samples_is_the_discriminant():
    core, spurious, agreement = 0.8, 1.3, 0.9
    mixture = groups(core, spurious, agreement)
    found = limit(Problem(mixture, loss="least-squares", sampling_ratio=1e9))
    second = np.eye(2) + np.array(
        [
            [core**2, (2 * agreement - 1) * core * spurious],
            [(2 * agreement - 1) * core * spurious, spurious**2],
        ]
    )
    theta = np.linalg.solve(second, [core, (2 * agreement - 1) * spurious])
    expected = theta @ [core, -spurious] / np.linalg.norm(theta)
    assert found.margins.ratio[1] == pytest.approx(expected, abs=1e-8)


def test_label_noise_shrinks_the_average_and_nothing_else():
    clean, noisy = (
        limit(Problem(isotropic_mixture(1.0), loss="averaging", sampling_ratio=2.0, label_noise=f))
        for f in (0.0, 0.2)
    )
    assert clean.margins.ratio[0] == pytest.approx(1 / np.sqrt(1 + 1 / 2.0))
    # theta = (1 - 2f) mu + noise of variance (1 + (1 - (1-2f)^2) R^2/p)/n, R^2/p -> 0
    assert noisy.margins.ratio[0] == pytest.approx(0.6 / np.sqrt(0.36 + 1 / 2.0), abs=1e-12)


def test_separability_with_label_noise_matches_adaptive_quadrature():
    noise, radius = 0.1, 1.5

    def excess(u):
        deviation = np.sqrt(1 + u * u)

        def integrand(z, mean):
            return max(deviation * z - mean, 0.0) ** 2 * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

        return sum(
            share * quad(integrand, sign * radius * u / deviation, 12, args=(sign * radius * u,))[0]
            for sign, share in ((1, 1 - noise), (-1, noise))
        )

    step = 1e-5
    u = brentq(lambda x: excess(x + step) - excess(x - step), 0, 3)
    found = limit(
        Problem(isotropic_mixture(radius), loss="max-margin", sampling_ratio=1.0, label_noise=noise)
    )
    assert found.converged
    assert found.threshold == pytest.approx(1 / excess(u), rel=1e-8)
    assert found.threshold < separability(radius).threshold


def test_flipping_half_of_the_labels_is_refused():
    with pytest.raises(InvalidInput, match=r"label_noise must be >= 0 and < 0.5, got 0.5"):
        Problem(isotropic_mixture(1.0), loss="square", ridge=1.0, label_noise=0.5)


def test_a_single_class_is_a_problem_without_an_answer_only_for_bayes():
    with pytest.raises(InvalidInput, match="bayes: the best classifier is linear only"):
        limit(Problem(groups(), loss="bayes"))


def test_no_solution_is_found_past_an_unknown_threshold():
    problem = Problem(two_variances(1.0), loss="max-margin", sampling_ratio=50.0)
    with pytest.raises(NotConverged):
        limit(problem).raise_on_failure()


def simulated(problem, dimensions, trials, seed):
    """Component accuracies of fitted probes, (dimensions, trials, components)."""
    rng = np.random.default_rng(seed)
    weights = problem.class_weights
    assert weights == (1.0, 1.0)
    result = []
    for p in dimensions:
        law = components_at(problem.mixture, p, problem.projector, float(problem.label_noise))
        rows = []
        for _ in range(trials):
            n = int(np.floor(problem.sampling_ratio * p + rng.random()))
            z, y = law.draw(n, rng)
            fit = fit_probe(problem.loss, z, y, problem.ridge, problem.intercept)
            rows.append(law.accuracies(fit.theta, fit.intercept))
        result.append(np.array(rows))
    return result


CASES = {
    "groups, logistic": Problem(
        groups(0.8, 1.2, 0.85), loss="logistic", sampling_ratio=2.0, ridge=0.05
    ),
    "groups behind a head, hinge": Problem(
        groups(0.8, 1.2, 0.85),
        Matrix(np.array([[1.5, 0.2], [0.0, 0.5]])),
        "hinge",
        2.0,
        0.05,
    ),
    "two variances, intercept, logistic": Problem(
        two_variances(), loss="logistic", sampling_ratio=2.0, ridge=0.05, intercept=True
    ),
    "two variances, squared hinge": Problem(
        two_variances(), loss="squared-hinge", sampling_ratio=1.5, ridge=0.1
    ),
    "two variances, max-margin": Problem(two_variances(2.0), loss="max-margin", sampling_ratio=0.7),
    "label noise, square": Problem(
        isotropic_mixture(1.5), loss="square", sampling_ratio=2.0, ridge=0.1, label_noise=0.15
    ),
    "label noise, logistic, intercept": Problem(
        isotropic_mixture(1.5, 0.3),
        loss="logistic",
        sampling_ratio=2.0,
        ridge=0.1,
        intercept=True,
        label_noise=0.1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_fitted_probes_agree_in_every_component(name):
    problem, dimensions = CASES[name], (40, 80, 160)
    theory = limit(problem).raise_on_failure().component_accuracy
    found = simulated(problem, dimensions, 120, seed=1)
    rows = []
    for c, value in enumerate(theory):
        estimate = extrapolate(dimensions, [trials[:, c] for trials in found])
        rows.append(
            Row(
                {"component": c},
                "accuracy",
                float(value),
                estimate.limit,
                0.012,
                fit_p_value=estimate.fit_p_value,
            )
        )
    comparison = compare(rows)
    assert comparison.agreement, comparison.rows()


def test_weights_of_two_and_one_are_samples_counted_twice():
    problem = Problem(
        isotropic_mixture(1.0, 0.4),
        loss="logistic",
        sampling_ratio=2.0,
        ridge=0.1,
        intercept=True,
        class_weights=(2.0, 1.0),
    )
    theory, dimensions = limit(problem).raise_on_failure(), (40, 80, 160)
    rng, found = np.random.default_rng(3), []
    for p in dimensions:
        law, rows = components_at(problem.mixture, p), []
        for _ in range(120):
            n = int(np.floor(2.0 * p + rng.random()))
            z, y = law.draw(n, rng)
            twice = np.repeat(np.arange(n), np.where(y > 0, 2, 1))
            fit = fit_probe("logistic", z[twice], y[twice], 0.1 * n / twice.size, True)
            rows.append(law.accuracies(fit.theta, fit.intercept))
        found.append(np.array(rows))
    rows = []
    for c, value in enumerate(theory.component_accuracy):
        estimate = extrapolate(dimensions, [trials[:, c] for trials in found])
        rows.append(Row({}, f"accuracy {c}", float(value), estimate.limit, 0.012))
    comparison = compare(rows)
    assert comparison.agreement, comparison.rows()


def test_a_head_at_an_angle_is_its_matrix():
    angle, gain = 35.0, 3.0
    v = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    mixture = isotropic_mixture(1.5, block=2)
    problem = {"loss": "hinge", "sampling_ratio": 1.5, "ridge": 0.1}
    heads = tilted(gain, angle), Matrix(np.eye(2) + (gain - 1) * np.outer(v, v))
    one, other = (limit(Problem(mixture, head, **problem)).accuracy for head in heads)
    assert one == pytest.approx(other, abs=1e-13)


def test_the_angle_takes_from_the_aligned_head_to_none_of_the_signal():
    problem = {"loss": "max-margin", "signal": 1.5, "sampling_ratio": 1.0}
    aligned = asymptotics.accuracy(**problem, gain=3.0).accuracy
    plain = asymptotics.accuracy(**problem).accuracy
    at = [asymptotics.accuracy(**problem, gain=3.0, angle=a).accuracy for a in (1e-6, 45, 90)]
    assert at[0] == pytest.approx(aligned, abs=1e-9)
    assert at[2] == pytest.approx(plain, abs=1e-9)  # one nuisance direction more or less
    assert at[0] > at[1] > at[2]


def test_gains_along_several_directions_commute_with_their_order():
    mixture = groups()
    problem = {"loss": "logistic", "sampling_ratio": 2.0, "ridge": 0.1}
    one = Directions(np.eye(2), np.array([2.0, 0.5]))
    other = Directions(np.eye(2)[::-1], np.array([0.5, 2.0]))
    a, b = (limit(Problem(mixture, head, **problem)).component_accuracy for head in (one, other))
    assert a == pytest.approx(b, abs=1e-13)


def test_explicit_components_are_read_from_arrays():
    rng = np.random.default_rng(1)
    means = rng.normal(size=(3, 8)) / 2
    arrays = {
        "means": means,
        "labels": [1, 1, -1],
        "priors": [0.3, 0.2, 0.5],
        "covariances": rng.uniform(0.5, 2, (3, 8)),
    }
    given = {"loss": "logistic", "sampling_ratio": 2.0, "ridge": 0.1}
    diagonal = asymptotics.accuracy(arrays=arrays, **given)
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    full = [turn @ np.diag(v) @ turn.T for v in arrays["covariances"]]
    rotated = arrays | {"means": means @ turn.T, "covariances": np.array(full)}
    assert asymptotics.accuracy(arrays=rotated, **given).component_accuracy == pytest.approx(
        diagonal.component_accuracy, abs=1e-10
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [1, 1, 1]}, "both present"),
        ({"labels": [1, 0, -1]}, "labels must be"),
        ({"priors": [0.3, 0.3, 0.3]}, "sum to 1"),
        ({"covariances": np.ones((2, 8))}, "covariances must be"),
        ({"covariances": -np.ones((3, 8))}, "positive semi-definite"),
    ],
)
def test_bad_components_get_one_line(change, message):
    arrays = {"means": np.eye(3, 8), "labels": [1, 1, -1], "priors": [0.3, 0.2, 0.5]}
    with pytest.raises(InvalidInput, match=message):
        asymptotics.accuracy(arrays=arrays | change, loss="averaging", sampling_ratio=1.0)


def test_the_matrix_of_a_trained_head_is_a_projector_as_it_is():
    # a head trained on few pairs: no gain describes it, its matrix does
    size, signal, ratio = 120, 2.0, 1.5
    rng = np.random.default_rng(7)
    head = train_head(*sample_moments(rng, signal, 0.8, 3 * size, size))
    mean = signal * np.eye(size)[0]
    problem = Problem(explicit_mixture(mean), Matrix(head.weights), "logistic", ratio, 0.1)
    theory = limit(problem).raise_on_failure()
    outputs = len(head.weights)  # the loss keeps fewer than p
    law = components_at(problem.mixture, outputs, problem.projector)
    accuracies = []
    for _ in range(150):
        z, y = law.draw(round(ratio * outputs), rng)
        accuracies.append(law.accuracy(fit_probe("logistic", z, y, 0.1).theta))
    error = np.std(accuracies, ddof=1) / np.sqrt(150)
    assert error < 0.003
    # one size of p: the bias of order 1/p is allowed for beside the statistics
    assert np.mean(accuracies) == pytest.approx(theory.accuracy, abs=4 * error + 0.5 / size)


def test_two_equal_variances_are_a_unit_of_the_features():
    # h/sqrt(V): signal R/sqrt(V), and a ridge that is smaller by V
    given = {"loss": "logistic", "sampling_ratio": 1.5}
    scaled = asymptotics.accuracy(signal=1.5, ridge=0.1, class_variances=(2.0, 2.0), **given)
    unit = asymptotics.accuracy(signal=1.5 / np.sqrt(2), ridge=0.05, **given)
    assert scaled.accuracy == pytest.approx(unit.accuracy, abs=1e-12)
    nearly = asymptotics.accuracy(signal=1.5, ridge=0.1, class_variances=(2.0, 2.0 + 1e-9), **given)
    assert nearly.accuracy == pytest.approx(unit.accuracy, abs=1e-8)


def test_a_collapsed_head_is_the_limit_of_large_gains_with_wrong_labels_too():
    given = {"loss": "hinge", "signal": 1.5, "sampling_ratio": 1.5, "ridge": 0.1}
    clean, barely = (
        asymptotics.accuracy(**given, gain=np.inf, label_noise=f).accuracy for f in (0.0, 1e-12)
    )
    assert barely == pytest.approx(clean, abs=1e-10)
    noisy = [asymptotics.accuracy(**given, gain=a, label_noise=0.1) for a in (1e7, np.inf)]
    assert noisy[1].accuracy == pytest.approx(noisy[0].accuracy, abs=1e-10)


def test_weights_of_the_classes_reach_the_accuracy_before_a_trained_head():
    given = {"loss": "logistic", "ridge": 0.1, "signal": 2.0, "sampling_ratio": 2.0, "prior": 0.2}
    given |= {"intercept": True, "class_weights": (3.0, 1.0)}
    table = asymptotics.curve(**given, objective="spectral", dimension=50, augmentation=[1.0, 2.0])
    plain = float(asymptotics.accuracy(**given).accuracy)
    assert table["accuracy_before"] == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("weights", [(1.0, 1e6), (1e-4, 1e4)])
def test_very_unequal_weights_are_solved(weights):
    found = asymptotics.accuracy(
        loss="logistic", signal=1.5, sampling_ratio=1.5, ridge=0.1, class_weights=weights
    )
    assert found.residual < 1e-9


@pytest.mark.parametrize("agreement", [1.0, 0.0])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("loss", ["square", "logistic", "hinge", "squared-hinge"])
def test_a_component_without_samples_is_tested_and_not_trained_on(loss, intercept, agreement):
    """Two classes +-v remain; the pull is along v, so that the margin of v' is (v'.v/v.v) of it."""
    core, spurious = 1.0, 1.5
    mixture = groups(core, spurious, agreement)
    given = {"loss": loss, "sampling_ratio": 2.0, "ridge": 0.1, "intercept": intercept}
    found = limit(Problem(mixture, **given)).component_accuracy
    present = np.array([np.ravel(c.prior)[0] for c in mixture.classes]) > 0
    size = core**2 + spurious**2
    pair = limit(Problem(isotropic_mixture(np.sqrt(size)), **given)).accuracy
    absent = norm.cdf((core**2 - spurious**2) / size * norm.ppf(pair))
    np.testing.assert_allclose(found[present], pair, rtol=1e-8)
    np.testing.assert_allclose(found[~present], absent, rtol=1e-8)
