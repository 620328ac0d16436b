"""docs/theory/equations.md is what the tool derives now."""

import runpy
from pathlib import Path

MAKE = Path(__file__).parent.parent / "docs" / "make_equations.py"


def test_the_page_of_equations_is_in_step_with_the_code():
    made = runpy.run_path(str(MAKE))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "run docs/make_equations.py"
