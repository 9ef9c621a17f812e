"""Counts the bytes that compressed data become, without storing them.

A few bytes can stand for many, so the number of bytes in a file does not tell whether its pixels are complete. OpenCV takes
memory for all pixels first. So suspiciously small data are counted before. Sources: TIFF 6.0 (sections 9 and 13), GIF89a
(appendix F), RFC 1950.
"""

from __future__ import annotations

import zlib

_LARGEST_CODES = 4096
_PIECE = 1 << 20


def length_of_lzw(data: bytes, bits: int, most: int, *, tiff: bool) -> int:
    """Returns the number of values that LZW data become, at most ``most``. ``bits``: of a value. ``tiff``: TIFF packs codes from
    the highest bit on and widens them one code earlier than GIF does."""
    clear, lengths = 1 << bits, [1] * (1 << bits) + [0, 0]
    width, total, before, waiting, held = bits + 1, 0, 0, 0, 0
    for byte in data:
        waiting = waiting << 8 | byte if tiff else waiting | byte << held
        held += 8
        while held >= width:
            held -= width
            if tiff:
                code, waiting = waiting >> held, waiting & ((1 << held) - 1)
            else:
                code, waiting = waiting & ((1 << width) - 1), waiting >> width
            if code == clear:
                del lengths[clear + 2 :]
                width, before = bits + 1, 0
                continue
            if code == clear + 1 or code > len(lengths) - (before == 0):
                return total
            length = lengths[code] if code < len(lengths) else before + 1
            total += length
            if total >= most:
                return most
            if before and len(lengths) < _LARGEST_CODES:
                lengths.append(before + 1)
                width += len(lengths) + tiff == 1 << width and width < 12
            before = length
    return total


def length_of_deflate(data: bytes, most: int) -> int:
    """Returns the number of bytes that zlib data become, at most ``most``. Damaged data end where the damage is noticed."""
    decompressor, total = zlib.decompressobj(), 0
    while total < most and not decompressor.eof:
        try:
            piece = decompressor.decompress(data, _PIECE)
        except zlib.error:
            break
        data, total = decompressor.unconsumed_tail, total + len(piece)
        if not piece and not data:
            break
    return min(total, most)


def length_of_packbits(data: bytes, most: int) -> int:
    """Returns the number of bytes that PackBits data become, at most ``most``."""
    position, total = 0, 0
    while position < len(data) and total < most:
        count = data[position]
        if count < 128:
            total += min(count + 1, len(data) - position - 1)
            position += count + 2
        else:
            total += 257 - count if count > 128 and position + 1 < len(data) else 0
            position += 2 if count > 128 else 1
    return min(total, most)
