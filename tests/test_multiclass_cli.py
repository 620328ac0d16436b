"""`asymptotics multiclass`: numbers, tables, files and exit codes."""

import json

import click
import numpy as np
import pytest

from asymptotics.errors import AsymptoticsError, InvalidInput, NotConverged
from asymptotics.multiclass.sweep import multiclass_accuracy, multiclass_curve
from cli.multiclass import command

POINT = ["--classes", "3", "--signal", "2", "--sampling-ratio", "2"]
SQUARE = [*POINT, "--loss", "square", "--ridge", "0.1"]


@pytest.fixture
def invoke(capsys):
    def run(*arguments):
        code = command.main([str(a) for a in arguments], standalone_mode=False)
        return code, capsys.readouterr().out

    return run


def test_one_point_prints_the_accuracy_and_the_confusion_matrix(invoke):
    code, out = invoke(*SQUARE)
    found = multiclass_accuracy(classes=3, signal=2.0, sampling_ratio=2.0, loss="square", ridge=0.1)
    assert code == 0
    assert f"{found.accuracy:.12f}" in out
    assert out.count(f"{found.confusion[0, 1]:.6f}") == 6


def test_json_has_the_keys_of_a_row_and_the_order_parameters(invoke):
    code, out = invoke(*SQUARE, "--json")
    row = json.loads(out)
    assert code == 0
    assert row["classes"] == 3
    assert row["converged"] is True
    assert np.shape(row["confusion"]) == (3, 3)
    assert set(row["order_parameters"]) == {"step", "logit_means", "logit_covariance"}
    assert row["accuracy"] == pytest.approx(1 - row["test_error"], abs=1e-14)


def test_a_grid_of_augmentations_gives_a_row_each(invoke):
    code, out = invoke(*SQUARE, "--objective", "spectral", "--augmentation", "0.5,3", "--json")
    rows = json.loads(out)["rows"]
    assert code == 0
    assert [row["regime"] for row in rows] == ["shrinkage", "expansion"]
    assert rows[0]["accuracy_after"] < rows[0]["accuracy_before"] < rows[1]["accuracy_after"]


def test_means_from_a_file_and_a_gain_each(invoke, tmp_path):
    means = [[2, 0], [0, 1], [-1, -1]]
    path = tmp_path / "means.json"
    path.write_text(json.dumps({"means": means, "priors": [0.5, 0.3, 0.2]}))
    arguments = ["--means", path, "--loss", "nearest-mean", "--sampling-ratio", "2"]
    code, out = invoke(*arguments, "--gains", "2,0.5", "--json")
    expected = multiclass_accuracy(
        means=means, priors=[0.5, 0.3, 0.2], gains=[2, 0.5], loss="nearest-mean", sampling_ratio=2.0
    )
    assert code == 0
    assert json.loads(out)["accuracy"] == expected.accuracy


def test_files_hold_the_rows(invoke, tmp_path):
    for name in ("curve.csv", "curve.json", "curve.npz", "curve.pdf"):
        code, _ = invoke(*SQUARE[:-1], "0.1,1,10", "-o", tmp_path / name)
        assert code == 0
        assert (tmp_path / name).stat().st_size > 0
    rows = json.loads((tmp_path / "curve.json").read_text())["rows"]
    assert [row["ridge"] for row in rows] == [0.1, 1.0, 10.0]


def test_a_grid_with_failures_exits_with_3_and_nulls(invoke):
    code, out = invoke(*POINT, "--loss", "softmax", "--ridge", "1e-10,0.1", "--json")
    rows = json.loads(out)["rows"]
    assert code == 3
    assert rows[0]["accuracy"] is None
    assert rows[0]["status"] == "not converged"
    assert rows[1]["converged"] is True


def test_a_single_failure_is_an_error(invoke):
    with pytest.raises(NotConverged):
        invoke(*POINT, "--loss", "softmax", "--ridge", "1e-10")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*POINT, "--loss", "square"], "--ridge is required"),
        ([*POINT, "--loss", "nearest-mean", "--ridge", "1"], "cannot be given"),
        ([*SQUARE, "--gain", "2", "--objective", "spectral"], "exclude"),
        ([*SQUARE, "--objective", "spectral"], "--augmentation is required"),
        ([*SQUARE, "--augmentation", "1"], "needs an --objective"),
        ([*SQUARE, "--ridge-convention", "C"], "--num-samples is required"),
        (["--loss", "square", "--ridge", "1", "--sampling-ratio", "1"], "--classes is required"),
    ],
)
def test_usage_errors_say_what_is_missing(invoke, arguments, message):
    with pytest.raises(click.UsageError, match=message):
        invoke(*arguments)


def test_a_bad_value_is_an_invalid_input(invoke):
    with pytest.raises(InvalidInput, match="loss for K classes"):
        invoke(*POINT, "--loss", "hinge", "--ridge", "1")


def test_a_file_of_means_is_named_in_the_json_of_a_grid(invoke, tmp_path):
    path = tmp_path / "means.json"
    path.write_text(json.dumps({"means": [[1, 0], [-1, 0], [0, 1]]}))
    arguments = ("--means", path, "--loss", "square", "--ridge", 1, "--sampling-ratio", "1,2")
    code, out = invoke(*arguments, "--json")
    assert code == 0
    assert json.loads(out)["config"]["parameters"]["means"] == str(path)


@pytest.mark.parametrize(
    "extra",
    [
        {"signal": 1e100},
        {"sampling_ratio": 1e300, "ridge": 1e300},
        {"ridge": 1e-300},
        {"gain": 1e200},
        {"priors": [1e-300, 0.5, 0.5], "intercept": True},
        {"loss": "softmax", "signal": 1e100},
        {"loss": "softmax", "priors": [1e-12, 0.5, 0.5 - 1e-12], "intercept": True},
        {"loss": "nearest-mean", "ridge": None, "priors": [1e-300, 0.5, 0.5]},
        {"classes": None, "signal": None, "means": [[], []]},
    ],
)
def test_what_leaves_double_precision_is_an_error_of_one_line(extra):
    point = {"classes": 3, "signal": 2.0, "sampling_ratio": 1.0, "loss": "square", "ridge": 0.1}
    with pytest.raises(AsymptoticsError) as caught:
        multiclass_accuracy(**point | extra)
    assert "\n" not in str(caught.value)


def test_a_head_that_loses_the_means_shrinks_and_a_dimension_is_two_or_more():
    point = {"classes": 3, "signal": 2.0, "sampling_ratio": 1.0, "loss": "square", "ridge": 0.1}
    lost = multiclass_curve(**point, objective="spectral", augmentation=1e100).rows()[0]
    assert lost["regime"] == "shrinkage"
    assert lost["accuracy_after"] == pytest.approx(1 / 3, abs=1e-12)
    cosine = {"objective": "cosine-scaled", "augmentation": 1.0, "temperature": 1.0}
    with pytest.raises(InvalidInput, match="dimension must be >= 2, got 1"):
        multiclass_curve(**point, **cosine, dimension=1)
