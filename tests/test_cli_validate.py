"""`asymptotics validate` as its user meets it: table, verdict, exit code, interruption."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from validation.checks import probe as probe_check
from validation.store import Store

ROOT = Path(__file__).parent.parent
PROBLEM = ["--sampling-ratio", "2", "--ridge", "0.1", "--probe-dimensions", "30,60,120"]
PROBE = ["validate", "probe", "--loss", "logistic", "--signal", "2", *PROBLEM, "--jobs", "1"]
VIEWS = ["--objective", "spectral", "--signal", "1", "--augmentation", "1", "--dimension", "4"]
TRAINING = ["--batch-size", "32", "--max-pairs", "65536", "--gain-error", "0.05", "--jobs", "1"]
FEW = ["--trials", "16"]
KEYS = {"quantity", "theory", "mean", "standard_error", "z", "status"}


def test_a_right_theory_exits_0_with_rows_and_a_verdict(call):
    code, out, err = call(*PROBE, *FEW, "--json")
    content = json.loads(out)
    assert code == 0
    assert content["agreement"] is True
    assert content["level"] == 0.01
    [row] = content["rows"]
    assert set(row) >= KEYS
    assert row["signal"] == 2.0
    assert [finite["size"] for finite in content["finite"]] == [30, 60, 120]
    assert content["config"]["parameters"]["seed"] == 0
    assert "agree in all 1 rows" in err


def test_the_table_ends_with_the_verdict_and_its_false_alarm_rate(call):
    code, out, err = call(*PROBE, *FEW, "--gain", "0.5,1", "--accuracy-error", "0.02")
    assert (code, err) == (0, "")
    header, *rows, verdict = out.splitlines()
    assert header.split()[:4] == ["gain", "quantity", "theory", "mean"]
    assert len(rows) == 2
    assert "false alarms in at most 1% of such tables" in verdict


def test_a_wrong_theory_exits_4(call, monkeypatch):
    honest = probe_check.predict

    def one_percent_off(points, fixed):
        return probe_check._claimed(honest(points, fixed), 1.01 * honest(points, fixed)[0].value)

    monkeypatch.setattr(probe_check, "predict", one_percent_off)
    code, out, err = call(*PROBE, "--trials", 40, "--json")
    assert code == 4
    assert json.loads(out)["agreement"] is False
    assert "theory and simulation disagree: 1 disagrees" in err


def test_a_check_that_decides_nothing_exits_3(call):
    code, out, err = call(*PROBE, *FEW, "--accuracy-error", 1e-6, "--json")
    assert code == 3
    assert json.loads(out)["agreement"] is None
    assert "1 too noisy" in err


@pytest.mark.parametrize("ending", ["svg", "csv", "npz"])
def test_figures_and_data_carry_their_configuration(call, tmp_path, ending):
    target = tmp_path / f"agreement.{ending}"
    code, out, _ = call(*PROBE, *FEW, "--sampling-ratio", "1,2,3", "-o", target)
    assert (code, out) == (0, "")
    if ending == "svg":
        text = target.read_text()
        assert "validate probe" in text
        assert "simulation" in text
    elif ending == "csv":
        assert len(target.read_text().splitlines()) == 4
        assert json.loads(Path(f"{target}.config.json").read_text())["agreement"] is True
    else:
        with np.load(target) as archive:
            assert archive["status"].tolist() == ["agrees"] * 3
            assert "validate probe" in str(archive["config"])


@pytest.mark.slow
def test_heads_are_trained_against_theory(call):
    code, out, _ = call("validate", "projector", *VIEWS, *TRAINING, "--json")
    assert code == 0
    assert json.loads(out)["rows"][0]["quantity"] == "log_gain"


@pytest.mark.slow
def test_the_whole_pipeline_has_its_three_rows(call):
    probe = ["--loss", "square", *PROBLEM, *FEW, "--accuracy-error", "0.02"]
    code, out, _ = call("validate", "pipeline", *VIEWS, *TRAINING, *probe, "--json")
    names = [row["quantity"] for row in json.loads(out)["rows"]]
    assert code == 0
    assert names == ["log_gain", "accuracy_before", "accuracy_after"]


def test_ctrl_c_leaves_a_file_that_resumes_to_the_same_bits(call, tmp_path):
    path = tmp_path / "sweep.sqlite"
    arguments = [*PROBE, "--trials", "80", "--store", str(path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while _stored(path) < 3 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "results are kept" in err
    assert 0 < _stored(path) < 80
    code, _, err = call(*arguments)
    assert code == 1
    assert "use resume" in err
    code, resumed, _ = call(*arguments, "--resume", "--json")
    assert code == 0
    _, whole, _ = call(*PROBE, "--trials", 80, "--json")
    assert json.loads(resumed)["rows"] == json.loads(whole)["rows"]


def _stored(path):
    if not path.exists() or path.stat().st_size == 0:
        return 0
    with Store(path) as store:
        return len(store)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([*PROBE, "--resume"], 2, "--resume needs the --store"),
        ([*PROBE, "--scheduler", "tcp://x:1"], 2, "exclude one another"),
        ([*PROBE[:-2], "--scheduler", "nowhere"], 1, "tcp://host:8786"),
        ([*PROBE, "--probe-dimensions", "10,x"], 2, "expected whole numbers"),
        ([*PROBE, "--probe-dimensions", "10,20"], 1, "three or more"),
        ([*PROBE, "--trials", "2"], 2, "trials"),
        ([*PROBE, "--store", "/nonexistent/x.sqlite"], 1, "x.sqlite"),
        (["validate", "projector", "--signal", "1"], 2, "--augmentation is required"),
        (["validate", "pipeline", "--gain", "1", *PROBE[2:-4]], 2, "exclude one another"),
    ],
)
def test_bad_input_is_one_line_and_its_exit_code(call, arguments, code, message):
    pytest.importorskip("distributed") if "nowhere" in arguments else None
    got, out, err = call(*arguments)
    assert got == code
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("multiclass", "--classes", "3", "--loss", "nearest-mean", "--sampling-ratio", "1.5"),
        ("pretraining", "--pretraining-ratio", "6", "--augmentation", "1"),
    ],
)
def test_other_checks_have_the_same_verdicts(call, arguments):
    code, out, err = call(
        "validate", *arguments, "--signal", "2", "--trials", "8", "--jobs", "1", "--json"
    )
    content = json.loads(out)
    assert content["agreement"] is {0: True, 3: None, 4: False}[code]
    assert code != 4  # a right theory
    assert all(abs(row["z"]) < 5 for row in content["rows"])
    assert err.count("\n") == 1
