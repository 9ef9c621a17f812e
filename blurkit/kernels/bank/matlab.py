"""Checks a MATLAB file of version 5 before SciPy reads it.

SciPy's compiled reader believes the sizes in a file. On a damaged file it can read beyond its memory, and the process dies.
Source: The MathWorks, "MAT-File Format", the chapter on level 5.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.kernels.bank.limits import MOST_BYTES
from blurkit.program.files import open_regular

#: Types of elements.
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15

#: Type of numbers -> bytes of a number.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}

#: Classes of arrays: cells, texts, and numbers from double to uint64. The flag of complex numbers.
_CELL, _TEXT, _NUMBERS, _COMPLEX = 1, 4, range(6, 16), 0x800

#: Cells within cells are followed up to this depth.
_DEEPEST = 10

#: The size and the name of an array have at most this many bytes.
_MOST_HEAD = 4096

_HEADER, _BLOCK = 128, 1 << 16


class _DamagedError(Exception):
    pass


class _Stream:
    """Bytes that are read once, in order. ``read``: a function that returns at most so many of the next bytes."""

    def __init__(self, read: Callable[[int], bytes], order: str) -> None:
        self._read, self.order, self.place = read, order, 0

    def take(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        parts: list[bytes] = []
        while count and (part := self._read(count)):
            parts.append(part)
            count -= len(part)
            self.place += len(part)
        return b"".join(parts)

    def skip_to(self, place: int) -> None:
        """Pass over bytes up to a place. Raises :class:`_DamagedError` if there are fewer."""
        while self.place < place:
            if not self.take(min(place - self.place, _BLOCK)):
                raise _DamagedError("an element is longer than the file")

    def tag(self) -> tuple[int, int, int] | None:
        """The next element: its type, the place of its end, and the place of the next element. ``None`` at the end."""
        head = self.take(4)
        if not head:
            return None
        (first,) = struct.unpack(f"{self.order}I", head)
        if first >> 16:  # a small element: size, type and content in eight bytes
            if first >> 16 > 4:
                raise _DamagedError(f"a small element of {first >> 16} bytes")
            return first & 0xFFFF, self.place + (first >> 16), self.place + 4
        (size,) = struct.unpack(f"{self.order}I", self.take(4))
        end = self.place + size
        return first, end, end if first == _COMPRESSED else self.place + -(-size // 8) * 8


def check_matlab(path: Path) -> None:
    """Raise :class:`UsageError` if the arrays of a file are damaged, or have more than 512 MB in all. Files of version 4, which
    SciPy reads without compiled code, are not checked."""
    with open_regular(path) as descriptor, open(os.dup(descriptor), "rb") as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(_HEADER)[126:])
        if order is None:
            return
        stream, left = _Stream(file.read, order), MOST_BYTES
        try:
            while (tag := stream.tag()) is not None:
                kind, end, following = tag
                if kind == _COMPRESSED:
                    left = _check_compressed(stream, end, left)
                elif kind == _MATRIX:
                    _check_matrix(stream, end)
                stream.skip_to(min(end, following))
        except (_DamagedError, struct.error, zlib.error) as error:
            raise UsageError(f"{path}: the MATLAB file is damaged ({error or 'an array'}); save it again") from error
        except OverflowError as error:
            raise UsageError(f"{path}: its arrays have more than {MOST_BYTES >> 20} MB; split it into several files") from error


def _check_compressed(packed: _Stream, end: int, left: int) -> int:
    """Check the array in a compressed element, in small pieces. Returns what is ``left`` of the bytes that a file may have."""
    expander = zlib.decompressobj()

    def read(count: int) -> bytes:
        nonlocal left
        data = b""
        while not data and not expander.eof:
            compressed = expander.unconsumed_tail or packed.take(min(end - packed.place, _BLOCK))
            if not compressed:
                raise _DamagedError("compressed data end early")
            data = expander.decompress(compressed, min(count, _BLOCK))
        left -= len(data)
        if left < 0:
            raise OverflowError
        return data

    stream = _Stream(read, packed.order)
    tag = stream.tag()
    if tag is None or tag[0] != _MATRIX:
        raise _DamagedError("a compressed element without an array")
    _check_matrix(stream, tag[1])
    stream.skip_to(tag[1])
    packed.skip_to(end)
    return left


def _check_matrix(stream: _Stream, end: int, depth: int = 0) -> None:
    """Check the array whose parts begin at the place of the stream."""
    if stream.place == end and depth:
        return  # an empty cell
    flags, dimensions, name = (_part(stream, end) for _ in range(3))
    if (flags[0], len(flags[1])) != (_UINT32, 8) or name[0] != _INT8 or dimensions[0] != _INT32 or len(dimensions[1]) % 4:
        raise _DamagedError("the head of an array")
    sides = struct.unpack(f"{stream.order}{len(dimensions[1]) // 4}i", dimensions[1])
    if len(sides) < 2 or min(sides) < 0:
        raise _DamagedError(f"an array of the shape {sides}")
    (word,) = struct.unpack(f"{stream.order}I", flags[1][:4])
    kind, count = word & 0xFF, math.prod(sides)
    if kind == _CELL:
        _check_cells(stream, end, count, depth)
    elif kind in _NUMBERS or kind == _TEXT:
        for number_kind, size in _values(stream, end, 2 if word & _COMPLEX else 1):
            if number_kind not in _SIZES or (kind != _TEXT and size != count * _SIZES[number_kind]):
                raise _DamagedError(f"an array of the shape {sides} with {size} bytes")
    elif depth:
        raise _DamagedError("a cell is neither an array nor a text")


def _check_cells(stream: _Stream, end: int, count: int, depth: int) -> None:
    if depth == _DEEPEST:
        raise _DamagedError("a cell array is nested too deeply")
    for _ in range(count):
        tag = stream.tag() if stream.place < end else None
        if tag is None or tag[0] != _MATRIX or tag[1] > end:
            raise _DamagedError("a cell array")
        _check_matrix(stream, tag[1], depth + 1)
        stream.skip_to(tag[2])


def _part(stream: _Stream, end: int) -> tuple[int, bytes]:
    """The type and the content of a small part of an array."""
    tag = stream.tag() if stream.place < end else None
    if tag is None or tag[2] > end or tag[1] - stream.place > _MOST_HEAD:
        raise _DamagedError("the head of an array")
    content = stream.take(tag[1] - stream.place)
    stream.skip_to(tag[2])
    return tag[0], content


def _values(stream: _Stream, end: int, parts: int) -> Iterator[tuple[int, int]]:
    """Yields the type and the number of bytes of each part with the values of an array."""
    for _ in range(parts):
        tag = stream.tag() if stream.place < end else None
        if tag is None or tag[1] > end:
            raise _DamagedError("an array without values")
        yield tag[0], tag[1] - stream.place
        stream.skip_to(min(tag[2], end))
