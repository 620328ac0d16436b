"""`asymptotics optimal`: rows, files, exit codes, conflicts."""

import csv
import json

import numpy as np
import pytest
from scipy.special import ndtr

POINT = ["--loss", "square", "--signal", 1.5, "--sampling-ratio", 1.5]


def test_json_has_the_best_ridge_its_evidence_and_the_configuration(call):
    code, out, err = call("optimal", "--over", "ridge", *POINT, "--gain", "0.5,1", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    inside, end = found["rows"]
    # optimal.md: a^2 (1/delta - 1 + a^2 (1 + R^2))/(1 - a^2)
    assert inside["ridge"] == pytest.approx(0.25 * (-1 / 3 + 0.25 * 3.25) / 0.75, rel=1e-8)
    assert abs(inside["derivative_ridge"]) < 1e-14
    assert inside["curvature"] < 0
    assert (inside["rank"], inside["num_maxima"], inside["status"]) == (1, 1, "interior")
    assert inside["gap"] == pytest.approx(ndtr(1.5) - inside["accuracy"], abs=1e-14)
    assert (end["status"], end["end_limit"]) == ("at the upper end", "averaging")
    assert end["end_accuracy"] == pytest.approx(ndtr(2.25 / np.sqrt(2.25 + 1 / 1.5)), abs=1e-13)
    assert end["curvature"] is None
    assert found["config"]["parameters"]["over"] == ["ridge"]
    assert "ridge" not in found["config"]["parameters"]


def test_the_table_shows_every_maximum_and_names_the_convention(call):
    code, out, err = call(
        *("optimal", "--over", "gain", "--loss", "logistic", "--signal", 3, "--ridge", 3e-4),
        *("--sampling-ratio", "60,400"),
    )
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["sampling_ratio", "gain", "rank", "accuracy"]
    assert [line.split()[2] for line in lines[1:]] == ["1", "2", "1"]
    assert "collapse" in lines[1]
    assert "convention" in err


def test_bounds_hold_in_the_order_of_the_names(call):
    code, out, _ = call(
        *("optimal", "--over", "gain,ridge", "--bounds", "0.5:2,0.01:10", *POINT, "--json")
    )
    (row,) = json.loads(out)["rows"]
    assert code == 0
    assert (row["gain"], row["ridge"]) == pytest.approx((2.0, 10.0))
    assert row["place_gain"] == row["place_ridge"] == "at the upper end"


def test_a_point_without_a_limit_is_marked_and_exits_3(call):
    code, out, err = call(
        *("optimal", "--over", "gain", "--loss", "max-margin", "--signal", 1),
        *("--sampling-ratio", "2,5"),
    )
    assert code == 3
    assert "no limit" in out
    assert "1 of 2" in err


@pytest.mark.parametrize("ending", ["csv", "json", "npz", "png", "pdf", "svg"])
def test_every_kind_of_file_holds_the_answer(call, tmp_path, ending):
    path = tmp_path / f"best.{ending}"
    code, out, _ = call(
        *("optimal", "--over", "ridge", "--loss", "square", "--signal", 1.5, "--gain", "0.5,1.2"),
        *("--sampling-ratio", "0.5:4:3", "-o", path),
    )
    assert (code, out) == (0, "")
    if ending == "csv":
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert [row["status"] for row in rows[::2]] == ["interior"] * 3
        assert path.with_name("best.csv.config.json").exists()
    elif ending == "json":
        assert len(json.loads(path.read_text())["rows"]) == 6
    elif ending == "npz":
        with np.load(path) as arrays:
            assert arrays["ridge"].shape == (6,)
    else:
        assert path.stat().st_size > 5000


@pytest.mark.parametrize("over", ["ridge", "ridge,gain"])
def test_a_single_point_and_one_that_failed_are_drawn(call, tmp_path, over):
    path = tmp_path / "one.png"
    assert call("optimal", "--over", over, *POINT, "-o", path)[0] == 0
    code, *_ = call(
        *("optimal", "--over", "gain", "--loss", "max-margin", "--signal", 1),
        *("--sampling-ratio", 5, "-o", path),
    )
    assert code == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--over", "colour", *POINT], 2, "one or two of"),
        (["--over", "ridge,ridge", *POINT], 2, "one or two of"),
        (["--over", "ridge", "--ridge", 1, *POINT], 2, "is what --over seeks"),
        (["--over", "gain", *POINT], 2, "--ridge is required"),
        (["--over", "temperature", "--ridge", 1, *POINT], 2, "needs an --objective"),
        (["--over", "ridge", "--bounds", "1:2:3", *POINT], 2, "LOW:HIGH"),
        (["--over", "ridge", "--bounds", "1:2,3:4", *POINT], 2, "LOW:HIGH"),
        (["--over", "ridge", "--bounds", "2:1", *POINT], 1, "0 < low < high"),
        (POINT, 2, "--over"),
        (
            ["--over", "gain", "--objective", "spectral", "--ridge", 1, "--dimension", 9, *POINT],
            2,
            "exclude one another",
        ),
        (["--over", "ridge", *POINT, "--loss", "max-margin"], 2, "cannot be given"),
    ],
)
def test_conflicts_are_one_line(call, arguments, code, message):
    found, out, err = call("optimal", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_file_of_a_spectrum_is_named_in_the_json(call, tmp_path):
    path = tmp_path / "spectrum.json"
    content = {"eigenvalues": [1, 2], "weights": [0.5, 0.5], "squared_means": [1, 1]}
    path.write_text(json.dumps(content))
    point = ("--loss", "square", "--sampling-ratio", 2, "--spectrum", path)
    code, out, _ = call("optimal", "--over", "ridge", *point, "--json")
    assert code == 0
    assert json.loads(out)["config"]["parameters"]["spectrum"] == str(path)
