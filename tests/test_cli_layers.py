"""The `layers` commands: numbers, exit codes, one line for a mistake."""

import json

import numpy as np
import pytest

KINDS = (
    "--strength", ".2,.5,1,2,1,1", "--noise", ".5", "--correlation", ".9,.9,.9,.9,.5,.2",
)  # fmt: skip
PROBE = ("--loss", "logistic", "--ridge", "0.1")


def test_weights_before_and_after_the_head_are_the_published_ones(call):
    code, out, err = call("layers", *KINDS, "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)["rows"]
    after = [0.6543, 0.9487, 0.7589, 0.4464, 0.5657, 0.3578]
    assert [row["weight_after"] for row in rows] == pytest.approx(after, abs=5e-5)
    assert [row["weight_before"] ** 2 for row in rows] == pytest.approx(after, abs=1e-4)


def test_the_verdict_has_a_row_a_layer_and_the_sample_sizes(call):
    code, out, _ = call(
        "layers", *KINDS, "--label", 6, *PROBE, "--sampling-ratio", "1,2",
        "--target-accuracy", "0.9", "--json",
    )  # fmt: skip
    content = json.loads(out)
    assert code == 0
    assert [(r["layer"], r["sampling_ratio"]) for r in content["layers"]] == [
        (k, x) for k in range(3) for x in (1.0, 2.0)
    ]
    sizes = [row["sampling_ratio"] for row in content["sample_sizes"]]
    assert sizes == sorted(sizes)  # the disrupted feature costs more in every layer


def test_limits_that_do_not_exist_are_marked_and_exit_3(call):
    code, out, err = call(
        "layers", *KINDS, "--label", 3, "--loss", "max-margin", "--sampling-ratio", "1,1e6",
        "--json",
    )  # fmt: skip
    rows = json.loads(out)["layers"]
    assert code == 3
    assert "3 accuracies have no value" in err
    assert [row["accuracy"] is None for row in rows] == [False, True] * 3


def test_the_map_of_scenarios_has_its_tie(call, tmp_path):
    figure = tmp_path / "map.png"
    arguments = (
        "layers", "phase", "--strength", "0.05:5:16:log", "--correlation", "0.05:1:12",
        "--noise", "0.5", "--background-correlation", "0.8", "--loss", "square", "--ridge", "0.1",
        "--sampling-ratio", "2",
    )  # fmt: skip
    code, out, _ = call(*arguments, "--json")
    content = json.loads(out)
    assert code == 0
    assert {row["scenario"] for row in content["rows"]} == {
        "after", "disrupted", "too weak", "too strong",
    }  # fmt: skip
    (tie,) = content["boundaries"]
    phi, rho = np.array(tie["strength"]), np.array(tie["correlation"])
    assert np.sqrt(rho) * phi / (phi**2 + 0.25) == pytest.approx(np.sqrt(0.8) / 1.25, rel=1e-6)
    assert call(*arguments, "-o", figure)[0] == 0
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_features_are_learned_in_the_order_of_what_views_share(call):
    code, out, _ = call("layers", "flow", "--strength", ".2,.5,1,2", "--noise", ".5", "--json")
    learning = json.loads(out)["learning"]
    assert code == 0
    times = [row["learning_time"] for row in learning]
    assert times == sorted(times, reverse=True)


def test_a_feature_below_the_threshold_is_absent_after_and_present_before(call):
    code, out, _ = call(
        "layers", "threshold", "--strength", "0.5,2", "--noise", "0", "--threshold", "1", "--json"
    )
    weak, strong = json.loads(out)["rows"]
    assert code == 0
    assert weak["weight_after"] == 0 < weak["weight_before"]
    assert strong["weight_after"] > 0


def test_a_balanced_probe_before_the_head_rescues_the_worst_group(call):
    code, out, _ = call(
        "layers", "groups", "--strength", "1,2,1", "--noise", "1", "--spurious-correlation", "0.9",
        "--probe-correlation", "0", *PROBE, "--sampling-ratio", "4", "--json",
    )  # fmt: skip
    rows = {row["layer"]: row for row in json.loads(out)["rows"]}
    assert code == 0
    assert rows[1]["worst_group_accuracy"] > rows[2]["worst_group_accuracy"]


@pytest.mark.parametrize("training", ["supervised", "contrastive"])
def test_groups_may_come_in_any_proportions(call, training):
    code, out, _ = call(
        "layers", "groups", "--strength", "1,1,1", "--noise", "1", "--spurious-correlation", "0.5",
        "--proportions", "0.4,0.1,0.2,0.3", "--training", training, *PROBE,
        "--sampling-ratio", "4", "--intercept", "--json",
    )  # fmt: skip
    rows = json.loads(out)["rows"]
    assert code == 0
    for row in rows:
        groups = [row[f"accuracy[{name}]"] for name in ("++", "+-", "-+", "--")]
        assert row["worst_group_accuracy"] == min(groups)
        assert row["average_accuracy"] == pytest.approx(np.dot([0.4, 0.1, 0.2, 0.3], groups))


def test_the_sub_class_collapses_faster_after_the_head(call):
    code, out, _ = call(
        "layers", "classes", "--strength", "2,1.5,1", "--noise", "1", "--correlation", "0.8",
        "--class-share", "0,0.99", "--readout-noise", "0.01", *PROBE, "--sampling-ratio", "4",
        "--json",
    )  # fmt: skip
    rows = json.loads(out)["rows"]
    assert code == 0
    lost = [rows[layer]["accuracy"] - rows[3 + layer]["accuracy"] for layer in (1, 2)]
    assert 0 < lost[0] < lost[1]


def test_the_best_head_is_reported_with_its_kappa(call):
    code, out, _ = call(
        "layers", "head", "--strength", "2,1,.5", "--noise", ".5", "--label", 3, "--start", "0.1",
        "--kappa", "1:4:9:log", *PROBE, "--sampling-ratio", "2", "--json",
    )  # fmt: skip
    content = json.loads(out)
    assert code == 0
    assert content["best"]["accuracy"] >= max(row["accuracy_before"] for row in content["rows"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--noise", "1"), 2, "--strength is required"),
        (("--strength", "1,2", "--noise", "1,2,3"), 2, "--strength has 2 values"),
        ((*KINDS, "--label", "7", *PROBE, "--sampling-ratio", "1"), 2, "--label must be in 1..6"),
        ((*KINDS, "--label", "1"), 2, "--label and --loss go together"),
        ((*KINDS, "--label", "1", *PROBE), 2, "--loss needs a --sampling-ratio or"),
        ((*KINDS, "--sampling-ratio", "1"), 2, "--sampling-ratio needs a --loss"),
        (("--strength", "1", "--noise", "1", "--correlation", "1.2"), 1, "correlation must be"),
        (("--strength", "1", "--noise", "1", "--dropout", "1"), 1, "dropout must be"),
        (("--strength", "1", "--noise", "1", "--fraction", "0.5"), 1, "fraction must be"),
        (
            (*KINDS, "--decay", "100", "--label", "1", *PROBE, "--sampling-ratio", "1"),
            1,
            "keeps no feature",
        ),
    ],
)
def test_a_mistake_gets_one_line(call, arguments, code, message):
    found, out, err = call("layers", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1
