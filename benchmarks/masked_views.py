"""How wrong a Gaussian of the same second moments is for masked views: a table of gains.

Run as ``python benchmarks/masked_views.py``; prints the table of docs/theory/contrastive.md. Each
simulated gain minimises a sampled loss (common samples for every gain) and is the mean over
independent repetitions, with its standard error. The column "Gaussian, simulated" runs the same
simulation on Gaussian views, and shows what of a difference is the simulation's own.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logsumexp

from asymptotics.contrastive.masking import masked_inner_product
from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.views import masking

Array = NDArray[np.float64]


def mixture(signal: float, dimension: int, count: int, rng: np.random.Generator) -> Array:
    """Samples of the two classes, the mean spread evenly over the coordinates."""
    labels = rng.choice([-1.0, 1.0], (count, 1))
    noise = rng.standard_normal((count, dimension))
    return np.asarray(labels * signal / np.sqrt(dimension) + noise)


def view(x: Array, signal: float, masked: float, gaussian: bool, rng: np.random.Generator) -> Array:
    """A masked view of x over k = 1 - q, or a Gaussian one of the same second moments."""
    if gaussian:
        extra = (1 + masked * signal**2 / x.shape[1]) / (1 - masked) - 1
        return np.asarray(x + np.sqrt(extra) * rng.standard_normal(x.shape))
    return x * (rng.random(x.shape) >= masked) / (1 - masked)


def cosine_gain(
    signal: float,
    masked: float,
    temperature: float,
    dimension: int,
    gaussian: bool,
    rng: np.random.Generator,
    anchors: int = 1024,
    negatives: int = 4096,
) -> float:
    """log a that minimises the sampled cosine loss of W_a."""
    x = mixture(signal, dimension, anchors, rng)
    first, second = (view(x, signal, masked, gaussian, rng) for _ in range(2))
    other = view(mixture(signal, dimension, negatives, rng), signal, masked, gaussian, rng)

    def head(h: Array, log_gain: float) -> Array:
        along = h.sum(axis=1, keepdims=True) / dimension
        z = h + np.expm1(log_gain) * along
        norm = np.linalg.norm(z, axis=1, keepdims=True)
        return np.asarray(z / np.where(norm > 0, norm, 1.0))  # all masked: cosine 0 with all

    def loss(log_gain: float) -> float:
        one, two, rest = (head(h, log_gain) for h in (first, second, other))
        uniform = logsumexp(one @ rest.T / temperature, axis=1)
        return float(np.mean(uniform) - np.sum(one * two) / anchors / temperature)

    return float(minimize_scalar(loss, bounds=(-2, 2), method="bounded", options={"xatol": 1e-4}).x)


def inner_product_gain(
    signal: float, masked: float, dimension: int, rng: np.random.Generator, anchors: int = 4000
) -> float:
    """log a of inner-product InfoNCE on masked views: negatives exact, anchors sampled."""
    kept, mean = 1 - masked, signal / np.sqrt(dimension)
    h = (rng.random((anchors, dimension)) < kept) * (
        mean + rng.standard_normal((anchors, dimension))
    )
    along = h.sum(axis=1, keepdims=True) / dimension

    def loss(eigenvalues: Array) -> float:
        across, signal_value = eigenvalues
        v = across * h + (signal_value - across) * along
        plus, minus = (
            np.log(masked + kept * np.exp(v * v / 2 + side * v * mean)).sum(axis=1)
            for side in (1.0, -1.0)
        )
        aligned = kept**2 * (across * (dimension - 1) + signal_value * (signal**2 + 1))
        return float(np.mean(np.logaddexp(plus, minus)) - aligned)

    options = {"xatol": 1e-6, "fatol": 1e-9}
    best = minimize(loss, [kept, kept], method="Nelder-Mead", options=options).x
    return float(0.5 * np.log(best[1] / best[0]))


def summary(log_gains: list[float]) -> str:
    values = np.exp(log_gains)
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(values.size):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    streams = np.random.default_rng(options.seed).spawn(options.repetitions)

    print("| R | q | d | exact, d → ∞ | Gaussian | masked, simulated |\n|---|---|---|---|---|---|")
    for signal, masked in ((1.0, 0.5), (2.0, 0.2), (2.0, 0.5), (2.0, 0.8)):
        exact = float(masked_inner_product(signal, masked).gain)
        pair = masking(signal, masked, 1e9)
        normal = float(projector("inner-product", pair=pair, dimension=2).gain)
        for dimension in (50, 200):
            runs = [inner_product_gain(signal, masked, dimension, rng) for rng in streams]
            row = (signal, masked, dimension, f"{exact:.3f}", f"{normal:.3f}", summary(runs))
            print(f"| {' | '.join(map(str, row))} |", flush=True)

    print("\n| R | q | d | τ | Gaussian | Gaussian, simulated | masked, simulated |")
    print("|---|---|---|---|---|---|---|")
    for signal, masked, tau in ((2.0, 0.2, 0.5), (2.0, 0.5, 0.5), (2.0, 0.5, 1.5), (1.0, 0.8, 0.5)):
        for dimension in (10, 40):
            pair = masking(signal, masked, dimension)
            found = projector("cosine", pair=pair, temperature=tau, dimension=dimension)
            cells = [
                summary([cosine_gain(signal, masked, tau, dimension, kind, rng) for rng in streams])
                for kind in (True, False)
            ]
            row = (signal, masked, dimension, tau, f"{float(found.gain):.3f}", *cells)
            print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
