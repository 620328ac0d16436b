"""Which code a number comes from: a digest of every source file that its function can reach.

The files are the function's own module and all modules of `asymptotics` and `validation` that it
imports, directly or through others, as the import statements say. An edit elsewhere (plots, another
loss, the command line) leaves the digest as it is, and stored results stay valid.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from asymptotics.errors import InvalidInput

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("asymptotics", "validation")


@cache
def code_version(function: Callable[..., Any]) -> str:
    """The digest (12 hexadecimal digits) with the versions of numpy and scipy.

    Raises InvalidInput for a function that no file defines (an interactive session).
    """
    own = Path(getattr(inspect.getmodule(function), "__file__", None) or "")
    if not own.is_file():
        raise InvalidInput(f"a task's function must be defined in a file, got {function!r}")
    sources = [own.read_bytes()]
    waiting, known = list(_imports(sources[0])), dict[Path, bytes]()
    while waiting:
        file = _file(waiting.pop())
        if file is not None and file not in known:
            known[file] = file.read_bytes()
            waiting += _imports(known[file])
    sources += [known[file] for file in sorted(known)]
    digest = hashlib.sha256(b"".join(hashlib.sha256(source).digest() for source in sources))
    return f"{digest.hexdigest()[:12]} numpy {np.__version__} scipy {scipy.__version__}"


def _file(name: str) -> Path | None:
    """The file of a module of ours; None for an attribute and for other people's modules."""
    parts = name.split(".")
    if parts[0] not in _PACKAGES:
        return None
    path = _ROOT.joinpath(*parts)
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _imports(source: bytes) -> Iterator[str]:
    """Every module that an import statement of `source` may name, with the packages above it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:  # not our style: take everything
            names = list(_PACKAGES)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[: k + 1]) for k in range(len(parts)))
            if len(parts) == 1 or (len(parts) == 2 and _file(name) is None):
                yield from _whole_package(parts[0])


def _whole_package(name: str) -> Iterator[str]:
    """All modules: the attributes of a package are imported on first use, from any of them."""
    if name in _PACKAGES:
        for file in (_ROOT / name).rglob("*.py"):
            yield ".".join(file.relative_to(_ROOT).with_suffix("").parts)
