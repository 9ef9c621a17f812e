"""Stores millions of records in little memory: as columns of bytes. A record object is made when it is needed."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from blurkit.decode.objects.coco import AnnotationIndex, CocoAnnotation
from blurkit.sources.record import Clip, ImageRecord

#: The number of texts in one block.
_BLOCK = 1 << 14


class RecordTable(Sequence[ImageRecord]):
    """A sequence of records that takes about 60 bytes for each record.

    A record with a clip, a real blurred photograph, a disparity map, a focal length or an annotation of Mapillary Vistas takes
    more.
    """

    def __init__(self, records: Iterable[ImageRecord] = ()) -> None:
        self._ids, self._names = _Texts(), _Texts()
        self._kinds, self._objects, self._images = array("I"), array("I"), array("q")
        # Records share (folder, source, licence, split), and annotations of COCO share (index, size). The columns hold codes.
        self._known: dict[tuple[str, str, str, str], int] = {}
        self._annotated: dict[tuple[AnnotationIndex, Any] | None, int] = {None: 0}
        self._extras: dict[int, tuple[Any, ...]] = {}
        for record in records:
            self._append(record)
        self._by_code, self._by_object = list(self._known), list(self._annotated)

    @classmethod
    def of(cls, records: Iterable[ImageRecord]) -> RecordTable:
        """Returns a table of these records. A table is returned unchanged."""
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
        """Yields (source, id) of each record."""
        return ((self._by_code[kind][1], self._ids[place]) for place, kind in enumerate(self._kinds))

    def paths(self) -> Iterator[tuple[str, Clip | None]]:
        """Yields (path, clip) of each record. This is faster than making the records."""
        folders, clips = [kind[0] for kind in self._by_code], {place: extras[2] for place, extras in self._extras.items()}
        return ((folders[kind] + self._names[place], clips.get(place)) for place, kind in enumerate(self._kinds))

    def focals(self) -> Iterator[tuple[int, float, float]]:
        """Yields (position, focal_35mm, focal_pixels) of each record with a focal length."""
        return ((place, *extras[5:7]) for place, extras in self._extras.items() if any(extras[5:7]))

    def licences(self) -> set[str]:
        """Returns the licences of all records."""
        return {self._by_code[kind][2] for kind in set(self._kinds)}

    def only(self, kept: Iterable[bool], split: str) -> RecordTable:
        """Returns a table of the records for which ``kept`` is true, with this split. Columns are copied, no record is made."""
        table = RecordTable()
        codes = [table._known.setdefault((*kind[:3], split), len(table._known)) for kind in self._by_code]
        table._annotated = dict(self._annotated)
        for place, chosen in zip(range(len(self)), kept, strict=True):
            if not chosen:
                continue
            if place in self._extras:
                table._extras[len(table)] = self._extras[place]
            table._kinds.append(codes[self._kinds[place]])
            table._objects.append(self._objects[place])
            table._images.append(self._images[place])
            table._ids.append_bytes(self._ids.bytes_at(place))
            table._names.append_bytes(self._names.bytes_at(place))
        table._by_code, table._by_object = list(table._known), list(table._annotated)
        return table

    def _append(self, record: ImageRecord) -> None:
        cut = record.path.rfind(os.sep) + 1
        objects, image, annotation = None, 0, record.annotation
        if isinstance(annotation, CocoAnnotation):
            objects, image, annotation = (annotation.index, annotation.size), annotation.image, None
        focals = record.focal_35mm, record.focal_pixels
        extras = (annotation, record.blurred, record.clip, record.frame, record.disparity, *focals, record.part)
        if extras != (None, (), None, 0, "", 0.0, 0.0, None):
            self._extras[len(self._kinds)] = extras
        kind = (record.path[:cut], record.source, record.licence, record.split)
        self._kinds.append(self._known.setdefault(kind, len(self._known)))
        self._objects.append(self._annotated.setdefault(objects, len(self._annotated)))
        self._images.append(image)
        self._ids.append(record.id)
        self._names.append(record.path[cut:])

    def _make(self, place: int) -> ImageRecord:
        folder, source, licence, split = self._by_code[self._kinds[place]]
        annotation, *extras = self._extras.get(place, (None,))
        if objects := self._by_object[self._objects[place]]:
            annotation = CocoAnnotation(*objects, self._images[place])
        return ImageRecord(self._ids[place], folder + self._names[place], source, licence, split, annotation, *extras)


class _Texts:
    """A list of texts in blocks of bytes. Surrogates, which stand for bytes that are not UTF-8, are kept.

    Python copies a block when it grows, which briefly takes twice its memory. So there are many blocks.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[bytes, array[int]]] = []
        self._open()

    def append(self, text: str) -> None:
        self.append_bytes(text.encode(errors="surrogatepass"))

    def append_bytes(self, text: bytes) -> None:
        self._bytes += text
        self._ends.append(len(self._bytes))
        if len(self._ends) > _BLOCK:
            self._blocks.append((bytes(self._bytes), self._ends))
            self._open()

    def __getitem__(self, place: int) -> str:
        return self.bytes_at(place).decode(errors="surrogatepass")

    def bytes_at(self, place: int) -> bytes:
        block, row = divmod(place, _BLOCK)
        data, ends = self._blocks[block] if block < len(self._blocks) else (self._bytes, self._ends)
        return bytes(data[ends[row] : ends[row + 1]])

    def _open(self) -> None:
        self._bytes, self._ends = bytearray(), array("Q", [0])
