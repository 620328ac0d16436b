"""Tables as a notebook and a paper show them."""

import shutil
import subprocess

import numpy as np
import pytest

from asymptotics import accuracy, curve, phase_diagram, projector
from asymptotics.display import cell
from asymptotics.table import Table
from cli.main import run


def test_a_number_has_the_digits_that_its_error_allows():
    assert cell(0.9180053812, 1e-14) == "0.9180053812"
    assert cell(0.9180053812, 1e-4) == "0.918"
    assert cell(0.9180053812) == "0.918005"
    assert cell(float("nan")) == cell(None) == "-"
    assert cell(0.0, 1e-3) == "0"
    assert cell("converged") == "converged"


def test_a_long_table_shows_its_ends_in_a_notebook():
    page = Table({"n": np.arange(1000.0)})._repr_html_()
    assert page.count("<tr>") == 22
    assert "980 more" in page
    assert "<td>999</td>" in page


def test_text_is_escaped():
    table = Table({"name": np.array(["<b> & 5%_"])})
    assert "&lt;b&gt; &amp; 5%_" in table._repr_html_()
    assert r"<b> \& 5\%\_" in table.to_latex()


def test_a_limit_is_a_table_in_a_notebook():
    point = accuracy(loss="square", signal=1.0, sampling_ratio=[1.0, 2.0], ridge=0.1)
    page = point._repr_html_()
    assert page.count("<tr>") == 3
    assert f"{float(point.accuracy[1]):.10g}"[:8] in page


def test_a_trained_head_is_a_table_in_a_notebook():
    head = projector(
        "cosine-scaled", signal=2.0, dimension=50, augmentation=1.0, temperature=[0.1, 1.0]
    )
    assert "expansion_measure" in head._repr_html_()
    assert len(head.table()) == 2


def test_missing_values_are_dashes_in_latex():
    table = curve(loss="max-margin", signal=1.0, sampling_ratio=[1.0, 9.0])
    lines = table.to_latex().splitlines()
    assert next(line for line in lines if "no limit" in line).count(" - ") >= 2


def test_the_latex_file_carries_its_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["curve", "--loss", "square", "--signal", "1", "--ridge", "0.1"]
    words += ["--sampling-ratio", "1,2", "-o", "t.tex"]
    monkeypatch.setattr("sys.argv", ["asymptotics", *words])
    assert run(words) == 0
    text = (tmp_path / "t.tex").read_text()
    assert r"\caption{asymptotics curve --loss square" in text
    assert text.startswith("% {")


def test_a_phase_diagram_is_a_figure_in_a_notebook():
    axes = {"temperature": [0.5, 1.0, 2.0], "augmentation": [0.5, 1.0]}
    diagram = phase_diagram(objective="cosine-scaled", signal=2.0, dimension=50.0, **axes)
    assert "<svg" in diagram._repr_svg_()
    assert len(diagram.figure("log-gain").axes) >= 2


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here")
def test_the_latex_file_compiles(tmp_path):
    table = curve(loss="square", signal=1.0, sampling_ratio=[1.0, 2.0], ridge=0.1)
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "t.tex").write_text(document + table.to_latex("a_b") + r"\end{document}")
    subprocess.run(["pdflatex", "-interaction=batchmode", "t.tex"], cwd=tmp_path, check=True)
