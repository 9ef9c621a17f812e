"""Reads directories of tags, the format shared by TIFF files and Exif blocks (TIFF 6.0, BigTIFF, Exif 2.32)."""

from __future__ import annotations

import struct
from typing import Any, Protocol

from blurkit.errors import BadImageError

_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # BYTE, SHORT, LONG, LONG8: the only types of the tags used here


class ByteSource(Protocol):
    """Bytes, or an open file that is sliced like bytes. A slice beyond the end is shorter; it raises no error."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes: ...


def unpack(layout: str, source: ByteSource, position: int) -> tuple[Any, ...]:
    """Returns the values of a ``struct`` layout at a byte position. Raises :class:`BadImageError` ``truncated``."""
    size = struct.calcsize(layout)
    data = source[position : position + size]
    if len(data) < size:
        raise BadImageError("truncated", f"The file ends at byte {len(source)}, within its headers.")
    return struct.unpack(layout, data)


class Directory:
    """The first directory of tags in a TIFF file or in an Exif block."""

    def __init__(self, source: ByteSource, position: int | None = None) -> None:
        """``position``: the byte position of the directory, if it is not the first one."""
        self._source = source
        self._order = {b"II": "<", b"MM": ">"}.get(source[:2], "")
        if not self._order or source[2:4] not in (struct.pack(self._order + "H", version) for version in (42, 43)):
            raise BadImageError("corrupt", "The TIFF header is neither little-endian nor big-endian TIFF.")
        big = 43 in source[2:4]
        offset, counter, entry = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
        if position is None:
            (position,) = unpack(self._order + offset, source, 8 if big else 4)
        (count,) = unpack(self._order + counter, source, position)
        if not 1 <= count <= 4096:
            raise BadImageError("corrupt", f"The TIFF directory claims {count} tags.")
        self._inline = struct.calcsize(offset)
        width = 4 + 2 * self._inline
        position += struct.calcsize(counter)
        self._entries: dict[int, tuple[int, int, int]] = {}  # tag -> type, count, position of the value or its offset
        for at in range(position, position + count * width, width):
            tag, kind, length = unpack(self._order + entry, source, at)
            self._entries.setdefault(tag, (kind, length, at + width - self._inline))
        #: Whether another directory follows, which means another image.
        end = position + count * width
        self.several = source[end : end + self._inline].strip(b"\0") != b""

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def position(self, tag: int) -> int:
        """The byte position of a tag's values in the file."""
        kind, count, position = self._entries[tag]
        if count * struct.calcsize("=" + _TYPES[kind]) > self._inline:
            (position,) = unpack(self._order + ("Q" if self._inline == 8 else "I"), self._source, position)
        return int(position)

    def values(self, tag: int, default: tuple[int, ...] = (), most: int = 16) -> tuple[int, ...]:
        """The integers of a tag, at most ``most`` of them, or ``default`` if the tag is absent."""
        if tag not in self._entries:
            return default
        kind, count, _ = self._entries[tag]
        if kind not in _TYPES or not 1 <= count <= most:
            raise BadImageError("corrupt", f"The TIFF tag {tag} has {count} values of type {kind}.")
        return unpack(f"{self._order}{count}{_TYPES[kind]}", self._source, self.position(tag))

    def value(self, tag: int, default: int = 0) -> int:
        """The first integer of a tag, or ``default`` if the tag is absent."""
        return self.values(tag, (default,))[0]

    @property
    def orientation(self) -> int:
        """The Exif orientation, 1 to 8. It is 1 (upright) if the tag is absent or invalid."""
        try:
            value = self.value(274, 1)
        except BadImageError:
            return 1
        return value if 1 <= value <= 8 else 1

    @property
    def focal_35mm(self) -> int:
        """The focal length in millimetres that gives the same view on 35 mm film. It is 0 if the tag is absent or invalid."""
        try:
            value = Directory(self._source, self.value(34665)).value(41989) if 34665 in self else 0
        except BadImageError:
            return 0
        return value if 4 <= value <= 5000 else 0


def read_exif(block: bytes) -> tuple[int, int]:
    """Returns (orientation, focal_35mm) of an Exif block, with or without its ``Exif`` prefix; see :class:`Directory`."""
    try:
        tags = Directory(block.removeprefix(b"Exif\0\0"))
    except BadImageError:  # invalid Exif is common and changes no pixel
        return 1, 0
    return tags.orientation, tags.focal_35mm
