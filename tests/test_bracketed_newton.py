"""Newton inside a bracket against closed roots, from starts that make plain Newton fail."""

import numpy as np

from asymptotics.bracketed_newton import decreasing_root


def test_a_start_from_which_newton_diverges_finds_the_root():
    root = np.array([-3.0, 0.0, 0.7, 40.0])

    def excess(x):
        return -np.arctan(x - root), -1 / (1 + (x - root) ** 2)

    found = decreasing_root(excess, root - 60, root + 50, root + np.array([20.0, -20, 3, 30]))
    np.testing.assert_allclose(found, root, atol=1e-14)


def test_finished_entries_stay_while_others_go_on():
    slow = np.array([0.0, 1e-3, 1.0])

    def excess(x):
        return slow * 0 - np.expm1(x - slow), -np.exp(x - slow)

    found = decreasing_root(excess, slow - 100, slow + 100, slow + np.array([0.0, 0.0, 30.0]))
    np.testing.assert_allclose(found, slow, atol=1e-14)


def test_what_does_not_settle_is_nan():
    def excess(x):
        return -np.expm1(x), -np.exp(x)

    # a unit to the left with every step
    assert np.isnan(decreasing_root(excess, np.full(1, -1e3), np.full(1, 1e3), np.full(1, 90.0)))[0]
