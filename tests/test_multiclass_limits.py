"""Problems, records and tables of K classes: what is refused, and what a row says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.multiclass.argmax import exchangeable_error
from asymptotics.multiclass.limits import multiclass_limit
from asymptotics.multiclass.mixture import MulticlassMixture, multiclass_mixture, simplex_means
from asymptotics.multiclass.problem import MulticlassProblem, gain_head
from asymptotics.multiclass.sweep import multiclass_accuracy, multiclass_curve

MEANS = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])


@pytest.mark.parametrize("classes", [2, 3, 7, 10])
def test_the_simplex_is_recognised_and_nothing_else(classes):
    mixture = multiclass_mixture(simplex_means(classes, 1.7))
    assert mixture.simplex_radius() == pytest.approx(1.7, rel=1e-12)
    np.testing.assert_allclose(mixture.means.sum(axis=0), 0, atol=1e-14)
    tilted = np.array(mixture.means)
    tilted[0] *= 1.01
    assert multiclass_mixture(tilted).simplex_radius() is None
    unequal = np.full(classes, 0.85 / (classes - 1))
    unequal[0] = 0.15
    if classes > 2:
        assert multiclass_mixture(mixture.means, unequal).simplex_radius() is None


@settings(max_examples=30, deadline=None)
@given(
    st.integers(2, 6),
    st.floats(0, 4),
    st.floats(-1, 1),
    st.floats(-4, 3),
    st.sampled_from(["square", "nearest-mean"]),
)
def test_no_probe_beats_the_best_classifier_or_loses_to_chance(k, signal, ratio, ridge, loss):
    penalty = {"ridge": 10**ridge} if loss == "square" else {}
    found = multiclass_accuracy(
        classes=k, signal=signal, loss=loss, sampling_ratio=10**ratio, **penalty
    )
    scale = signal**2 * k / (k - 1)
    best = 1 - float(exchangeable_error(scale, scale, k)) if signal > 1e-6 else 1 / k
    assert 1 / k - 1e-12 <= found.accuracy <= best + 1e-6 * (signal <= 1e-6) + 1e-12
    assert found.accuracy + found.test_error == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("loss", ["square", "softmax", "nearest-mean"])
def test_a_confusion_matrix_is_one_and_agrees_with_the_accuracy(loss):
    ridge = {} if loss == "nearest-mean" else {"ridge": 0.1}
    priors = np.array([0.5, 0.3, 0.2])
    found = multiclass_accuracy(means=MEANS, priors=priors, loss=loss, sampling_ratio=2.0, **ridge)
    np.testing.assert_allclose(found.confusion.sum(axis=1), 1.0, atol=1e-14)
    assert np.all(found.confusion > 0)
    assert found.accuracy == pytest.approx(priors @ np.diag(found.confusion), abs=1e-14)
    assert np.linalg.eigvalsh(found.logit_covariance)[0] > -1e-12
    np.testing.assert_allclose(found.logit_means.sum(axis=1), 0, atol=1e-12)


def test_a_gain_for_each_direction_acts_on_its_direction():
    mixture = multiclass_mixture([[2.0, 0.0], [-2.0, 1.0], [0.0, -1.0]], [0.25, 0.25, 0.5])
    head = gain_head(mixture, [3.0, 0.5])
    values, vectors = np.linalg.eigh((mixture.means.T * mixture.priors) @ mixture.means)
    np.testing.assert_allclose(head @ vectors[:, 1], 3.0 * vectors[:, 1], atol=1e-14)
    np.testing.assert_allclose(head @ vectors[:, 0], 0.5 * vectors[:, 0], atol=1e-14)
    assert values[1] > values[0]
    spare = multiclass_mixture([[1.0, 0.0], [-1.0, 0.0]])
    np.testing.assert_allclose(gain_head(spare, 2.0), np.diag([2.0, 1.0]), atol=1e-14)


def test_gains_of_equal_directions_need_one_number():
    with pytest.raises(InvalidInput, match="equal directions"):
        gain_head(multiclass_mixture(simplex_means(3, 1.0)), [2.0, 1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "hinge"}, "loss for K classes"),
        ({"ridge": None}, "ridge is required"),
        ({"loss": "nearest-mean"}, "leave it out"),
        ({"sampling_ratio": 0.0}, "sampling_ratio"),
        ({"signal": -1.0}, "signal"),
        ({"classes": 11}, "classes"),
        ({"classes": 2.5}, "whole number"),
        ({"priors": [0.5, 0.6, 0.1]}, "sum to 1"),
        ({"gain": 2.0, "gains": [1.0]}, "at most one"),
        ({"means": MEANS}, "either signal"),
        ({"objective": "spectral"}, "augmentation is required"),
    ],
)
def test_values_outside_their_domain_are_refused(change, message):
    point = {"classes": 3, "signal": 1.0, "loss": "square", "sampling_ratio": 1.0, "ridge": 0.1}
    with pytest.raises(InvalidInput, match=message):
        multiclass_accuracy(**(point | change))


def test_a_mixture_is_checked_at_birth():
    with pytest.raises(InvalidInput, match="symmetric"):
        multiclass_mixture(MEANS, covariance=[[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(InvalidInput, match="eigenvalue"):
        multiclass_mixture(MEANS, covariance=[[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(InvalidInput, match="shape"):
        MulticlassMixture(np.zeros((1, 2)), np.eye(2), np.ones(1), np.ones(1), np.ones(1))


def test_an_error_estimate_above_the_tolerance_is_refused():
    problem = MulticlassProblem(
        multiclass_mixture(np.vstack([MEANS, -MEANS])), "square", 2.0, ridge=0.1
    )
    assert multiclass_limit(problem).error_estimate < 1e-4
    with pytest.raises(NotConverged, match="exceeds"):
        multiclass_limit(problem, tolerance=1e-9)


def test_a_curve_is_the_product_of_its_grids_and_marks_failures():
    table = multiclass_curve(
        classes=[2, 3], signal=2.0, loss="softmax", sampling_ratio=2.0, ridge=[1e-10, 0.1]
    )
    assert list(table["classes"]) == [2, 2, 3, 3]
    assert list(table["converged"]) == [False, True, False, True]
    assert np.all(np.isnan(table["accuracy"][[0, 2]]))
    single = multiclass_accuracy(
        classes=3, signal=2.0, loss="softmax", sampling_ratio=2.0, ridge=0.1
    )
    assert table["accuracy"][3] == single.accuracy


def test_an_objective_gives_the_accuracy_before_and_after_its_head():
    point = {"classes": 3, "signal": 2.0, "loss": "square", "sampling_ratio": 1.0, "ridge": 0.1}
    table = multiclass_curve(objective="spectral", augmentation=[0.5, 3.0], **point)
    assert list(table["regime"]) == ["shrinkage", "expansion"]
    for i, gain in enumerate(table["gain"]):
        expected = multiclass_accuracy(gain=gain, **point).accuracy
        assert table["accuracy_after"][i] == pytest.approx(expected, abs=1e-12)
    assert table["accuracy_before"][0] == pytest.approx(multiclass_accuracy(**point).accuracy)
    assert table["accuracy_after"][0] < table["accuracy_before"][0] < table["accuracy_after"][1]
