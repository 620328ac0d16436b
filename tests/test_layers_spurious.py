"""Supervised networks with a spurious feature, against the flow of their actual matrices."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from asymptotics import InvalidInput
from asymptotics.layers.optimum import layer_weights
from asymptotics.layers.second_moments import Features
from asymptotics.layers.spurious import SupervisedNetwork, supervised_network
from asymptotics.layers.supervised import class_mean, supervised_moments


def spurious_features(core=1.0, spurious=1.5, correlation=0.8, noise=(0.5, 0.5, 0.5), bulk=0.7):
    """Core, spurious, and a bulk of nuisances; the correlations of the three with the label."""
    joint = np.array([[1, correlation, 0], [correlation, 1, 0], [0, 0, 1.0]])
    return Features([core, spurious, bulk], noise, fraction=[0, 0, 1], spurious=joint), joint[0]


FEATURES, CORRELATION = spurious_features()
NETWORK = supervised_network(FEATURES, CORRELATION, initial_scale=0.5)


def trained_matrices(sigma, mu, start, time):
    """(P_1, .., P_L, a) after gradient flow of all matrices on the square loss."""
    depth, d = start.shape[:2]

    def unpack(x):
        layers, head = x[:-d].reshape(depth, d, d), x[-d:]
        products = [np.eye(d)]
        for w in layers:
            products.append(w @ products[-1])
        return layers, head, products

    def velocity(_, x):
        layers, head, products = unpack(x)
        r = mu - sigma @ products[-1].T @ head
        slopes, above = [], head
        for index in range(depth - 1, -1, -1):
            slopes.append(np.outer(above, products[index] @ r))
            above = layers[index].T @ above
        return np.append(np.ravel(slopes[::-1]), products[-1] @ r)

    first = np.append(np.ravel(start), np.zeros(d))
    final = solve_ivp(velocity, (0, time), first, "DOP853", rtol=1e-10, atol=1e-13).y[:, -1]
    _, head, products = unpack(final)
    return products, head


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.floats(0.4, 1.5),
    st.floats(-0.95, 0.95),
    st.floats(0.2, 2),
    st.sampled_from([0.3, 2.0, 20.0]),
    st.integers(0, 10**6),
)
def test_networks_have_the_predicted_gram_matrix_at_every_layer_and_time(
    depth, scale, correlation, strength, time, seed
):
    rng = np.random.default_rng(seed)
    features, c = spurious_features(spurious=strength, correlation=correlation)
    start = scale * np.stack([np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(depth)])
    sigma, mu = features.second_moments().one_view, class_mean(features, c)
    products, head = trained_matrices(sigma, mu, start, time)
    network = supervised_network(features, c, initial_scale=scale, depth=depth, time=time)
    np.testing.assert_allclose(network.score, products[-1].T @ head, atol=1e-7)
    assert network.head_energy == pytest.approx(head @ head, abs=1e-7)
    for layer, product in enumerate(products):
        np.testing.assert_allclose(network.gram(layer), product.T @ product, atol=1e-7)


def test_a_long_run_ends_at_the_least_squares_score():
    for depth in (1, 2):
        end = supervised_network(FEATURES, CORRELATION, initial_scale=0.6, depth=depth)
        late = supervised_network(FEATURES, CORRELATION, initial_scale=0.6, depth=depth, time=2e3)
        np.testing.assert_allclose(late.score, end.score, atol=1e-9)
    rng = np.random.default_rng(0)
    y = rng.choice([-1.0, 1.0], 200_000)
    s = y * np.where(rng.random(y.size) < 0.9, 1, -1)
    h = np.stack([y, 1.5 * s], 1) + 0.5 * rng.standard_normal((y.size, 2))
    fitted = np.linalg.lstsq(h, y, rcond=None)[0]
    assert np.abs(fitted - NETWORK.score[:2]).max() < 5e-3


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("scale", [1e-3, 0.3, 40.0])
def test_the_energy_of_the_head_is_the_root_of_its_polynomial(depth, scale):
    network = SupervisedNetwork(np.array([0.3, -0.4]), scale, depth)
    # more digits than double precision, and the only positive root
    with mpmath.workdps(40):

        def polynomial(e):
            return e * (mpmath.mpf(scale) ** 2 + e) ** depth - mpmath.mpf("0.25")

        root = mpmath.findroot(polynomial, (0, 1), solver="anderson", tol=1e-50)
    assert network.head_energy == pytest.approx(float(root), rel=1e-12)


def test_large_weights_learn_no_features_and_small_ones_keep_only_the_score():
    gains = [SupervisedNetwork(NETWORK.score, scale).gain(1) for scale in (1e3, 1.0, 1e-3)]
    assert gains[0] == pytest.approx(1, abs=1e-6)
    assert gains[0] < gains[1] < gains[2]
    assert gains[2] > 500


def test_class_positives_alone_lead_to_the_supervised_score():
    moments = supervised_moments(FEATURES, CORRELATION, 1.0)
    trained = layer_weights(moments, depth=2)
    end = np.outer(NETWORK.score, NETWORK.score)
    np.testing.assert_allclose(trained.gram(2), end, atol=1e-12)
    assert np.linalg.matrix_rank(trained.gram(1), tol=1e-6) == 1
    assert np.linalg.matrix_rank(NETWORK.gram(1)) == 3


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: SupervisedNetwork(np.ones(2), 0.0), "initial_scale"),
        (lambda: SupervisedNetwork(np.ones(2), 1.0, 0), "depth"),
        (lambda: NETWORK.gram(3), "layer"),
        (lambda: supervised_network(FEATURES, [1, 0.1, 0], initial_scale=1), "class_correlation"),
        (lambda: supervised_network(FEATURES, CORRELATION, initial_scale=1, time=-1), "time"),
    ],
)
def test_bad_values_are_refused_by_name(call, word):
    with pytest.raises(InvalidInput, match=word):
        call()


@pytest.mark.parametrize(("scale", "depth"), [(1e300, 1), (1e-300, 1), (1e-6, 50), (1e2, 50)])
def test_an_initial_scale_out_of_range_is_named_with_its_range(scale, depth):
    features, c = spurious_features()
    with pytest.raises(InvalidInput, match=r"initial_scale must lie in \["):
        supervised_network(features, c, initial_scale=scale, depth=depth)


@pytest.mark.parametrize("depth", [1, 10, 50])
@pytest.mark.parametrize("end", [-1, 1])
def test_grams_are_finite_to_the_ends_of_the_range_of_the_initial_scale(depth, end):
    features, c = spurious_features()
    scale = 10 ** (end * 24.9 / depth)
    network = supervised_network(features, c, initial_scale=scale, depth=depth)
    for layer in range(depth + 2):
        assert np.all(np.isfinite(network.gram(layer)))
    floor, e, u = scale**2, network.head_energy, network.score
    assert e * (floor + e) ** depth == pytest.approx(u @ u, rel=1e-9)
