"""Features and disruptions: the second moments are those of sampled views, for every disruption."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymptotics.errors import InvalidInput
from asymptotics.layers.second_moments import DISRUPTIONS, Features, SecondMoments

AMOUNTS = {"correlation": 0.6, "dropout": 0.3, "flip": 0.2, "redraw": 0.25}
SPURIOUS = np.array([[1.0, 0.7, -0.3], [0.7, 1.0, 0.1], [-0.3, 0.1, 1.0]])


def disrupt(name, s, amount, rng):
    """A view's copy of s, the augmentation carried out."""
    hit = rng.random(s.shape) < amount
    if name == "correlation":
        return np.sqrt(amount) * s + np.sqrt(1 - amount) * rng.standard_normal(s.shape)
    if name == "dropout":
        return np.where(hit, 0.0, s)
    if name == "flip":
        return np.where(hit, -s, s)
    return np.where(hit, rng.standard_normal(s.shape), s)


@pytest.mark.parametrize("name", DISRUPTIONS)
@pytest.mark.parametrize("spurious", [None, SPURIOUS], ids=["independent", "spurious"])
def test_moments_are_those_of_sampled_views(name, spurious):
    rng = np.random.default_rng(5)
    phi, sigma, amount = np.array([0.7, 1.5, 1.0]), 0.5, np.array([1.0, 1.0, 0.5]) * AMOUNTS[name]
    features = DISRUPTIONS[name](Features(phi, sigma, spurious=spurious), amount)
    exact = features.second_moments()
    factor = np.linalg.cholesky(np.eye(3) if spurious is None else spurious)
    count = 200_000
    s = rng.standard_normal((count, 3)) @ factor.T
    first, second = (
        phi * disrupt(name, s, amount, rng) + sigma * rng.standard_normal(s.shape) for _ in range(2)
    )
    for matrix, left, right in (
        (exact.one_view, first, first),
        (exact.across, first, second),
    ):
        products = left[:, :, None] * right[:, None, :]
        error = products.std(axis=0) / np.sqrt(count)
        assert np.max(error) < 0.02
        assert np.max(np.abs(products.mean(axis=0) - matrix) / error) < 4.5
    assert exact.diagonal == (spurious is None)


def test_disruptions_one_after_the_other_multiply():
    plain = Features([1.0, 2.0], 0.5)
    both = DISRUPTIONS["flip"](DISRUPTIONS["dropout"](plain, 0.2), [0.1, 0.0])
    np.testing.assert_allclose(both.variance, [0.8 + 0.25, 3.2 + 0.25])
    np.testing.assert_allclose(both.shared, [0.64 * 0.64, 4 * 0.64])


def test_a_batch_of_settings_broadcasts():
    grid = Features(np.ones((5, 1, 2)), [0.5, 0.2], np.linspace(0, 1, 4)[:, None])
    assert grid.variance.shape == grid.shared.shape == (5, 4, 2)
    np.testing.assert_allclose(grid.variance[0, 0], [1.25, 1.04])
    with pytest.raises(InvalidInput, match="one setting"):
        grid.second_moments()


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_canonical_correlations_are_those_of_the_joint_covariance(seed, d):
    rng = np.random.default_rng(seed)
    # two exchangeable views: shared part plus independent parts of one law
    shared, own = rng.normal(size=(2, d, d))
    moments = SecondMoments(shared @ shared.T + own @ own.T + 0.1 * np.eye(d), shared @ shared.T)
    values, vectors = moments.canonical_correlations()
    np.testing.assert_allclose(vectors.T @ moments.one_view @ vectors, np.eye(d), atol=1e-8)
    np.testing.assert_allclose(vectors.T @ moments.across @ vectors, np.diag(values), atol=1e-8)
    assert np.all(np.diff(values) <= 0)
    assert np.all((values > -1e-9) & (values < 1))


def test_fractions_are_equal_by_default_and_sum_to_one():
    np.testing.assert_allclose(Features([1, 2, 3, 4], 0.1).fraction, 0.25)
    with pytest.raises(InvalidInput, match="fraction"):
        Features([1, 2], 0.1, fraction=[0.5, 0.6])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strength": [-1.0], "noise": 0.1}, "strength"),
        ({"strength": [1.0], "noise": -0.1}, "noise"),
        ({"strength": [0.0], "noise": 0.0}, "noise is 0"),
        ({"strength": [1.0], "noise": 0.1, "correlation": 1.1}, "correlation"),
        ({"strength": [1.0], "noise": 0.1, "correlation": 0.9, "kept": 0.8}, "correlation"),
        ({"strength": [1.0], "noise": 0.1, "kept": 0.0, "correlation": 0.0}, "kept"),
        ({"strength": [1.0, 1.0], "noise": [0.1, 0.1, 0.1]}, "equal lengths"),
        ({"strength": [1.0, 1.0], "noise": 0.1, "spurious": [[1, 2], [2, 1]]}, "semidefinite"),
        ({"strength": [1.0, 1.0], "noise": 0.1, "spurious": [[1, 0.5], [0, 1]]}, "symmetric"),
        ({"strength": [1.0, 1.0], "noise": 0.1, "spurious": [1.0]}, "2 x 2"),
    ],
)
def test_features_outside_their_domain_are_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        Features(**arguments)


@pytest.mark.parametrize(
    ("name", "amount"), [("dropout", 1.0), ("flip", 0.6), ("redraw", 1.2), ("correlation", -0.1)]
)
def test_disruptions_outside_their_domain_are_refused(name, amount):
    with pytest.raises(InvalidInput):
        DISRUPTIONS[name](Features([1.0], 0.5), amount)


@pytest.mark.parametrize(
    ("one_view", "across", "message"),
    [
        (np.eye(2), 1.1 * np.eye(2), "between"),
        (np.eye(2), -1.1 * np.eye(2), "between"),
        (np.diag([1.0, 0.0]), np.zeros((2, 2)), "positive definite"),
        (np.array([[1.0, 0.2], [0.1, 1.0]]), np.zeros((2, 2)), "symmetric"),
        (np.eye(2), np.eye(3), "one shape"),
        (np.ones(2), np.ones(2), "square"),
        (np.full((2, 2), np.inf), np.eye(2), "finite"),
    ],
)
def test_impossible_moments_are_refused(one_view, across, message):
    with pytest.raises(InvalidInput, match=message):
        SecondMoments(one_view, across)


def test_features_that_augmentation_leaves_alone_without_noise_are_allowed():
    moments = Features([1.0, 2.0], 0.0).second_moments()
    np.testing.assert_array_equal(moments.one_view, moments.across)


@pytest.mark.parametrize("value", [1e200, 1e-200, np.inf])
@pytest.mark.parametrize("name", ["strength", "noise"])
def test_features_out_of_range_are_named_as_the_user_gave_them(name, value):
    with pytest.raises(InvalidInput, match=f"{name} must be finite"):
        Features(**({"strength": [1.0], "noise": [1.0]} | {name: [value]}))
