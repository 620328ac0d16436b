"""Unicode mathematics, as the theory pages write it for a terminal, into LaTeX.

    to_latex("V̂ ≤ √(1 + q₀²)")  ==  r"\\hat{V} \\le \\sqrt{1 + q_{0}^{2}}"

A table of characters and a few rules of scope; a character that is not in the table is an error,
never a gap.
"""

from __future__ import annotations

import re
import unicodedata


class UnknownCharacter(ValueError):
    """A character that the table does not have."""


_GREEK = {
    letter: unicodedata.name(letter).rsplit(" ", 1)[1].lower()
    for letter in "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
}
_GREEK = {
    letter: "\\" + {"lamda": "lambda"}.get(name, name).replace("epsilon", "varepsilon")
    for letter, name in _GREEK.items()
}
_GREEK |= {x: _GREEK[x][0] + _GREEK[x][1:].capitalize() for x in "ΓΔΘΛΞΠΣΦΨΩ"}
_GREEK |= {"φ": r"\varphi", "Ζ": "Z", "Ε": "E", "ℓ": r"\ell", "∂": r"\partial", "∇": r"\nabla"}
_GREEK["∞"] = r"\infty"
_SYMBOLS = {
    "−": "-",
    "·": r"\cdot ",
    "×": r"\times ",
    "±": r"\pm ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "≈": r"\approx ",
    "≃": r"\simeq ",
    "∼": r"\sim ",
    "~": r"\sim ",
    "∝": r"\propto ",
    "∈": r"\in ",
    "→": r"\to ",
    "←": r"\leftarrow ",
    "⟹": r"\Longrightarrow ",
    "⪯": r"\preceq ",
    "⪰": r"\succeq ",
    "∘": r"\circ ",
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    "⋯": r"\cdots ",
    "…": r"\ldots ",
    "∫": r"\int ",
    "Σ": r"\sum ",
    "½": r"\tfrac{1}{2}",
    "⅓": r"\tfrac{1}{3}",
    "¼": r"\tfrac{1}{4}",
    "‖": r"\Vert ",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "ᵒ": r"{}^{\circ}",
    "⊕": r"\oplus ",
    "⊤": r"\top ",
    "∓": r"\mp ",
    "≪": r"\ll ",
    "≫": r"\gg ",
    "\u00a0": r"\ ",
}
_PLAIN = set("()[]|=<>+-/,.:;!?'\"") | set("0123456789")
_ACCENTS = {
    "\u0302": "hat",
    "\u0304": "bar",
    "\u0303": "tilde",
    "\u0307": "dot",
    "\u0308": "ddot",
}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵏⁱⁿʲ⁎", "0123456789+-Tkinj*", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼₖₙₚ", "0123456789+-ijknp", strict=True))
_PRIMES = {"′": "'", "″": "''", "‴": "'''"}
_FUNCTIONS = re.compile(
    "(?:log|exp|sin|cos|tan|cosh|sinh|tanh|arcsinh|artanh|arcsin|arccos|arctan|min|max|sup|inf|"
    "argmin|argmax|tr|det|sgn|erfc?|Var|Cov|rank|diag|sech|lim|arg|mod)$"
)
_NAMES = (
    "alpha|beta|gamma|delta|zeta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi|psi|"
    "omega|int|sum|prod"
)
_NAME = re.compile(f"(?:{_NAMES})$")
# letters beside one another are a product; these are words
_SHORT = "an|as|at|be|by|if|in|is|it|no|of|on|or|so|to|we|tr"
_WORD = re.compile(rf"[A-Z]?[a-z]{{3,}}(?:-[a-z]{{2,}})*|(?:{_SHORT}|{_NAMES})(?![A-Za-z])")


def to_latex(text: str) -> str:
    """The LaTeX of one line. Raises UnknownCharacter."""
    # the marks of a statement, **[P]**, lose their stars
    return _Line(unicodedata.normalize("NFD", text.rstrip().replace("**", ""))).read()


class _Line:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def read(self, end: str = "") -> str:
        """Everything up to an unmatched `end`, or to the end of the line."""
        parts = []
        while self.at < len(self.text) and self.text[self.at] != (end or None):
            parts.append(self.atom())
        return "".join(parts)

    def atom(self) -> str:
        """One symbol with its accents, or an operator with what it applies to."""
        spaces = re.match(r" +", self.text[self.at :])
        if spaces:
            self.at += spaces.end()
            return r"\quad " if spaces.end() > 2 else r"\ " if spaces.end() == 2 else " "
        word = _WORD.match(self.text, self.at)
        alone = not self.text[max(self.at - 1, 0) : self.at].isalpha()
        if word and alone and not self._accented(word.end()):
            self.at = word.end()
            return self._word(word[0])
        char = self.text[self.at]
        self.at += 1
        if char in "_^":
            return f"{char}{{{self.argument()}}}"
        if char == "√":
            return rf"\sqrt{{{self.argument()}}}"
        if char in "([":
            inside = self.read(")" if char == "(" else "]")
            closing = self.text[self.at : self.at + 1]
            self.at += 1
            return f"{char}{inside}{closing}"
        if char == "*":
            return f"^{{*{self._run('', _RAISED)}}}"
        for table, mark in ((_RAISED, "^"), (_LOWERED, "_")):
            if char in table:
                return f"{mark}{{{self._run(char, table)}}}"
        if char in _PRIMES:
            return _PRIMES[char]
        return self._accents(self._symbol(char))

    def argument(self) -> str:
        """What a subscript, superscript or root takes: a group, or one symbol."""
        following = self.text[self.at : self.at + 1]
        if following in ("(", "{"):
            self.at += 1
            inside = self.read(")" if following == "(" else "}")
            self.at += 1
            return inside
        # two indices that begin with a Greek one, or with e
        pair = re.match("(?:[α-ω]|e(?=ζ))[a-zα-ω](?![a-zα-ω_])", self.text[self.at :])
        if pair:
            self.at += 2
            return "".join(_GREEK[c] + " " if c in _GREEK else c for c in pair[0])
        word = re.match(r"[−+-]?(?:[a-z]{2,}(?!_)|\d+)", self.text[self.at :])
        if word and not self._accented(self.at + word.end()):
            self.at += word.end()
            found = word[0].replace("−", "-")
            return found if len(found) < 3 or not found.isalpha() else rf"\mathrm{{{found}}}"
        signed = re.match(r"[−+-][A-Za-z0-9]", self.text[self.at :])
        return self.atom() + (self.atom() if signed else "")

    def _word(self, word: str) -> str:
        if _NAME.match(word):
            return f"\\{word} "
        if word == "sqrt":
            return rf"\sqrt{{{self.argument()}}}"
        if word.endswith(("hat", "bar")) and len(word) > 3:
            base = word[:-3]
            return rf"\{word[-3:]}{{{f'{chr(92)}{base}' if _NAME.match(base) else base}}}"
        if _FUNCTIONS.match(word):
            return rf"\operatorname{{{word}}} "
        start = self.at - len(word)
        before = r"\ " if self.text[start - 1 : start] == " " else ""
        after = r"\ " if self.text[self.at : self.at + 1] == " " else ""
        return rf"{before}\text{{{word}}}{after}"

    def _symbol(self, char: str) -> str:
        if char in _GREEK and not (char == "Σ" and self.text[self.at : self.at + 1] in ("_", " ")):
            return _GREEK[char] + " "
        if char in _SYMBOLS:
            return _SYMBOLS[char]
        if char in _PLAIN or (char.isascii() and char.isalpha()):
            return char
        raise UnknownCharacter(f"{char!r} (U+{ord(char):04X}) in {self.text!r}")

    def _accented(self, end: int) -> bool:
        return self.text[end : end + 1] in _ACCENTS or self.text[end : end + 1] == "\u0338"

    def _accents(self, symbol: str) -> str:
        while self.at < len(self.text):
            mark = self.text[self.at]
            if mark in _ACCENTS:
                symbol = rf"\{_ACCENTS[mark]}{{{symbol.strip()}}}"
            elif mark == "\u0338":
                symbol = rf"\not{symbol}"
            else:
                break
            self.at += 1
        return symbol

    def _run(self, char: str, table: dict[str, str]) -> str:
        found = table.get(char, "")
        while self.text[self.at : self.at + 1] in table and self.at < len(self.text):
            found += table[self.text[self.at]]
            self.at += 1
        return found
