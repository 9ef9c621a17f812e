"""Checks that an image file is complete, and extracts the bytes of one image for the decoder.

OpenCV fills the missing part of some files with grey and reports success. So a file must be proved complete before it is decoded.
Text, colour profiles, further frames and transparency are left out. They do not affect the wanted pixels, but they could exhaust
the memory, change colours by blending, or hide a serious warning behind a harmless one.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

from blurkit.decode.header import Header, png_chunks, webp_chunks, webp_frame
from blurkit.decode.tags import Directory, unpack
from blurkit.errors import BadImageError

#: The most scans of a JPEG file. Each scan costs a pass over the image. Encoders write about ten.
MAX_SCANS = 100

# Matches a marker, but no stuffed zero, restart marker or fill byte. The regular expression skips entropy-coded data at C speed.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


class Body(NamedTuple):
    """``data``: a file of the same format that holds only one image. ``several``: whether further images were left out."""

    data: bytes
    several: bool = False


def read_body(data: bytes, header: Header) -> Body:
    """Returns the image in a file with this header. Raises :class:`BadImageError` ``truncated``, ``corrupt``, ``unsupported``."""
    return _BODIES[header.format](data, header)


def _truncated(what: str) -> BadImageError:
    return BadImageError("truncated", f"The file is cut short: {what}.")


def _jpeg(data: bytes, header: Header) -> Body:
    position, scans, progressive = 2, 0, False
    replacements: dict[int, int] = {}
    while match := _MARKER.search(data, position):
        start, position = match.start(), match.end()
        marker = data[start + 1]
        if marker == 0xD9:
            complete = data[: start + 2]
            return Body(_replace_bytes(complete, replacements) if replacements else complete)
        if marker in (0x01, 0xD8):
            continue
        if marker < 0xC0:
            raise BadImageError("corrupt", f"The JPEG data contain the reserved marker 0x{marker:02x}.")
        (length,) = unpack(">H", data, position)
        if marker == 0xC2:
            progressive = True
        elif marker == 0xDA:
            scans += 1
            if scans > MAX_SCANS:
                raise BadImageError("unsupported", f"The JPEG image has more than {MAX_SCANS} scans.")
        replacements |= _harmless_faults(data[start : position + length], start, header, progressive)
        position += length
    raise _truncated("the end marker of the JPEG image is missing")


def _harmless_faults(segment: bytes, start: int, header: Header, progressive: bool) -> dict[int, int]:
    """Returns {position: correct byte} for faults that change no pixel.

    libjpeg warns about these faults too, and it prints only its first warning. So a harmless fault could hide a serious one.
    """
    marker = segment[1]
    correct: dict[int, int] = {}
    if marker == 0xE0 and segment[4:9] == b"JFIF\0" and len(segment) > 9:
        correct = {9: 1}  # the major version
    elif marker == 0xEE and segment[4:9] == b"Adobe" and len(segment) > 15:
        usual = 2 if header.colour == "CMYK" else 1
        correct = {15: segment[15] if segment[15] in (0, usual) else usual}  # the colour transform that libjpeg would assume
    elif marker == 0xDA and not progressive and len(segment) >= 8:
        correct = dict(zip(range(len(segment) - 3, len(segment)), (0, 63, 0), strict=True))  # the band of a sequential scan
    return {start + offset: value for offset, value in correct.items() if segment[offset] != value}


def _replace_bytes(data: bytes, replacements: dict[int, int]) -> bytes:
    replaced = bytearray(data)
    for position, value in replacements.items():
        replaced[position] = value
    return bytes(replaced)


def _png(data: bytes, header: Header) -> Body:
    view = memoryview(data)
    kept, several, kind = [view[:8]], False, b""
    for kind, position, length in png_chunks(data):
        end = position + length
        if zlib.crc32(view[position - 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise BadImageError("corrupt", f"The checksum of the PNG chunk {kind!r} at byte {position - 8} is wrong.")
        if not kind[0] & 0x20:  # a critical chunk: IHDR, PLTE, IDAT, IEND, or a chunk that libpng refuses
            kept.append(view[position - 8 : end + 4])
        several |= kind == b"acTL"
    if kind != b"IEND":
        raise _truncated("the last chunk (IEND) of the PNG image is missing")
    return Body(b"".join(kept), several)


def _webp(data: bytes, header: Header) -> Body:
    end = 8 + int(unpack("<I", data, 4)[0])
    if end > len(data):
        raise _truncated(f"the WebP container claims {end} bytes, but the file has {len(data)}")
    kind, position, length = _webp_image(data, 12, end)
    animated = kind == b"ANMF"
    offset = data[position : position + 6] if animated else b""
    if animated:
        kind, position, length = _webp_image(data, position + 16, position + length)
    height, width, _ = webp_frame(data, kind, position)
    same = (height, width) == (header.height, header.width)
    if animated and (any(offset) or not same):
        raise BadImageError("unsupported", "The first frame of the animated WebP image does not cover the canvas.")
    if not same:
        raise BadImageError("corrupt", "The WebP image and its canvas differ in size.")
    stream = kind + struct.pack("<I", length) + data[position : position + length] + b"\0" * (length % 2)
    return Body(b"RIFF" + struct.pack("<I", 4 + len(stream)) + b"WEBP" + stream, animated)


def _webp_image(data: bytes, start: int, end: int) -> tuple[bytes, int, int]:
    """Returns (type, position, length) of the first bit stream or animation frame."""
    for kind, position, length in webp_chunks(data, start, end):
        if position + length > end:
            raise _truncated("a WebP chunk reaches beyond the end")
        if kind in (b"VP8 ", b"VP8L", b"ANMF"):
            return kind, position, length
    raise BadImageError("corrupt", "The WebP file holds no image.")


def _bmp(data: bytes, header: Header) -> Body:
    pixels, header_size = unpack("<II", data, 10)
    (depth,) = unpack("<H", data, 24 if header_size == 12 else 28)
    end = pixels + (header.width * depth + 31) // 32 * 4 * header.height
    if pixels < 14 + header_size:
        raise BadImageError("corrupt", "The pixels of the BMP image start within its header.")
    if end > len(data):
        raise _truncated(f"the rows of the BMP image need {end} bytes, but the file has {len(data)}")
    return Body(data)


def _tiff(data: bytes, header: Header) -> Body:
    tags = Directory(data)
    samples, rows = tags.value(277, 1), max(tags.value(278, header.height), 1)
    planes = samples if tags.value(284, 1) == 2 else 1
    per_plane = -(-header.height // rows)
    strips = per_plane * planes
    offsets, counts = tags.values(273, most=strips), tags.values(279, most=strips)
    if not len(offsets) == len(counts) == strips:
        raise BadImageError("corrupt", f"The TIFF image needs {strips} strips, not {len(offsets)} with {len(counts)} lengths.")
    row = header.width * header.depth // 8 * (samples // planes) if tags.value(259, 1) == 1 else 0
    for strip, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        if offset + count > len(data) or count < max(row * min(rows, header.height - strip % per_plane * rows), 1):
            raise _truncated(f"strip {strip} of the TIFF image is not complete")
    if tags.values(338) == (2,):  # libtiff multiplies the colours by unassociated alpha, but not by an extra sample of kind 0
        position = tags.position(338)
        data = _replace_bytes(data, {position: 0, position + 1: 0})
    return Body(data, tags.several)


def _gif(data: bytes, header: Header) -> Body:
    flags, _ = unpack("BB", data, 10)
    colours = 13 + (3 * (2 << (flags & 7)) if flags & 0x80 else 0)
    position, frame = colours, b""
    while True:
        (introducer,) = unpack("B", data, position)
        if introducer == 0x21:
            position = _end_of_blocks(data, position + 2)
        elif introducer == 0x2C and not frame:
            left, top, width, height, flags = unpack("<HHHHB", data, position + 1)
            if (left, top, height, width) != (0, 0, header.height, header.width):
                raise BadImageError("unsupported", "The first frame of the GIF image does not cover the canvas.")
            table = 3 * (2 << (flags & 7)) if flags & 0x80 else 0
            start, position = position, _end_of_blocks(data, position + 11 + table)
            frame = data[start:position]
        elif introducer in (0x2C, 0x3B) and frame:
            background = b"\0"  # OpenCV refuses a background colour outside the palette. No pixel has it.
            return Body(data[:11] + background + data[12:colours] + frame + b";", introducer == 0x2C)
        else:
            raise BadImageError("corrupt", f"The GIF file has no block at byte {position}.")


def _end_of_blocks(data: bytes, position: int) -> int:
    while True:
        (length,) = unpack("B", data, position)
        position += 1 + length
        if not length:
            return position


_BODIES = {"JPEG": _jpeg, "PNG": _png, "WebP": _webp, "BMP": _bmp, "TIFF": _tiff, "GIF": _gif}
