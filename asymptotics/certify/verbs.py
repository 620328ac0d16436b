"""The verbs: certify an accuracy, a threshold or a gain; check a stored certificate."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import inf, nextafter
from typing import Any

from asymptotics.certify.certificate import FORMAT, Certificate, issue, verify
from asymptotics.certify.failures import NotCertified
from asymptotics.certify.gain import GainProblem
from asymptotics.certify.probe import ProbeProblem
from asymptotics.certify.separability import SeparabilityProblem
from asymptotics.errors import InvalidInput

_PROBLEMS = {
    problem.quantity: problem for problem in (ProbeProblem, SeparabilityProblem, GainProblem)
}


def certify(*, digits: int = 30, **parameters: Any) -> Certificate:
    """The limiting accuracy of `asymptotics.accuracy`, within 10^-digits, proved.

    `parameters`: loss, sampling_ratio, signal or spectrum (columns eigenvalues, weights,
    squared_means), ridge, gain (> 0 or 0), prior, intercept. A string is taken at its exact decimal
    value, a float at its exact binary value. Proved is a root of the saddle-point equations as
    stated and the accuracy there; see `Certificate.problem.not_proved()`.

    Raises InvalidInput, NoLimit as `accuracy` does, NotCertified where no proof was found.
    """
    return issue(ProbeProblem.read(**parameters), digits)


def certified_radius(accuracy: float, **parameters: Any) -> tuple[float, Certificate]:
    """(r, proof): a float `accuracy` computed for `parameters` is within r of the limit, proved.

    r is |accuracy - certified value| plus the certified radius, rounded up.
    """
    proof = certify(digits=20, **parameters)
    distance = abs(Fraction(float(accuracy)) - Fraction(proof.value)) + Fraction(proof.radius)
    return nextafter(float(distance), inf), proof


def certify_separability(*, digits: int = 30, **parameters: Any) -> Certificate:
    """The threshold of `asymptotics.separability` (signal, prior with an intercept), proved."""
    return issue(SeparabilityProblem.read(**parameters), digits)


def certify_gain(*, digits: int = 30, **parameters: Any) -> Certificate:
    """The gain of `asymptotics.projector` (objective, signal, augmentation, ...), proved.

    For the objectives of `certify.gain.CERTIFIED_OBJECTIVES`. Raises NoLimit at collapse.
    """
    return issue(GainProblem.read(**parameters), digits)


def check(content: Mapping[str, Any]) -> Certificate:
    """Prove a certificate's JSON object anew; raises NotCertified where it does not hold.

    Nothing stored is trusted: the problem is read again, Krawczyk's test is run on the stored box,
    and every stored digit is compared with what that proves.
    """
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise NotCertified(f"not a certificate: the key 'format' must be {FORMAT!r}")
    kind = _PROBLEMS.get(str(content.get("quantity")))
    statement = content.get("problem")
    if kind is None or not isinstance(statement, Mapping):
        raise NotCertified(f"a certificate needs a problem and one of {', '.join(_PROBLEMS)}")
    if content.get("certified") is not True:
        raise NotCertified("the certificate does not say that it is certified")
    try:
        problem = kind.read(**statement)
    except (InvalidInput, TypeError, AttributeError) as error:
        raise NotCertified(f"the stored problem cannot be read: {error}") from None
    return verify(content, problem)
