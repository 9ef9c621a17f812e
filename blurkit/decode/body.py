"""Checks that an image file is complete, and extracts the bytes of one image for the decoder.

OpenCV fills the missing part of some files with grey and reports success. So a file must be proved complete before it is decoded.
Text, colour profiles, further frames and transparency are left out. They do not affect the wanted pixels, but they could exhaust
the memory, change colours by blending, or hide a serious warning behind a harmless one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from blurkit.decode.header import MAX_CHUNKS, Header, png_chunks, webp_chunks, webp_frame
from blurkit.decode.jpeg import read_frame, read_image_data, segments
from blurkit.decode.streams import length_of_deflate, length_of_lzw, length_of_packbits
from blurkit.decode.tags import Directory, unpack
from blurkit.errors import BadImageError

#: What several frames become.
_FIRST = ("first of several frames",)

#: The most bytes that a byte of compressed data can become, by TIFF's compression: none, LZW, deflate, PackBits.
_TIFF_RATIOS = {1: 1, 5: 4096, 8: 1032, 32946: 1032, 32773: 64}

#: The most strips of a TIFF image.
_MAX_STRIPS = 1 << 17

#: Fewer decoded bytes need no check: the decoder finds out at little cost whether they are complete.
_FEW_BYTES = 16_000_000

#: The most blocks of a GIF file, in addition to one for 64 pixels. Blocks of pixels are usually full, with 255 bytes.
_GIF_BLOCKS = 1 << 16


class Body(NamedTuple):
    """``data``: a file of the same format that holds only one image. ``notes``: what was left out that a user may miss.
    ``padding``: the number of zeros after the pixels, about which the decoder complains."""

    data: bytes
    notes: tuple[str, ...] = ()
    padding: int = 0


def read_body(data: bytes, header: Header) -> Body:
    """Returns the image in a file with this header. Raises :class:`BadImageError` ``truncated``, ``corrupt``, ``unsupported``."""
    return _BODIES[header.format](data, header)


def _truncated(what: str) -> BadImageError:
    return BadImageError("truncated", f"The file is cut short: {what}.")


def _jpeg(data: bytes, header: Header) -> Body:
    image = read_image_data(data, cmyk=header.colour == "CMYK")
    notes = (f"{image.junk} stray bytes before JPEG segments ignored",) if image.junk else ()
    return Body(image.data, notes, image.padding)


def _replace_bytes(data: bytes, replacements: dict[int, int]) -> bytes:
    replaced = bytearray(data)
    for position, value in replacements.items():
        replaced[position] = value
    return bytes(replaced)


def _png(data: bytes, header: Header) -> Body:
    view, most = memoryview(data), MAX_CHUNKS + len(data) // 1024
    kept, several, kind, stream, count = [view[:8]], False, b"", 0, 0
    for kind, position, length in png_chunks(data, most):
        end, count = position + length, count + 1
        if zlib.crc32(view[position - 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise BadImageError("corrupt", f"The checksum of the PNG chunk {kind!r} at byte {position - 8} is wrong.")
        if not kind[0] & 0x20:  # a critical chunk: IHDR, PLTE, IDAT, IEND, or a chunk that libpng refuses
            kept.append(view[position - 8 : end + 4])
        several |= kind == b"acTL"
        stream += length if kind == b"IDAT" else 0
    if count == most:
        raise BadImageError("unsupported", f"The PNG file has more than {most} chunks.")
    if kind != b"IEND":
        raise _truncated("the last chunk (IEND) of the PNG image is missing")
    channels = {"grey": 1, "palette": 1, "RGB": 3}[header.colour] + (header.alpha == "alpha")
    _check_stream(stream, 1032, header.height * (header.width * channels * header.depth // 8))
    return Body(b"".join(kept), _FIRST if several else ())


def _check_stream(length: int, ratio: int, needed: int) -> None:
    """Raises ``truncated`` if ``length`` compressed bytes are too few, so that a tiny file cannot claim many pixels."""
    if (length + 1) * ratio < needed:
        raise _truncated(f"{length} compressed bytes are too few for {needed} bytes of pixels")


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
    return Body(b"RIFF" + struct.pack("<I", 4 + len(stream)) + b"WEBP" + stream, _FIRST if animated else ())


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
    if strips > _MAX_STRIPS:
        raise BadImageError("unsupported", f"The TIFF image has {strips} strips, more than {_MAX_STRIPS}.")
    offsets, counts = tags.values(273, most=strips), tags.values(279, most=strips)
    if not len(offsets) == len(counts) == strips:
        raise BadImageError("corrupt", f"The TIFF image needs {strips} strips, not {len(offsets)} with {len(counts)} lengths.")
    row, ratio = header.width * header.depth // 8 * (samples // planes), _TIFF_RATIOS.get(tags.value(259, 1), 1 << 30)
    for strip, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        needed = row * min(rows, header.height - strip % per_plane * rows)
        if offset + count > len(data) or count < max(needed // ratio, 1):
            raise _truncated(f"strip {strip} of the TIFF image is not complete")
        if needed > max(_FEW_BYTES, 8 * count):
            _check_strip(data[offset : offset + count], tags.value(259, 1), needed, header)
    if tags.values(338) == (2,):  # libtiff multiplies the colours by unassociated alpha, but not by an extra sample of kind 0
        position = tags.position(338)
        data = _replace_bytes(data, {position: 0, position + 1: 0})
    return Body(data, _FIRST if tags.several else ())


def _check_strip(strip: bytes, compression: int, needed: int, header: Header) -> None:
    """Raises if a large strip of few bytes does not become the ``needed`` bytes."""
    if compression == 7:
        sizes = [read_frame(strip, marker, start)[1:3] for marker, start, _ in segments(strip) if 0xC0 <= marker <= 0xC2]
        if any(size[1] != header.width for size in sizes):
            raise BadImageError("corrupt", "The JPEG data of the TIFF image have another width than the image.")
        return
    if compression == 5:
        length = length_of_lzw(strip, 8, needed, tiff=True)
    else:
        length = (length_of_packbits if compression == 32773 else length_of_deflate)(strip, needed)
    if length < needed:
        raise _truncated(f"a strip of the TIFF image has {length} of {needed} bytes")


def _gif(data: bytes, header: Header) -> Body:
    flags, _ = unpack("BB", data, 10)
    colours = 13 + (3 * (2 << (flags & 7)) if flags & 0x80 else 0)
    position, frame = colours, b""
    steps = iter(range(_GIF_BLOCKS + header.height * header.width // 64))
    while True:
        _take_step(steps)
        (introducer,) = unpack("B", data, position)
        if introducer == 0x21:
            position = _end_of_blocks(data, position + 2, steps)
        elif introducer == 0x2C and not frame:
            left, top, width, height, flags = unpack("<HHHHB", data, position + 1)
            if (left, top, height, width) != (0, 0, header.height, header.width):
                raise BadImageError("unsupported", "The first frame of the GIF image does not cover the canvas.")
            table = 3 * (2 << (flags & 7)) if flags & 0x80 else 0
            start, position = position, _end_of_blocks(data, position + 11 + table, steps)
            frame = data[start:position]
            _check_frame(frame, 10 + table, header.height * header.width)
        elif introducer in (0x2C, 0x3B) and frame:
            background = b"\0"  # OpenCV refuses a background colour outside the palette. No pixel has it.
            return Body(data[:11] + background + data[12:colours] + frame + b";", _FIRST if introducer == 0x2C else ())
        else:
            raise BadImageError("corrupt", f"The GIF file has no block at byte {position}.")


def _check_frame(frame: bytes, start: int, pixels: int) -> None:
    """Raises ``truncated`` if a large GIF frame of few bytes is not complete. ``start``: where its data begin."""
    if pixels <= max(_FEW_BYTES, 8 * len(frame)):
        return
    blocks, position = [], start + 1
    while length := frame[position]:
        blocks.append(frame[position + 1 : position + 1 + length])
        position += 1 + length
    if not 2 <= frame[start] <= 8 or length_of_lzw(b"".join(blocks), frame[start], pixels, tiff=False) < pixels:
        raise _truncated(f"its data are not those of {pixels} pixels")


def _end_of_blocks(data: bytes, position: int, steps: Iterator[int]) -> int:
    while True:
        _take_step(steps)
        (length,) = unpack("B", data, position)
        position += 1 + length
        if not length:
            return position


def _take_step(steps: Iterator[int]) -> None:
    if next(steps, None) is None:
        raise BadImageError("unsupported", "The GIF file has many more blocks than its pixels can need.")


_BODIES = {"JPEG": _jpeg, "PNG": _png, "WebP": _webp, "BMP": _bmp, "TIFF": _tiff, "GIF": _gif}
