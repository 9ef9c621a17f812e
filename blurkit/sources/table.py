"""Records by the million: columns of bytes instead of objects, and a record made again when it is asked for."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from blurkit.sources.record import ImageRecord


class RecordTable(Sequence[ImageRecord]):
    """A sequence of records in about 60 bytes each, beside what few have: an annotation, a clip, a real blurred partner."""

    def __init__(self, records: Iterable[ImageRecord] = ()) -> None:
        self._ids, self._names = _Texts(), _Texts()
        self._kinds = array("L")
        self._known: dict[tuple[str, str, str, str], int] = {}  # folder, source, licence, split
        self._rest: dict[int, tuple[Any, ...]] = {}
        for record in records:
            self._append(record)
        self._by_code = list(self._known)

    @classmethod
    def of(cls, records: Iterable[ImageRecord]) -> RecordTable:
        """These records as a table; a table is returned as it is."""
        return records if isinstance(records, RecordTable) else cls(records)

    def __len__(self) -> int:
        return len(self._kinds)

    @overload
    def __getitem__(self, index: int) -> ImageRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[ImageRecord]: ...

    def __getitem__(self, index: int | slice) -> ImageRecord | list[ImageRecord]:
        if isinstance(index, slice):
            return [self._make(place) for place in range(len(self))[index]]
        return self._make(range(len(self))[index])

    def __iter__(self) -> Iterator[ImageRecord]:
        return map(self._make, range(len(self)))

    def names(self) -> Iterator[tuple[str, str]]:
        """(source, id) of each record."""
        return ((self._by_code[kind][1], self._ids[place]) for place, kind in enumerate(self._kinds))

    def _append(self, record: ImageRecord) -> None:
        folder, name = os.path.split(record.path)
        kind = (folder, record.source, record.licence, record.split)
        rest = (record.annotation, record.blurred, record.clip, record.frame)
        if rest != (None, (), None, 0):
            self._rest[len(self._kinds)] = rest
        self._kinds.append(self._known.setdefault(kind, len(self._known)))
        self._ids.append(record.id)
        self._names.append(name)

    def _make(self, place: int) -> ImageRecord:
        folder, source, licence, split = self._by_code[self._kinds[place]]
        path = os.path.join(folder, self._names[place])
        return ImageRecord(self._ids[place], path, source, licence, split, *self._rest.get(place, ()))


class _Texts:
    """Texts one after the other in one block of bytes; names that are not UTF-8 keep their bytes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])

    def append(self, text: str) -> None:
        self._bytes += text.encode(errors="surrogateescape")
        self._ends.append(len(self._bytes))

    def __getitem__(self, place: int) -> str:
        return self._bytes[self._ends[place] : self._ends[place + 1]].decode(errors="surrogateescape")
