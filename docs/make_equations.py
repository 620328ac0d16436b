"""Write docs/theory/equations.md: the equations as `asymptotics equations` derives them.

    python docs/make_equations.py

A test holds the page to what the command prints now.
"""

from __future__ import annotations

from pathlib import Path

from asymptotics.contrastive.objectives import OBJECTIVES
from asymptotics.probes import PROBES
from asymptotics.symbolic.printing import as_text
from asymptotics.symbolic.statement import head_statement, probe_statement

PAGE = Path(__file__).parent / "theory" / "equations.md"

_HEAD = """# The equations, as the tool derives them

Made by `python docs/make_equations.py`, not typed: every equation is sympy's derivative of the
potential above it. The derivations are in [probe.md](probe.md) and
[contrastive.md](contrastive.md); LaTeX comes from `asymptotics equations --format latex`.
"""


def page() -> str:
    """The text of the page."""
    blocks = [
        ("Any convex loss, isotropic", "", probe_statement(None, None, False)),
        (
            "A spectrum of two atoms, with an intercept",
            " --spectrum-atoms 2 --intercept",
            probe_statement(None, 2, True),
        ),
    ]
    for name, probe in PROBES.items():
        if probe.loss is None:
            continue
        blocks.append((name, f" --loss {name}", probe_statement(name, None, False)))
    for name in OBJECTIVES:
        blocks.append((name, f" --objective {name}", head_statement(name)))
    parts = [_HEAD]
    for title, options, statement in blocks:
        text = as_text(statement).rstrip()
        parts.append(f"## {title}\n\n`asymptotics equations{options}`\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
