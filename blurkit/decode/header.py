"""Reads the header of an image file: format, size, orientation and bit depth.

The first bytes of the file decide the format; its name is ignored. No memory is allocated from a number in the file, so a header
that claims a billion pixels costs nothing. The parts of a file that are looked at are few, however long the file is. Sources:
ITU-T T.81 and JFIF 1.02, Exif 2.32, PNG (third edition), the WebP container specification, TIFF 6.0, the BITMAPINFOHEADER
family, GIF89a.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from blurkit.decode.jpeg import read_frame, segments
from blurkit.decode.tags import ByteSource, Directory, read_exif, unpack
from blurkit.errors import BadImageError

#: The most chunks of a PNG or WebP file that are looked at for its header.
MAX_CHUNKS = 4096

_MAX_EXIF = 1 << 18  # the bytes of an Exif block that are read; in JPEG it has fewer


@dataclass(frozen=True)
class Header:
    """What the header of an image file says.

    ``format``: JPEG, PNG, WebP, BMP, TIFF or GIF. ``height``, ``width``: pixels as stored, before the orientation is applied.
    ``depth``: bits per sample. ``colour``: grey, RGB, palette or CMYK. ``alpha``: the kind of transparency, ``alpha`` or
    ``tRNS``, or an empty text. ``orientation``: as in Exif, 1 to 8. ``focal_35mm``: the focal length in millimetres that gives
    the same view on 35 mm film, or 0 if the file does not state it.
    """

    format: str
    height: int
    width: int
    depth: int = 8
    colour: str = "RGB"
    alpha: str = ""
    orientation: int = 1
    focal_35mm: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the upright image."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_header(source: ByteSource) -> Header:
    """Returns the header of an image file.

    Raises :class:`BadImageError`: ``empty``, ``not_an_image``, ``unsupported``, ``truncated`` (within the header) or ``corrupt``.
    """
    start = source[:64]
    if not start:
        raise BadImageError("empty", "The file is empty.")
    for magic, parse in _FORMATS:
        if start.startswith(magic):
            header = parse(source)
            if header.height < 1 or header.width < 1:
                raise BadImageError("corrupt", f"The {header.format} header claims {header.width} x {header.height} pixels.")
            return header
    raise _unknown(start)


def _jpeg(source: ByteSource) -> Header:
    orientation, focal, frame = 0, 0, None
    for marker, start, end in segments(source):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and frame is None:
            if marker > 0xC2:
                raise BadImageError("unsupported", f"JPEG with the frame header SOF{marker - 0xC0} is not supported.")
            frame = read_frame(source, marker, start)
        elif marker == 0xE1 and not orientation and source[start + 4 : start + 10] == b"Exif\0\0":
            orientation, focal = read_exif(source[start + 4 : end])
    if frame is None:
        raise BadImageError("corrupt", "The JPEG scan comes before the frame header.")
    components = len(frame.components)
    if frame.depth != 8 or components not in (1, 3, 4):
        raise BadImageError("unsupported", f"JPEG with {components} components of {frame.depth} bits is not supported.")
    colour = {1: "grey", 3: "RGB", 4: "CMYK"}[components]
    return Header("JPEG", frame.height, frame.width, colour=colour, orientation=orientation or 1, focal_35mm=focal)


def png_chunks(source: ByteSource, most: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields (type, position of the data, length) of each complete chunk, up to IEND, at most ``most`` of them."""
    position = 8
    for _ in range(most):
        if position + 12 > len(source):
            return
        length, kind = unpack(">I4s", source, position)
        if not kind.isalpha():
            raise BadImageError("corrupt", f"The PNG chunk at byte {position} has the type {kind!r}, which is no type.")
        if position + 12 + length > len(source):
            return
        yield kind, position + 8, length
        if kind == b"IEND":
            return
        position += 12 + length


def _png(source: ByteSource) -> Header:
    length, kind, width, height, depth, colour = unpack(">I4sIIBB", source, 8)
    names = {0: "grey", 2: "RGB", 3: "palette", 4: "grey", 6: "RGB"}
    if (length, kind) != (13, b"IHDR") or colour not in names or depth not in (1, 2, 4, 8, 16):
        raise BadImageError("corrupt", "The PNG header (IHDR) is not valid.")
    alpha, exif, kind = "alpha" if colour in (4, 6) else "", b"", b""
    for kind, position, length in png_chunks(source, MAX_CHUNKS):
        if kind == b"tRNS":
            alpha = alpha or "tRNS"
        elif kind == b"eXIf":
            exif = source[position : position + min(length, _MAX_EXIF)]
    if kind != b"IEND":  # a large file has many chunks of pixels, and eXIf may follow them
        exif = exif or _last_exif(source)
    return Header("PNG", height, width, depth, names[colour], alpha, *read_exif(exif))


def _last_exif(source: ByteSource) -> bytes:
    """Returns the Exif block of a chunk near the end of a PNG file, or nothing. The checksum tells a chunk from pixels."""
    end = source[max(len(source) - _MAX_EXIF, 0) :]
    for match in re.finditer(rb"(.{4})(eXIf)", end, re.DOTALL):
        length = int.from_bytes(match[1], "big")
        block, checksum = end[match.end() :][:length], end[match.end() + length :][:4]
        if len(checksum) == 4 and zlib.crc32(match[2] + block) == int.from_bytes(checksum, "big"):
            return block
    return b""


def webp_chunks(source: ByteSource, position: int = 12, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yields (type, position of the data, length) of each chunk. The last chunk may reach beyond ``end``."""
    end = len(source) if end is None else end
    for _ in range(MAX_CHUNKS):
        if position + 8 > end:
            return
        kind, length = unpack("<4sI", source, position)
        yield kind, position + 8, length
        position += 8 + length + length % 2
    raise BadImageError("unsupported", f"The WebP file has more than {MAX_CHUNKS} chunks.")


def webp_frame(source: ByteSource, kind: bytes, position: int) -> tuple[int, int, bool]:
    """Returns (height, width, whether alpha is used) of a lossy (``VP8 ``) or lossless (``VP8L``) bit stream."""
    if kind == b"VP8L":
        signature, bits = unpack("<BI", source, position)
        if signature == 0x2F:
            return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1, bool(bits >> 28 & 1)
    else:
        signature, width, height = unpack("<3sHH", source, position + 3)
        if signature == b"\x9d\x01\x2a":
            return height & 0x3FFF, width & 0x3FFF, False
    raise BadImageError("corrupt", "The WebP bit stream has no valid header.")


def _webp(source: ByteSource) -> Header:
    if source[8:12] != b"WEBP":
        raise BadImageError("not_an_image", "The file is a RIFF container, but not a WebP image.")
    (kind,) = unpack("4s", source, 12)
    if kind in (b"VP8 ", b"VP8L"):
        height, width, alpha = webp_frame(source, kind, 20)
        return Header("WebP", height, width, alpha="alpha" if alpha else "")
    if kind != b"VP8X":
        raise BadImageError("corrupt", "The WebP file holds no image.")
    flags, low_width, high_width, low_height, high_height = unpack("<B3xHBHB", source, 20)
    exif = 1, 0
    if flags & 0x08:
        for kind, position, length in webp_chunks(source):
            if kind == b"EXIF":
                exif = read_exif(source[position : position + min(length, _MAX_EXIF)])
                break
    height, width = (high_height << 16 | low_height) + 1, (high_width << 16 | low_width) + 1
    return Header("WebP", height, width, 8, "RGB", "alpha" if flags & 0x10 else "", *exif)


def _bmp(source: ByteSource) -> Header:
    (header_size,) = unpack("<I", source, 14)
    compression, masks = 0, (0, 0, 0, 0)
    if header_size == 12:
        width, height, _, depth = unpack("<HHHH", source, 18)
    elif header_size in (40, 52, 56, 64, 108, 124):
        width, height, _, depth, compression = unpack("<iiHHI", source, 18)
        if compression == 3:
            masks = (*unpack("<III", source, 54), unpack("<I", source, 66)[0] if header_size >= 56 else 0)
    else:
        raise BadImageError("not_an_image", "The file starts like a BMP image, but it has no BMP header.")
    # OpenCV decodes other kinds wrongly: it shifts 16-bit pixels without filling the low bits, so white becomes 248, and it
    # treats all colour masks like the usual masks.
    plain = compression == 0 and depth in (1, 4, 8, 24, 32)
    if not plain and (compression, depth, *masks[:3]) != (3, 32, 0xFF0000, 0xFF00, 0xFF):
        raise BadImageError("unsupported", f"BMP with {depth} bits per pixel and compression {compression} is not supported.")
    colour = "palette" if depth <= 8 else "RGB"
    return Header("BMP", abs(height), width, colour=colour, alpha="alpha" if masks[3] else "")


#: What OpenCV decodes correctly, by experiment: (bits, photometric interpretation) -> (colour, channels, most extra samples).
_TIFF_KINDS = {
    (8, 0): ("grey", 1, 0), (8, 1): ("grey", 1, 1), (8, 2): ("RGB", 3, 1), (8, 3): ("palette", 1, 0), (8, 5): ("CMYK", 4, 0),
    (8, 6): ("RGB", 3, 0), (16, 1): ("grey", 1, 0), (16, 2): ("RGB", 3, 1),
}  # fmt: skip


def _tiff(source: ByteSource) -> Header:
    tags = Directory(source)
    if 50706 in tags or tags.value(254) & 1:  # the first image of a raw photograph is its thumbnail
        raise BadImageError("unsupported", "The file is a raw photograph (DNG or the like), which is not supported.")
    depths, samples, extra = tags.values(258, (1,)), tags.value(277, 1), len(tags.values(338))
    photometric, compression, tiled = tags.value(262), tags.value(259, 1), 322 in tags
    colour, channels, most = _TIFF_KINDS.get((depths[0], photometric), ("", 0, 0))
    jpeg = compression == 7
    supported = (
        colour and extra <= most and samples == channels + extra and set(depths) == {depths[0]} and not tiled
        and set(tags.values(339, (1,))) == {1} and compression in (1, 5, 7, 8, 32773, 32946)
        and (depths[0] == 8 or (tags.value(284, 1) == 1 and not jpeg)) and (photometric != 6 or jpeg)
    )  # fmt: skip
    if not supported:
        raise BadImageError(
            "unsupported",
            "Supported TIFF images have strips of unsigned samples of 8 or 16 bits; this file has "
            f"{samples} samples of {depths[0]} bits, sample format {tags.value(339, 1)}, photometric "
            f"interpretation {photometric}, compression {compression}{', in tiles' if tiled else ''}.",
        )
    alpha, exif = "alpha" if extra else "", (tags.orientation, tags.focal_35mm)
    return Header("TIFF", tags.value(257), tags.value(256), depths[0], colour, alpha, *exif)


def _gif(source: ByteSource) -> Header:
    version, width, height = unpack("<3sHH", source, 3)
    if version not in (b"87a", b"89a"):
        raise BadImageError("not_an_image", "The file starts like a GIF image, but it has no GIF version.")
    return Header("GIF", height, width, colour="palette")


_FORMATS: tuple[tuple[bytes, Callable[[ByteSource], Header]], ...] = (
    (b"\xff\xd8", _jpeg), (b"\x89PNG\r\n\x1a\n", _png), (b"RIFF", _webp), (b"BM", _bmp), (b"GIF8", _gif),
    (b"II*\0", _tiff), (b"MM\0*", _tiff), (b"II+\0", _tiff), (b"MM\0+", _tiff),
)  # fmt: skip

_OTHER_IMAGES = {
    b"\0\0\0\x0cjP  ": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000", b"\0\0\0\x0cJXL ": "JPEG XL", b"\xff\x0a": "JPEG XL",
    b"v/1\x01": "OpenEXR", b"#?RADIANCE": "Radiance HDR", b"8BPS": "Photoshop", b"\0\0\1\0": "icon", b"qoif": "QOI",
    b"P1": "PBM", b"P2": "PGM", b"P3": "PPM", b"P4": "PBM", b"P5": "PGM", b"P6": "PPM", b"PF": "PFM",
}  # fmt: skip
#: Brands of ISO media files that are images, and no videos.
IMAGE_BRANDS = {
    b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"crx ": "CR3",
}  # fmt: skip
_OTHER_FILES = {
    b"<!doctype html": "an HTML page", b"<html": "an HTML page", b"<svg": "an SVG drawing", b"<?xml": "an XML document",
    b"%pdf": "a PDF document", b"pk\3\4": "a ZIP archive", b"\x1f\x8b": "a gzip archive", b"\x89hdf": "an HDF5 file",
    b"\0\5\x16\7": "an AppleDouble companion file",
}  # fmt: skip


def _unknown(start: bytes) -> BadImageError:
    names = [name for magic, name in _OTHER_IMAGES.items() if start.startswith(magic)]
    if start[4:8] == b"ftyp":
        names.append(IMAGE_BRANDS.get(start[8:12], "ISO media"))
    if names:
        return BadImageError("unsupported", f"The file is {names[0]}, which is not supported; convert it to PNG.")
    if not start.strip(b"\0"):
        return BadImageError("not_an_image", "The file starts with zero bytes only, as after an interrupted download.")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    kind = next((name for magic, name in _OTHER_FILES.items() if text.startswith(magic)), "of no known image format")
    return BadImageError("not_an_image", f"The file is {kind}, whatever its name says.")
