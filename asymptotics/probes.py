"""The probes: linear classifiers fitted to the features, each a loss, a ridge and a condition.

    theta = argmin (1/n) sum_i loss(y_i z_i.theta) + (ridge/2) |theta|^2        (probe.md, probe)

The limits ridge -> 0 and ridge -> infinity are probes of their own: a constraint at ridge 1, a
loss at ridge 0, or the linear loss at ridge 1. A new probe is one entry of ``PROBES``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from asymptotics.errors import InvalidInput, did_you_mean
from asymptotics.losses import LOSSES, Loss


class Existence(Enum):
    """For which n/p the limit exists."""

    ALWAYS = "for every n/p"
    SEPARABLE = "below the separability threshold"
    INSEPARABLE = "above the separability threshold"
    INTERPOLATING = "below the interpolation threshold"
    DETERMINED = "above the interpolation threshold"
    NONZERO = "below the collapse threshold"


@dataclass(frozen=True)
class Probe:
    """One row of the table.

    ridge: the fixed ridge of a limit, or None where the user gives a positive one.
    existence, with_intercept: for which n/p the limit exists; the latter where a fitted intercept
        changes that.
    """

    name: str
    loss: Loss | None
    ridge: float | None
    existence: Existence
    summary: str
    with_intercept: Existence | None = None

    def exists(self, intercept: bool) -> Existence:
        """For which n/p the limit exists, with or without a fitted intercept."""
        return self.with_intercept if intercept and self.with_intercept else self.existence


PROBES: dict[str, Probe] = {
    probe.name: probe
    for probe in (
        Probe("square", LOSSES["square"], None, Existence.ALWAYS, "(1 - u)^2 / 2"),
        Probe("logistic", LOSSES["logistic"], None, Existence.ALWAYS, "log(1 + exp(-u))"),
        Probe(
            "hinge",
            LOSSES["hinge"],
            None,
            Existence.ALWAYS,
            "max(0, 1 - u)",
            # unequal classes can put all the fit into the intercept (probe.md, 17a)
            with_intercept=Existence.NONZERO,
        ),
        Probe(
            "squared-hinge",
            LOSSES["squared-hinge"],
            None,
            Existence.ALWAYS,
            "max(0, 1 - u)^2 / 2",
        ),
        Probe(
            "max-margin",
            LOSSES["margin-constraint"],
            1.0,
            Existence.SEPARABLE,
            "hard-margin SVM: least |theta| with every margin >= 1",
        ),
        Probe(
            "min-norm",
            LOSSES["label-constraint"],
            1.0,
            Existence.INTERPOLATING,
            "least |theta| with every margin = 1 (square loss, ridge -> 0, n < p)",
        ),
        Probe(
            "least-squares",
            LOSSES["square"],
            0.0,
            Existence.DETERMINED,
            "square loss without ridge, n > p (linear discriminant analysis)",
        ),
        Probe(
            "logistic-mle",
            LOSSES["logistic"],
            0.0,
            Existence.INSEPARABLE,
            "logistic regression without ridge",
        ),
        Probe(
            "averaging",
            LOSSES["linear"],
            1.0,
            Existence.ALWAYS,
            "theta = mean of y z, every probe as ridge -> infinity",
        ),
        Probe("bayes", None, 0.0, Existence.ALWAYS, "the best classifier, the mixture known"),
    )
}


def find_probe(loss: str) -> Probe:
    """The probe of that name; InvalidInput names the ones there are."""
    try:
        return PROBES[loss]
    except KeyError:
        hint = did_you_mean(loss, PROBES)
        raise InvalidInput(f"loss must be one of {', '.join(PROBES)}, got {loss!r}{hint}") from None
