"""Records by the million: columns of bytes instead of objects, and a record made again when it is asked for."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

from blurkit.decode.header import Header
from blurkit.sources.record import Annotation, ImageRecord
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks

#: Texts in one block.
_BLOCK = 1 << 14


class Annotations(Protocol):
    """The annotations of many photographs in less room than an object for each."""

    def __getitem__(self, number: int, /) -> Annotation: ...


@dataclass(frozen=True, slots=True, eq=False)
class NumberedAnnotation:
    """One of many annotations, looked up when it is asked for. Another process gets the annotation itself instead of all."""

    among: Annotations
    number: int

    def masks(self, header: Header, box: Box | None) -> Masks:
        """See :class:`blurkit.sources.record.Annotation`."""
        return self.among[self.number].masks(header, box)

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self.among[self.number],)


def _itself(annotation: Annotation) -> Annotation:
    return annotation


class RecordTable(Sequence[ImageRecord]):
    """A sequence of records in about 60 bytes each, beside what few have: a clip, a real blurred partner, a disparity map, an
    annotation that is no :class:`NumberedAnnotation`."""

    def __init__(self, records: Iterable[ImageRecord] = ()) -> None:
        self._ids, self._names = _Texts(), _Texts()
        self._kinds, self._numbers = array("I"), array("I")
        # folder, source, licence, split, and the annotations that the number is one of
        self._known: dict[tuple[str, str, str, str, Annotations | None], int] = {}
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
        cut = record.path.rfind(os.sep) + 1
        among, number, annotation = None, 0, record.annotation
        if isinstance(annotation, NumberedAnnotation):
            among, number, annotation = annotation.among, annotation.number, None
        rest = (annotation, record.blurred, record.clip, record.frame, record.disparity)
        if rest != (None, (), None, 0, ""):
            self._rest[len(self._kinds)] = rest
        kind = (record.path[:cut], record.source, record.licence, record.split, among)
        self._kinds.append(self._known.setdefault(kind, len(self._known)))
        self._numbers.append(number)
        self._ids.append(record.id)
        self._names.append(record.path[cut:])

    def _make(self, place: int) -> ImageRecord:
        folder, source, licence, split, among = self._by_code[self._kinds[place]]
        annotation, *rest = self._rest.get(place, (None,))
        if among is not None:
            annotation = NumberedAnnotation(among, self._numbers[place])
        return ImageRecord(self._ids[place], folder + self._names[place], source, licence, split, annotation, *rest)


class _Texts:
    """Texts one after the other in blocks of bytes; the surrogates of names that are not UTF-8 are kept.

    One block for all would be copied whenever it grows, and take twice its memory for a moment.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[bytes, array[int]]] = []
        self._open()

    def append(self, text: str) -> None:
        self._bytes += text.encode(errors="surrogatepass")
        self._ends.append(len(self._bytes))
        if len(self._ends) > _BLOCK:
            self._blocks.append((bytes(self._bytes), self._ends))
            self._open()

    def __getitem__(self, place: int) -> str:
        block, row = divmod(place, _BLOCK)
        data, ends = self._blocks[block] if block < len(self._blocks) else (self._bytes, self._ends)
        return data[ends[row] : ends[row + 1]].decode(errors="surrogatepass")

    def _open(self) -> None:
        self._bytes, self._ends = bytearray(), array("Q", [0])
