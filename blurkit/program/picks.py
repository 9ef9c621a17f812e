"""Picks a few items of many, evenly spaced."""

from __future__ import annotations

from collections.abc import Iterator


def evenly_spaced(total: int, count: int) -> Iterator[int]:
    """``count`` evenly spaced whole numbers from 0 to ``total`` - 1. They are distinct if ``count`` is at most ``total``."""
    return (place * total // count for place in range(count))
