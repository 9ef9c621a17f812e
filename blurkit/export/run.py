"""Runs an export: threads read and encode pairs ahead, and one thread writes them, part by part and in order.

Threads suffice, because reading a file, checksums, PNG encoding and conversions of arrays run without Python's lock.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from blurkit.export.card import row_of
from blurkit.export.exporter import Exporter, Job, Part, Pieces, Row
from blurkit.export.state import read_part, write_part
from blurkit.program.signals import Stop

#: Pairs per thread that are encoded or wait to be written. It bounds the memory.
_AHEAD = 2


def missing_parts(job: Job, exporter: Exporter) -> list[Part]:
    """The parts that are not written yet, or are no longer there."""
    records = ((part, read_part(job, part)) for part in job.parts)
    return [part for part, record in records if record is None or not exporter.has(part, record["bytes"])]


def export(
    job: Job, exporter: Exporter, parts: list[Part], *, workers: int, stop: Stop, tick: Callable[[], None]
) -> Iterator[Part]:
    """Write these parts, and yield each when it is committed. After a stop, no part is begun. ``tick``: called for each pair."""

    def encode(part: Part, index: int) -> tuple[Part, Row, tuple[int, Pieces]]:
        sample = job.pairs[index]
        row = row_of(job.name(index), exporter.place(part, index), sample)
        return part, row, (index, exporter.encode(index, sample, row))

    def places() -> Iterator[tuple[Part, int]]:
        for part in parts:
            if stop:
                return
            yield from ((part, index) for index in part.indices)

    with ThreadPoolExecutor(workers, "export") as pool:
        encoded = _ahead(pool, encode, places(), workers * _AHEAD)
        for part, group in itertools.groupby(encoded, key=lambda item: item[0]):
            rows: list[Row] = []
            size = exporter.write(part, _noting(group, rows, tick))
            write_part(job, part, size, rows)
            exporter.commit(part)
            yield part


def _ahead(
    pool: ThreadPoolExecutor, encode: Callable[[Part, int], Any], places: Iterator[tuple[Part, int]], most: int
) -> Iterator[Any]:
    """The results for these places in their order. At most ``most`` of them are under way or waiting."""
    waiting: collections.deque[Future[Any]] = collections.deque()
    try:
        for place in places:
            waiting.append(pool.submit(encode, *place))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:  # after an error
            future.cancel()


def _noting(group: Iterator[Any], rows: list[Row], tick: Callable[[], None]) -> Iterator[tuple[int, Pieces]]:
    """The pairs of a part. Their rows are collected on the way."""
    for _, row, pair in group:
        rows.append(row)
        yield pair
        tick()
