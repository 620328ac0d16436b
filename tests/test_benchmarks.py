"""The benchmarks compare what they say, and their page is made of what was measured."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from asymptotics import limit, make_problem

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from benchmarks import page  # noqa: E402
from benchmarks.__main__ import NAMES  # noqa: E402
from benchmarks.points import one_by_one, parameters  # noqa: E402
from benchmarks.published import overlap_ratio  # noqa: E402
from benchmarks.rows import Row, best_of, ratios  # noqa: E402


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_has_a_title_a_text_and_a_measure(name):
    module = import_module(f"benchmarks.{name}")
    assert module.TITLE
    assert len(module.__doc__) > 40
    assert callable(module.measure)


def test_a_ratio_is_to_the_first_row_of_the_same_size():
    rows = [Row("ours", "a", 2.0), Row("theirs", "a", 5.0), Row("ours", "b", 1.0)]
    assert ratios(rows) == [None, 2.5, None]


def test_the_time_kept_is_the_least():
    seconds, result = best_of(lambda: 7, repeats=3)
    assert result == 7
    assert 0 <= seconds < 1


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_the_alternative_by_root_solves_the_same_problem(loss):
    given = parameters(loss, 3)
    batch = limit(make_problem(loss=loss, **given))
    np.testing.assert_allclose(one_by_one(loss, given), batch.m / np.sqrt(batch.q), rtol=1e-9)


@pytest.mark.slow
def test_the_published_way_solves_the_same_problem():
    point = limit(
        make_problem(loss="logistic", signal=1.0, sampling_ratio=2.0, ridge=1.0, gain=1.5)
    )
    found = overlap_ratio(1.0, 2.0, 1.0, 1.5)
    assert found == pytest.approx(float(point.m / np.sqrt(point.q)), abs=1e-6)


def test_the_page_shows_every_row_and_draws_the_growth(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "img").mkdir()
    rows = [Row("ours", "a", 1.0), Row("theirs", "a", 4.0, "1e-9")]
    rows += [Row(f"{n} points", "grid", n * 1e-6, "", "grid:logistic", n) for n in (10, 100, 1000)]
    section = {"title": "T", "text": "What.", "date": "2026-01-01", "machine": "M", "peak_mb": 3.0}
    page.write({"points": section | {"rows": [vars(row) for row in rows]}})
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| a | theirs | 4 | 4 | 1e-9 |" in text
    assert "peak memory 3 MB" in text
    assert (tmp_path / "img" / "bench-growth.png").stat().st_size > 10_000
