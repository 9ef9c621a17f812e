"""A few of many, evenly spaced."""

from __future__ import annotations

from collections.abc import Iterator


def evenly_spaced(total: int, count: int) -> Iterator[int]:
    """``count`` whole numbers from 0 and below ``total``, evenly apart; none twice where ``count`` is at most ``total``."""
    return (place * total // count for place in range(count))
