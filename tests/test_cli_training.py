"""The commands of trained heads: projector, phase, thresholds and curve with an objective."""

import json

import numpy as np
import pytest

PROJECTOR = ["projector", "--signal", "2", "--dimension", "20"]
PHASE = [
    *("phase", "--objective", "cosine-scaled", "--signal", "2", "--dimension", "50"),
    *("--augmentation", "0.3:1.5:6", "--temperature", "0.02:1:8:log"),
]


def test_projector_prints_the_trained_gain(call):
    code, out, _ = call(
        *PROJECTOR, "--objective", "cosine", "--augmentation", 1, "--temperature", 1, "--json"
    )
    row = json.loads(out)
    assert code == 0
    assert row["gain"] == pytest.approx(2.618, abs=5e-4)
    assert row["regime"] == "expansion"
    assert row["expansion_measure"] == pytest.approx(
        20 * row["gain"] ** 2 / (row["gain"] ** 2 + 19), rel=1e-12
    )
    assert len(row["minima"]) == 1


def test_collapse_is_null_in_json(call):
    options = ("--objective", "cosine-scaled", "--augmentation", 1, "--temperature", 0.01)
    code, out, _ = call(*PROJECTOR, *options, "--json")
    row = json.loads(out)
    assert code == 0
    assert row["gain"] is None
    assert row["regime"] == "collapse"
    assert row["expansion_measure"] == 20


def test_two_minima_are_both_listed(call):
    code, out, _ = call(
        *("projector", "--objective", "cosine", "--signal", 5, "--dimension", 50),
        *("--augmentation", 1.88, "--temperature", 0.0327, "--json"),
    )
    gains = [well["gain"] for well in json.loads(out)["minima"]]
    assert code == 0
    assert gains == [pytest.approx(2.232, abs=1e-3), pytest.approx(7.385, abs=1e-3)]


def test_coexisting_minima_are_pointed_out_on_a_grid(call):
    code, _, err = call(
        *("curve", "--objective", "cosine", "--signal", 5, "--dimension", 50),
        *("--augmentation", 1.88, "--temperature", "0.0327,1"),
        *("--loss", "averaging", "--sampling-ratio", 1),
    )
    assert code == 0
    assert "1 of 2 points have two local minima" in err


def test_too_few_negatives_are_pointed_out(call):
    options = ("--objective", "cosine", "--augmentation", 1, "--temperature", 0.02)
    code, _, err = call(*PROJECTOR, *options, "--negatives", 10)
    assert code == 0
    assert "negatives are too few" in err


def test_thresholds_of_training_join_those_of_the_probe(call):
    code, out, _ = call(
        *("thresholds", "--signal", 5, "--objective", "cosine-large-signal"),
        *("--dimension", 50, "--augmentation", 0.7, "--json"),
    )
    row = json.loads(out)
    assert code == 0
    assert row["collapse"] == [pytest.approx(2.763, abs=1e-3)]
    assert len(row["em_one"]) == 1
    assert row["separability"] > 1e6


def test_phase_prints_cells_and_boundaries(call):
    code, out, err = call(*PHASE, "--loss", "max-margin", "--sampling-ratio", 2, "--json")
    content = json.loads(out)
    assert (code, err) == (0, "")
    assert len(content["rows"]) == 48
    for key in ("gain", "expansion_measure", "regime", "accuracy_before", "accuracy_after"):
        assert key in content["rows"][0]
    names = {branch["name"] for branch in content["boundaries"]}
    assert {"em_one", "head"} <= names
    branch = content["boundaries"][0]
    assert len(branch["temperature"]) == len(branch["augmentation"]) > 3


@pytest.mark.parametrize("ending", ["pdf", "png", "json", "csv", "npz"])
def test_phase_writes_every_format(call, tmp_path, ending):
    target = tmp_path / f"phase.{ending}"
    assert call(*PHASE, "-o", target)[0] == 0
    content = target.read_bytes()
    assert len(content) > 500
    if ending == "json":
        assert json.loads(content)["boundaries"]
    if ending == "npz":
        with np.load(target) as archive:
            assert "boundaries" in json.loads(str(archive["config"]))


def test_cuts_are_a_choice(call, tmp_path):
    assert call(*PHASE, "--cuts", "0.3,1.5", "-o", tmp_path / "phase.svg")[0] == 0
    drawn = (tmp_path / "phase.svg").read_text()
    assert "0.3" in drawn


def test_the_headline_curve_has_accuracy_before_and_after(call, tmp_path):
    code, out, _ = call(
        *("curve", "--objective", "cosine-scaled", "--signal", 2, "--dimension", 50),
        *("--augmentation", "0.5,1", "--temperature", "0.05:5:6:log"),
        *("--loss", "max-margin", "--sampling-ratio", 2, "--json"),
    )
    rows = json.loads(out)["rows"]
    assert code == 0
    assert len(rows) == 12
    assert len({row["accuracy_before"] for row in rows}) == 1
    assert all(row["accuracy_after"] == row["accuracy"] for row in rows)


def test_accuracy_with_an_objective_reports_both(call):
    code, out, _ = call(
        *("accuracy", "--objective", "spectral", "--signal", 2, "--dimension", 50),
        *("--augmentation", 1, "--loss", "logistic", "--ridge", 0.1, "--sampling-ratio", 2),
        "--json",
    )
    row = json.loads(out)
    assert code == 0
    assert row["accuracy_after"] < row["accuracy_before"]
    assert row["gain"] == pytest.approx(np.sqrt(5) * 2 / 6, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([*PROJECTOR, "--augmentation", "1"], 2, "--objective is required"),
        ([*PROJECTOR, "--objective", "cosine", "--augmentation", "1"], 2, "--temperature is req"),
        ([*PROJECTOR, "--objective", "simclr"], 1, "objective 'simclr' is not one of"),
        ([*PROJECTOR, "--objective", "spectral"], 2, "--augmentation is required"),
        (
            [*PROJECTOR, "--objective", "spectral", "--augmentation", "1", "--redrawn", "0.5"],
            2,
            "--augmentation and --redrawn exclude one another",
        ),
        (
            [*PROJECTOR, "--objective", "cosine", "--masked", "0.5", "--temperature", "1"],
            1,
            "masked views are not Gaussian",
        ),
        (
            [*PROJECTOR, "--objective", "spectral", "--augmentation", "1,2"],
            2,
            "--augmentation must be a single number",
        ),
        (PHASE[:-2], 2, "--temperature is required"),
        ([*PHASE, "--quantity", "beauty"], 1, "quantity must be one of"),
        ([*PHASE, "--quantity", "accuracy-after"], 1, "needs a probe"),
        ([*PHASE, "--ridge", "1"], 2, "--ridge needs a --loss"),
        ([*PHASE, "--dimension", "50,60"], 2, "give exactly two grids"),
        ([*PHASE, "--gain", "2", "--loss", "bayes", "--sampling-ratio", "1"], 2, "--gain and --ob"),
        (["accuracy", "--temperature", "1", "--loss", "bayes", "--signal", "1",
          "--sampling-ratio", "1"], 2, "--temperature needs an --objective"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_a_code(call, arguments, code, message):
    found, out, err = call(*arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1
