"""The code behind a number: every file that can change it, and no other."""

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from asymptotics.errors import InvalidInput
from validation import code_version as original

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the two packages, whose files a test may edit."""
    folder = tmp_path_factory.mktemp("copy")
    for package in ("asymptotics", "validation"):
        shutil.copytree(ROOT / package, folder / package)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(original, "_ROOT", folder)
        yield folder


def version_of(folder, text):
    """The version of a function in a new module that reads `text`."""
    file = folder / "user_module.py"
    file.write_text(f"{text}\n\ndef function(rng):\n    return 1\n")
    spec = importlib.util.spec_from_file_location("user_module", file)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "user_module", module)
        spec.loader.exec_module(module)
        return original.code_version(module.function)


def touch(file):
    file.write_text(file.read_text() + "\n# edited\n")


@pytest.mark.parametrize(
    ("statement", "edited", "counts"),
    [
        ("import asymptotics.saddle_point", "asymptotics/saddle_point.py", True),
        ("import asymptotics.solver", "asymptotics/newton.py", True),  # through others
        ("import asymptotics.saddle_point", "asymptotics/__init__.py", True),
        ("import asymptotics.saddle_point", "asymptotics/plots.py", False),
        ("import asymptotics.saddle_point", "validation/store.py", False),
        (
            "from asymptotics.contrastive import objectives",
            "asymptotics/contrastive/cosine.py",
            True,
        ),
        ("from asymptotics import limits", "asymptotics/plots.py", False),
        ("from asymptotics import limit", "asymptotics/plots.py", True),  # imported by its name
        ("import asymptotics", "asymptotics/plots.py", True),
        ("def late():\n    import asymptotics.gauss", "asymptotics/gauss.py", True),
    ],
)
def test_an_edit_counts_where_the_function_can_reach_it(copy, statement, edited, counts):
    before = version_of(copy, statement)
    touch(copy / edited)
    assert (version_of(copy, statement) != before) is counts


def test_the_functions_own_module_and_the_version_of_numpy_count(copy):
    assert version_of(copy, "x = 1") == version_of(copy, "x = 1") != version_of(copy, "x = 2")
    assert f"numpy {np.__version__}" in version_of(copy, "x = 1")


def test_a_function_without_a_file_has_no_version():
    scope = {"__name__": "typed_in"}
    exec("def function(rng):\n    return 1", scope)
    with pytest.raises(InvalidInput, match="defined in a file"):
        original.code_version(scope["function"])


def test_no_module_imports_by_a_computed_name_which_would_escape_the_digest():
    lazy = ROOT / "asymptotics" / "__init__.py"  # its attributes count as the whole package
    files = [file for name in ("asymptotics", "validation") for file in (ROOT / name).rglob("*.py")]
    lazy = {lazy, ROOT / "validation" / "__init__.py"}
    dynamic = ("import_module", "__import__")
    rest = [file for file in files if file not in lazy]
    assert [file for file in rest if any(word in file.read_text() for word in dynamic)] == []
