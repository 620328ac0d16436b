"""Where does expansion hurt? The sign of d accuracy/d gain at random problems, a table row a loss.

    python benchmarks/expansion_sign.py [--points 6000] [--seed 2]

Prints the tables of docs/theory/exact.md, section 4: how many points have a negative derivative
(beyond its error estimate), and the largest derivative of log test error in log gain.
"""

from __future__ import annotations

import argparse

import numpy as np

from asymptotics.limits import limit
from asymptotics.sensitivity import differentiate
from asymptotics.sweep import make_problem

PENALISED = ("logistic", "hinge", "squared-hinge")
LIMITS = ("max-margin", "min-norm")


def hurts(**problem: object) -> str:
    """`harmed of converged (largest d log error/d log a)` of a batch."""
    result = limit(make_problem(**problem))  # type: ignore[arg-type]
    found = differentiate(result, "gain")
    known = ~np.isnan(found.accuracy)
    per_log = np.asarray(problem["gain"]) * found.log_test_error
    harmed = known & (found.accuracy < -found.error_estimate) & (per_log > 1e-9)
    largest = f" (at most {np.max(per_log[harmed]):.2g})" if harmed.any() else ""
    return f"{harmed.sum()} of {known.sum()}{largest}"


def main() -> None:
    """Two tables: at fixed gains with a ridge, and the limits without one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    signal = rng.uniform(0.05, 5, options.points)
    ratio = 10 ** rng.uniform(-1, 2.5, options.points)
    ridge = 10 ** rng.uniform(-6, 1, options.points)
    gain = 10 ** rng.uniform(-1, 1, options.points)
    prior = rng.uniform(0.05, 0.5, options.points)
    common = {"signal": signal, "sampling_ratio": ratio}
    gains = (0.3, 0.6, 1.0)
    print("| loss | " + " | ".join(f"a = {a:g}" for a in gains) + " |")
    print("|---|" + "---|" * len(gains))
    for loss in PENALISED:
        cells = (hurts(loss=loss, ridge=ridge, gain=a, **common) for a in gains)
        print(f"| {loss} | " + " | ".join(cells) + " |")
    print("\n| limit | no intercept | intercept, P(y = 1) from 0.05 to 0.5 |")
    print("|---|---|---|")
    for loss in LIMITS:
        plain = hurts(loss=loss, gain=gain, **common)
        unequal = hurts(loss=loss, gain=gain, prior=prior, intercept=True, **common)
        print(f"| {loss} | {plain} | {unequal} |")


if __name__ == "__main__":
    main()
