"""Coexistence and jumps: planted ones in a table entry of our own, and those of the limits."""

import numpy as np
import pytest

from asymptotics.contrastive.coexistence import coexistence
from asymptotics.contrastive.minima import scan_grid
from asymptotics.contrastive.objective import Landscape, Objective
from asymptotics.contrastive.objectives import OBJECTIVES
from asymptotics.contrastive.projector import projector
from asymptotics.errors import InvalidInput


def quartic(log_gain, tilt):
    """Wells near -1 and 1 of equal depth at tilt 0, both there for |tilt| < 0.385."""
    return (log_gain**2 - 1) ** 2 / 4 + tilt * log_gain


def quartic_slope(log_gain, tilt):
    return (log_gain * (log_gain**2 - 1) + tilt) / (1 + np.abs(log_gain)) ** 3


@pytest.fixture
def planted(monkeypatch):
    def landscape(setting):
        tilt = setting.temperature - 1.0
        return Landscape(
            parameters=(tilt,),
            loss=quartic,
            slope=quartic_slope,
            refined_slope=quartic_slope,
            grid=scan_grid(np.full_like(tilt, -2.0), np.full_like(tilt, 2.0), 0.5, 3.0),
            loss_at_collapse=lambda tilt: np.full_like(tilt, np.inf),
        )

    entry = Objective("planted", frozenset({"temperature"}), landscape, "a tilted quartic")
    monkeypatch.setitem(OBJECTIVES, "planted", entry)


def test_a_planted_transition_is_located_with_its_hysteresis(planted):
    tilt = np.array([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5])
    found = projector("planted", signal=1.0, augmentation=1.0, temperature=1 + tilt, dimension=10)
    scan = coexistence(found)
    assert scan.coexisting.tolist() == [False, True, True, True, True, False]
    assert [(jump.index, jump.axis) for jump in scan.jumps] == [((2,), 0)]
    assert scan.jumps[0].before > 0.9
    assert scan.jumps[0].after < -0.9
    # at a = 1 the loss falls to the side of the lower well: no memory of W = I here
    assert not scan.history.any()


def test_a_grid_without_a_second_well_has_no_jump_however_steep():
    found = projector(
        "cosine-scaled",
        signal=np.array([0.5, 2.0, 20.0])[:, None, None],
        augmentation=np.geomspace(0.03, 10, 6)[:, None],
        temperature=np.geomspace(0.01, 1e4, 10) / 1e6,
        dimension=1e6,
    )
    scan = coexistence(found)
    assert found.gain.shape == (3, 6, 10)
    assert not scan.coexisting.any()
    assert scan.jumps == ()


def test_large_signal_and_strong_noise_give_a_first_order_transition_in_temperature():
    found = projector(
        "cosine-fixed-temperature",
        signal=20.0,
        augmentation=8.0,
        temperature=[0.1, 0.158, 0.19, 0.23, 0.35],
        dimension=10_001,
    )
    scan = coexistence(found)
    assert scan.coexisting.tolist() == [True, True, True, True, False]
    assert [jump.index for jump in scan.jumps] == [(1,)]
    assert scan.history.tolist() == [False, False, True, True, False]


def test_a_single_point_is_refused():
    found = projector("spectral", signal=1.0, augmentation=1.0, dimension=5)
    with pytest.raises(InvalidInput, match="grid"):
        coexistence(found)


def test_the_transition_is_there_at_finite_dimension_within_reach_of_small_batches():
    found = projector(
        "cosine", signal=20.0, augmentation=8.0, temperature=[0.158, 0.19], dimension=1001
    )
    scan = coexistence(found)
    assert scan.coexisting.all()
    assert [jump.index for jump in scan.jumps] == [(0,)]
    assert scan.history.tolist() == [False, True]
    assert np.all(found.error_estimate < 1e-10)
    assert np.all(found.required_log_negatives < 1.0)
