"""``{figures}``: figures made by the tool while the site is built, each with its command under it.

The body is a list: a title line, a line of explanation, and a line ``$ asymptotics ...`` without
its ``-o``; an empty line ends an entry. A figure is made again when its command or the code has
changed.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sources import PACKAGES, ROOT
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

LOG = logging.getLogger(__name__)


def code_hash() -> str:
    """Of every source file: a figure is as old as the code that drew it."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def make(command: str, code: str, folder: Path) -> Path:
    """The picture of a command, made now unless it is there."""
    name = hashlib.sha256(f"{command}{code}".encode()).hexdigest()[:16]
    path = folder / f"{name}.svg"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        words = shlex.split(command)[1:]
        LOG.info("drawing: %s", command)
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words, "-o", str(path)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        if done.returncode not in (0, 3) or not path.exists():
            raise ExtensionError(f"gallery: {command}: {done.stderr.strip()}")
    return path


class Figures(Directive):
    """The entries of the body."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """A section an entry."""
        env = self.state.document.settings.env
        folder, code = Path(env.app.outdir) / "_images" / "gallery", code_hash()
        cache = Path(env.app.doctreedir).parent / "gallery"
        found = []
        for entry in "\n".join(self.content).split("\n\n"):
            title, text, command = entry.strip().split("\n", 2)
            command = " ".join(command.removeprefix("$ ").replace("\\\n", " ").split())
            made = make(command, code, cache)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, folder / made.name)
            section = nodes.section(ids=[nodes.make_id(title)], names=[title])
            section += nodes.title("", title)
            section += nodes.paragraph("", text)
            picture = f'<img class="gallery" src="_images/gallery/{made.name}" alt="{title}">'
            section += nodes.raw("", picture, format="html")
            shown = f"{command} -o figure.pdf"
            section += nodes.literal_block(shown, shown, language="console")
            found.append(section)
        return found


def setup(app: Sphinx) -> dict[str, Any]:
    """The directive."""
    app.add_directive("figures", Figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
