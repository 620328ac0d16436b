"""Proved digits, in ball arithmetic (extra `certify`: python-flint).

certify(loss="logistic", signal="1.5", sampling_ratio="1.5", ridge="0.1", digits=30)

Theory, and what a certificate does and does not prove: docs/theory/certificates.md.
"""

from __future__ import annotations

from importlib.util import find_spec

from asymptotics.certify.failures import MISSING, MissingExtra, NotCertified

if find_spec("flint") is None:
    raise MissingExtra(MISSING)

from asymptotics.certify.certificate import Certificate
from asymptotics.certify.verbs import (
    certified_radius,
    certify,
    certify_gain,
    certify_separability,
    check,
)

__all__ = [
    "Certificate",
    "MissingExtra",
    "NotCertified",
    "certified_radius",
    "certify",
    "certify_gain",
    "certify_separability",
    "check",
]
