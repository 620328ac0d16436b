"""What a published result is, and what remaking it gives: evidence, and the points of a figure.

A piece of evidence is one quantity in up to three ways: published, of the theory, simulated. Only
numbers that are known are `Published`, each with how far it is known and where it stands. What is
known in words only is a claim, which the theory's numbers bear out or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asymptotics.table import Table
from validation.checks.run import Run
from validation.compare import Row


@dataclass(frozen=True)
class Effort:
    """How much is simulated.

    trials: at each dimension and point; trained heads and networks are in proportion.
    dimensions: three or more p at which probes are fitted.
    """

    trials: int = 60
    dimensions: tuple[int, ...] = (50, 100, 200)
    run: Run = field(default_factory=Run)

    @property
    def heads(self) -> int:
        """Independently trained heads at each batch size."""
        return max(4, self.trials // 10)

    @property
    def networks(self) -> int:
        """Independently trained networks at each step."""
        return max(4, self.trials // 6)


@dataclass(frozen=True)
class Published:
    """A number of the literature.

    tolerance: absolute; a reading error, the printed digits, or the error of the authors' solver.
    where: in the paper or in its data; for a formula, the formula.
    """

    value: float
    tolerance: float
    where: str


@dataclass(frozen=True)
class Claim:
    """What a paper says in words, and whether the theory's numbers bear it out."""

    words: str
    holds: bool


@dataclass(frozen=True)
class Evidence:
    """One quantity: of the theory, and as far as there are such, published, claimed, simulated."""

    quantity: str
    theory: float
    published: Published | None = None
    claim: Claim | None = None
    simulated: Row | None = None


@dataclass(frozen=True)
class Remade:
    """A result made anew.

    points: what its figure shows (`validation.reproduce.points`).
    panels: of the figure, each with the properties of its axes.
    """

    evidence: tuple[Evidence, ...]
    points: Table
    panels: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Target:
    """A published result. shows: one line; remake: of the effort that simulation may take."""

    source: str
    shows: str
    remake: Callable[[Effort], Remade]
