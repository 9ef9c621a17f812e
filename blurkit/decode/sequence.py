"""Reads the colours in the parameter sets of a video's pictures: H.264 (ITU-T H.264, 7.3.2.1, E.1), HEVC (H.265, 7.3.2.2, E.2).

Many containers do not repeat them. Nothing else is read from these sets.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: Ends a header that is damaged or has more parts than any encoder writes.
_MOST_PARTS = 10_000

_START_CODE = re.compile(b"\0\0\x01")
_PREFERRED = re.compile(rb"\x4e\x01\x93\x01(.)", re.DOTALL)  # a unit of supplemental information, alternative transfer curve
_CODECS = "h264", "hevc"

#: Profiles of H.264 whose headers describe the chroma.
_HIGH = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244}


class Colours(NamedTuple):
    """Code points of ITU-T H.273. 2 means that the value is not stated."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2


class _EndOfBitsError(Exception):
    pass


class _Bits:
    """The bits of a unit, without the bytes that prevent start codes."""

    def __init__(self, unit: bytes) -> None:
        data = re.sub(b"\0\0\x03", b"\0\0", unit)
        self._value, self._left, self._parts = int.from_bytes(data, "big"), 8 * len(data), 0

    def take(self, count: int = 1) -> int:
        self._left -= count
        self._parts += 1
        if self._left < 0 or self._parts > _MOST_PARTS:
            raise _EndOfBitsError
        return self._value >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """An unsigned Exp-Golomb code. A signed one has the same length."""
        zeros = 0
        while not self.take():
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def numbers(self, count: int) -> None:
        for _ in range(count):
            self.number()


def colours_of(codec: str, unit: bytes) -> Colours | None:
    """Returns the colours in a sequence parameter set, or ``None`` if it does not say them.

    ``codec``: ``h264`` or ``hevc``. ``unit``: the unit with its header, of at most a few kilobytes.
    """
    bits = _Bits(unit[:4096])
    try:
        bits.take(8 if codec == "h264" else 16)
        (_skip_h264 if codec == "h264" else _skip_hevc)(bits)
        return _in_vui(bits) if bits.take() else None
    except _EndOfBitsError:
        return None


def colours_in_record(codec: str, record: bytes) -> set[Colours]:
    """Returns the colours in a configuration record (ISO/IEC 14496-15). Its parameter sets are found by their sizes and types."""
    units = []
    for position in range(2, min(len(record), 1 << 14) - 4):
        size = int.from_bytes(record[position - 2 : position], "big")
        if _is_parameter_set(codec, record[position : position + 2]) and 8 <= size <= len(record) - position:
            units.append(record[position : position + size])
    return set(filter(None, (colours_of(codec, unit) for unit in units)))


def colours_in_stream(data: bytes) -> set[Colours]:
    """Returns the colours in units that follow start codes (Annex B), as in MPEG transport streams."""
    starts = [match.end() for match in _START_CODE.finditer(data)][:10_000]
    units = [(codec, data[at : at + 188]) for at in starts for codec in _CODECS if _is_parameter_set(codec, data[at : at + 2])]
    return set(filter(None, (colours_of(codec, unit) for codec, unit in units)))


def preferred_transfer(data: bytes) -> set[int]:
    """Returns the transfer curves that HEVC's messages prefer to those of the parameter sets (H.265, D.2.38)."""
    return {match[1][0] for match in _PREFERRED.finditer(data)}


def _is_parameter_set(codec: str, start: bytes) -> bool:
    return start[:1] in (b"\x27", b"\x47", b"\x67") if codec == "h264" else start == b"\x42\x01"


def _skip_h264(bits: _Bits) -> None:
    profile = bits.take(8)
    bits.take(16)
    bits.number()
    if profile in _HIGH:
        chroma = bits.number()
        bits.take(1 if chroma == 3 else 0)
        bits.numbers(2)
        bits.take()
        if bits.take():
            for index in range(12 if chroma == 3 else 8):
                if bits.take():
                    _skip_scaling(bits, 16 if index < 6 else 64)
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take()
        bits.numbers(2)
        bits.numbers(bits.number())
    bits.number()
    bits.take()
    bits.numbers(2)
    if not bits.take():
        bits.take()
    bits.take()
    if bits.take():
        bits.numbers(4)


def _skip_scaling(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.number()
            following = (last + ((code + 1) // 2 if code % 2 else -(code // 2))) % 256
        last = following or last


def _skip_hevc(bits: _Bits) -> None:
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 96)
    flags = [(bits.take(), bits.take()) for _ in range(layers)]
    bits.take(2 * (8 - layers) if layers else 0)
    for profile, level in flags:
        bits.take(88 * profile + 8 * level)
    bits.number()
    bits.take(1 if bits.number() == 3 else 0)
    bits.numbers(2)
    if bits.take():
        bits.numbers(4)
    bits.numbers(2)
    order = bits.number() + 4
    bits.numbers(3 * (layers + 1 if bits.take() else 1))
    bits.numbers(6)
    if bits.take() and bits.take():
        _skip_hevc_scaling(bits)
    bits.take(2)
    if bits.take():
        bits.take(8)
        bits.numbers(2)
        bits.take()
    _skip_reference_sets(bits)
    if bits.take():
        for _ in range(bits.number()):
            bits.take(order + 1)
    bits.take(2)


def _skip_hevc_scaling(bits: _Bits) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.take():
                bits.number()
            else:
                bits.numbers((size > 1) + min(64, 1 << (4 + 2 * size)))


def _skip_reference_sets(bits: _Bits) -> None:
    before = 0  # the number of pictures in the set before
    for index in range(bits.number()):
        if index and bits.take():
            bits.take()
            bits.number()
            before = sum(1 if bits.take() else bits.take() for _ in range(before + 1))
        else:
            before = bits.number() + bits.number()
            for _ in range(before):
                bits.number()
                bits.take()


def _in_vui(bits: _Bits) -> Colours | None:
    if bits.take() and bits.take(8) == 255:
        bits.take(32)
    if bits.take():
        bits.take()
    if not bits.take():
        return None
    bits.take(4)
    return Colours(bits.take(8), bits.take(8), bits.take(8)) if bits.take() else None
