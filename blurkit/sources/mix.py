"""Several sources as one: how many photographs of each, and in which order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence

from blurkit.errors import UsageError
from blurkit.sources.record import ImageRecord, Source


def mix(sources: Sequence[Source], weights: Mapping[str, float], limits: Mapping[str, int]) -> Iterator[ImageRecord]:
    """The photographs of all sources, spread evenly over each other, so that any stretch of the order holds all of them.

    ``limits``: at most so many of a source, the first ones. ``weights``: how many of a source in relation to the others, which
    weigh 1 unless they are named; as many as the scarcest allows, evenly spaced over each source, none twice. Nothing is random.
    """
    available = [min(len(source.records), limits.get(source.name, len(source.records))) for source in sources]
    counts = _weighted(available, [weights.get(source.name, 1.0) for source in sources]) if weights else available
    parts = [
        _spread(rank, source.records, most, count)
        for rank, (source, most, count) in enumerate(zip(sources, available, counts, strict=True))
    ]
    return (record for _, _, record in heapq.merge(*parts, key=lambda part: part[:2]))


def _spread(rank: int, records: Sequence[ImageRecord], most: int, count: int) -> Iterator[tuple[float, int, ImageRecord]]:
    """``count`` of the first ``most`` records, each with its place between 0 and 1 in the common order."""
    for number in range(count):
        yield (number + 0.5) / count, rank, records[number * most // count]


def _weighted(available: Sequence[int], weights: Sequence[float]) -> list[int]:
    scale = min((most / weight for most, weight in zip(available, weights, strict=True) if weight > 0), default=0.0)
    counts = [min(int(scale * weight + 1e-9), most) for most, weight in zip(available, weights, strict=True)]
    if not any(counts):
        raise UsageError(f"--weight {', '.join(map(str, weights))} of {', '.join(map(str, available))} photographs leaves none")
    return counts
