"""Imports run one way, and heavy packages are imported where they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "asymptotics": {"click", "torch", "validation", "cli", "sklearn"},
    "validation": {"click", "cli", "sklearn"},
    "cli": {"sklearn", "torch"},
}
# heavy or optional packages, and what the path of a file that imports one must contain
ONLY_IN = {"matplotlib": "plot", "flint": "certify", "sympy": "symbolic", "mpmath": "reference"}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_run_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not imported(path) & FORBIDDEN[package], path


def test_heavy_packages_are_imported_in_one_place():
    for path in (ROOT / "asymptotics").rglob("*.py"):
        for name, place in ONLY_IN.items():
            if place not in str(path.relative_to(ROOT)):
                assert name not in imported(path), path


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import cli.main", {"numpy", "scipy", "sympy", "matplotlib"}),
        ("import asymptotics", {"numpy", "scipy", "sympy", "matplotlib"}),
        ("import asymptotics.sweep", {"sympy", "matplotlib", "click", "scipy.optimize"}),
    ],
)
def test_an_import_stays_light(statement, absent):
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert not absent & set(loaded)
