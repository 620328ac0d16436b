"""Regenerate the reference values beside this script: ``python tests/reference/make_reference.py``.

Every number comes from the mpmath solver (asymptotics/reference) at 25 digits and depends on
nothing else.  Inputs are the binary64 numbers that the JSON files show, so that a float solver and
the reference are asked the same question.  ``published.json`` is not made here: its values have
other sources, named in it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from mpmath import mp

from asymptotics.reference import (
    ReferencePoint,
    reference_accuracy,
    reference_collapse,
    reference_separability,
    reference_spectrum_accuracy,
)

HERE = Path(__file__).parent
DIGITS = 25
PENALISED = ("square", "logistic", "hinge", "squared-hinge")
Record = dict[str, Any]

# (signal, sampling ratio, ridge, gain)
ORDINARY = (
    (1.5, 1.5, 0.1, 0.5),
    (1.5, 1.5, 0.1, 1.0),
    (1.5, 1.5, 0.1, 2.0),
    (0.0, 2.0, 0.5, 1.0),
    (0.5, 0.4, 0.03, 3.0),
    (1.0, 6.0, 0.001, 0.3),
    (2.5, 0.8, 1.0, 1.5),
    (3.0, 20.0, 10.0, 0.8),
)
# (loss, signal, sampling ratio, gain) of the entries without a ridge
ORDINARY_LIMITS = (
    *(("max-margin", r, d, a) for r, d in ((1.5, 1.5), (0.5, 0.7), (3.0, 40.0)) for a in (0.5, 2)),
    *(("min-norm", r, d, a) for r, d in ((1.5, 0.5), (0.5, 0.1), (3.0, 0.9)) for a in (0.5, 2)),
    *(("least-squares", r, d, a) for r, d in ((1.5, 1.5), (0.5, 9.0), (3.0, 1.1)) for a in (1, 2)),
    *(("logistic-mle", r, d, a) for r, d in ((0.0, 3.0), (0.5, 5.0), (1.5, 15.0)) for a in (1, 2)),
    *(("averaging", r, d, a) for r, d in ((1.5, 1.5), (0.5, 9.0), (3.0, 0.1)) for a in (0.5, 2)),
    *(("bayes", r, 1.0, 1) for r in (0.0, 0.5, 1.5, 3.0, 8.0, 20.0)),
)
# The ends of the box in which the float solver promises its digits.
CORNERS = tuple(product((0.0, 20.0), (0.01, 1000.0), (1e-10, 1e6), (0.001, 1000.0)))
# Test errors far below one, and the neighbourhoods of both thresholds.
HARD = (
    (13.5, 100.0, 0.01, 1.0),
    (19.0, 3.0, 1e-5, 7.0),
    (10.0, 0.05, 1e-3, 100.0),
    (1.0, 3.7, 1e-8, 1.0),
    (2.0, 20.7, 1e-6, 1.0),
    (1.0, 1.0, 1e-9, 2.0),
)
HARD_LIMITS = (
    *(("max-margin", r, 10.0, a) for r in (10.0, 13.5, 20.0) for a in (0.01, 100.0)),
    *(("max-margin", 20.0, d, 1.0) for d in (0.01, 1000.0)),
    ("max-margin", 1.0, 3.69, 1.0),
    ("max-margin", 2.0, 20.70, 0.3),
    ("logistic-mle", 1.0, 3.71, 1.0),
    ("logistic-mle", 2.0, 20.75, 5.0),
    ("logistic-mle", 3.0, 1000.0, 1.0),
    ("min-norm", 1.5, 0.999, 0.5),
    ("min-norm", 20.0, 0.01, 1000.0),
    ("least-squares", 1.5, 1.001, 2.0),
    ("least-squares", 20.0, 1000.0, 1.0),
    ("averaging", 20.0, 0.01, 1000.0),
    ("averaging", 14.0, 1000.0, 1.0),
)
SPECTRUM = {
    "eigenvalues": [0.2, 1.0, 3.0, 8.0],
    "weights": [0.375, 0.5, 0.125, 0.0],
    "squared_means": [0.1, 0.3, 0.9, 1.7],
}
# (sampling ratio, ridge)
SPECTRUM_POINTS = ((0.5, 0.1), (2.0, 0.01), (10.0, 1.0))
# (signal, sampling ratio, ridge, gain, prior)
INTERCEPT = ((1.0, 2.0, 0.1, 1.0, 0.25), (1.5, 0.7, 0.01, 2.0, 0.4), (0.5, 5.0, 0.3, 0.5, 0.7))
THRESHOLDS = (0.0, 0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
THRESHOLD_PRIORS = tuple(product((0.0, 0.5, 1.0, 3.0), (0.05, 0.25, 0.4)))


def text(value: Any) -> str | None:
    return None if value is None else mp.nstr(value, DIGITS)


def solved(point: ReferencePoint) -> Record:
    names = ("accuracy", "test_error", "gamma", "mean", "variance", "vhat", "mhat", "qhat")
    record: Record = {name: text(getattr(point, name)) for name in names}
    record["intercept_value"] = text(point.intercept)
    record["error"] = mp.nstr(point.error, 3)
    return record


def isotropic(loss: str, values: tuple[float, ...], **options: Any) -> Record:
    """A record of one point: (signal, sampling ratio, ridge or None, gain)."""
    names = ("signal", "sampling_ratio", "ridge", "gain")
    inputs = {
        name: None if value is None else float(value)
        for name, value in zip(names, values, strict=True)
    }
    point = reference_accuracy(loss, **inputs, **options, digits=DIGITS)
    return {"loss": loss, **inputs, **options, **solved(point)}


def ordinary() -> Iterator[Record]:
    for loss, values in product(PENALISED, ORDINARY):
        yield isotropic(loss, values)
    for loss, signal, ratio, gain in ORDINARY_LIMITS:
        yield isotropic(loss, (signal, ratio, None, gain))


def corners() -> Iterator[Record]:
    for loss, values in product(PENALISED, (*CORNERS, *HARD)):
        yield isotropic(loss, values)
    for loss, signal, ratio, gain in HARD_LIMITS:
        yield isotropic(loss, (signal, ratio, None, gain))


def intercepts() -> Iterator[Record]:
    for loss, (*values, prior) in product(PENALISED, INTERCEPT):
        yield isotropic(loss, tuple(values), prior=prior, intercept=True)
    for loss, ratio in (("max-margin", 1.5), ("min-norm", 0.5), ("least-squares", 3.0)):
        yield isotropic(loss, (1.0, ratio, None, 2.0), prior=0.25, intercept=True)
    yield isotropic("logistic-mle", (1.0, 9.0, None, 2.0), prior=0.25, intercept=True)
    yield isotropic("bayes", (1.0, 9.0, None, 1.0), prior=0.25, intercept=True)


def spectra() -> Iterator[Record]:
    limits = (("max-margin", 0.5), ("min-norm", 0.5), ("least-squares", 3.0), ("averaging", 1.0))
    points = [(loss, *point) for loss, point in product(PENALISED, SPECTRUM_POINTS)]
    for loss, ratio, ridge in (*points, *((name, ratio, None) for name, ratio in limits)):
        inputs: Record = {**SPECTRUM, "sampling_ratio": ratio, "ridge": ridge}
        point = reference_spectrum_accuracy(loss, **inputs, digits=DIGITS)
        yield {"loss": loss, **inputs, **solved(point)}


def thresholds() -> Iterator[Record]:
    cases = [(signal, 0.5, False) for signal in THRESHOLDS]
    cases += [(signal, prior, True) for signal, prior in THRESHOLD_PRIORS]
    for signal, prior, intercept in cases:
        found = reference_separability(signal, prior, intercept, DIGITS)
        yield {
            "signal": signal,
            "prior": prior,
            "intercept": intercept,
            "sampling_ratio": text(found.sampling_ratio),
            "cosine": text(found.cosine),
            "intercept_value": text(found.intercept),
        }


def collapse() -> Iterator[Record]:
    for signal, prior in product((0.0, 0.2, 0.5), (0.05, 0.25, 0.7)):
        found = reference_collapse(signal, prior, DIGITS)
        yield {
            "signal": signal,
            "prior": prior,
            "sampling_ratio": None if mp.isinf(found) else text(found),
        }


TABLES = {
    table.__name__: table
    for table in (ordinary, corners, intercepts, spectra, thresholds, collapse)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", nargs="*", choices=[*TABLES, []], help="default: all")
    for name in parser.parse_args().table or TABLES:
        records = list(TABLES[name]())
        lines = ",\n".join(json.dumps(record) for record in records)
        (HERE / f"{name}.json").write_text(f"[\n{lines}\n]\n")
        print(f"{name}: {len(records)} records")


if __name__ == "__main__":
    main()
