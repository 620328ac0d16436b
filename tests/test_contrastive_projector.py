"""The verb: shapes, regimes, evidence, and one clear line for every bad input."""

import numpy as np
import pytest

from asymptotics.contrastive.objectives import OBJECTIVES
from asymptotics.contrastive.projector import expansion_measure, projector, regime
from asymptotics.contrastive.views import ViewPair, anisotropic_noise
from asymptotics.errors import InvalidInput, NotConverged

GOOD = {"signal": 2.0, "augmentation": 1.0, "temperature": 0.5, "dimension": 20}


def test_the_table_lists_every_objective_under_its_own_name():
    assert list(OBJECTIVES) == [
        "spectral",
        "inner-product",
        "inner-product-fixed-norm",
        "cosine",
        "cosine-large-signal",
        "cosine-fixed-temperature",
        "cosine-scaled",
    ]
    assert all(name == entry.name and entry.summary for name, entry in OBJECTIVES.items())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_answers_a_grid_with_evidence(name):
    found = projector(
        name,
        signal=2.0,
        augmentation=np.array([0.3, 1.0])[:, None],
        temperature=np.array([0.1, 0.4, 2.0]),
        dimension=20,
    )
    assert found.gain.shape == (2, 3)
    assert found.converged.all()
    assert np.all(found.error_estimate < 1e-8)
    assert np.all(found.residual < 1e-8)
    assert np.all(found.num_minima >= 1)
    finite = np.isfinite(found.gain)
    direct = 20 * found.gain[finite] ** 2 / (found.gain[finite] ** 2 + 19)
    np.testing.assert_allclose(found.expansion_measure[finite], direct, rtol=1e-12)
    for index in np.ndindex(2, 3):
        losses = [well.loss for well in found.minima_at(*index)]
        assert min(losses) == found.loss[index]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_point_of_a_grid_is_the_point_alone(name):
    grid = projector(name, **{**GOOD, "temperature": [0.3, 0.5, 0.9]})
    alone = projector(name, **GOOD)
    assert alone.gain.shape == ()
    assert alone.gain == pytest.approx(float(grid.gain[1]), rel=1e-11)


@pytest.mark.parametrize("name", ["spectral", "inner-product", "cosine", "cosine-scaled"])
def test_without_signal_the_head_is_isotropic(name):
    found = projector(name, **{**GOOD, "signal": 0.0})
    assert found.log_gain == pytest.approx(0.0, abs=1e-9)
    assert found.expansion_measure == pytest.approx(1.0, abs=1e-8)


def test_regimes_and_expansion_measure_at_the_ends():
    x = np.array([-1.0, 0.0, 1e-12, 1.0, np.inf, np.nan])
    names = ["shrinkage", "isotropic", "isotropic", "expansion", "collapse", "undefined"]
    assert regime(x).tolist() == names
    assert expansion_measure(np.array([0.0, np.inf]), np.array([7.0, 7.0])).tolist() == [1.0, 7.0]


def test_too_few_negatives_are_reported_point_by_point():
    found = projector("cosine", **{**GOOD, "temperature": [0.02, 5.0]}, negatives=64)
    assert found.enough_negatives.tolist() == [False, True]
    assert projector("cosine", **GOOD).enough_negatives
    assert projector("spectral", **GOOD, negatives=1).enough_negatives


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"signal": -1.0}, "signal=-1 must be a finite number >= 0"),
        ({"augmentation": np.nan}, "augmentation=nan must be a finite number >= 0"),
        ({"temperature": 0.0}, "temperature=0 must be a finite number > 0"),
        ({"temperature": None}, "temperature is required by objective 'cosine-scaled'"),
        ({"dimension": 1}, "dimension=1 must be a finite number >= 2"),
        ({"dimension": "ten"}, "dimension='ten' is not a number"),
        ({"views": 3}, "views=3 must be 1 or 2"),
        ({"negatives": 0}, "negatives=0 must be >= 1"),
        ({"signal": None}, "signal is required"),
        ({"augmentation": None}, "augmentation is required"),
        ({"signal": [1.0, 2.0], "temperature": [1.0, 2.0, 3.0]}, "do not broadcast"),
        ({"pair": anisotropic_noise(1.0, 1.0, 1.0)}, "one or the other"),
    ],
)
def test_bad_input_is_one_clear_line(change, text):
    with pytest.raises(InvalidInput, match=text) as failure:
        projector("cosine-scaled", **{**GOOD, **change})
    assert "\n" not in str(failure.value)


def test_an_unknown_objective_names_the_known_ones():
    with pytest.raises(InvalidInput, match="'simclr' is not one of spectral, inner-product"):
        projector("simclr", **GOOD)


@pytest.mark.parametrize(
    "pair",
    [
        ViewPair(1.0, (1.0, 1.0), 1.5, (1.0, 1.0), 1.0),
        ViewPair(1.0, (1.0, 0.0), 0.0, (1.0, 1.0), 1.0),
        ViewPair(1.0, (1.0, 1.0), 0.5, (1.0, 1.0), -0.1),
    ],
)
def test_impossible_views_are_refused(pair):
    with pytest.raises(InvalidInput):
        projector("spectral", pair=pair, dimension=5)


def test_a_single_point_without_minimum_raises_with_advice():
    with pytest.raises(NotConverged, match="cosine-scaled or cosine resolves it"):
        projector("cosine-fixed-temperature", **{**GOOD, "signal": 0.0})


@pytest.mark.slow
def test_the_scaled_limit_answers_a_quarter_of_a_million_points():
    found = projector(
        "cosine-scaled",
        signal=2.0,
        augmentation=np.linspace(0.05, 2, 512)[:, None],
        temperature=np.geomspace(0.5, 40, 512) / 50,
        dimension=50,
    )
    assert found.converged.all()
    assert found.error_estimate.max() < 1e-10
    assert found.num_minima.max() == 1
