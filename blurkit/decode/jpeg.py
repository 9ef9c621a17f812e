"""Walks through the segments of a JPEG file (ITU-T T.81, annex B), in bounded time.

Bytes that belong to no segment may stand before a marker. Decoders skip them, and no pixel depends on them. Within the
entropy-coded data of a scan nothing can be skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from blurkit.decode.tags import ByteSource, unpack
from blurkit.errors import BadImageError

#: The most scans of a JPEG file. Each scan costs a pass over the image. Encoders write about ten.
MAX_SCANS = 100

#: The most segments. A profile, Exif data and a preview of hundreds of megabytes have fewer.
MAX_SEGMENTS = 4096

#: The most bytes before the first scan that belong to no segment, fill bytes among them.
MAX_JUNK = 1 << 16

_MARKER = re.compile(rb"\xff[\x01-\xfe]")
# Matches a marker, but no stuffed zero, restart marker or fill byte. The regular expression skips entropy-coded data at C speed.
_END_OF_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


class Frame(NamedTuple):
    """What a frame header says. ``components``: id -> sampling factors (horizontal, vertical)."""

    depth: int
    height: int
    width: int
    components: dict[int, tuple[int, int]]
    progressive: bool


def segments(source: ByteSource) -> Iterator[tuple[int, int, int]]:
    """Yields (marker, start, end) of each segment from the first one to the header of the first scan. ``start``: of its marker.

    Raises :class:`BadImageError` ``truncated``, ``corrupt`` or ``unsupported``, the latter if there are too many segments.
    """
    position, junk = 2, MAX_JUNK
    for _ in range(MAX_SEGMENTS):
        start = _find_marker(source, position, junk)
        junk -= start - position
        (marker,) = unpack("B", source, start + 1)
        position = start + 2
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a segment
            continue
        if marker in (0xD8, 0xD9):
            raise BadImageError("corrupt", "The JPEG file holds no image data.")
        position += _length(source, position, marker)
        yield marker, start, position
        if marker == 0xDA:
            return
    raise _too_many_segments()


def read_frame(source: ByteSource, marker: int, start: int) -> Frame:
    """Returns the frame header at a byte position. Raises :class:`BadImageError` ``truncated``."""
    depth, height, width, count = unpack(">BHHB", source, start + 4)
    numbers = unpack(f"{3 * count}B", source, start + 10)
    sampling = {key: (factors >> 4, factors & 15) for key, factors in zip(numbers[::3], numbers[1::3], strict=True)}
    return Frame(depth, height, width, sampling, marker == 0xC2)


class Image(NamedTuple):
    """``data``: the file of one image, without anything after its end. ``junk``: the number of bytes that were left out because
    they belong to no segment. ``padding``: the number of zeros at the end of the last scan."""

    data: bytes
    junk: int
    padding: int


def read_image_data(data: bytes, *, cmyk: bool) -> Image:
    """Returns the image in a file after the check that it is complete. ``cmyk``: whether it has four components.

    Faults that change no pixel are corrected. libjpeg warns about them too, and it prints only its first warning, so a harmless
    fault could hide a serious one. Raises :class:`BadImageError` ``truncated``, ``corrupt`` or ``unsupported``.
    """
    parts: list[memoryview | bytes] = [memoryview(data)[:2]]
    position, scans, junk, changed = 2, 0, 0, False
    frame: Frame | None = None
    scan: tuple[int, ...] = ()  # the header of the scan that goes on at the position
    for _ in range(MAX_SEGMENTS):
        match = _END_OF_SCAN.search(data, position)
        if match is None:
            raise BadImageError("truncated", "The file is cut short: the end marker of the JPEG image is missing.")
        start, end = match.span()
        marker, gap = data[start + 1], memoryview(data)[position:start]
        if scan:
            _check_scan(frame, scan, len(gap))
            parts.append(gap)
        elif gap:
            junk, changed = junk + len(bytes(gap).strip(b"\xff")), True
        if marker == 0xD9:
            last = bytes(gap[-4096:]) if scan else b""
            parts.append(b"\xff\xd9")
            return Image(b"".join(parts) if changed else data[:end], junk, len(last) - len(last.rstrip(b"\0")))
        if marker not in (0x01, 0xD8):
            end += _length(data, end, marker)
        segment = data[start:end]
        if marker in (0xC0, 0xC1, 0xC2):
            frame = frame or read_frame(data, marker, start)
        elif marker == 0xDA:
            scans += 1
            if scans > MAX_SCANS:
                raise BadImageError("unsupported", f"The JPEG image has more than {MAX_SCANS} scans.")
        scan = tuple(segment[4:]) if marker == 0xDA else ()
        corrected = _corrected(segment, cmyk=cmyk, progressive=frame is not None and frame.progressive)
        changed |= corrected != segment
        parts.append(corrected)
        position = end
    raise _too_many_segments()


def _find_marker(source: ByteSource, position: int, most: int) -> int:
    """Returns the position of the first marker from a position on. At most ``most`` bytes may precede it."""
    size = 2  # grows, because most markers follow at once
    while True:
        match = _MARKER.search(source[position : position + min(size, most + 2)])
        if match is not None:
            return position + match.start()
        if size >= most + 2:
            break
        size *= 8
    if position + most + 2 >= len(source):
        raise BadImageError("truncated", f"The file ends at byte {len(source)}, within its headers.")
    raise BadImageError("corrupt", f"A JPEG marker is missing at byte {position}.")


def _length(source: ByteSource, position: int, marker: int) -> int:
    if marker < 0xC0:
        raise BadImageError("corrupt", f"The JPEG data contain the reserved marker 0x{marker:02x}.")
    (length,) = unpack(">H", source, position)
    if length < 2:
        raise BadImageError("corrupt", f"The JPEG segment at byte {position} claims {length} bytes.")
    return int(length)


def _too_many_segments() -> BadImageError:
    return BadImageError("unsupported", f"The JPEG file has more than {MAX_SEGMENTS} segments.")


def _check_scan(frame: Frame | None, scan: tuple[int, ...], length: int) -> None:
    """Raises ``truncated`` if a scan of ``length`` bytes is too short for its blocks.

    Each block needs a code of one bit or more for its mean, and in a sequential scan another one that ends the block. So a tiny
    file that claims many pixels is refused before memory is allocated.
    """
    count = scan[0] if scan else 0
    if frame is None or len(scan) < 4 + 2 * count or 0 in (frame.height, frame.width):
        return  # libjpeg refuses the file
    if frame.progressive and (scan[1 + 2 * count] > 0 or scan[3 + 2 * count] >> 4):
        return  # a run of empty blocks needs a single code
    factors = [frame.components.get(key, (0, 0)) for key in scan[1 : 1 + 2 * count : 2]]
    widest, highest = (max(pair[axis] for pair in frame.components.values()) for axis in (0, 1))
    sides = [(-(-frame.width * x // (8 * widest)), -(-frame.height * y // (8 * highest))) for x, y in factors if widest * highest]
    bits = sum(across * down for across, down in sides) * (1 if frame.progressive else 2)
    if 8 * length < bits:
        raise BadImageError("truncated", f"The file is cut short: a scan of {length} bytes is too short for its pixels.")


def _corrected(segment: bytes, *, cmyk: bool, progressive: bool) -> bytes:
    """Returns a segment without faults that change no pixel."""
    marker, correct = segment[1], dict[int, int]()
    if marker == 0xE0 and segment[4:9] == b"JFIF\0" and len(segment) > 9:
        correct = {9: 1}  # the major version
    elif marker == 0xEE and segment[4:9] == b"Adobe" and len(segment) > 15:
        usual = 2 if cmyk else 1
        correct = {15: segment[15] if segment[15] in (0, usual) else usual}  # the colour transform that libjpeg would assume
    elif marker == 0xDA and not progressive and len(segment) >= 8:
        correct = dict(zip(range(len(segment) - 3, len(segment)), (0, 63, 0), strict=True))  # the band of a sequential scan
    if all(segment[place] == value for place, value in correct.items()):
        return segment
    replaced = bytearray(segment)
    for place, value in correct.items():
        replaced[place] = value
    return bytes(replaced)
