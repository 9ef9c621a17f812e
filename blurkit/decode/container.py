"""Reads how the pictures of a video file are to be shown: their colours, and how they are turned.

FFmpeg knows both, but OpenCV passes on neither the colours nor a mirrored picture. A part that is damaged is passed over: the
decoder will complain about it. Sources: ISO/IEC 14496-12 and the QuickTime file format for MP4 and MOV, RFC 9559 for Matroska and
WebM.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from blurkit.decode.sequence import Colours, colours_in_record, colours_in_stream, preferred_transfer

_MOST_BOXES = 4096
_MOST_BYTES = 1 << 20  # of one box, and of the start of a file that is searched for parameter sets

#: (x in x', x in y', y in x', y in y') -> the Exif orientation of the same turn.
_TURNS = {
    (1, 0, 0, 1): 1, (-1, 0, 0, 1): 2, (-1, 0, 0, -1): 3, (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5, (0, 1, -1, 0): 6, (0, -1, -1, 0): 7, (0, -1, 1, 0): 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Presentation:
    """How pictures are to be shown. ``colours``: all that the file says about them. ``orientation``: as in Exif, 1 to 8, or
    ``None`` if the container does not say it in a way that is read here."""

    colours: frozenset[Colours] = frozenset()
    orientation: int | None = None


def read_presentation(descriptor: int, demuxer: str) -> Presentation:
    """Returns how the pictures of an open video file are to be shown. ``demuxer``: FFmpeg's name of its container."""
    start = os.pread(descriptor, _MOST_BYTES, 0)
    preferred = {Colours(transfer=transfer) for transfer in preferred_transfer(start)}
    if demuxer == "mov":
        shown = _mov(descriptor)
    elif demuxer == "matroska":
        shown = Presentation(frozenset(_matroska(descriptor)))
    else:
        shown = Presentation(frozenset(colours_in_stream(start)))
    return Presentation(shown.colours | preferred, shown.orientation)


def _mov(descriptor: int) -> Presentation:
    movie: tuple[int, ...] = ()
    for kind, start, end in _boxes(descriptor, 0, os.fstat(descriptor).st_size):
        if kind != b"moov":
            continue
        for part, first, last in _boxes(descriptor, start, end):
            if part == b"mvhd":
                movie = _matrix(_content(descriptor, first, last), 36, 48)
            elif part == b"trak":
                track = _track(descriptor, first, last)
                if track is not None:
                    return Presentation(frozenset(track[0]), _orientation(track[1], movie))
    return Presentation()


def _track(descriptor: int, start: int, end: int) -> tuple[set[Colours], tuple[int, ...]] | None:
    """Returns (colours, matrix) of a track of pictures."""
    found = {kind: (first, last) for kind, first, last in _boxes(descriptor, start, end)}
    media = {kind: (first, last) for kind, first, last in _boxes(descriptor, *found.get(b"mdia", (0, 0)))}
    if _content(descriptor, *media.get(b"hdlr", (0, 0)))[8:12] != b"vide":
        return None
    place = media.get(b"minf", (0, 0))
    for wanted in (b"stbl", b"stsd"):
        place = next(((first, last) for kind, first, last in _boxes(descriptor, *place) if kind == wanted), (0, 0))
    colours: set[Colours] = set()
    for _, first, last in _boxes(descriptor, place[0] + 8, place[1]):  # the sample entries, after a version and a count
        for kind, begin, stop in _boxes(descriptor, first + 78, last):
            colours |= _colours(kind, _content(descriptor, begin, stop))
    return colours, _matrix(_content(descriptor, *found.get(b"tkhd", (0, 0))), 40, 52)


def _colours(kind: bytes, content: bytes) -> set[Colours]:
    if kind == b"colr" and content[:4] in (b"nclx", b"nclc") and len(content) >= 10:
        return {Colours(*struct.unpack_from(">HHH", content, 4))}
    if kind == b"vpcC" and len(content) >= 10:
        return {Colours(*content[7:10])}
    if kind in (b"avcC", b"hvcC"):
        return colours_in_record("h264" if kind == b"avcC" else "hevc", content)
    return set()


def _matrix(content: bytes, short: int, long: int) -> tuple[int, ...]:
    """Returns (a, b, c, d) of a header's matrix, whose place depends on the version of the header."""
    place = long if content[:1] == b"\1" else short
    if len(content) < place + 36:
        return ()
    a, b, _, c, d = struct.unpack_from(">5i", content, place)
    return a, b, c, d


def _orientation(track: tuple[int, ...], movie: tuple[int, ...]) -> int | None:
    if not track:
        return None
    a, b, c, d = track
    e, f, g, h = movie or (1, 0, 0, 1)
    products = a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h
    first, second, third, fourth = ((value > 0) - (value < 0) for value in products)
    return _TURNS.get((first, second, third, fourth))


def _boxes(descriptor: int, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields (type, start, end) of the content of each box of ISO media files between two positions."""
    for _ in range(_MOST_BOXES):
        header = os.pread(descriptor, 16, start) if start + 8 <= end else b""
        if len(header) < 8:
            return
        size, width = int.from_bytes(header[:4], "big"), 8
        if size == 1 and len(header) == 16:
            size, width = int.from_bytes(header[8:], "big"), 16
        size = size or end - start
        if size < width:
            return
        yield header[4:8], start + width, min(start + size, end)
        start += size


def _content(descriptor: int, start: int, end: int) -> bytes:
    return os.pread(descriptor, min(max(end - start, 0), _MOST_BYTES), start)


# The ids of Matroska: Segment > Tracks > TrackEntry > CodecPrivate, Video > Colour > primaries, transfer curve, matrix
_SEGMENT, _TRACKS, _ENTRY, _PRIVATE, _CODEC, _VIDEO, _COLOUR = 0x18538067, 0x1654AE6B, 0xAE, 0x63A2, 0x86, 0xE0, 0x55B0
_PRIMARIES, _TRANSFER, _MATRIX = 0x55BB, 0x55BA, 0x55B1
_RECORDS = {b"V_MPEG4/ISO/AVC": "h264", b"V_MPEGH/ISO/HEVC": "hevc"}


def _matroska(descriptor: int) -> set[Colours]:
    colours: set[Colours] = set()
    for entry in _within(descriptor, [(0, os.fstat(descriptor).st_size)], _SEGMENT, _TRACKS, _ENTRY):
        parts = {number: (start, end) for number, start, end in _elements(descriptor, *entry)}
        codec = _RECORDS.get(_content(descriptor, *parts.get(_CODEC, (0, 0))).rstrip(b"\0"), "")
        if codec:
            colours |= colours_in_record(codec, _content(descriptor, *parts.get(_PRIVATE, (0, 0))))
        for place in _within(descriptor, [entry], _VIDEO, _COLOUR):
            values = {number: _content(descriptor, start, end)[:8] for number, start, end in _elements(descriptor, *place)}
            colours.add(Colours(*(int.from_bytes(values.get(key, b"\2"), "big") for key in (_PRIMARIES, _TRANSFER, _MATRIX))))
    return colours


def _within(descriptor: int, places: list[tuple[int, int]], *path: int) -> list[tuple[int, int]]:
    """Returns the (start, end) of all elements at a path of ids below some places."""
    for wanted in path:
        places = [(start, end) for place in places for number, start, end in _elements(descriptor, *place) if number == wanted]
    return places


def _elements(descriptor: int, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yields (id, start, end) of the content of each element of EBML between two positions. An unknown size lasts to ``end``."""
    for _ in range(_MOST_BOXES):
        header = os.pread(descriptor, 12, start) if start < end else b""
        width = 9 - header[0].bit_length() if header else 9
        length = 9 - header[width].bit_length() if width < len(header) else 9
        if width > 4 or length > 8 or width + length > len(header):
            return
        size = int.from_bytes(header[width : width + length], "big") & ((1 << 7 * length) - 1)
        content = start + width + length
        stop = end if size == (1 << 7 * length) - 1 else min(content + size, end)
        yield int.from_bytes(header[:width], "big"), content, stop
        start = stop
