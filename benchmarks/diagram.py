"""A phase diagram in limit (11) (objective `cosine-scaled`, R = 2, d = 50) with the accuracies
before and after the head of a logistic probe at n/p = 2, ridge 0.1, as the whole command
`asymptotics phase`: start, boundaries and the written file included.

Alternatives, extrapolated from a sample: `scipy.optimize.minimize_scalar` a cell for the gain and
`scipy.optimize.root` a cell for the accuracy, on our loss and residual.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

from asymptotics.contrastive.inputs import find_objective, read_pair, read_setting
from benchmarks.points import one_by_one
from benchmarks.rows import Row, best_of

TITLE = "A phase diagram"

SAMPLE = 40


def command(side: int, jobs: int, folder: str) -> list[str]:
    """The command of a diagram of side x side cells."""
    text = (
        f"phase --signal 2 --dimension 50 --objective cosine-scaled --augmentation 0.1:2:{side} "
        f"--temperature 0.02:10:{side}:log --loss logistic --ridge 0.1 --sampling-ratio 2 "
        f"--jobs {jobs} -o {Path(folder) / 'cells.npz'}"
    )
    return [sys.executable, "-m", "cli", *text.split()]


def one_cell(temperature: float, augmentation: float) -> float:
    """The accuracy's m/sqrt q of one cell, gain and probe by scipy's scalar methods."""
    entry = find_objective("cosine-scaled")
    pair = read_pair(2.0, augmentation, 2, None)
    setting, _, _ = read_setting(entry, pair, temperature, 50.0, np.inf)
    landscape = entry.landscape(setting)

    def loss(log_gain: float) -> float:
        return float(landscape.loss(np.array([log_gain]), *landscape.parameters)[0])

    log_gain = minimize_scalar(loss, bounds=(-4, 8), method="bounded", options={"xatol": 1e-8}).x
    point = {"signal": 2.0, "sampling_ratio": 2.0, "ridge": 0.1, "gain": float(np.exp(log_gain))}
    return float(one_by_one("logistic", {k: np.array([v]) for k, v in point.items()})[0])


def measure(quick: bool) -> list[Row]:
    """Rows of whole commands."""
    side = 300 if quick else 1000
    size, rows = f"{side} x {side} cells", []
    with tempfile.TemporaryDirectory() as folder:
        for jobs in (2, 1):
            run = command(side, jobs, folder)
            seconds, _ = best_of(lambda run=run: subprocess.run(run, check=True), 1)
            rows.append(Row(f"asymptotics phase --jobs {jobs}", size, seconds))
    rng = np.random.default_rng(0)
    cells = [(10 ** rng.uniform(-1.7, 1), rng.uniform(0.1, 2)) for _ in range(SAMPLE)]
    seconds, _ = best_of(lambda: [one_cell(*cell) for cell in cells], 1)
    rows.append(Row("scipy a cell, extrapolated", size, seconds / SAMPLE * side**2))
    return rows
