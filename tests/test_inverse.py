"""The smallest n/p of an accuracy, on functions whose inverse is known."""

import numpy as np
import pytest

from asymptotics.inverse import ALREADY, NOT_REACHED, REACHED, smallest_sampling_ratio


def test_the_inverse_of_known_functions_is_found_to_rounding():
    # 1 - c/(1 + x) reaches t at x = c/(1 - t) - 1
    scale = np.array([0.5, 1.0, 4.0])
    found = smallest_sampling_ratio(lambda x, k: 1 - scale[k] / (1 + x), 3, 0.9)
    assert found.sampling_ratio == pytest.approx(scale / 0.1 - 1, rel=1e-10)
    assert np.all(found.status == REACHED)


def test_the_first_of_several_crossings_is_returned():
    # rises through 0.8 at x = 0.4, dips below at 1, and rises again
    found = smallest_sampling_ratio(
        lambda x, k: np.where(x < 1, 0.6 + 0.5 * x, 0.7 + 0.001 * np.minimum(x, 200)), 1, 0.8
    )
    assert found.sampling_ratio[0] == pytest.approx(0.4, rel=1e-10)


def test_an_accuracy_out_of_reach_gives_the_best_one():
    found = smallest_sampling_ratio(lambda x, k: 0.7 - 0.01 * np.log10(x) ** 2, 1, 0.9)
    assert found.status[0] == NOT_REACHED
    assert np.isnan(found.sampling_ratio[0])
    assert found.best[0] == pytest.approx(0.7)
    assert found.best_sampling_ratio[0] == pytest.approx(1.0)


def test_an_accuracy_reached_from_the_first_sample_says_so():
    found = smallest_sampling_ratio(lambda x, k: 0.95 + 0 * x, 1, 0.9)
    assert found.status[0] == ALREADY
    assert np.isnan(found.sampling_ratio[0])


def test_points_without_a_limit_are_no_crossing():
    found = smallest_sampling_ratio(lambda x, k: np.where(x < 2, np.nan, 0.95), 1, 0.9)
    assert found.status[0] == NOT_REACHED
