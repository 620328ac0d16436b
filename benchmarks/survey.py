"""Floats against certified digits at random points of the box: a table of the worst errors.

Run as ``python benchmarks/survey.py --minutes 8 --store survey.jsonl`` with the extra `certify`;
writes docs/survey.md. Points are numbered and drawn from (seed, number), so a run that was stopped
goes on where its store ends, and a longer run extends a shorter one.

The box: R in [0, 20] (as 20 u^2 with u uniform, since most of a uniform one is error-free), and
log-uniform n/p in [1e-2, 1e3], ridge in [1e-10, 1e6], gain in [1e-3, 1e3]. A third of the points
fit an intercept to classes of a prior in [0.02, 0.98].
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from asymptotics.certify import NotCertified, certify, certify_gain, certify_separability
from asymptotics.contrastive.projector import projector
from asymptotics.errors import AsymptoticsError, NoLimit
from asymptotics.limits import CONVERGED, NO_LIMIT, limit
from asymptotics.probes import PROBES, Existence
from asymptotics.sweep import make_problem
from asymptotics.thresholds import separability

Row = dict[str, Any]

DIGITS = 18  # of the certified values
ROUNDING = 2.3e-16  # half an ulp of an accuracy near 1 and of its complement, with room
# points of each probe in a round: the losses that need quadrature cost twenty times the others
POINTS_A_ROUND = dict.fromkeys(PROBES, 6) | {"logistic": 2, "logistic-mle": 1, "bayes": 1}
OBJECTIVES = ("inner-product", "inner-product-fixed-norm", "cosine-scaled")


def probe_point(loss: str, rng: np.random.Generator) -> Row:
    """A point of the box, on the side of the threshold where the probe has a limit."""
    probe, low, high = PROBES[loss], 1e-2, 1e3
    classes: Row = {}
    if loss not in ("averaging", "bayes") and rng.uniform() < 1 / 3:
        classes = {"prior": rng.uniform(0.02, 0.98), "intercept": True}
    signal = 20 * rng.uniform() ** 2
    if probe.existence is Existence.SEPARABLE:
        high = min(high, float(separability(signal, classes.get("prior")).threshold))
    elif probe.existence is Existence.INSEPARABLE:
        while (low := float(separability(signal, classes.get("prior")).threshold)) > high:
            signal = 20 * rng.uniform() ** 2
    elif probe.existence is Existence.INTERPOLATING:
        high = 1.0
    elif probe.existence is Existence.DETERMINED:
        low = 1.0
    ratio = np.exp(rng.uniform(np.log(low), np.log(high)))
    point = {"loss": loss, "signal": signal, "sampling_ratio": ratio, **classes}
    if probe.ridge is None:
        point["ridge"] = 10 ** rng.uniform(-10, 6)
    return point | {"gain": 10 ** rng.uniform(-3, 3)}


def probe_row(point: Row, digits: int) -> Row:
    """Float accuracy, its error estimate, and how far it is from the certified value."""
    found = limit(make_problem(**point))
    row = point | {"status": str(found.status), "error_estimate": float(found.error_estimate)}
    if row["status"] == NO_LIMIT:
        return row
    exact = certify(digits=digits, **point)
    row |= {"accuracy": exact.value, "bits": exact.bits}
    if row["status"] == CONVERGED:
        others = {"accuracy": (exact.value, exact.radius), **exact.others}
        row["error"] = max(
            float(abs(Fraction(float(getattr(found, name))) - Fraction(value)) + Fraction(radius))
            for name, (value, radius) in others.items()
        )
    return row


def threshold_row(rng: np.random.Generator, digits: int) -> Row:
    """Relative error of the separability threshold, with an intercept in half of the points."""
    point: Row = {"signal": 20 * rng.uniform() ** 2}
    if rng.uniform() < 0.5:
        point["prior"] = rng.uniform(0.02, 0.98)
    found = separability(point["signal"], point.get("prior"))
    exact = Fraction(certify_separability(digits=digits, **point).value)
    error = float(abs(Fraction(float(found.threshold)) / exact - 1))
    return {"loss": "separability", **point, "status": CONVERGED, "error": error}


def gain_row(objective: str, rng: np.random.Generator, digits: int) -> Row:
    """Error of the log gain."""
    point: Row = {
        "signal": 20 * rng.uniform() ** 2,
        "augmentation": 10 ** rng.uniform(-2, 1),
        "temperature": 10 ** rng.uniform(-2, 2),
        "dimension": 10 ** rng.uniform(0.7, 3),
    }
    row: Row = {"loss": objective, **point}
    try:
        found = projector(objective, **point)
        exact = Fraction(certify_gain(objective=objective, digits=digits, **point).value)
    except NoLimit:
        return row | {"status": NO_LIMIT}
    error = float(abs(Fraction(float(found.gain)) / exact - 1))
    return row | {
        "status": CONVERGED,
        "error": error,
        "error_estimate": float(found.error_estimate),
    }


def survey_rows(seed: int, first: int, digits: int) -> Iterator[Row]:
    """Rows number first, first + 1, ... without end; a point without proof has an empty one."""
    kinds = [name for name, count in POINTS_A_ROUND.items() for _ in range(count)]
    kinds += ["separability", *OBJECTIVES]
    number = first
    while True:
        kind = kinds[number % len(kinds)]
        rng, begun = np.random.default_rng([seed, number]), time.perf_counter()
        row: Row = {"loss": kind, "status": "failed"}
        try:
            if kind in PROBES:
                row |= probe_point(kind, rng)
                row = probe_row({k: v for k, v in row.items() if k != "status"}, digits)
            elif kind == "separability":
                row = threshold_row(rng, digits)
            else:
                row = gain_row(kind, rng, digits)
        except NotCertified as error:
            row |= {"status": "not certified", "message": str(error)}
        except AsymptoticsError as error:
            row |= {"message": str(error)}
        yield row | {"number": number, "seconds": time.perf_counter() - begun}
        number += 1


def region(row: Row) -> str:
    """Which part of the box a point lies in."""
    if row["loss"] not in PROBES:
        return "all"
    fit = ", intercept" if row.get("intercept") else ""
    if "ridge" in row:
        size = "< 1e-4" if row["ridge"] < 1e-4 else "< 1" if row["ridge"] < 1 else ">= 1"
        return f"ridge {size}{fit}"
    return f"gain {'< 1' if row['gain'] < 1 else '>= 1'}{fit}"


def table(rows: list[Row]) -> list[str]:
    """A line of Markdown per probe and region."""
    lines = [
        "| probe or quantity | region | points | no limit | proved | floats converged "
        "| worst error | worst estimate | estimate exceeded | seconds a proof, median |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["loss"], region(row)), []).append(row)
    for (name, where), group in sorted(groups.items()):
        absent = [row for row in group if row["status"] == NO_LIMIT]
        failed = [row for row in group if row["status"] in ("failed", "not certified")]
        good = [row for row in group if "error" in row]
        told = [row for row in good if "error_estimate" in row]
        over = [row for row in told if row["error"] > row["error_estimate"] + ROUNDING]
        worst = max((row["error"] for row in good), default=float("nan"))
        estimate = f"{max(row['error_estimate'] for row in told):.1e}" if told else "-"
        lines.append(
            f"| {name} | {where} | {len(group)} | {len(absent)} "
            f"| {len(group) - len(absent) - len(failed)} | {len(good)} | {worst:.1e} "
            f"| {estimate} | {len(over) if told else '-'} "
            f"| {np.median([row['seconds'] for row in group]):.3f} |"
        )
    return lines


def report(rows: list[Row], seed: int, digits: int) -> str:
    """The text of docs/survey.md."""
    existing = [row for row in rows if row["status"] != NO_LIMIT]
    lost = [row for row in existing if row["status"] in ("failed", "not certified")]
    worst = sorted((row for row in rows if "error" in row), key=lambda row: -row["error"])[:5]
    lines = [
        "# Floats against certified digits",
        "",
        f"Made by `python benchmarks/survey.py --seed {seed}`, which anyone can run again, longer.",
        f"{len(rows)} random points: R in [0, 20] (as 20 u², u uniform), log-uniform n/p in [1e-2, "
        "1e3], ridge in [1e-10, 1e6] and gain in [1e-3, 1e3], on the side of a "
        "threshold where the limit exists. Gains: log-uniform augmentation in [1e-2, 10], "
        "temperature in [1e-2, 100], dimension in [5, 1000]. A third of the points fit "
        "an intercept to classes of a prior in [0.02, 0.98].",
        "",
        f"Each float is compared with a value certified to {digits} digits "
        "(docs/theory/certificates.md). The error is absolute, the larger of accuracy's and test "
        "error's; for thresholds and gains it is relative. An estimate is exceeded when the error "
        f"is above it by more than the rounding of the result itself, {ROUNDING:g}.",
        "",
        f"A proof was found at {len(existing) - len(lost)} of {len(existing)} points that have a "
        "limit.",
        "",
        *table(rows),
        "",
        "The largest errors:",
        "",
        "| probe or quantity | error | point |",
        "|---|--:|---|",
    ]
    for row in worst:
        names = (
            "signal",
            "sampling_ratio",
            "ridge",
            "gain",
            "prior",
            "augmentation",
            "temperature",
            "dimension",
        )
        point = ", ".join(f"{name} {row[name]:.6g}" for name in names if name in row)
        lines.append(f"| {row['loss']} | {row['error']:.1e} | {point} |")
    if lost:
        lines += ["", "Points without a proof:", ""]
        lines += [f"* {row['loss']}: {row.get('message', '')}" for row in lost[:20]]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Extend the store for the given time, then write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="0: only write the report")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--digits", type=int, default=DIGITS)
    parser.add_argument("--store", type=Path, default=Path("survey.jsonl"))
    parser.add_argument("--report", type=Path, default=Path("docs/survey.md"))
    given = parser.parse_args()
    lines = given.store.read_text().splitlines() if given.store.exists() else []
    rows = [json.loads(line) for line in lines]
    end = time.monotonic() + 60 * given.minutes
    source = survey_rows(given.seed, len(rows), given.digits)
    with given.store.open("a") as store:
        while time.monotonic() < end:
            row = next(source)
            rows.append(row)
            store.write(json.dumps(row) + "\n")
            store.flush()
            if len(rows) % 20 == 0:
                left = (end - time.monotonic()) / 60
                sys.stderr.write(f"\r{len(rows)} points, {left:.1f} minutes left ")
                sys.stderr.flush()
    if rows:
        given.report.write_text(report(rows, given.seed, given.digits))


if __name__ == "__main__":
    main()
