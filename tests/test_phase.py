"""Trained heads, their levels, and phase diagrams with exact boundaries."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from asymptotics import InvalidInput, NoLimit, accuracy, curve, phase_diagram, projector
from asymptotics.crossings import LEVELS, Cells, crossings_along
from asymptotics.phase import QUANTITIES
from asymptotics.training import trained_accuracy, trained_gain

PROBE = {"loss": "max-margin", "sampling_ratio": 2.0}


def test_rows_before_and_after_the_head_are_the_probe_at_two_gains():
    table = curve(objective="spectral", signal=2.0, dimension=50, augmentation=[0.5, 2.0], **PROBE)
    for row in table.rows():
        gain = projector(
            "spectral", signal=2.0, dimension=50, augmentation=row["augmentation"]
        ).gain
        assert row["gain"] == pytest.approx(float(gain), rel=1e-12)
        after = accuracy(signal=2.0, gain=gain, **PROBE).accuracy
        before = accuracy(signal=2.0, **PROBE).accuracy
        assert row["accuracy_after"] == pytest.approx(float(after), abs=1e-13)
        assert row["accuracy_before"] == pytest.approx(float(before), abs=1e-13)
        assert row["accuracy"] == row["accuracy_after"]


def test_a_balanced_encoder_keeps_the_root_of_the_gain():
    setting = {"objective": "spectral", "signal": 2.0, "dimension": 50, "augmentation": 2.0}
    row = curve(encoder="balanced", **setting, **PROBE).rows()[0]
    root = accuracy(signal=2.0, gain=np.sqrt(row["gain"]), **PROBE).accuracy
    assert row["accuracy_before"] == pytest.approx(float(root), abs=1e-13)


def test_collapse_is_the_limit_of_large_gains():
    setting = {"objective": "cosine-scaled", "signal": 2.0, "dimension": 50, "augmentation": 1.0}
    row = curve(temperature=0.005, **setting, **PROBE).rows()[0]
    assert row["regime"] == "collapse"
    assert row["gain"] is None
    assert row["expansion_measure"] == 50
    large = accuracy(signal=2.0, gain=1e6, **PROBE).accuracy
    assert row["accuracy_after"] == pytest.approx(float(large), abs=1e-10)


def test_a_least_squares_probe_does_not_see_the_head():
    setting = {"objective": "cosine-scaled", "signal": 1.0, "dimension": 50, "augmentation": 0.5}
    table = curve(loss="least-squares", sampling_ratio=3.0, temperature=[0.05, 0.5, 5.0], **setting)
    np.testing.assert_allclose(table["accuracy_after"], table["accuracy_before"], atol=1e-13)


def test_a_point_without_a_limit_names_its_threshold():
    with pytest.raises(NoLimit, match=r"separability threshold 3\.7000335"):
        trained_accuracy(
            objective="spectral",
            signal=1.0,
            dimension=50,
            augmentation=1.0,
            loss="max-margin",
            sampling_ratio=5.0,
        )


@pytest.mark.parametrize("signal", [0.5, 1.0, 3.0])
def test_the_spectral_boundary_is_its_closed_form(signal):
    cells = Cells({"objective": "spectral", "signal": signal, "dimension": 30.0})
    found = crossings_along(cells, "augmentation", np.linspace(0.1, 4, 14))
    assert found["em_one"] == pytest.approx([(1 + signal**2) ** 0.25], rel=1e-9)
    assert found["collapse"].size == 0


def test_the_scaled_limit_has_two_branches_and_its_collapse():
    """At R = 2, D = 2: t_c = 2/3, and a = 1 twice, between t = 1.2 and 2 and above 4."""
    cells = Cells(
        {"objective": "cosine-scaled", "signal": 2.0, "dimension": 100.0, "augmentation": 1.0}
    )
    found = crossings_along(cells, "temperature", np.geomspace(1e-3, 1, 61))
    t = 100 * found["em_one"]
    assert t.size == 2
    assert 1.2 < t[0] < 2 < 4 < t[1] < 10
    gains = projector(
        "cosine-scaled", signal=2.0, dimension=100, augmentation=1.0, temperature=t / 100
    ).gain
    np.testing.assert_allclose(gains, 1.0, atol=1e-8)
    assert 100 * found["collapse"] == pytest.approx([2 / 3], rel=1e-7)


def test_published_thresholds_of_the_large_signal_limit():
    """GMZ's figure at R = 5, d = 50: tau* read off within a percent."""
    for sigma, published in ((0.4, 6.82), (0.5, 4.70), (0.6, 3.50), (0.7, 2.77)):
        fixed = {"objective": "cosine-large-signal", "signal": 5.0, "dimension": 50.0}
        cells = Cells(fixed | {"augmentation": sigma})
        found = crossings_along(cells, "temperature", np.geomspace(0.1, 20, 41))
        assert found["collapse"] == pytest.approx([published], rel=0.012)


@pytest.fixture(scope="module")
def diagram():
    return phase_diagram(
        objective="cosine-scaled",
        signal=2.0,
        dimension=50,
        temperature=np.geomspace(0.004, 1, 16),
        augmentation=np.linspace(0.2, 2, 12),
        **PROBE,
    )


def test_boundaries_lie_on_their_levels(diagram):
    names = {branch.name for branch in diagram.boundaries}
    assert names == {"em_one", "collapse", "head"}
    for branch in diagram.boundaries:
        if branch.name == "collapse":
            continue
        gain = trained_gain(
            {"temperature": branch.x, "augmentation": branch.y},
            {"objective": "cosine-scaled", "signal": 2.0, "dimension": 50.0},
        )["gain"]
        np.testing.assert_allclose(gain, 1.0, atol=1e-7)


def test_the_collapse_boundary_is_its_closed_form(diagram):
    """t_c = 2 R^2 (D - 1)/(D (R^2 + D))."""
    for branch in diagram.boundaries:
        if branch.name == "collapse":
            d_of = 1 + branch.y**2
            expected = 2 * 4 * (d_of - 1) / (d_of * (4 + d_of)) / 50
            np.testing.assert_allclose(branch.x, expected, rtol=1e-6)


def test_boundaries_separate_the_phases_of_the_cells(diagram):
    expands = np.isin(diagram.table["regime"], ["expansion", "collapse"])
    columns = diagram.table.columns
    np.testing.assert_array_equal(np.sign(LEVELS["em_one"].of_columns(columns)) > 0, expands)
    gained = diagram.cells("accuracy-gained")
    np.testing.assert_array_equal(gained.ravel() > 0, expands)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_quantity_has_a_value_in_every_cell(diagram, quantity):
    values = diagram.cells(quantity)
    assert values.shape == (12, 16)
    assert not np.any(np.isnan(values))


def test_the_diagram_does_not_depend_on_how_it_is_divided():
    setting = {
        "objective": "cosine",
        "signal": 2.0,
        "dimension": 10,
        "temperature": np.geomspace(0.05, 2, 5),
        "augmentation": np.linspace(0.3, 1.5, 4),
    }
    alone = phase_diagram(**setting)
    with ThreadPoolExecutor(2) as executor:
        together = phase_diagram(executor=executor, **setting)
    np.testing.assert_array_equal(alone.table["gain"], together.table["gain"])
    for one, other in zip(alone.boundaries, together.boundaries, strict=True):
        np.testing.assert_array_equal(one.x, other.x)


def test_any_two_parameters_can_be_the_axes():
    diagram = phase_diagram(
        x="augmentation_across",
        y="augmentation",
        objective="spectral",
        signal=2.0,
        dimension=50,
        augmentation=np.linspace(0.2, 2, 6),
        augmentation_across=np.linspace(0.2, 2, 7),
    )
    assert diagram.cells("log-gain").shape == (6, 7)
    # a^2 = C_s N^2/V^2 with C_s = R^2 + 1, V = R^2 + 1 + along^2, N = 1 + across^2
    along, across = np.meshgrid(diagram.y, diagram.x, indexing="ij")
    expected = 0.5 * np.log(5 * (1 + across**2) ** 2 / (5 + along**2) ** 2)
    np.testing.assert_allclose(diagram.cells("log-gain"), expected, atol=1e-12)


def test_failed_cells_stay_marked():
    """Without augmentation the large-signal limit has no threshold: those cells have no gain."""
    diagram = phase_diagram(
        objective="cosine-large-signal",
        signal=5.0,
        dimension=50,
        temperature=np.geomspace(0.1, 10, 4),
        augmentation=np.array([0.0, 0.5, 1.0]),
    )
    failed = diagram.table["augmentation"] == 0
    assert set(diagram.table["status"][failed]) == {"gain not converged"}
    assert np.all(np.isnan(diagram.cells("expansion-measure")[0]))
    assert np.all(diagram.table["converged"][~failed])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 1.0}, "temperature: an axis of a phase diagram needs 2 or more"),
        ({"temperature": [2.0, 1.0]}, "temperature: an axis of a phase diagram needs 2 or more"),
        ({"signal": [1.0, 2.0]}, "signal: only the two axes"),
        ({"objective": "simclr"}, "objective 'simclr' is not one of"),
        ({"masked": 0.5, "augmentation": None, "y": "masked"}, "masked: an axis"),
        ({"encoder": "deep", **PROBE}, "encoder must be one of fixed, balanced"),
    ],
)
def test_bad_input_is_refused(change, message):
    setting = {
        "objective": "cosine-scaled",
        "signal": 2.0,
        "dimension": 50,
        "temperature": [0.1, 1.0],
        "augmentation": [0.5, 1.0],
    }
    with pytest.raises(InvalidInput, match=message):
        phase_diagram(**setting | change)


def test_a_quantity_of_the_probe_needs_a_probe():
    diagram = phase_diagram(
        objective="spectral",
        x="signal",
        signal=[1.0, 2.0],
        dimension=50,
        augmentation=[0.5, 1.0],
    )
    with pytest.raises(InvalidInput, match="accuracy-after needs a probe"):
        diagram.cells("accuracy-after")
    with pytest.raises(InvalidInput, match="quantity must be one of"):
        diagram.cells("beauty")


@pytest.mark.slow
def test_the_published_heat_map_converges_in_every_cell():
    diagram = phase_diagram(
        objective="cosine",
        signal=5.0,
        dimension=50,
        temperature=np.geomspace(0.01, 40, 20),
        augmentation=np.linspace(0.1, 2, 20),
    )
    assert np.all(diagram.table["converged"])
    assert np.max(diagram.table["gain_error_estimate"]) < 1e-8
