"""``python -m benchmarks [NAME ...] [--quick] [--list]``: measure, print ratios, write the page.

Each benchmark runs in a process of its own, whose peak memory is reported. What was measured is
kept in benchmarks/results.json, from which docs/benchmarks.md is made; ``--quick`` writes neither.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

NAMES = ("points", "diagram", "cosine", "probes", "training", "commands", "memory", "growth")
RESULTS = Path(__file__).parent / "results.json"


def measured(name: str, quick: bool) -> dict[str, Any]:
    """The section of one benchmark, from a process of its own with one BLAS thread."""
    arguments = [sys.executable, "-m", "benchmarks", name, "--inside", *["--quick"] * quick]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"benchmarks: {name} failed")
    return json.loads(text.splitlines()[-1]) | {"peak_mb": usage.ru_maxrss / 1024}


def inside(name: str, quick: bool) -> None:
    """Measure in this process and print the section as JSON."""
    from benchmarks.page import machine

    module = import_module(f"benchmarks.{name}")
    section = {
        "title": module.TITLE,
        "text": module.__doc__.strip(),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "rows": [asdict(row) for row in module.measure(quick)],
    }
    print(json.dumps(section))


def show(section: dict[str, Any]) -> None:
    """The section as a table on standard output."""
    from benchmarks.rows import Row, ratios

    rows = [Row(**row) for row in section["rows"]]
    print(f"\n{section['title']} (peak memory {section['peak_mb']:.0f} MB)")
    for row, ratio in zip(rows, ratios(rows), strict=True):
        times = "" if ratio is None else f"{ratio:.3g} x"
        print(f"  {row.size:<44}{row.name:<36}{row.seconds:10.3g} s {times:>10}  {row.reached}")


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes; writes nothing")
    parser.add_argument("--list", action="store_true", help="the names, and what each compares")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = given.names or NAMES
    if given.list:
        for name in names:
            print(f"{name:<10} {import_module(f'benchmarks.{name}').TITLE}")
        return
    if given.inside:
        inside(names[0], given.quick)
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr)
        results[name] = measured(name, given.quick)
        show(results[name])
        if not given.quick:
            from benchmarks.page import write

            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
            write({name: results[name] for name in NAMES if name in results})


if __name__ == "__main__":
    main()
