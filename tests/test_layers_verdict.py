"""Before or after the head: closed forms, fitted probes on the features themselves, the tie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from asymptotics.errors import InvalidInput
from asymptotics.inverse import REACHED
from asymptotics.layers.scenarios import Setting, scenario_map
from asymptotics.layers.second_moments import Features, dropped
from asymptotics.layers.table import accuracy_table, sample_size_table, weight_table
from asymptotics.layers.verdict import Network, layer_limits, layer_mixture, layer_sample_sizes
from validation.compare import Row, compare
from validation.finite_size import extrapolate
from validation.probes import fit_probe

KINDS = Features([0.2, 0.5, 1, 2, 1, 1], 0.5, [0.9, 0.9, 0.9, 0.9, 0.5, 0.2])


@pytest.mark.parametrize("label", range(6))
@pytest.mark.parametrize("layer", range(3))
def test_averaging_on_a_layer_has_its_closed_form(label, layer):
    # Phi(|nu|^2/sqrt(nu.S nu + tr S^2/n)), nu and S written down from the weights of equation 12
    delta, depth = 1.7, 2
    w = np.sqrt(np.asarray(KINDS.correlation)) * KINDS.strength / KINDS.variance
    u = w ** (layer / depth)
    nu = u[label] * KINDS.strength[label]
    bulk = u**2 * KINDS.variance
    expected = ndtr(nu**2 / np.sqrt(nu**2 * (u[label] * 0.5) ** 2 + np.mean(bulk**2) / delta))
    found = layer_limits(KINDS, label, Network(), loss="averaging", sampling_ratio=delta)[layer]
    assert found.accuracy == pytest.approx(expected, abs=1e-12)


def test_a_layer_has_features_of_unit_mean_square():
    mixture = layer_mixture(KINDS, 2, [3.0, 1.0, 0.2, 5.0, 1.0, 0.0])
    assert mixture.bulk_eigenvalues @ mixture.bulk_weights == pytest.approx(1.0)


@given(scale=st.floats(0.01, 100))
@settings(max_examples=10, deadline=None)
def test_the_scale_of_a_layer_is_irrelevant(scale):
    weights = np.array([0.3, 1.0, 2.0, 0.1, 0.7, 1.1])
    one, other = (layer_mixture(KINDS, 1, factor * weights) for factor in (1.0, scale))
    assert other.bulk_eigenvalues == pytest.approx(one.bulk_eigenvalues, rel=1e-12)
    assert other.classes[0].mean == pytest.approx(one.classes[0].mean, rel=1e-12)


def test_a_feature_that_the_net_dropped_says_nothing():
    found = layer_limits(
        KINDS, 5, Network(outputs=3), loss="logistic", sampling_ratio=2.0, ridge=0.1
    )
    assert not Network(outputs=3).optimum(KINDS).kept[5]
    assert [float(x.accuracy) for x in found[1:]] == [0.5, 0.5]
    assert found[0].accuracy > 0.85


def test_no_feature_left_is_refused():
    with pytest.raises(InvalidInput, match="a layer keeps no feature"):
        layer_limits(KINDS, 0, Network(decay=100.0), loss="averaging", sampling_ratio=1.0)


def sample(features, label, weights, dimension, num_samples, rng):
    """Two-point features s = +-1 of every kind, one of kind `label` being the label itself."""
    kinds = np.arange(dimension - 1) % features.dimension
    kinds = np.append(kinds, label)
    s = rng.choice([-1.0, 1.0], size=(num_samples, dimension))
    x = features.strength[kinds] * s + features.noise[kinds] * rng.standard_normal(s.shape)
    return x * weights[kinds], s[:, -1], kinds


@pytest.mark.parametrize("layer", [1, 2])
def test_probes_fitted_to_two_point_features_agree(layer):
    features = Features([0.5, 1.5], [0.6, 0.6], [0.9, 0.3])
    label, delta, ridge, dimensions, trials = 1, 1.5, 0.05, (61, 121, 241), 150
    network = Network()
    theory = layer_limits(
        features, label, network, loss="logistic", sampling_ratio=delta, ridge=ridge
    )[layer]
    weights = network.optimum(features).layer(layer)
    weights = weights / np.sqrt(np.mean(weights**2 * features.variance))
    rng = np.random.default_rng(layer)
    accuracies = []
    for p in dimensions:
        row = []
        for _ in range(trials):
            n = int(np.floor(delta * p + rng.random()))
            x, y, kinds = sample(features, label, weights, p, n, rng)
            theta = fit_probe("logistic", x, y, ridge).theta
            # exact up to the normality of the sum over the other features
            mean = theta[-1] * weights[label] * features.strength[label]
            other = theta[:-1] ** 2 @ (weights**2 * features.variance)[kinds[:-1]]
            noise = (theta[-1] * weights[label] * features.noise[label]) ** 2
            row.append(ndtr(mean / np.sqrt(other + noise)))
        accuracies.append(row)
    found = extrapolate(dimensions, accuracies)
    row = Row(
        {"layer": layer},
        "accuracy",
        float(theory.accuracy),
        found.limit,
        0.004,
        fit_p_value=found.fit_p_value,
    )
    comparison = compare([row])
    assert comparison.agreement, comparison.rows()


@pytest.mark.parametrize("depth", [2, 3])
def test_the_tie_is_where_the_weights_tie(depth):
    sigma, rho = 0.5, 0.8
    background = Features([1.0], sigma, [rho])
    probe = {"loss": "square", "ridge": 0.2, "sampling_ratio": 2.0}
    found = scenario_map(
        Setting(background, sigma, Network(depth), probe),
        np.geomspace(0.1, 4, 24),
        np.linspace(0.05, 1, 20),
    )
    (tie,) = found.boundaries
    weight = np.sqrt(tie.y) * tie.x / (tie.x**2 + sigma**2)
    assert weight == pytest.approx(np.sqrt(rho) / (1 + sigma**2), rel=1e-6)


def test_the_three_scenarios_lie_where_they_should():
    setting = Setting(
        Features([1.0], 0.5, [0.8]),
        0.5,
        Network(),
        {"loss": "logistic", "ridge": 0.1, "sampling_ratio": 2.0},
    )
    found = scenario_map(setting, np.geomspace(0.05, 10, 30), np.linspace(0.02, 1, 21))
    scenario = found.cells("scenario")
    weak, middle, strong = 0, np.argmin(np.abs(found.strength - 0.5)), -1
    assert set(scenario[:, weak]) == {"too weak"}
    assert set(scenario[:, strong]) == {"too strong"}
    assert scenario[0, middle] == "disrupted"
    assert scenario[-1, middle] == "after"
    better = found.cells("accuracy_after") > found.cells("accuracy_before")
    assert np.array_equal(scenario == "after", better)


def test_a_stronger_disruption_never_helps_the_layer_after_the_head():
    setting = Setting(
        Features([1.0], 0.5, [0.8]),
        0.5,
        Network(),
        {"loss": "square", "ridge": 0.1, "sampling_ratio": 2.0},
    )
    found = scenario_map(setting, np.array([0.5, 1.0, 2.0]), np.linspace(0.05, 1, 12))
    assert np.all(np.diff(found.cells("accuracy_after"), axis=0) > 0)


def test_an_axis_that_falls_is_refused():
    setting = Setting(
        Features([1.0], 0.5), 0.5, Network(), {"loss": "averaging", "sampling_ratio": 1.0}
    )
    with pytest.raises(InvalidInput, match="strength: an axis of a map needs"):
        scenario_map(setting, [2.0, 1.0], [0.1, 0.5])


def test_sample_sizes_give_the_accuracy_back():
    probe = {"loss": "max-margin"}
    found = layer_sample_sizes(KINDS, 3, Network(), 0.9, probe)
    assert np.all(found.status == REACHED)
    for layer, ratio in enumerate(found.sampling_ratio):
        back = layer_limits(KINDS, 3, Network(), loss="max-margin", sampling_ratio=ratio)[layer]
        assert back.accuracy == pytest.approx(0.9, abs=1e-9)


def test_tables_have_a_row_a_feature_and_a_row_a_layer():
    features = dropped(KINDS, 0.3)
    weights = weight_table(features, Network(3))
    kappa, rho = 0.7, 0.49 * np.asarray(KINDS.correlation)
    expected = np.sqrt(rho) * KINDS.strength / (kappa * np.square(KINDS.strength) + 0.25)
    assert weights["weight_after"] == pytest.approx(expected)
    assert weights["weight_before"] == pytest.approx(expected ** (2 / 3))
    assert weights["weight_1"] == pytest.approx(expected ** (1 / 3))
    probe = {"loss": "logistic", "ridge": 0.1}
    accuracies = accuracy_table(features, 2, Network(3), [1.0, 2.0], probe)
    assert list(accuracies["layer"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    sizes = sample_size_table(features, 2, Network(3), 0.8, probe)
    assert len(sizes) == 4


def test_cells_that_tie_are_equal_and_cells_without_a_background_say_so():
    probe = {"loss": "logistic", "ridge": 0.1, "sampling_ratio": 2.0}
    tied = scenario_map(
        Setting(Features([1.0], 0.5), 0.5, Network(), probe), [1.0, 2.0], [1e-12, 1.0]
    )
    assert tied.cells("scenario")[1, 0] == "equal"
    assert tied.cells("scenario")[0, 0] == "disrupted"
    one = scenario_map(
        Setting(Features([1.0], 0.5), 0.5, Network(outputs=1), probe), [1.0, 2.0], [0.1, 1.0]
    )
    displaced = one.table["status"] == "no background"
    assert list(displaced) == [False, False, False, True]
    assert np.all(np.isnan(one.table["accuracy_after"]) == displaced)
