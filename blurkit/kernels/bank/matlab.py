"""Checks a MATLAB file of version 5 before SciPy reads it.

SciPy's compiled reader believes the sizes in a file. On a damaged file it can read beyond its memory, and the process dies.
Source: The MathWorks, "MAT-File Format", the chapter on level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.kernels.bank.limits import MOST_BYTES
from blurkit.program.files import read_regular

#: Types of elements.
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15

#: Type of numbers -> bytes of a number.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}

#: Classes of arrays: cells, texts, and numbers from double to uint64. The flag of complex numbers.
_CELL, _TEXT, _NUMBERS, _COMPLEX = 1, 4, range(6, 16), 0x800

#: Cells within cells are followed up to this depth.
_DEEPEST = 10


class _DamagedError(Exception):
    pass


def check_matlab(path: Path) -> None:
    """Raise :class:`UsageError` if the arrays of a file are damaged, or have more than 512 MB in all. Files of version 4, which
    SciPy reads without compiled code, are not checked."""
    data = read_regular(path, most=MOST_BYTES)
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        return
    left = MOST_BYTES
    try:
        for kind, content in _elements(data[128:], order, padded=False):
            if kind == _COMPRESSED:
                content = _expanded(content, left)
                left -= len(content)
                ((kind, content),) = _elements(content, order)
            if kind == _MATRIX:
                _check_matrix(content, order)
    except (_DamagedError, ValueError, struct.error, zlib.error) as error:
        raise UsageError(f"{path}: the MATLAB file is damaged ({error or 'an array'}); save it again") from error
    except OverflowError as error:
        raise UsageError(f"{path}: its arrays have more than {MOST_BYTES >> 20} MB; split it into several files") from error


def _expanded(content: bytes, most: int) -> bytes:
    expander = zlib.decompressobj()
    data = expander.decompress(content, most + 1)
    if len(data) > most:
        raise OverflowError
    return data


def _elements(data: bytes, order: str, *, padded: bool = True) -> Iterator[tuple[int, bytes]]:
    """Yields (type, content) of each element. Raises :class:`_DamagedError` if one is longer than the data."""
    place = 0
    while place < len(data):
        first, size = struct.unpack_from(f"{order}II", data, place)
        start = place + 8
        if first >> 16:  # a small element: size, type and content in eight bytes
            first, size, start = first & 0xFFFF, first >> 16, place + 4
            if size > 4:
                raise _DamagedError(f"a small element of {size} bytes")
        if start + size > len(data):
            raise _DamagedError("an element is longer than the file")
        yield first, data[start : start + size]
        whole = padded or first != _COMPRESSED  # only compressed elements follow one another without a gap
        place = place + 8 if start == place + 4 else start + (-(-size // 8) * 8 if whole else size)


def _check_matrix(content: bytes, order: str, depth: int = 0) -> None:
    if not content and depth:
        return  # an empty cell
    parts = _elements(content, order)
    flags, dimensions, name = (next(parts, (0, b"")) for _ in range(3))
    if (flags[0], len(flags[1])) != (_UINT32, 8) or name[0] != _INT8 or dimensions[0] != _INT32 or len(dimensions[1]) % 4:
        raise _DamagedError("the head of an array")
    sides = struct.unpack(f"{order}{len(dimensions[1]) // 4}i", dimensions[1])
    if len(sides) < 2 or min(sides) < 0:
        raise _DamagedError(f"an array of the shape {sides}")
    word = struct.unpack_from(f"{order}I", flags[1])[0]
    kind, count = word & 0xFF, math.prod(sides)
    if kind == _CELL:
        cells = list(parts)
        if len(cells) != count or any(cell[0] != _MATRIX for cell in cells) or depth == _DEEPEST:
            raise _DamagedError("a cell array")
        for _, cell in cells:
            _check_matrix(cell, order, depth + 1)
    elif kind in _NUMBERS or kind == _TEXT:
        for _ in range(2 if word & _COMPLEX else 1):
            numbers, values = next(parts, (0, b""))
            right = numbers in _SIZES and (kind == _TEXT or len(values) == count * _SIZES[numbers])
            if not right:
                raise _DamagedError(f"an array of the shape {sides} with {len(values)} bytes")
    elif depth:
        raise _DamagedError("a cell is neither an array nor a text")
