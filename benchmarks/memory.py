"""Peak memory (resident set) of whole commands against the size of the grid, and the format
written.

Beyond 200,000 rows a csv, json or npz file is written while it is computed: a curve of any size
takes about 0.15 GB. A phase diagram also keeps three bytes a cell, of which its boundaries are
traced at the end in some 20 bytes a cell. Figures hold the whole grid, 0.5 kB a point.
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

WAYS = (("curve", "npz"), ("curve", "csv"), ("curve", "json"), ("diagram", "npz"))
COMMANDS = {
    "curve": "curve --loss logistic --signal 1.5 --ridge 0.1 --sampling-ratio 0.1:10:{side} "
    "--gain 0.3:3:{side}",
    "diagram": "phase --objective cosine-scaled --signal 2 --dimension 50 "
    "--augmentation 0.1:2:{side} --temperature 0.02:10:{side}:log",
}


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
        for side in (32, 100, 316) if quick else (32, 100, 316, 1000, 2000):
            for kind, ending in WAYS:
                if side == 2000 and ending != "npz":
                    continue
                words = f"-m cli {COMMANDS[kind].format(side=side)} -o {Path(folder)}/grid.{ending}"
                seconds, megabytes = peak(words.split())
                series, size = f"memory:{kind}, {ending}", f"{kind} of {side * side:,} points"
                reached = f"{megabytes:.0f} MB"
                rows.append(Row(ending, size, seconds, reached, series, side * side))
    return rows
