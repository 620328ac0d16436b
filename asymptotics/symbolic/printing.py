r"""A statement as plain text, as a LaTeX fragment, or as strings for JSON.

The fragment needs no package: displays in ``\[ \]``, long sums broken over lines of an ``array``.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from asymptotics.symbolic.losses import Sigmoid, Softplus
from asymptotics.symbolic.moments import MOMENTS
from asymptotics.symbolic.statement import Statement

# characters of plain text that fill a line of LaTeX
_LINE = 72

# a moment's integrand as "M' M'' z" in its name: M12z is E[M' M'' z]
_FACTORS = {
    "M1": "M'",
    "M11": "M'^2",
    "M2": "M''",
    "M12": "M' M''",
    "M112": "M'^2 M''",
    "M2z": "M'' z",
    "M2zz": "M'' z^2",
    "M12z": "M' M'' z",
}
_LAWS = {"": "", "p": "+", "m": "-"}
_MOMENTS = {
    f"{moment.__name__}_{label}".rstrip("_"): (_FACTORS[moment.__name__], sign)
    for moment in MOMENTS
    for label, sign in _LAWS.items()
}
_GREEK = {"Phi": r"\Phi", "vhat": r"\hat{V}", "mhat": r"\hat{m}", "qhat": r"\hat{q}"}
_OPAQUE = ("LogCosh", "HTanh", "Alignment", "Uniformity")
_FUNCTIONS = {"loss": r"\ell", "loss'": r"\ell'", "F": "F"} | {
    name: rf"\mathrm{{{name}}}" for name in _OPAQUE
}


class TextPrinter(StrPrinter):
    """One line of plain text."""

    def _print_Symbol(self, symbol: sp.Symbol) -> str:
        if symbol.name in _MOMENTS:
            factors, sign = _MOMENTS[symbol.name]
            return f"E{sign}[{factors}]"
        return str(symbol.name)

    def _print_NormalCdf(self, function: sp.Expr) -> str:
        return f"Phi_N({self._print(function.args[0])})"

    def _print_Infinity(self, infinity: sp.Expr) -> str:
        return "infinity"

    def _print_Piecewise(self, pieces: sp.Piecewise) -> str:
        (first, condition), (second, _) = pieces.args
        return f"{self._print(first)} if {self._print(condition)}, else {self._print(second)}"


class FragmentPrinter(LatexPrinter):
    """LaTeX without packages: what both TeX and matplotlib's mathtext read."""

    def _print_Symbol(self, symbol: sp.Symbol, style: str = "plain") -> str:
        if symbol.name in _MOMENTS:
            factors, sign = _MOMENTS[symbol.name]
            spaced = factors.replace(" ", r"\,")
            return rf"\mathrm{{E}}_{{{sign}}}[{spaced}]" if sign else rf"\mathrm{{E}}[{spaced}]"
        if symbol.name == "accuracy":
            return r"\mathrm{accuracy}"
        return _GREEK.get(symbol.name) or str(super()._print_Symbol(symbol))

    def _print_NormalCdf(self, function: sp.Expr, exp: str | None = None) -> str:
        return rf"\Phi_N\left({self._print(function.args[0])}\right)"

    def _print_Piecewise(self, pieces: sp.Piecewise) -> str:
        (first, condition), (second, _) = pieces.args
        return (
            rf"{self._print(first)} \;\;\mathrm{{if}}\;\; {self._print(condition)}, \quad "
            rf"{self._print(second)} \;\;\mathrm{{else}}"
        )

    def _print_Function(self, function: sp.Expr, exp: str | None = None) -> str:
        name = type(function).__name__
        arguments = ", ".join(self._print(argument) for argument in function.args)
        head = _FUNCTIONS.get(name)
        if head is None:
            return str(super()._print_Function(function, exp))
        text = rf"{head}\left({arguments}\right)"
        return text if exp is None else rf"{text}^{{{exp}}}"


def _elementary(expression: sp.Expr) -> sp.Expr:
    """The numerically safe functions as the formulas they stand for."""
    return expression.replace(Softplus, lambda y: sp.log(1 + sp.exp(y))).replace(
        Sigmoid, lambda y: 1 / (1 + sp.exp(-y))
    )


def text_of(expression: sp.Expr) -> str:
    """An expression on one line, powers as ^."""
    return str(TextPrinter().doprint(_elementary(expression))).replace("**", "^")


def latex_of(expression: sp.Expr) -> str:
    """An expression in LaTeX math."""
    return str(FragmentPrinter().doprint(_elementary(expression)))


def lines(statement: Statement) -> dict[str, list[tuple[str, str]]]:
    """The sections of a statement, each a list of (left, right) in plain text."""
    return {
        "potential": [(statement.name, text_of(statement.potential))],
        "equations": [
            (f"d{statement.name}/d{unknown.name}", f"{text_of(expression)} = 0")
            for unknown, expression in statement.equations
        ],
        "formulas": [(text_of(left), text_of(right)) for left, right in statement.formulas],
        "definitions": [(entry.symbol, entry.text) for entry in statement.definitions],
    }


def as_text(statement: Statement) -> str:
    """The sections under their names, a symbol or an equation a line."""
    blocks = [statement.title]
    for name, entries in lines(statement).items():
        if entries:
            body = "\n".join(f"  {left} = {right}" for left, right in _worded(name, entries))
            blocks.append(f"{name}\n{body}")
    return "\n\n".join(blocks)


def _worded(name: str, entries: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    width = max(len(left) for left, _ in entries) if name == "definitions" else 0
    for left, right in entries:
        yield left.ljust(width), right


def as_record(statement: Statement) -> dict[str, object]:
    """``potential`` a string, ``equations`` a list of strings, the rest by name; and ``latex``."""
    sections = lines(statement)
    return {
        "title": statement.title,
        "potential": f"{statement.name} = {sections['potential'][0][1]}",
        "equations": [f"{left} = {right}" for left, right in sections["equations"]],
        "formulas": dict(sections["formulas"]),
        "definitions": dict(sections["definitions"]),
        "latex": as_latex(statement),
    }


def as_latex(statement: Statement) -> str:
    """A fragment that compiles as it stands in the body of any document."""
    name = _GREEK.get(statement.name, statement.name)
    displays = [_display(name, statement.potential, "")]
    for unknown, expression in statement.equations:
        left = rf"\frac{{\partial {name}}}{{\partial {latex_of(unknown)}}}"
        displays.append(_display(left, expression, " = 0"))
    displays += [_display(latex_of(left), right, "") for left, right in statement.formulas]
    math = [entry for entry in statement.definitions if entry.latex]
    words = [entry for entry in statement.definitions if not entry.latex]
    displays += [rf"\[ {entry.latex_symbol} = {entry.latex} \]" for entry in math]
    listed = "; ".join(f"${entry.latex_symbol}$: {_prose(entry.text)}" for entry in words)
    return "\n".join([*displays, f"{listed}.", ""])


def _prose(words: str) -> str:
    """Words whose formulas are ASCII, made safe for TeX."""
    replaced = words.replace("+-R muhat", r"$\pm R\hat\mu$").replace("muhat", r"$\hat\mu$")
    replaced = replaced.replace("(1/n) sum loss + (lambda/2) |theta|^2", _PENALISED)
    replaced = replaced.replace("W^T W", "$W^T W$").replace("|z|^2", "$|z|^2$")
    return replaced.replace("0 <= u <= 1", r"$0 \leq u \leq 1$").replace(
        "theta.z", r"$\theta\cdot z$"
    )


_PENALISED = r"$\frac{1}{n} \sum_i \ell(y_i\, z_i\cdot\theta) + \frac{\lambda}{2} |\theta|^2$"


def _display(left: str, expression: sp.Expr, right: str) -> str:
    rows = [latex_of(sp.Add(*terms)) for terms in _rows(expression)]
    if len(rows) == 1:
        return rf"\[ {left} = {rows[0]}{right} \]"
    rest = [row if row.startswith("-") else f"+ {row}" for row in rows[1:]]
    joined = " \\\\[1ex]\n\\displaystyle \\quad {} ".join([f"{left} = {rows[0]}", *rest])
    return f"\\[ \\begin{{array}}{{l}}\n\\displaystyle {joined}{right}\n\\end{{array}} \\]"


def _rows(expression: sp.Expr) -> list[list[sp.Expr]]:
    """The terms of a sum, in as few lines as their printed lengths allow."""
    rows: list[list[sp.Expr]] = []
    length = _LINE
    for term in expression.as_ordered_terms():
        size = len(text_of(term))
        if length + size > _LINE:
            rows.append([])
            length = 0
        rows[-1].append(term)
        length += size
    return rows
