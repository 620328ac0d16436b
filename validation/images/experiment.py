"""Probes before and after the head on pairs of digits: what the theory orders, tested over seeds.

For each dropping probability q and seed: a fresh split of the digits, a network trained without
labels, probes for the class of either digit on h and on z, and d = accuracy before - after. The
theory of linear layers (layers-validation.md, what the theory orders) says of the disrupted digit

    1. d > 0 at each q > 0,     2. d exceeds that of the kept digit at each q > 0,
    3. d grows with q: the slope of its regression on q is positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from asymptotics.errors import InvalidInput
from asymptotics.table import Table
from validation.checks.run import Run
from validation.compare import AGREES, DISAGREES, holm
from validation.estimate import Estimate, combine, mean_of
from validation.images.digit_pairs import draw_pairs, read_digits
from validation.images.network import forward
from validation.images.probe import probe_accuracy
from validation.images.simclr import Pretraining, pretrain

Array = NDArray[np.float64]
UNDECIDED = "undecided"
DIGITS = ("kept", "disrupted")


@dataclass(frozen=True)
class Probing:
    """training: labelled pairs for the probe; test: pairs of held-out digits; ridge: in units of
    the mean variance of a feature; share: of the digits that training may see.
    """

    training: int = 1000
    test: int = 2000
    ridge: float = 0.01
    share: float = 0.7

    def __post_init__(self) -> None:
        if min(self.training, self.test) < 2:
            raise InvalidInput("the probe needs 2 pairs or more to be trained and tested on")
        if not (np.isfinite(self.ridge) and self.ridge > 0):
            raise InvalidInput(f"ridge must be finite and > 0, got {self.ridge}")
        if not 0 < self.share < 1:
            raise InvalidInput(f"share must lie in (0, 1), got {self.share}")


@dataclass(frozen=True)
class ImageExperiment:
    """What came out.

    table: a row a q and digit: ``drop``, ``digit`` ("kept", "disrupted"), ``accuracy_before``,
        ``accuracy_after``, ``difference`` (before - after), each with a ``standard_error`` over
        ``num_seeds``.
    chance: accuracy of always naming the commonest class.
    claims: a row a claim: ``claim``, ``drop`` (nan for the slope), ``estimate``,
        ``standard_error``, ``t``, ``p_value`` (one-sided, Holm over all claims and both sides),
        ``status``: "agrees" (positive at `level`), "disagrees" (negative at `level`), "undecided".
    """

    table: Table = field(repr=False)
    claims: Table = field(repr=False)
    chance: float
    level: float

    @property
    def agreement(self) -> bool | None:
        """True if every claim is borne out, False if one is contradicted, None otherwise."""
        status = self.claims["status"]
        if np.any(status == DISAGREES):
            return False
        return True if np.all(status == AGREES) else None

    def __str__(self) -> str:
        """One line: how many claims came out how."""
        status = self.claims["status"].tolist()
        parts = [f"{status.count(name)} {name}" for name in dict.fromkeys(status)]
        return f"of {len(status)} claims about before and after the head: {', '.join(parts)}"


def image_experiment(
    path: str | Path,
    *,
    drop: Sequence[float] = (0.0, 0.1, 0.2, 0.5, 0.8),
    seeds: int = 8,
    pretraining: Pretraining | None = None,
    probing: Probing | None = None,
    level: float = 0.01,
    run: Run | None = None,
) -> ImageExperiment:
    """Train and probe at each dropping probability, `seeds` times, and test the three claims.

    path: an .npz with `features` (n x pixels) and `labels`. Errors are those over seeds, given the
    images. Raises InvalidInput.
    """
    rates = np.unique(np.asarray(drop, dtype=float))
    if rates.size == 0 or not np.all((rates >= 0) & (rates < 1)):
        raise InvalidInput(f"drop must be probabilities in [0, 1), got {np.asarray(drop)}")
    if seeds < 3:
        raise InvalidInput(f"seeds must be at least 3 for a standard error, got {seeds}")
    if not 0 < level < 0.5:
        raise InvalidInput(f"level must lie in (0, 0.5), got {level}")
    digits, digest = read_digits(path)
    setting = {
        "pretraining": asdict(pretraining or Pretraining()),
        "probing": asdict(probing or Probing()),
        "path": str(path),
        "digest": digest,
    }
    calls = [setting | {"drop": float(q), "trial": k} for q in rates for k in range(seeds)]
    found = (Run() if run is None else run).tasks("training on images", image_trial, calls)
    accuracies = np.array(found).reshape(rates.size, seeds, 2, 2)
    chance = float(np.max(np.bincount(digits.labels)) / digits.labels.size)
    table, claims = _table(rates, accuracies), _claims(rates, accuracies, level)
    return ImageExperiment(table, claims, chance, level)


def image_trial(
    rng: np.random.Generator,
    *,
    path: str,
    digest: str,
    drop: float,
    pretraining: dict[str, Any],
    probing: dict[str, Any],
    trial: int,
) -> list[list[float]]:
    """[[before, after] of the kept digit, [before, after] of the disrupted digit].

    `digest` is that of the file, `trial` only names the random numbers. Labelled pairs are not
    augmented. Raises InvalidInput if the file has changed.
    """
    digits, present = read_digits(path)
    if present != digest:
        raise InvalidInput(f"{path} has changed since the experiment began")
    probe = Probing(**probing)
    known, held_out = digits.split(probe.share, rng)
    parameters = pretrain(known, drop, Pretraining(**pretraining), rng)
    parts = []
    for part, number in ((known, probe.training), (held_out, probe.test)):
        images, labels = draw_pairs(part, number, rng)
        layers = forward(parameters, images)
        parts.append(((layers[1], layers[-1]), labels))
    (training, labels), (test, truth) = parts
    return [
        [
            probe_accuracy(
                (training[layer], labels[:, digit]),
                (test[layer], truth[:, digit]),
                digits.num_classes,
                probe.ridge,
            )
            for layer in (0, 1)
        ]
        for digit in (0, 1)
    ]


def _table(rates: Array, accuracies: Array) -> Table:
    """accuracies: (q, seeds, digit, layer)."""
    values = {
        "accuracy_before": accuracies[..., 0],
        "accuracy_after": accuracies[..., 1],
        "difference": accuracies[..., 0] - accuracies[..., 1],
    }
    seeds = accuracies.shape[1]
    columns: dict[str, NDArray[Any]] = {
        "drop": np.repeat(rates, 2),
        "digit": np.tile(DIGITS, rates.size),
    }
    for name, trials in values.items():
        columns[name] = np.mean(trials, axis=1).ravel()
        columns[f"standard_error_{name}"] = np.ravel(
            np.std(trials, axis=1, ddof=1) / np.sqrt(seeds)
        )
    columns["num_seeds"] = np.full(2 * rates.size, seeds)
    return Table(columns)


def _claims(rates: Array, accuracies: Array, level: float) -> Table:
    kept, disrupted = np.moveaxis(accuracies[..., 0] - accuracies[..., 1], 2, 0)
    found: list[tuple[str, float, Estimate]] = []
    for q, of_kept, of_disrupted in zip(rates, kept, disrupted, strict=True):
        if q > 0:
            found.append(("before exceeds after", q, mean_of(of_disrupted)))
            found.append(("more than for the kept digit", q, mean_of(of_disrupted - of_kept)))
    if rates.size > 1:
        slope = (rates - rates.mean()) / np.sum((rates - rates.mean()) ** 2)
        found.append(("grows with dropping", np.nan, combine(slope, list(map(mean_of, disrupted)))))
    if not found:
        raise InvalidInput("drop must have a positive probability: nothing is disrupted")
    estimates = [estimate for _, _, estimate in found]
    value, error, dof = (
        np.array([getattr(e, name) for e in estimates])
        for name in ("value", "standard_error", "degrees_of_freedom")
    )
    t = value / np.hypot(error, 1e-12)  # seeds that agree exactly have no scatter
    # both directions are tested: a contradiction is as much a result as a confirmation
    adjusted = holm(np.concatenate([stdtr(dof, -t), stdtr(dof, t)])).reshape(2, -1)
    status = np.select([adjusted[0] <= level, adjusted[1] <= level], [AGREES, DISAGREES], UNDECIDED)
    return Table(
        {
            "claim": np.array([name for name, _, _ in found]),
            "drop": np.array([q for _, q, _ in found]),
            "estimate": value,
            "standard_error": error,
            "t": t,
            "p_value": np.min(adjusted, axis=0),
            "status": status,
        }
    )
