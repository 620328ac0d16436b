"""What a curve came to, counted while its rows pass: a grid of any size need not be held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
import numpy as np

if TYPE_CHECKING:
    from asymptotics.table import Table

_SHOWN = 4  # thresholds that are named


@dataclass
class Tally:
    """Counts of the points seen so far."""

    points: int = 0
    failed: int = 0
    missing: int = 0
    several: int = 0
    apart: int = 0
    thresholds: set[float] = field(default_factory=set)

    def watch(self, parts: Iterable[Table]) -> Iterator[Table]:
        """The same parts, each counted as it passes."""
        for part in parts:
            self.add(part)
            yield part

    def add(self, part: Table) -> None:
        """Count the points of a table."""
        without = part["status"] == "no limit"
        self.points += len(part)
        self.failed += int(np.sum(~part["converged"]))
        self.missing += int(np.sum(without))
        if np.any(without) and len(self.thresholds) < _SHOWN:
            self.thresholds |= set(np.round(part["threshold"][without], 8).tolist())
        if "num_minima" in part.columns:
            several = part["num_minima"] > 1
            self.several += int(several.sum())
            self.apart += int(np.sum(several & (part["gain"] != part["gain_from_identity"])))

    def note_coexistence(self) -> None:
        """Say on standard error where training has two minima, and that gain is the lower one's."""
        if self.several:
            click.echo(
                f"asymptotics: {self.several} of {self.points} points have two local minima; gain "
                "is the lower one's, and gradient flow from W = I reaches the other at "
                f"{self.apart} (gain_from_identity)",
                err=True,
            )

    def report(self) -> None:
        """On standard error: two minima, points without a limit, points that did not converge."""
        self.note_coexistence()
        lines = []
        if self.missing:
            shown = ", ".join(f"{value:.8g}" for value in sorted(self.thresholds)[:_SHOWN])
            lines.append(
                f"{self.missing} of {self.points} points have no limit (threshold n/p = {shown})"
            )
        if self.failed > self.missing:
            lines.append(f"{self.failed - self.missing} of {self.points} points did not converge")
        if lines:
            click.echo("asymptotics: " + "; ".join(lines), err=True)
