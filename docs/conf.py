"""The documentation site: ``python -m sphinx -W -b html docs build/site``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from asymptotics import __version__  # noqa: E402

project = "asymptotics"
author = "The contrastive-asymptotics authors"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "mathematics", "reference", "command_reference", "gallery"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_ext", "img"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
html_math_renderer = "mathml"
highlight_language = "none"
# links into the repository, which the site does not hold, are checked by tests/test_docs.py
suppress_warnings = ["myst.xref_missing", "myst.header", "misc.highlighting_failure"]

html_theme = "furo"
html_title = "asymptotics"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
