"""The documentation says what the code does: its examples run, its links and citations resolve.

A fenced block is executed when its language is followed by the word ``runnable``:

``python runnable``   the blocks of a file run in order in one session; what a block prints is
                      compared with the ``text`` block that follows it, if there is one
``console runnable``  each ``$ asymptotics ...`` is run in an empty folder and its output, standard
                      output then standard error, compared with the lines below it;
                      ``$ echo $?`` shows the exit code; a line that ends in ``...`` is a prefix

Numbers are compared to 1e-6 relatively or 1e-9 absolutely, the rest word by word.

A citation is ``name.md`` in the code, perhaps followed by ``, words``, ``, section N``,
``, equation N``, ``, equations (N)-(M)`` or ``, N``. The words are those of a heading (without its
number) or of an HTML anchor ``<a id="some-words"></a>`` in that file; an equation is ``(N)`` in it.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from asymptotics.contrastive.objectives import OBJECTIVES
from asymptotics.losses import LOSSES
from asymptotics.probes import PROBES
from cli.main import COMMANDS, run

ROOT = Path(__file__).parent.parent
PACKAGES = ("asymptotics", "validation", "cli")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)( runnable)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")


def blocks(page: Path) -> list[tuple[str, bool, str]]:
    """(language, runnable, text) of every fenced block."""
    return [(m[1], bool(m[2]), m[3]) for m in BLOCK.finditer(page.read_text())]


def pages_with(language: str) -> list[Path]:
    return [p for p in PAGES if any(b[:2] == (language, True) for b in blocks(p))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def assert_same(shown: str, printed: str) -> None:
    """Words equal, numbers close."""
    assert NUMBER.sub("#", shown).split() == NUMBER.sub("#", printed).split()
    for claim, value in zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True):
        assert float(claim) == pytest.approx(float(value), rel=1e-6, abs=1e-9)


@pytest.fixture
def tables():
    """The tables of losses, probes and objectives, put back after a page has extended them."""
    kept = [(table, dict(table)) for table in (LOSSES, PROBES, OBJECTIVES)]
    yield
    for table, entries in kept:
        table.clear()
        table.update(entries)


@pytest.mark.parametrize("page", pages_with("python"), ids=name_of)
@pytest.mark.usefixtures("tables")
def test_python_examples_print_what_the_page_shows(page):
    session: dict[str, object] = {"__name__": "__main__"}
    sequence = [*blocks(page), ("", False, "")]
    for (language, runnable, code), (following, _, expected) in pairwise(sequence):
        if language != "python" or not runnable:
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, name_of(page), "exec"), session)
        if following == "text":
            assert_same(expected, printed.getvalue())


def commands_of(page: Path) -> list[list[tuple[str, str]]]:
    """For each runnable console block, its (command line, output shown)."""
    found = []
    for language, runnable, text in blocks(page):
        if language == "console" and runnable:
            parts = re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]
            found.append([tuple(part.split("\n", 1)) for part in parts])
    return found


CONSOLE = [(page, i) for page in pages_with("console") for i in range(len(commands_of(page)))]


@pytest.mark.parametrize(("page", "index"), CONSOLE, ids=lambda x: getattr(x, "name", str(x)))
def test_commands_print_what_the_page_shows(page, index, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code = 0
    for command, expected in commands_of(page)[index]:
        if command == "echo $?":
            printed = str(code)
        else:
            program, *arguments = shlex.split(command)
            assert program == "asymptotics"
            if arguments[0] == "certify":
                pytest.importorskip("flint", reason="the extra certify is not installed")
            code = run(arguments)
            captured = capfd.readouterr()
            printed = captured.out + captured.err
        for claim, line in zip(expected.splitlines(), printed.splitlines(), strict=True):
            if claim.endswith("..."):
                words = claim.removesuffix("...").split()
                claim, line = " ".join(words), " ".join(line.split()[: len(words)])
            assert_same(claim, line)


def test_every_command_has_its_page_section():
    headings = re.findall(r"^## (.*)$", (ROOT / "docs/commands.md").read_text(), re.MULTILINE)
    assert set(COMMANDS) <= {heading.strip("`") for heading in headings}


def slug(text: str) -> str:
    """A heading as its link: lower case, without its number, words joined by hyphens."""
    words = re.sub(r"[^\w\s-]", "", re.sub(r"^\d+\.\s*", "", text.lower()))
    return "-".join(words.split())


def anchors(page: Path) -> set[str]:
    """Slugs of headings, with and without their number, and of HTML anchors."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    numbered = {f"{h.split('.')[0]}-{slug(h)}" for h in headings if re.match(r"\d+\.", h)}
    return {slug(h) for h in headings} | numbered | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_resolve(page):
    prose = re.sub(r"```.*?```|`[^`]*`(?!\])", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name_of(page)} links to {target}"
        if fragment:
            assert fragment in anchors(there), f"{name_of(page)} links to {target}"


CITATION = re.compile(
    r"\b(?P<file>[a-z-]+)\.md(?:,\s+(?:"
    r"(?P<equations>(?:equations?\s+)?\(?\d[\d()\s,a-]*(?:and\s+\(\d+\))?)"
    r"|section\s+(?P<section>\d+)"
    r'|"?(?P<words>[a-z][a-z -]*)"?)(?=[).;:]))?'
)


def citations() -> list[tuple[str, str, str, str]]:
    """(source file, page, kind, what) of every citation of a page in the code."""
    found = []
    for source in sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        text = re.sub(r"\s+", " ", source.read_text())
        for m in CITATION.finditer(text):
            kind = m.lastgroup if m.lastgroup != "file" else "page"
            found.append((str(source.relative_to(ROOT)), m["file"], kind, m[m.lastgroup]))
    return found


@pytest.mark.parametrize(("source", "name", "kind", "what"), citations())
def test_citations_of_the_code_resolve(source, name, kind, what):
    where = [page for page in PAGES if page.stem == name]
    assert where, f"{source} cites {name}.md, which does not exist"
    page = where[0]
    if kind == "equations":
        for number in re.findall(r"\d+[a-z]?", what):
            assert re.search(rf"\({number}\)|tag\{{{number}\}}", page.read_text()), (
                f"{source}: {name}.md has no equation ({number})"
            )
    elif kind == "section":
        assert re.search(rf"^#+ {what}\.", page.read_text(), re.MULTILINE), (
            f"{source}: {name}.md has no section {what}"
        )
    elif kind == "words":
        assert slug(what) in anchors(page), f"{source}: {name}.md has no section {what!r}"


def test_the_index_lists_every_module_and_nothing_else():
    listed = set(re.findall(r"^\| \[([\w/]+\.py)\]", index_text(), re.MULTILINE))
    present = {
        str(path.relative_to(ROOT)): path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    assert not listed - set(present), "docs/index.md lists files that are gone"
    new = "\n".join(index_line(name, present[name]) for name in sorted(set(present) - listed))
    assert not new, f"add to the module map of docs/index.md:\n{new}"


def index_line(name: str, path: Path) -> str:
    """A row of the module map, from the module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return f"| [{name}](../{name}) | {' '.join(docstring.split(chr(10) * 2)[0].split())} |"


def index_text() -> str:
    return (ROOT / "docs/index.md").read_text()


def test_the_index_lists_every_page():
    for page in (ROOT / "docs").rglob("*.md"):
        if page.name != "index.md":
            assert f"({page.relative_to(ROOT / 'docs')})" in index_text(), page


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tagged_equations_are_numbered_in_order(page):
    tags = re.findall(r"\\tag\{(\w+)\}", page.read_text())
    assert tags == [str(k + 1) for k in range(len(tags))]
