"""`features` with many classes and class covariances: rows, keys, figures, exit codes."""

from __future__ import annotations

import json

import numpy as np
import pytest

ROW = {
    "num_samples", "sampling_ratio", "predicted", "predicted_low", "predicted_high", "measured",
    "standard_error", "num_failed", "status",
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Gaussian features of three classes, and two of them."""
    folder, rng = tmp_path_factory.mktemp("features"), np.random.default_rng(50)
    labels = np.arange(180) % 3
    means = np.array([[2, 0], [-1, 1.5], [-1, -1.5]])
    z = rng.standard_normal((180, 8))
    z[:, :2] += means[labels]
    names = np.array(["cat", "dog", "owl"])[labels]
    np.savez(folder / "three.npz", features=z, labels=names)
    np.savez(folder / "two.npz", features=z[labels < 2], labels=labels[labels < 2])
    return folder


@pytest.mark.parametrize(
    "options",
    [
        ("--loss", "square", "--ridge", "0.1"),
        ("--loss", "square", "--ridge", "0.1", "--class-covariances", "--intercept"),
        ("--loss", "softmax", "--ridge", "0.1"),
        ("--loss", "nearest-mean"),
    ],
)
def test_three_classes_have_rows_predicted_and_measured(call, files, options):
    code, out, err = call(
        "features", files / "three.npz", *options, "--num-samples", "30,90", "--json"
    )
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert content["classes"] == ["cat", "dog", "owl"]
    assert content["priors"] == pytest.approx([1 / 3] * 3)
    assert content["prior"] is None
    assert content["class_covariances"] is ("--class-covariances" in options)
    assert [row["num_samples"] for row in content["rows"]] == [30, 90]
    for row in content["rows"]:
        assert set(row) == ROW
        assert row["status"] == "predicted"
        assert row["predicted_low"] < row["predicted"] < row["predicted_high"]
        # Gaussian features: the theory holds
        assert abs(row["predicted"] - row["measured"]) < 0.1


def test_the_same_seed_gives_the_same_rows(call, files):
    arguments = ("features", files / "three.npz", "--loss", "nearest-mean", "--json")
    first, again, other = (call(*arguments, "--seed", seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert json.loads(first)["rows"] != json.loads(other)["rows"]


def test_two_classes_with_covariances_of_their_own(call, files):
    arguments = ("features", files / "two.npz", "--loss", "logistic", "--ridge", "0.1")
    pooled, own = (
        json.loads(call(*arguments, *more, "--json")[1]) for more in ((), ("--class-covariances",))
    )
    assert pooled["prior"] == own["prior"] == 0.5
    for a, b in zip(pooled["rows"], own["rows"], strict=True):
        assert (a["measured"], a["standard_error"]) == (b["measured"], b["standard_error"])
        assert a["predicted"] != b["predicted"]
        assert a["predicted"] == pytest.approx(b["predicted"], abs=0.03)  # both covariances are I


def test_softmax_of_two_classes_is_the_logistic_probe_at_half_the_ridge(call, files):
    arguments = ("features", files / "two.npz", "--num-samples", "20,60", "--json")
    _, many, _ = call(*arguments, "--loss", "softmax", "--ridge", "0.2")
    _, pair, _ = call(*arguments, "--loss", "logistic", "--ridge", "0.1")
    predicted = [[row["predicted"] for row in json.loads(out)["rows"]] for out in (many, pair)]
    assert predicted[0] == pytest.approx(predicted[1], abs=1e-5)


def test_the_table_names_the_classes_and_the_figure_is_drawn(call, files, tmp_path):
    figure = tmp_path / "curve.svg"
    arguments = ("features", files / "three.npz", "--loss", "square", "--ridge", "0.1")
    code, out, _ = call(*arguments)
    assert code == 0
    assert "3 classes of 33.3% to 33.3%" in out
    assert len(out.splitlines()) == 2 + 6
    code, out, _ = call(*arguments, "-o", figure)
    assert (code, out) == (0, "")
    assert figure.read_text().count("measured") >= 1


def test_no_signal_is_marked_and_exits_3(call, tmp_path):
    rng, codes = np.random.default_rng(51), []
    for i in range(6):
        path = tmp_path / f"{i}.npz"
        np.savez(path, features=rng.standard_normal((90, 30)), labels=np.arange(90) % 3)
        code, out, err = call(
            "features", path, "--loss", "square", "--ridge", "0.1", "--num-samples", "30", "--json"
        )
        (row,) = json.loads(out)["rows"]
        assert (code == 3) == (row["predicted"] is None) == ("have no value" in err)
        codes.append(code)
    assert set(codes) <= {0, 3}
    assert 3 in codes


@pytest.mark.parametrize(
    ("name", "options", "code", "message"),
    [
        ("three", ("--loss", "softmax"), 2, "--ridge is required"),
        ("three", ("--loss", "nearest-mean", "--ridge", "1"), 2, "cannot be given"),
        ("three", ("--loss", "logistic", "--ridge", "1"), 1, "square, softmax, nearest-mean"),
        ("three", ("--loss", "max-margin"), 1, "square, softmax, nearest-mean"),
        ("three", ("--loss", "nearest-mean", "--intercept"), 1, "has its own"),
        (
            "three",
            ("--loss", "softmax", "--ridge", "1", "--class-covariances"),
            1,
            "predicted with a shared one",
        ),
        ("three", ("--loss", "nearest-mean", "--num-samples", "2,30"), 1, "between 3 and 142"),
        ("three", ("--loss", "cubic"), 1, "cubic"),
        ("absent", ("--loss", "nearest-mean"), 1, "not a readable"),
    ],
)
def test_a_mistake_is_one_line_with_its_exit_code(call, files, name, options, code, message):
    found, out, err = call("features", files / f"{name}.npz", *options)
    assert (found, out) == (code, "")
    assert message in err
    if code == 1:
        assert len(err.strip().splitlines()) == 1
