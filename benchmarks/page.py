"""docs/benchmarks.md and its figure, from the measured rows."""

from __future__ import annotations

import platform
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.rows import Row, ratios

DOCS = Path(__file__).parent.parent / "docs"

_HEAD = """# Benchmarks

Made by `python -m benchmarks`. Times are seconds on one shared machine, and noisy; the ratios are
of one run: how many times as long the alternative takes as the first row of its group.
`python -m benchmarks NAME` measures one section again.
"""
_PANELS = {
    "grid": ("points", "seconds"),
    "dimension": ("dimension d or p", "seconds"),
    "classes": ("classes K", "seconds"),
    "digits": ("proved digits", "seconds"),
}


def machine() -> str:
    """Processor and versions, one line."""
    names = ("numpy", "scipy", "scikit-learn", "torch")
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except ModuleNotFoundError:
            continue
    return f"{_processor()}, Python {platform.python_version()}, {', '.join(found)}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def table(rows: list[Row]) -> str:
    """The rows of a section in Markdown, a group of one size after another."""
    lines = ["| job | way | seconds | ratio | reached |", "|---|---|--:|--:|---|"]
    for row, ratio in zip(rows, ratios(rows), strict=True):
        shown = "" if ratio is None or row.series else f"{ratio:.3g}"
        lines.append(f"| {row.size} | {row.name} | {row.seconds:.3g} | {shown} | {row.reached} |")
    return "\n".join(lines)


def write(sections: dict[str, dict[str, Any]]) -> None:
    """The page, from {name: {title, text, date, machine, peak_mb, rows}}."""
    parts = [_HEAD]
    for section in sections.values():
        rows = [Row(**row) for row in section["rows"]]
        parts += [f"## {section['title']}", section["text"]]
        where = f"{section['date']}; {section['machine']}; peak memory {section['peak_mb']:.0f} MB."
        parts += [where, table(rows)]
    series = _series(sections)
    if series:
        figure(series).savefig(DOCS / "img" / "bench-growth.png", dpi=150)
        parts.append("![How cost grows](img/bench-growth.png)")
    (DOCS / "benchmarks.md").write_text("\n\n".join(parts) + "\n")


def _series(sections: dict[str, dict[str, Any]]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """{panel: {label: [(x, seconds)]}} of the rows that have a series."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for section in sections.values():
        for row in section["rows"]:
            panel, _, label = row["series"].partition(":")
            if panel in _PANELS:
                found[panel][label].append((row["x"], row["seconds"]))
    return found


def figure(series: dict[str, dict[str, list[tuple[float, float]]]]) -> Figure:
    """A panel a quantity, logarithmic axes; beside each line the slope of its upper half."""
    drawn = Figure(figsize=(9, 6.4), layout="constrained")
    for axes, (panel, lines) in zip(np.ravel(drawn.subplots(2, 2)), series.items(), strict=False):
        for label, points in lines.items():
            x, y = np.array(sorted(points)).T
            half = len(x) // 2
            slope = np.polyfit(np.log(x[half:]), np.log(y[half:]), 1)[0]
            axes.loglog(x, y, "o-", ms=3.5, label=f"{label}: slope {slope:.1f}")
            if panel in ("classes", "digits"):
                axes.set_xticks(x, [f"{value:g}" for value in x], minor=False)
                axes.set_xticks([], minor=True)
        axes.set_xlabel(_PANELS[panel][0])
        axes.set_ylabel(_PANELS[panel][1])
        axes.legend(fontsize=8, frameon=False)
        axes.grid(alpha=0.3, which="major")
    return drawn
