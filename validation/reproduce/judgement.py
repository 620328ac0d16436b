"""Whether remade results agree with what is published and with simulation.

A row disagrees if the theory misses a published number by more than its tolerance, if a claim does
not hold, or if simulation and theory disagree (`validation.compare`: one correction for the rows of
all targets that are judged together).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from validation.compare import AGREES, DISAGREES, compare
from validation.reproduce.target import Evidence, Remade

UNDECIDED = "undecided"
NO_NUMBER = "no published number to compare"

OFF = "disagrees with the published number"
FALSE = "the claim does not hold"


@dataclass(frozen=True)
class Verdict:
    """Of one target.

    status: "disagrees" if a row does; else "undecided" if simulation decided nothing about one
    (too noisy, no fit); else "agrees", or "no published number to compare" where none is known.
    rows: of every piece of evidence, ready for JSON.
    """

    status: str
    rows: list[dict[str, Any]]


def judge(remade: Mapping[str, Remade], level: float = 0.001) -> dict[str, Verdict]:
    """The verdict of every target; `level` bounds the probability of a false alarm in any row."""
    simulated = [
        replace(e.simulated, point={"target": name}, quantity=e.quantity)
        for name, result in remade.items()
        for e in result.evidence
        if e.simulated is not None
    ]
    judged = iter(compare(simulated, level=level).rows())
    verdicts = {}
    for name, result in remade.items():
        rows = [
            _row(evidence, None if evidence.simulated is None else next(judged))
            for evidence in result.evidence
        ]
        verdicts[name] = Verdict(_status(result, rows), rows)
    return verdicts


def _row(evidence: Evidence, simulation: Mapping[str, Any] | None) -> dict[str, Any]:
    published, claim = evidence.published, evidence.claim
    row: dict[str, Any] = {
        "quantity": evidence.quantity,
        "published": None if published is None else published.value,
        "tolerance": None if published is None else published.tolerance,
        "where": None if published is None else published.where,
        "claim": None if claim is None else claim.words,
        "theory": evidence.theory,
    }
    for name in ("mean", "standard_error", "z"):
        row[name] = None if simulation is None else simulation[name]
    row["status"] = AGREES if simulation is None else simulation["status"]
    # `not <=` so that a missing number of the theory disagrees
    if published is not None and not abs(evidence.theory - published.value) <= published.tolerance:
        row["status"] = OFF
    elif claim is not None and not claim.holds:
        row["status"] = FALSE
    return row


def _status(result: Remade, rows: list[dict[str, Any]]) -> str:
    statuses = {row["status"] for row in rows}
    if statuses & {DISAGREES, OFF, FALSE}:
        return DISAGREES
    if statuses != {AGREES}:
        return UNDECIDED
    return AGREES if any(e.published for e in result.evidence) else NO_NUMBER
