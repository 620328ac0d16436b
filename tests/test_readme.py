"""What the README shows is what happens."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from cli.main import run

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language):
    """The fenced blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_command_line_example_prints_its_number(capsys):
    command, expected = next(b for b in blocks("console") if b.startswith("$")).splitlines()
    assert run(shlex.split(command)[2:]) == 0
    row = json.loads(capsys.readouterr().out)
    shown = re.findall(r'"(\w+)": (0\.\d+)\.\.\.', expected)
    assert len(shown) == 2
    for name, digits in shown:
        assert f"{row[name]:.12f}".startswith(digits)
    assert row["status"] == "converged"


def test_the_python_example_prints_its_comments(capsys):
    code = blocks("python")[0]
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == re.findall(r"# (0\.\d+|\d\.\d+ \w+)$", code, flags=re.MULTILINE)
    before, after = (float(x) for x in printed[2].strip("[]").split())
    assert before < 0 < after


def test_the_figure_command_draws_its_figure(tmp_path, monkeypatch):
    """The README's first command, at its main job: every point exists at R = 2 up to n/p = 10."""
    monkeypatch.chdir(tmp_path)
    line = next(b for b in blocks("console") if "pip install . " in b)
    job = shlex.split(line.split("&&")[-1])
    assert job[0].endswith("/asymptotics")
    assert run(job[1:]) == 0
    assert (tmp_path / "curve.pdf").read_bytes().startswith(b"%PDF")


def test_the_digits_example_predicts_what_is_measured(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn", reason="scikit-learn holds the digits")
    monkeypatch.chdir(tmp_path)
    code = blocks("python")[1]
    exec(compile(code, "README.md", "exec"), {})
    assert run(["features", "digits.npz", "--loss", "max-margin", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) >= 5
    for row in rows:
        # classes of pixels are not Gaussian: two and a half points beyond the noise
        assert abs(row["predicted"] - row["measured"]) < 0.025 + 2 * row["standard_error"]
    assert np.all(np.diff([row["predicted"] for row in rows]) > 0)


def test_the_test_command_is_found_by_continuous_integration():
    script = (Path(__file__).parent.parent / ".ci" / "run").read_text()
    assert "<!-- the test command" in script
    marked = README.split("<!-- the test command")[1].split("```console\n")[1]
    assert marked.startswith("python3 -m venv .venv && .venv/bin/pip install -e '.[test]'")
