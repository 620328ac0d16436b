"""Whole processes from a cold start, median of several.

Yardstick: Python importing numpy and scipy.special, which every answer needs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.rows import Row

TITLE = "Commands"

COMMANDS = {
    "asymptotics --help": ["-m", "cli", "--help"],
    "asymptotics accuracy": [
        *("-m", "cli", "accuracy", "--loss", "logistic", "--signal", "1.5"),
        *("--sampling-ratio", "1.5", "--ridge", "0.1", "--gain", "2"),
    ],
    "asymptotics curve, 10^4 points": [
        *("-m", "cli", "curve", "--loss", "logistic", "--signal", "1.5", "--ridge", "0.1"),
        *("--sampling-ratio", "0.1:10:100", "--gain", "0.3:3:100", "--json"),
    ],
    "import numpy, scipy.special": ["-c", "import numpy, scipy.special"],
}


def seconds(arguments: list[str], repeats: int) -> float:
    """Median wall time of a process."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def measure(quick: bool) -> list[Row]:
    """Rows of seconds a process."""
    return [
        Row(name, "a process", seconds(arguments, 3 if quick else 9))
        for name, arguments in COMMANDS.items()
    ]
