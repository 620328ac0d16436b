"""The failures a user can meet, each a type with one clear line of text.

``InvalidInput``      a value outside its domain (what, which value, what is allowed)
``NoLimit``           the limit asked for does not exist; names the threshold and its value
``NotConverged``      a solver gave up; carries what it reached and what to try
"""

from __future__ import annotations

from collections.abc import Iterable


class AsymptoticsError(Exception):
    """Base of every error this package raises on purpose; its text is one line."""


class InvalidInput(AsymptoticsError, ValueError):
    """A value outside its domain: the text says what, which value, and what is allowed."""


class NoLimit(AsymptoticsError):
    """The limit does not exist at this point: the text names the threshold and its value."""


class NotConverged(AsymptoticsError):
    """No trustworthy solution was found: the text gives the residual and what to try."""


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """``"; did you mean logistic?"`` after a message that refuses `name`, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(str(name), list(allowed), n=1)
    return f"; did you mean {near[0]}?" if near else ""
