"""The site typesets what the theory pages say, and its links between code and equations hold."""

import re
import sys
import unicodedata
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
sys.path.insert(0, str(DOCS / "_ext"))
from sources import PACKAGES, modules  # noqa: E402
from unicode_math import UnknownCharacter, to_latex  # noqa: E402


@pytest.mark.parametrize(
    ("written", "latex"),
    [
        ("V̂ = E M″", r"\hat{V} = E M''"),
        ("√(1 + q₀²)", r"\sqrt{1 + q_{0}^{2}}"),
        ("F_γγ = E M′²M″", r"F_{\gamma \gamma } = E M'^{2}M''"),
        ("Σ_k w_kS", r"\sum _{k} w_{k}S"),
        ("Σ²A", r"\Sigma ^{2}A"),
        ("(Z − y)_+²", r"(Z - y)_{+}^{2}"),
        ("a*² < 1", r"a^{*2} < 1"),
        ("log a if x", r"\operatorname{log}  a \ \text{if}\  x"),
        ("nuhat + sqrt(v)", r"\hat{\nu} + \sqrt{v}"),
        ("A^{2−1/L}", r"A^{2-1/L}"),
    ],
)
def test_unicode_is_read_as_it_is_meant(written, latex):
    assert to_latex(written).replace("\\nu  ", "\\nu ") == latex


def test_a_character_that_is_not_known_is_an_error_and_no_gap():
    with pytest.raises(UnknownCharacter, match="U\\+2603"):
        to_latex("x = ☃")


def equations():
    """(page, line) of every line of an indented block of a theory page."""
    for page in sorted((DOCS / "theory").glob("*.md")):
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for block in re.finditer(r"(?<=\n\n)((?:    .*\n|\n(?=    ))+)", text):
            yield from ((page.name, line) for line in block[1].splitlines() if line.strip())


def test_every_equation_of_the_theory_is_typeset():
    convert = pytest.importorskip("latex2mathml.converter", reason="no extra docs").convert
    lines = list(equations())
    assert len(lines) > 250
    for page, line in lines:
        text = re.sub(r"\s{2,}\(\d+[a-z]?\)\s*$", "", line).strip()
        assert convert(to_latex(text), display="block").startswith("<math"), (page, line)


def test_no_letter_of_an_equation_is_lost():
    for page, line in equations():
        text = unicodedata.normalize("NFD", line).replace("ᵀ", "T")
        letters = re.findall(r"[A-Z]", text)
        assert re.findall(r"[A-Z]", re.sub(r"\\[A-Za-z]+", "", to_latex(line))) == letters, page


def test_every_cited_equation_has_a_number_on_its_page():
    cited = {
        (page, number)
        for package in PACKAGES
        for module in modules(package)
        for member in module.walk()
        for page, number in member.citations()
        if number
    }
    assert len(cited) > 15
    for page, number in cited:
        text = (DOCS / "theory" / f"{page}.md").read_text()
        assert f"({number})" in text or rf"\tag{{{number}}}" in text, (page, number)


def test_the_reference_has_every_public_function_with_its_docstring():
    names = {m.name for package in PACKAGES for each in modules(package) for m in each.walk()}
    assert {"asymptotics.limits.limit", "asymptotics.sweep.curve"} <= names
    assert "validation.probes.fit_probe" in names
