"""The state of the page: what its link holds, and the questions that it puts to the engine.

A link is a query of option names, ``loss=logistic,max-margin&objective=cosine-scaled&signal=2&...``
with ``x``, ``from`` and ``to`` (the horizontal axis of the curves) and ``quantity`` (what the phase
diagram shows). What is missing has its default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from asymptotics.contrastive.inputs import find_objective
from asymptotics.errors import InvalidInput
from asymptotics.probes import PROBES, find_probe
from cli.explorer.question import Grid, Option, Question, number
from cli.explorer.vocabulary import NO_OBJECTIVE, PARAMETERS, QUANTITIES

# values along the axis of a curve, and along each axis of a phase diagram
CURVE_COUNT, PHASE_COUNT = 81, 33

_OTHERS = ("loss", "objective", "intercept", "x", "from", "to", "quantity")


@dataclass(frozen=True)
class State:
    """Losses, head, numbers, and what is drawn; validated at birth, the numbers by the engine."""

    losses: tuple[str, ...] = ("logistic", "max-margin")
    objective: str = "cosine-scaled"
    intercept: bool = False
    x: str = "sampling_ratio"
    low: float = PARAMETERS["sampling_ratio"].low
    high: float = PARAMETERS["sampling_ratio"].high
    quantity: str = "expansion-measure"
    values: Mapping[str, float] = field(
        default_factory=lambda: {name: entry.start for name, entry in PARAMETERS.items()}
    )

    def __post_init__(self) -> None:
        for loss in self.losses:
            find_probe(loss)
        if self.objective != NO_OBJECTIVE:
            find_objective(self.objective)
        if self.x not in PARAMETERS:
            raise InvalidInput(f"x: choose of {_listed(PARAMETERS)}, got {self.x!r}")
        if self.quantity not in QUANTITIES:
            raise InvalidInput(f"quantity: choose of {_listed(QUANTITIES)}, got {self.quantity!r}")
        self._axis().values("from, to")

    @classmethod
    def read(cls, query: str) -> State:
        """The state of a link's query. Raises InvalidInput for what no page can show."""
        given = {
            name.replace("-", "_"): text for name, text in parse_qsl(query, keep_blank_values=True)
        }
        for name in given:
            if name not in (*PARAMETERS, *_OTHERS):
                allowed = _listed([*PARAMETERS, *_OTHERS])
                raise InvalidInput(f"{name}: not in the state of the page, which has {allowed}")
        start = cls()
        x = given.get("x", start.x).replace("-", "_")
        ends = PARAMETERS.get(x, PARAMETERS[start.x])
        return cls(
            losses=_losses(given.get("loss", ",".join(start.losses))),
            objective=given.get("objective", start.objective),
            intercept=_flag("intercept", given.get("intercept", "0")),
            x=x,
            low=_number("from", given.get("from"), ends.low),
            high=_number("to", given.get("to"), ends.high),
            quantity=given.get("quantity", start.quantity),
            values={n: _number(n, given.get(n), value) for n, value in start.values.items()},
        )

    def query(self) -> str:
        """The query that `read` turns back into this state."""
        pairs = {
            "loss": ",".join(self.losses),
            "objective": self.objective,
            "intercept": str(int(self.intercept)),
            **{name.replace("_", "-"): number(value) for name, value in self.values.items()},
            "x": self.x.replace("_", "-"),
            "from": number(self.low),
            "to": number(self.high),
            "quantity": self.quantity,
        }
        return urlencode(pairs, safe=",")

    def curves(self, count: int = CURVE_COUNT) -> dict[str, Question]:
        """A question for each loss; one that the horizontal axis does not enter has no grid."""
        questions = {}
        for loss in self.losses:
            options = {**self._probe(loss), **self._head()}
            if self.x in options:
                options[self.x] = self._axis(count)
            questions[loss] = Question("curve", tuple(options.items()))
        return questions

    def phase(self, count: int = PHASE_COUNT) -> Question | None:
        """Temperature against augmentation; without a temperature, augmentation against signal."""
        if self.objective == NO_OBJECTIVE:
            return None
        options = self._head()
        if self.quantity.startswith("accuracy"):
            if not self.losses:
                raise InvalidInput(f"{self.quantity} needs a probe: choose a loss")
            options = {**self._probe(self.losses[0]), **options}
        options["signal"] = self.values["signal"]
        axes = ("temperature", "augmentation")
        if "temperature" not in options:
            axes = ("augmentation", "signal")
        for name in axes:
            entry = PARAMETERS[name]
            options[name] = Grid(entry.low, entry.high, count, entry.log)
        return Question("phase", tuple(options.items()), axes, self.quantity)

    def live(self) -> list[str]:
        """The parameters that move something on the page."""
        names = {name for question in self.curves().values() for name, _ in question.options}
        names |= set(self._head()) | {"signal"}
        return [name for name in PARAMETERS if name in names]

    def _axis(self, count: int = CURVE_COUNT) -> Grid:
        return Grid(self.low, self.high, count, PARAMETERS[self.x].log)

    def _probe(self, loss: str) -> dict[str, Option]:
        options: dict[str, Option] = {
            "loss": loss,
            "signal": self.values["signal"],
            "sampling_ratio": self.values["sampling_ratio"],
        }
        if PROBES[loss].ridge is None:
            options["ridge"] = self.values["ridge"]
        if self.intercept:
            # without one, the prior changes nothing: y z has the same law in both classes
            options |= {"intercept": True, "prior": self.values["prior"]}
        return options

    def _head(self) -> dict[str, Option]:
        if self.objective == NO_OBJECTIVE:
            return {"gain": self.values["gain"]}
        names = ["augmentation", "dimension"]
        if "temperature" in find_objective(self.objective).needs:
            names.insert(0, "temperature")
        return {"objective": self.objective, **{name: self.values[name] for name in names}}


def _losses(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, text.split(","))))


def _number(name: str, text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidInput(f"{name.replace('_', '-')}: a number is needed, got {text!r}")
    return value


def _flag(name: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise InvalidInput(f"{name}: 0 or 1, got {text!r}")
    return text == "1"


def _listed(names: Mapping[str, object] | list[str]) -> str:
    return ", ".join(name.replace("_", "-") for name in names)
