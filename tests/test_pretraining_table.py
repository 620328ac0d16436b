"""Rows, boundaries and figures of pretrained heads."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

from asymptotics import InvalidInput, accuracy, projector
from asymptotics.pretraining.boundaries import boundaries, is_map
from asymptotics.pretraining.table import NO_ORDER, NO_TRACE, pretraining_curve
from asymptotics.pretraining.transition import critical_ratio, full_rank_ratio
from asymptotics.pretraining_plot import check_quantity, plot_pretraining, plot_pretraining_map

PROBE = {"loss": "logistic", "ridge": 0.1, "sampling_ratio": 1.5}
MAP = {
    "signal": 2.0,
    "pretraining_ratio": np.geomspace(0.06, 90, 24),
    "augmentation": np.linspace(0.1, 2.9, 15),
}


def test_many_pairs_give_the_accuracy_of_the_population_head():
    trained = projector("spectral", signal=2.0, augmentation=1.2, dimension=50)
    after = accuracy(signal=2.0, gain=trained.gain, **PROBE).accuracy
    point = {"signal": 2.0, "augmentation": 1.2}
    found = pretraining_curve(**point, pretraining_ratio=[2e4, 4e4], **PROBE)["accuracy_after"]
    assert 2 * found[1] - found[0] == pytest.approx(float(after), abs=1e-7)


def test_the_accuracy_before_the_head_is_the_probe_s_own():
    table = pretraining_curve(
        signal=[1.0, 2.0], augmentation=0.5, pretraining_ratio=[0.4, 3.0], **PROBE
    )
    for row in table.rows():
        own = accuracy(signal=row["signal"], **PROBE).accuracy
        assert row["accuracy_before"] == pytest.approx(float(own), abs=1e-12)
        assert row["accuracy_after"] <= row["bayes_after"] <= ndtr(row["signal"]) + 1e-12


def test_boundaries_lie_where_the_phases_change():
    table = pretraining_curve(**MAP, **PROBE)
    found = boundaries(table)
    assert {b.name for b in found} == {"transition", "full_rank", "em_one", "head"}
    for branch in found:
        middle = slice(branch.x.size // 3, None, max(branch.x.size // 7, 1))
        x, y = branch.x[middle], branch.y[middle]
        for ratio, sigma in zip(x, y, strict=True):
            point = {"signal": 2.0, "pretraining_ratio": ratio, "augmentation": sigma}
            row = pretraining_curve(**point, **PROBE).rows()[0]
            if branch.name == "em_one":
                assert row["gain"] == pytest.approx(1.0, abs=1e-7)
            if branch.name == "head":
                assert row["accuracy_after"] == pytest.approx(row["accuracy_before"], abs=1e-8)
            if branch.name == "transition" and ratio > 1:
                assert ratio == pytest.approx(float(critical_ratio(2.0, sigma)), rel=1e-12)
            if branch.name == "transition" and ratio < 1:
                inside = point | {"augmentation": sigma * (1 - 1e-6)}
                outside = point | {"augmentation": sigma * (1 + 1e-6)}
                assert pretraining_curve(**inside)["overlap"] > 0
                assert pretraining_curve(**outside)["overlap"] == 0
            if branch.name == "full_rank":
                assert ratio == pytest.approx(float(full_rank_ratio(sigma)), rel=1e-12)
                assert row["rank_fraction"] == pytest.approx(1.0, abs=1e-6)


def test_a_map_is_two_rising_grids_and_numbers():
    assert is_map(MAP)
    assert not is_map(MAP | {"signal": [1.0, 2.0]})
    assert not is_map(MAP | {"augmentation": 1.0})


def test_points_without_a_limit_are_marked_and_not_filled_in():
    table = pretraining_curve(
        signal=1.0,
        augmentation=0.5,
        pretraining_ratio=[0.5, 3.0],
        loss="max-margin",
        sampling_ratio=[1.0, 9.0],
    )
    assert table["status"].tolist() == [NO_TRACE, "converged", NO_TRACE, "no limit"]
    assert np.isnan(table["accuracy_after"]).tolist() == [True, False, True, True]
    assert np.isfinite(table["overlap"]).all()
    at_half = table.rows()[0]
    assert at_half["gain"] is None
    assert at_half["accuracy_before"] is not None


def test_the_status_says_why_there_is_no_head():
    points = {"signal": 1.0, "augmentation": 0.5, "pretraining_ratio": [0.3, 0.5, 0.75, 3.0]}
    table = pretraining_curve(**points, output_fraction=0.2)
    assert table["status"].tolist() == [NO_ORDER, NO_TRACE, NO_ORDER, "converged"]


def test_few_outputs_reach_the_best_threshold_for_the_prior():
    def right(threshold, separation):
        return 0.1 * ndtr(separation - threshold) + 0.9 * ndtr(separation + threshold)

    points = {"signal": 2.0, "augmentation": 1.0, "pretraining_ratio": [1.5, 20.0]}
    found = pretraining_curve(**points, **PROBE, prior=0.1, intercept=True)
    below, above = found.rows()
    assert below["accuracy_few_outputs"] == 0.9
    searched = minimize_scalar(lambda t: -right(t, 2.0 * above["overlap"]), (0.0, 1.0), tol=1e-12)
    assert above["accuracy_few_outputs"] == pytest.approx(-searched.fun, abs=1e-12)
    assert np.all(found["accuracy_after"] <= found["bayes_after"])
    alone = pretraining_curve(**points, prior=0.1, intercept=True)
    for name in ("accuracy_few_outputs", "bayes_after"):
        np.testing.assert_array_equal(alone[name], found[name])
    through_zero = pretraining_curve(**points, **PROBE, prior=0.1)["accuracy_few_outputs"]
    np.testing.assert_allclose(through_zero, ndtr(2.0 * found["overlap"]), atol=1e-15)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (MAP | {"signal": 1e100}, r"signal must lie in \[0, 100\], got 1e\+100"),
        (MAP | {"augmentation": 1e-200}, "augmentation must lie in"),
        (MAP | {"pretraining_ratio": 1e200}, "pretraining_ratio must lie in"),
        (MAP | {"output_fraction": [0.0, 1.0]}, r"output_fraction must lie in \(0, 1\], got 0"),
        (MAP | PROBE | {"encoder": "balanced", "depth": 3}, "of 2 layers, got .* depth 3"),
        (MAP | PROBE | {"depth": 2}, "got encoder fixed with depth 2"),
        ({"augmentation": 1.0, "pretraining_ratio": 1.0}, "signal is required"),
        ({**MAP, "ridge": 1.0}, "ridge needs a loss"),
        ({**MAP, "loss": "square"}, "sampling_ratio is required"),
        ({**MAP, "loss": "bayes", "sampling_ratio": 1.0}, "bayes_after"),
    ],
)
def test_incomplete_parameters_are_refused(parameters, text):
    with pytest.raises(InvalidInput, match=text):
        pretraining_curve(**parameters)


def test_figures_show_the_phases():
    table = pretraining_curve(**MAP, **PROBE)
    found = boundaries(table)
    figure = plot_pretraining_map(table, "accuracy-gained", found)
    left, right = figure.axes[:2]
    assert {text.get_text() for text in left.get_legend().get_texts()} >= {"signal learned"}
    assert len(right.get_lines()) == 4
    lines = pretraining_curve(
        signal=2.0, augmentation=[0.3, 1.0], pretraining_ratio=np.geomspace(0.3, 30, 9), **PROBE
    )
    left, right = plot_pretraining(lines, "pretraining_ratio", ["augmentation"]).axes
    assert left.get_xscale() == "log"
    np.testing.assert_array_equal(left.get_lines()[0].get_ydata(), lines["overlap"][:9])
    for quantity, has_probe in (("speed", True), ("accuracy-gained", False)):
        with pytest.raises(InvalidInput, match="quantity"):
            check_quantity(quantity, has_probe)


def test_before_the_head_of_a_balanced_net_many_pairs_leave_the_root_of_the_gain():
    trained = projector("spectral", signal=2.0, augmentation=0.4, dimension=50)
    before = accuracy(signal=2.0, gain=np.sqrt(trained.gain), **PROBE).accuracy
    point = {"signal": 2.0, "augmentation": 0.4, "encoder": "balanced"}
    found = [
        pretraining_curve(**point, pretraining_ratio=x, **PROBE)["accuracy_before"][0]
        for x in (2e4, 4e4)
    ]
    assert 2 * found[1] - found[0] == pytest.approx(float(before), abs=1e-7)
    with pytest.raises(InvalidInput, match="encoder must be one of fixed, balanced"):
        pretraining_curve(**point | {"encoder": "wide"}, pretraining_ratio=1.0, **PROBE)
