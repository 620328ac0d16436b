"""What can go wrong with a certificate, each a type with one clear line of text."""

from __future__ import annotations

from asymptotics.errors import AsymptoticsError


class MissingExtra(AsymptoticsError, ImportError):
    """python-flint, the extra `certify`, is not installed."""


class NotCertified(AsymptoticsError):
    """No proof was found, or a certificate does not prove what it says."""


MISSING = "certified digits need python-flint: pip install 'contrastive-asymptotics[certify]'"
