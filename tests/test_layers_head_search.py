"""The best fixed head: what training undoes, what it leaves, where the maximum is."""

import numpy as np
import pytest
from scipy.special import ndtr

from asymptotics.errors import InvalidInput
from asymptotics.layers.head_search import best_head, head_table, trained_by_decay, trained_by_flow
from asymptotics.layers.second_moments import Features
from asymptotics.layers.verdict import Network, layer_limits

FEATURES = Features([2.0, 1.0, 0.5], 0.5, [1.0, 0.8, 0.6])
PROBE = {"loss": "averaging", "sampling_ratio": 2.0}


def test_long_training_undoes_the_head():
    found = head_table(FEATURES, 1, trained_by_flow(FEATURES, 0.1), [0.5, 1.0, 3.0], PROBE)
    one_layer = layer_limits(FEATURES, 1, Network(depth=1), **PROBE)[1]
    assert found["accuracy_after"] == pytest.approx(float(one_layer.accuracy), abs=1e-12)


def test_before_the_head_output_i_is_weighted_by_its_power_of_kappa():
    kappa, label, delta = 1.7, 2, 2.0
    found = head_table(FEATURES, label, trained_by_flow(FEATURES, 0.1), kappa, PROBE)
    phi, sigma = np.asarray(FEATURES.strength), np.asarray(FEATURES.noise)
    u = kappa ** np.arange(3) * np.sqrt(FEATURES.shared) / FEATURES.variance
    signal = (u * phi)[label] ** 2
    bulk = u**2 * (phi**2 + sigma**2)
    spread = np.sqrt(signal * (u * sigma)[label] ** 2 + np.mean(bulk**2) / delta)
    assert found["accuracy_before"][0] == pytest.approx(ndtr(signal / spread), abs=1e-12)


def test_a_short_run_leaves_the_dear_outputs_unlearned():
    early = head_table(FEATURES, 2, trained_by_flow(FEATURES, 0.01, 2.0), [1.0, 4.0], PROBE)
    assert early["weight_after"][1] < 0.01 < early["weight_after"][0]


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_best_kappa_beats_a_fine_grid(place):
    weights = trained_by_decay(FEATURES, 0.1)
    found = best_head(FEATURES, 1, weights, np.geomspace(0.5, 2, 25), PROBE, place)
    fine = head_table(FEATURES, 1, weights, np.geomspace(0.5, 2, 2001), PROBE)
    assert found.accuracy >= fine[f"accuracy_{place}"].max() - 1e-6
    at = head_table(FEATURES, 1, weights, found.kappa, PROBE)[f"accuracy_{place}"][0]
    assert found.accuracy == pytest.approx(at, abs=1e-12)


def test_an_end_of_the_range_is_called_one():
    found = best_head(FEATURES, 2, trained_by_flow(FEATURES, 0.1), np.geomspace(1, 4, 9), PROBE)
    assert found.status == "at an end"
    assert found.kappa == pytest.approx(4, rel=1e-3)


def test_a_range_of_one_value_is_refused():
    with pytest.raises(InvalidInput, match="kappa: the search needs a range"):
        best_head(FEATURES, 0, trained_by_decay(FEATURES, 0.0), [1.0], PROBE)
