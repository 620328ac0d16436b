"""What the source files say of themselves, read without importing them.

Every module with its docstring and its public classes, functions and methods, and every citation of
a documentation page in them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("asymptotics", "validation", "cli")
CITATION = re.compile(r"(?<![\w/])([a-z-]+)\.md(?:, equations? \(?(\d+[a-z]?)\)?)?")


@dataclass(frozen=True)
class Member:
    """A class, function, method or module: its dotted name, signature, docstring, members."""

    name: str
    kind: str
    signature: str
    doc: str
    members: list[Member] = field(default_factory=list)

    def walk(self) -> Iterator[Member]:
        """This and everything in it."""
        yield self
        for member in self.members:
            yield from member.walk()

    def citations(self) -> list[tuple[str, str | None]]:
        """(page, equation or None) of every page that the docstring cites."""
        return [(found[1], found[2]) for found in CITATION.finditer(self.doc)]


@lru_cache
def modules(package: str) -> tuple[Member, ...]:
    """The modules of a package that have a docstring, in alphabetical order."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text())
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        doc = ast.get_docstring(tree)
        if doc:
            found.append(Member(name, "module", "", doc, list(_members(tree.body, name))))
    return tuple(found)


def _members(body: list[ast.stmt], owner: str) -> Iterator[Member]:
    for node in body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        doc = ast.get_docstring(node)
        if node.name.startswith("_") or not doc:
            continue
        name = f"{owner}.{node.name}"
        if isinstance(node, ast.ClassDef):
            yield Member(name, "class", _fields(node), doc, list(_members(node.body, name)))
        else:
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            yield Member(name, "function", f"({ast.unparse(node.args)}){returns}", doc)


def _fields(node: ast.ClassDef) -> str:
    """The fields of a dataclass as a signature."""
    if not any("dataclass" in ast.unparse(each) for each in node.decorator_list):
        return ""
    fields = [
        ast.unparse(part)
        for part in node.body
        if isinstance(part, ast.AnnAssign) and not ast.unparse(part.target).startswith("_")
    ]
    return f"({', '.join(fields)})"
