"""The gain of the exact cosine objective at finite dimension, d = 50, R = 2, as the whole command
`asymptotics phase` (all local minima, error estimates and boundaries included).

Alternative, extrapolated from a few cells: minimise a Monte Carlo estimate of the same population
loss with common random numbers (4096 pairs, every other view a negative) by
`scipy.optimize.minimize_scalar`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from asymptotics import projector
from benchmarks.rows import Row, best_of

TITLE = "The exact cosine objective"

DIMENSION, SIGNAL, CELLS = 50, 2.0, 3


def monte_carlo_gain(temperature: float, augmentation: float, pairs: int = 4096) -> float:
    """log a of the smallest sampled loss."""
    rng = np.random.default_rng(0)
    clean = rng.standard_normal((pairs, DIMENSION))
    clean[:, 0] += SIGNAL * rng.choice([-1.0, 1.0], pairs)
    views = [clean + augmentation * rng.standard_normal(clean.shape) for _ in range(2)]

    def loss(log_gain: float) -> float:
        first, second = (view.copy() for view in views)
        for view in (first, second):
            view[:, 0] *= np.exp(log_gain)
            view /= np.linalg.norm(view, axis=1, keepdims=True)
        aligned = np.sum(first * second, axis=1) / temperature
        spread = logsumexp(first @ second.T / temperature, axis=1)
        return float(np.mean(spread - aligned))

    return float(minimize_scalar(loss, bounds=(-2, 4), method="bounded").x)


def measure(quick: bool) -> list[Row]:
    """Rows of whole diagrams."""
    side = 24 if quick else 64
    text = (
        f"phase --signal {SIGNAL} --dimension {DIMENSION} --augmentation 0.1:2:{side} "
        f"--temperature 0.02:10:{side}:log --jobs 2"
    )
    size, rows = f"{side} x {side} cells, d = {DIMENSION}", []
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, "-m", "cli", *text.split(), "-o", str(Path(folder) / "cells.npz")]
        seconds, _ = best_of(lambda: subprocess.run(run, check=True), 1)
    rows.append(Row("asymptotics phase --jobs 2", size, seconds, "1e-12 in log a"))
    cells = [(0.2, 0.5), (1.0, 1.0), (3.0, 1.5)][: 1 if quick else CELLS]
    seconds, found = best_of(lambda: [monte_carlo_gain(*cell) for cell in cells], 1)
    exact = [
        float(
            projector(
                "cosine", signal=SIGNAL, dimension=DIMENSION, temperature=t, augmentation=s
            ).log_gain
        )
        for t, s in cells
    ]
    apart = np.max(np.abs(np.array(found) - exact))
    name = "Monte Carlo loss, extrapolated"
    rows.append(Row(name, size, seconds / len(cells) * side**2, f"{apart:.0e} in log a"))
    return rows
