"""The command line as its user meets it: values, files, exit codes, one-line errors."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli.grids import parse_grid
from cli.main import COMMANDS, run

POINT = ["--loss", "logistic", "--signal", "1.5", "--sampling-ratio", "1.5", "--ridge", "0.1"]


def test_accuracy_prints_the_reference_value_as_json(call):
    code, out, err = call("accuracy", *POINT, "--gain", 2, "--json")
    row = json.loads(out)
    assert code == 0
    assert err == ""
    assert row["accuracy"] == pytest.approx(0.91800538, abs=5e-9)
    assert row["converged"] is True
    assert row["ridge_convention"] == "mean"
    assert row["threshold"] is None
    for key in ("test_error", "residual", "error_estimate", "status", "order_parameters"):
        assert key in row


def test_accuracy_prints_a_table_with_the_ridge_convention(call):
    code, out, _ = call("accuracy", *POINT, "--ridge-convention", "scaled-sum")
    assert code == 0
    assert "scaled-sum" in out


def test_a_limit_that_does_not_exist_names_its_threshold(call):
    code, out, err = call("accuracy", "--loss", "max-margin", "--signal", 1, "--sampling-ratio", 5)
    assert code == 1
    assert out == ""
    assert "separability threshold 3.7000335" in err


def test_curve_marks_points_past_separability_and_exits_3(call, tmp_path):
    target = tmp_path / "curve.json"
    code, _, err = call(
        *("curve", "--loss", "max-margin", "--signal", 1, "--sampling-ratio", "1:5:5"),
        *("--gain", "0.5,2", "-o", target),
    )
    content = json.loads(target.read_text())
    assert code == 3
    assert "4 of 10 points have no limit" in err
    assert len(content["rows"]) == 10
    missing = [row for row in content["rows"] if row["accuracy"] is None]
    assert {row["status"] for row in missing} == {"no limit"}
    assert {row["sampling_ratio"] for row in missing} == {4.0, 5.0}
    assert all(row["threshold"] == pytest.approx(3.70003346) for row in missing)


@pytest.mark.parametrize("ending", ["csv", "json", "npz", "pdf", "svg", "png"])
def test_every_file_carries_its_configuration(call, tmp_path, ending):
    target = tmp_path / f"curve.{ending}"
    code, out, _ = call("curve", *POINT[:-2], "--ridge", "0.1,1", "-o", target)
    assert code == 0
    assert out == ""
    content = target.read_bytes()
    expected = [target.name]
    if ending == "csv":
        config = (tmp_path / "curve.csv.config.json").read_text()
        expected.append("curve.csv.config.json")
    elif ending == "npz":
        with np.load(target) as archive:
            config = str(archive["config"])
            assert archive["accuracy"].shape == (2,)
    elif ending == "pdf":
        config = content.decode("latin1").replace("\\(", "(").replace("\\)", ")")
    else:
        config = content.decode("latin1").replace("&quot;", '"')
    assert '"command"' in config
    assert "sampling_ratio" in config
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


def test_csv_reads_back_with_numpy(call, tmp_path):
    target = tmp_path / "curve.csv"
    call("curve", *POINT, "--gain", "0.5,1,2", "-o", target)
    table = np.genfromtxt(target, delimiter=",", names=True, dtype=None, encoding="utf-8")
    np.testing.assert_allclose(table["accuracy"], [0.78891233, 0.89182566, 0.91800538], atol=6e-9)


def test_thresholds_print_both(call):
    code, out, _ = call("thresholds", "--signal", 1, "--json")
    row = json.loads(out)
    assert code == 0
    assert row["separability"] == pytest.approx(3.70003346, abs=5e-9)
    assert row["interpolation"] == 1.0


def test_spectrum_files_of_every_format_agree(call, tmp_path):
    table = {"eigenvalues": [1.0, 4.0], "weights": [1.0, 0.0], "squared_means": [0.0, 9.0]}
    (tmp_path / "s.json").write_text(json.dumps(table))
    rows = zip(*table.values(), strict=True)
    lines = [",".join(table), *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "s.csv").write_text("\n".join(lines))
    np.savez(tmp_path / "s.npz", **table)
    values = []
    for ending in ("json", "csv", "npz"):
        options = ("--spectrum", tmp_path / f"s.{ending}", "--sampling-ratio", 1.5, "--ridge", 0.1)
        code, out, _ = call("accuracy", "--loss", "logistic", *options, "--json")
        assert code == 0
        values.append(json.loads(out)["accuracy"])
    assert values == [pytest.approx(0.91800538, abs=5e-9)] * 3


def test_arrays_with_a_projector_are_read(call, tmp_path):
    mean = np.zeros(50)
    mean[0] = 1.5
    np.savez(tmp_path / "a.npz", mean=mean, projector=np.eye(50)[:20])
    options = ("--arrays", tmp_path / "a.npz", "--sampling-ratio", 1.5)
    code, out, _ = call("accuracy", "--loss", "least-squares", *options, "--json")
    assert code == 0
    assert 0.7 < json.loads(out)["accuracy"] < 0.8


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["accuracy", *POINT[:-2]], 2, "--ridge is required with --loss logistic"),
        (["accuracy", *POINT[:-1], "-0.1"], 1, "ridge must be finite and > 0, got -0.1"),
        (["accuracy", *POINT, "--sampling-ratio", "0"], 1, "sampling_ratio must be finite and > 0"),
        (["accuracy", *POINT, "--signal", "nan"], 1, "--signal: every value must be finite"),
        (["accuracy", *POINT, "--gain", "1,2"], 2, "--gain must be a single number here"),
        (["accuracy", *POINT, "--loss", "huber"], 1, "loss must be one of"),
        (["accuracy", *POINT, "--loss", "bayes"], 2, "--ridge cannot be given"),
        (["accuracy", *POINT, "--spectrum", "x.csv"], 2, "exactly one of --signal, --spectrum"),
        (["accuracy", *POINT, "--colour", "red"], 2, "No such option"),
        (["accuracy", *POINT, "--ridge-convention", "C"], 2, "--num-samples is required"),
        (["curve", *POINT, "--gain", "2:1:5"], 1, "--gain: a grid must run upwards, got 2:1"),
        (["curve", *POINT, "--gain", "0:1:5:log"], 1, "a log grid must start above 0"),
        (["curve", *POINT, "--gain", "1:2:1"], 1, "a grid needs 2 to"),
        (["curve", *POINT, "--gain", "1:2"], 1, "--gain: expected a number, a list"),
        (["curve", *POINT, "-o", "curve.xls"], 1, "the ending must be one of .csv"),
        (["curve", *POINT, "-o", "/nowhere/curve.csv"], 1, "the folder /nowhere does not exist"),
        (["acuracy", *POINT], 2, "did you mean accuracy?"),
        (["thresholds", "--signal", "-1"], 1, "signal must be finite and >= 0, got -1"),
    ],
)
def test_bad_input_is_one_line_and_a_code(call, arguments, code, message):
    found, out, err = call(*arguments)
    assert found == code
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable .npz"),
        (b"PK\x03\x04 broken", "not a readable .npz"),
        (None, "No such file"),
    ],
)
def test_a_malformed_file_is_one_line(call, tmp_path, content, message):
    path = tmp_path / "a.npz"
    if content is not None:
        path.write_bytes(content)
    code, _, err = call(
        *("accuracy", "--loss", "least-squares", "--arrays", path, "--sampling-ratio", 2)
    )
    assert code == 1
    assert message in err
    assert err.count("\n") == 1


def test_complex_arrays_are_refused(call, tmp_path):
    np.savez(tmp_path / "a.npz", mean=np.array([1 + 1j]))
    options = ("--arrays", tmp_path / "a.npz", "--sampling-ratio", 1)
    code, out, err = call("accuracy", "--loss", "averaging", *options)
    assert (code, out) == (1, "")
    assert "the array 'mean' is complex" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a header and at least one row are needed"),
        ("eigenvalues,weights,squared_means", "a header and at least one row are needed"),
        ("weights,weights\n1,1", "a column appears twice"),
    ],
)
def test_a_malformed_spectrum_is_one_line(call, tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    options = ("--spectrum", tmp_path / "s.csv", "--sampling-ratio", 2)
    code, _, err = call("accuracy", "--loss", "least-squares", *options)
    assert code == 1
    assert message in err


def test_a_missing_array_is_named(call, tmp_path):
    np.savez(tmp_path / "a.npz", covariance=np.eye(2))
    options = ("--arrays", tmp_path / "a.npz", "--sampling-ratio", 2)
    code, _, err = call("accuracy", "--loss", "least-squares", *options)
    assert code == 1
    assert "the array 'mean' is missing, found covariance" in err


def test_a_failed_write_leaves_no_file(call, tmp_path, monkeypatch):
    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    code, _, err = call("curve", *POINT, "-o", tmp_path / "curve.csv")
    assert code == 1
    assert "No space left on device" in err
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_survives_a_failed_write(call, tmp_path, monkeypatch):
    target = tmp_path / "curve.csv"
    target.write_text("mine")
    monkeypatch.setattr(os, "replace", lambda *names: (_ for _ in ()).throw(OSError(5, "broken")))
    assert call("curve", *POINT, "-o", target)[0] == 1
    assert target.read_text() == "mine"


def test_an_interrupt_exits_130_without_a_traceback(call, monkeypatch):
    import asymptotics.sweep

    def interrupted(**parameters):
        raise KeyboardInterrupt

    monkeypatch.setattr(asymptotics.sweep, "accuracy", interrupted)
    code, out, err = call("accuracy", *POINT)
    assert (code, out, err.strip()) == (130, "", "asymptotics: interrupted")


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert "Usage:" in out


def test_a_closed_pipe_is_not_an_error():
    """`asymptotics curve ... | head -1` ends quietly."""
    curve = f"{sys.executable} -m cli curve {' '.join(POINT)} --gain 0.1:10:400"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {curve} | head -1"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    # the note on the ridge comes through where the pipe took every row before it closed
    assert done.stderr in ("", "ridge in the mean convention\n")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", [0.5]),
        ("1,2,4", [1, 2, 4]),
        ("0:1:3", [0, 0.5, 1]),
        ("0.01:1:3:log", [0.01, 0.1, 1]),
        ("1e-3", [1e-3]),
    ],
)
def test_grid_syntax(text, expected):
    np.testing.assert_allclose(parse_grid(text, "--x"), expected, rtol=1e-14)


def test_a_spectrum_file_is_named_in_the_configuration(call, tmp_path):
    path = tmp_path / "spectrum.json"
    path.write_text('{"eigenvalues": [1, 2], "weights": [0.5, 0.5], "squared_means": [1, 1]}')
    code, out, _ = call(
        "curve", "--spectrum", path, "--loss", "averaging", "--sampling-ratio", "1,2", "--json"
    )
    assert code == 0
    assert json.loads(out)["config"]["parameters"]["spectrum"] == str(path)


@pytest.mark.parametrize("ending", ["csv", "json", "npz"])
def test_a_grid_too_large_to_hold_is_written_as_one_that_is_held(
    ending, tmp_path, monkeypatch, capfd
):
    words = ["curve", "--loss", "max-margin", "--signal", "1", "--sampling-ratio", "0.5:9:30"]
    words += ["--gain", "0.5,1,2", "-o"]
    held, streamed = tmp_path / f"held.{ending}", tmp_path / f"streamed.{ending}"
    assert run([*words, str(held)]) == 3
    told = capfd.readouterr().err
    monkeypatch.setattr("cli.output._HELD", 10)
    monkeypatch.setattr("asymptotics.sweep.PART", 7)
    assert run([*words, str(streamed)]) == 3
    assert capfd.readouterr().err == told
    first, second = (rows_of(path) for path in (held, streamed))
    assert len(first) == len(second) == 90
    for one, other in zip(first, second, strict=True):
        assert one["status"] == other["status"]
        if one["status"] == "converged":
            assert float(one["accuracy"]) == pytest.approx(float(other["accuracy"]), abs=1e-13)


@pytest.mark.parametrize("ending", ["csv", "json", "npz"])
def test_a_phase_diagram_too_large_to_hold_is_written_as_one_that_is_held(
    ending, tmp_path, monkeypatch, capfd
):
    words = ["phase", "--objective", "cosine-scaled", "--signal", "2", "--dimension", "50"]
    words += ["--augmentation", "0.1:2:9", "--temperature", "0.02:10:11:log", "-o"]
    words += [] if ending == "json" else ["--loss", "max-margin", "--sampling-ratio", "30"]
    words.append(words.pop(words.index("-o")))
    held, streamed = tmp_path / f"held.{ending}", tmp_path / f"streamed.{ending}"
    code = run([*words, str(held)])
    told = capfd.readouterr().err
    monkeypatch.setattr("cli.output._HELD", 10)
    monkeypatch.setattr("asymptotics.sweep.PART", 7)
    assert run([*words, str(streamed)]) == code == (0 if ending == "json" else 3)
    assert capfd.readouterr().err == told
    first, second = (rows_of(path) for path in (held, streamed))
    assert len(first) == len(second) == 99
    for one, other in zip(first, second, strict=True):
        assert one["status"] == other["status"]
        assert float(one["gain"]) == pytest.approx(float(other["gain"]), rel=1e-12)
    branches, others = (said_of(path)["boundaries"] for path in (held, streamed))
    assert [b["name"] for b in branches] == [b["name"] for b in others] != []
    for one, other in zip(branches, others, strict=True):
        np.testing.assert_allclose(one["temperature"], other["temperature"], rtol=1e-7)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


@pytest.mark.parametrize("ending", ["csv", "json", "npz"])
def test_a_full_disk_under_a_streamed_file_is_one_line_and_no_file(ending, tmp_path):
    words = "curve --loss square --ridge 1 --signal 1 --sampling-ratio 0.5:9:200 --gain 0.5:2:40 -o"
    program = f"""
import resource
import asymptotics.sweep
import cli.output
from cli.main import run
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
cli.output._HELD, asymptotics.sweep.PART = 10, 2000
raise SystemExit(run({[*words.split(), str(tmp_path / f"a.{ending}")]!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "asymptotics: File too large\n"
    assert list(tmp_path.iterdir()) == []


def said_of(path):
    if path.suffix == ".npz":
        return json.loads(str(np.load(path)["config"]))
    if path.suffix == ".json":
        return json.loads(path.read_text())
    return json.loads(path.with_name(path.name + ".config.json").read_text())


def rows_of(path):
    if path.suffix == ".npz":
        arrays = dict(np.load(path))
        del arrays["config"]
        names = list(arrays)
        return [dict(zip(names, row, strict=True)) for row in zip(*arrays.values(), strict=True)]
    if path.suffix == ".json":
        return json.loads(path.read_text())["rows"]
    with path.open() as file:
        return list(csv.DictReader(file))
