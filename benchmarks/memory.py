"""Peak memory (resident set) of whole commands against the size of the grid, and the format
written.

Beyond 200,000 points a csv or json file is written while it is computed, in bounded memory: about
0.1 GB for a grid of any size. npz and figures hold the whole grid, 0.2 kB a point.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rows import Row

TITLE = "Memory"


def peak(arguments: list[str]) -> tuple[float, float]:
    """(seconds, peak resident megabytes) of a process of this Python."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{arguments} failed with status {status}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def measure(quick: bool) -> list[Row]:
    """Rows of seconds, with the peak in `reached` and in the figure."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for side in (32, 100, 316) if quick else (32, 100, 316, 1000):
            for ending in ("npz", "csv", "json"):
                text = (
                    "-m cli curve --loss logistic --signal 1.5 --ridge 0.1 "
                    f"--sampling-ratio 0.1:10:{side} --gain 0.3:3:{side} "
                    f"-o {Path(folder) / f'curve.{ending}'}"
                )
                seconds, megabytes = peak(text.split())
                size = f"curve of {side * side:,} points"
                reached = f"{megabytes:.0f} MB"
                rows.append(Row(ending, size, seconds, reached, f"memory:{ending}", side * side))
    return rows
