"""Slices of a long range, for work whose arrays should stay in the cache."""

from __future__ import annotations

_FILL = 32768  # numbers that fill the cache


def slices(total: int, size: int) -> list[slice]:
    """0..total in slices of `size`, the last one shorter."""
    return [slice(first, min(first + size, total)) for first in range(0, total, size)]


def cache_slices(points: int, nodes: int) -> list[slice]:
    """Slices of the points whose arrays of (points, nodes) fill the cache."""
    return slices(points, max(1, _FILL // nodes))
