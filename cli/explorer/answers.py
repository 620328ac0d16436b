"""The engine's answers to the questions of a page, as JSON knows them."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from asymptotics.errors import AsymptoticsError
from asymptotics.phase import phase_diagram
from asymptotics.sweep import curve
from asymptotics.table import plain
from cli.explorer.question import Question
from cli.explorer.state import CURVE_COUNT, PHASE_COUNT, State

# counts of a first look, where the full answer takes its time
_COARSE = {CURVE_COUNT: 17, PHASE_COUNT: 13}
# a full phase diagram is some 100 kB
_KEPT = 256

_CURVE_COLUMNS = ("accuracy", "accuracy_before", "gain", "error_estimate", "status", "threshold")
_PHASE_COLUMNS = (
    "gain",
    "expansion_measure",
    "accuracy_before",
    "accuracy_after",
    "regime",
    "status",
)


class Answers:
    """What the page asks, each question computed once, one of a kind at a time.

    A page that is dragged asks for more than it shows, so what it has shown is kept, and what it
    asks waits in line rather than compete for the processor. Failures are not kept.
    """

    def __init__(self) -> None:
        self._solve = {
            "curve": lru_cache(_KEPT)(_line),
            "phase": lru_cache(_KEPT)(_diagram),
        }
        self._locks = {command: Lock() for command in self._solve}

    def curve(self, state: State, coarse: bool = False) -> dict[str, Any]:
        """`x`, a line for each loss (or its `error`), and the parameters that are `live`."""
        questions = state.curves(_COARSE[CURVE_COUNT] if coarse else CURVE_COUNT)
        live = state.live()
        answer: dict[str, Any] = {"x": state.x.replace("_", "-"), "live": _hyphens(live)}
        if questions and state.x not in live:
            name = state.x.replace("_", " ")
            return answer | {
                "lines": [],
                "note": f"the {name} does not enter here: choose another horizontal axis",
            }
        return answer | {"lines": [self._line_of(loss, q) for loss, q in questions.items()]}

    def phase(self, state: State, coarse: bool = False) -> dict[str, Any]:
        """The cells of the diagram and its boundaries; without an objective nothing but a note."""
        question = state.phase(_COARSE[PHASE_COUNT] if coarse else PHASE_COUNT)
        if question is None:
            return {"note": "choose an objective: without training there is no phase diagram"}
        return self._ask(question)

    def _line_of(self, loss: str, question: Question) -> dict[str, Any]:
        try:
            return {"loss": loss, **self._ask(question)}
        except AsymptoticsError as error:
            return {"loss": loss, "error": str(error)}

    def _ask(self, question: Question) -> dict[str, Any]:
        with self._locks[question.command]:
            return self._solve[question.command](question)


def _line(question: Question) -> dict[str, Any]:
    """The columns of a curve, and `x`: None if the axis does not enter, the line then level."""
    parameters = question.parameters()
    table = curve(**parameters)
    grids = [name for name, value in parameters.items() if isinstance(value, np.ndarray)]
    names = [name for name in _CURVE_COLUMNS if name in table.columns]
    found = {name: plain(table[name]) for name in names}
    return found | {"x": plain(table[grids[0]]) if grids else None}


def _diagram(question: Question) -> dict[str, Any]:
    assert question.quantity is not None
    diagram = phase_diagram(**question.parameters())
    shape = (diagram.y.size, diagram.x.size)
    names = [name for name in _PHASE_COLUMNS if name in diagram.table.columns]
    # EM = 1 is a boundary of the head as well, and drawn once
    drawn = {(b.x.tobytes(), b.y.tobytes()): b for b in reversed(diagram.boundaries)}
    return {
        "x": diagram.x_name.replace("_", "-"),
        "y": diagram.y_name.replace("_", "-"),
        "x_values": plain(diagram.x),
        "y_values": plain(diagram.y),
        "quantity": question.quantity,
        "loss": dict(question.options).get("loss"),
        "cells": plain(diagram.cells(question.quantity)),
        **{name: plain(diagram.table[name].reshape(shape)) for name in names},
        "boundaries": [{"name": b.name, "x": plain(b.x), "y": plain(b.y)} for b in drawn.values()],
    }


def _hyphens(names: list[str]) -> list[str]:
    return [name.replace("_", "-") for name in names]
