"""What to type for the numbers on the page: command lines, and a Python script."""

from __future__ import annotations

from textwrap import indent

from asymptotics.errors import InvalidInput
from cli.explorer.question import Grid, Question
from cli.explorer.state import State


def code(state: State) -> dict[str, str]:
    """``command``: a line for each curve and one for the phase diagram; ``python``: a script.

    Raises InvalidInput where nothing is drawn.
    """
    curves, phase = state.curves(), state.phase()
    questions = [*curves.values(), *([phase] if phase else [])]
    if not questions:
        raise InvalidInput("nothing is drawn: choose a loss or an objective")
    return {
        "command": "\n".join(question.command_line() for question in questions),
        "python": _script(curves, phase),
    }


def _script(curves: dict[str, Question], phase: Question | None) -> str:
    """`lines` holds a table for each loss, `diagram` the phase diagram."""
    verbs = ["curve"] * bool(curves) + ["phase_diagram"] * (phase is not None)
    parts = [f"from asymptotics import {', '.join(verbs)}", ""]
    questions = [*curves.values(), *([phase] if phase else [])]
    if any(isinstance(value, Grid) for q in questions for _, value in q.options):
        parts = ["import numpy as np", "", *parts]
    if curves:
        entries = [f'"{loss}": {question.source()},' for loss, question in curves.items()]
        parts += ["lines = {", *(indent(entry, "    ") for entry in entries), "}"]
    if phase is not None:
        parts.append(f"diagram = {phase.source()}")
    return "\n".join(parts) + "\n"
