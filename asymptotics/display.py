"""Tables for readers: HTML for a notebook, LaTeX for a paper.

A number is shown to the digits that its error allows where the table knows the error (`accuracy`
and `test_error` beside `error_estimate`), else to six; a missing one is a dash.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_SHOWN = 20  # rows of a notebook's table: the first and last ten of a longer one
_TEX = str.maketrans(
    {
        **{c: f"\\{c}" for c in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def cell(value: Any, error: float | None = None) -> str:
    """A number to at most ten digits, no more than `error` leaves; text as it is."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if error is None or not np.isfinite(error) or value == 0:
        return f"{value:.6g}"
    digits = np.log10(abs(value)) - np.log10(max(error, 1e-300))
    return f"{value:.{int(np.clip(np.floor(digits), 1, 10))}g}"


def cells(row: Mapping[str, Any]) -> list[str]:
    """The texts of a row; the columns that `error_estimate` belongs to know it."""
    error = row.get("error_estimate")
    known = {name: error for name in ("accuracy", "test_error") if error is not None}
    return [cell(value, known.get(name)) for name, value in row.items()]


def to_html(names: Sequence[str], rows: Sequence[Mapping[str, Any]], count: int) -> str:
    """A table of `rows`, the first and last of `count`; a gap is a line of dots."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = [
        f"<tr>{''.join(f'<td>{html.escape(x)}</td>' for x in cells(row))}</tr>" for row in rows
    ]
    if count > len(rows):
        gap = f'<tr><td colspan="{len(names)}">… {count - len(rows)} more …</td></tr>'
        lines.insert(len(rows) // 2, gap)
    body = "\n".join(lines)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def to_latex(names: Sequence[str], rows: Sequence[Mapping[str, Any]], caption: str = "") -> str:
    """A booktabs table, every text escaped; with a `caption` it floats."""
    lines = [" & ".join(name.replace("_", " ").translate(_TEX) for name in names) + r" \\"]
    lines += [" & ".join(x.translate(_TEX) for x in cells(row)) + r" \\" for row in rows]
    numbers = "".join("r" if _is_number(rows, name) else "l" for name in names)
    parts = [rf"\begin{{tabular}}{{{numbers}}}", r"\toprule", lines[0], r"\midrule", *lines[1:]]
    parts += [r"\bottomrule", r"\end{tabular}"]
    if caption:
        parts = [r"\begin{table}", r"\centering", rf"\caption{{{caption.translate(_TEX)}}}", *parts]
        parts.append(r"\end{table}")
    return "% needs \\usepackage{booktabs}\n" + "\n".join(parts) + "\n"


def _is_number(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return all(row[name] is None or isinstance(row[name], (int, float)) for row in rows)


def shown_rows(count: int) -> list[int]:
    """The rows of a table of `count` that a notebook shows."""
    if count <= _SHOWN:
        return list(range(count))
    return [*range(_SHOWN // 2), *range(count - _SHOWN // 2, count)]
