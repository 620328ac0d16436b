"""Mathematics as MathML, made while the site is built: no script, no font, nothing to fetch.

The theory pages write their equations in Unicode, indented, with the number at the right end of the
line. Such a block becomes typeset lines, each numbered one an anchor ``equation-N`` and a label
``page-equation-N``. A block that cannot be typeset faithfully stays as it was written, and counts.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from unicode_math import UnknownCharacter, to_latex

LOG = logging.getLogger(__name__)
NUMBER = re.compile(r"(?:\s{2,}|(?<=.{70})\s)\((\d+[a-z]?)\)\s*$")
TAG = re.compile(r"\\tag\{(\d+[a-z]?)\}")


_PRIMES = re.compile(r"('+)(?:\^(\{[^{}]*\}|\\?[A-Za-z]+|.))?")


def mathml(latex: str, block: bool) -> str:
    """The MathML of a LaTeX formula."""

    def raised(found: re.Match[str]) -> str:
        power = (found[2] or "").removeprefix("{").removesuffix("}")
        return f"^{{{chr(92)}prime {'' if len(found[1]) < 2 else chr(92) + 'prime '}{power}}}"

    # LaTeX joins a prime and a power; the converter does not
    return convert(_PRIMES.sub(raised, latex), display="block" if block else "inline")


def equation(latex: str, number: str | None, indent: int = 0) -> str:
    """One displayed line, an anchor if it is numbered."""
    style = f' style="margin-left:{0.5 * indent:g}em"' if indent else ""
    body = f'<span class="body"{style}>{mathml(latex, True)}</span>'
    if number is None:
        return f'<div class="equation">{body}</div>'
    name = f"equation-{number}"
    link = f'<a class="number" href="#{name}">({number})</a>'
    return f'<div class="equation" id="{name}">{body}{link}</div>'


class Equations(SphinxTransform):
    """Indented blocks of mathematics into typeset lines, and labels for every number."""

    default_priority = 200

    def apply(self, **kwargs: Any) -> None:
        """Once for every page."""
        page = self.env.docname
        if page.startswith("theory/") and page != "theory/equations":
            for block in list(self.document.findall(nodes.literal_block)):
                if block.get("language", "none") in ("none", "default", ""):
                    self._typeset(page, block)
        for math in list(self.document.findall(nodes.math_block)):
            for number in TAG.findall(math.astext()):
                self._label(page, number)

    def _typeset(self, page: str, block: nodes.literal_block) -> None:
        lines = block.astext().splitlines()
        parts = []
        try:
            for line in lines:
                if not line.strip():
                    parts.append('<div class="gap"></div>')
                    continue
                found = NUMBER.search(line)
                text = line[: found.start()] if found else line
                indent = len(text) - len(text.lstrip())
                parts.append(equation(to_latex(text.strip()), found and found[1], indent))
        except UnknownCharacter as error:
            raise UnknownCharacter(f"{page}: {error}") from None
        for line in lines:
            found = NUMBER.search(line)
            if found:
                self._label(page, found[1])
        html = f'<div class="equations">{"".join(parts)}</div>'
        block.replace_self(nodes.raw("", html, format="html"))

    def _label(self, page: str, number: str) -> None:
        domain = self.env.get_domain("std")
        label, anchor = f"{page.split('/')[-1]}-equation-{number}", f"equation-{number}"
        domain.anonlabels[label] = (page, anchor)
        domain.labels[label] = (page, anchor, f"({number})")


def visit_math(self: Any, node: nodes.math) -> None:
    """An inline formula."""
    self.body.append(mathml(node.astext(), False))
    raise nodes.SkipNode


def visit_math_block(self: Any, node: nodes.math_block) -> None:
    """A displayed formula, its tag as a number with an anchor."""
    text = node.astext()
    number = TAG.search(text)
    text = TAG.sub("", text).strip()
    self.body.append(f'<div class="equations">{equation(text, number and number[1])}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """The renderer and the transform."""
    app.add_transform(Equations)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
