"""Carries what a photograph file says about its pixels to the restored file: colour profile, Exif, XMP and resolution.

The pixels are written upright. So the Exif orientation is set to 1, the Exif size is exchanged with them, and the thumbnail,
which shows the unrestored photograph, is dropped. All other bytes of Exif stay as they are, with the notes of the camera.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import Any

from PIL import Image, TiffImagePlugin

from blurkit.decode.header import png_chunks
from blurkit.decode.tags import Directory
from blurkit.errors import BadImageError

_PREFIX = b"Exif\0\0"
_ORIENTATION, _WIDTH, _HEIGHT = 274, 40962, 40963
_EXIF, _GPS, _EXTRA, _PROFILE, _XMP = 34665, 34853, 338, 34675, 700
#: Tags of a TIFF file that describe the photograph, and not how its pixels are stored.
_DESCRIBING = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, _EXIF, _GPS)
#: PNG chunks that say what colours the values mean. A reader needs them together or not at all.
_COLOUR = (b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI")
#: What Pillow raises for metadata that are damaged.
_DAMAGE = (AttributeError, KeyError, OSError, OverflowError, SyntaxError, TypeError, ValueError, struct.error, zlib.error)


@dataclass(frozen=True)
class Metadata:
    """``icc``: the colour profile. ``exif``: an Exif block without prefix. ``dpi``: pixels per inch, horizontal and vertical.
    ``chunks``: PNG chunks about colours (name, content). ``alpha``: the kind of alpha as in the TIFF tag ExtraSamples: 1 if the
    colours are multiplied by it, otherwise 2. Absent values are empty. ``notes``: what could not be read."""

    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, ...] = ()
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    alpha: int = 2
    notes: tuple[str, ...] = ()


def read_metadata(data: bytes) -> Metadata:
    """Returns the metadata of the file with the bytes ``data``, whose pixels can be decoded. Damaged metadata are left out."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            values = dict(image.info)
            places = png_chunks(data, len(data)) if image.format == "PNG" else ()
            chunks = {name: data[position : position + length] for name, position, length in places}
            exif, xmp = values.get("exif") or chunks.get(b"eXIf", b""), values.get("xmp", b"")
            alpha = 2
            if isinstance(image, TiffImagePlugin.TiffImageFile):
                exif, xmp = _exif_of_tiff(image), image.tag_v2.get(_XMP, b"")
                alpha = 1 if image.tag_v2.get(_EXTRA) == (1,) else 2
    except _DAMAGE as error:
        return Metadata(notes=(f"metadata not kept, since they are damaged ({type(error).__name__})",))
    exif, notes = _upright(exif.removeprefix(_PREFIX))
    dpi = tuple(float(value) for value in values.get("dpi", ()))
    colour = tuple((name, chunks[name]) for name in _COLOUR if name in chunks)
    return Metadata(values.get("icc_profile") or b"", exif, bytes(xmp), dpi, colour, alpha, notes)


def options(metadata: Metadata) -> dict[str, Any]:
    """Returns the metadata as options of Pillow's encoders of JPEG and WebP. WebP has no resolution of its own."""
    given = {"icc_profile": metadata.icc, "xmp": metadata.xmp, "dpi": metadata.dpi}
    given["exif"] = _PREFIX + metadata.exif if metadata.exif else b""
    return {name: value for name, value in given.items() if value}


def png_with(data: bytes, metadata: Metadata) -> bytes:
    """Returns the bytes of a PNG file with the metadata, in front of the pixels. ``data``: a PNG file without metadata."""
    chunks = dict(metadata.chunks)
    if metadata.icc and b"iCCP" not in chunks:
        chunks[b"iCCP"] = b"ICC profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        chunks[b"pHYs"] = struct.pack(">IIB", *(round(value / 0.0254) for value in metadata.dpi), 1)
    if metadata.exif:
        chunks[b"eXIf"] = metadata.exif
    if metadata.xmp:
        chunks[b"iTXt"] = b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp
    end = 8 + 25  # the signature and IHDR
    return data[:end] + b"".join(_chunk(name, content) for name, content in chunks.items()) + data[end:]


def tiff_with(data: bytes, metadata: Metadata, *, alpha: bool) -> bytes:
    """Returns the bytes of a TIFF file with the metadata. ``data``: a little-endian TIFF file of one image, with or without
    ``alpha``. A directory with more tags is appended, and the pixels stay where they are."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    if alpha:
        tags[_EXTRA] = (metadata.alpha,)
    if metadata.dpi:
        tags[282], tags[283], tags[296] = *metadata.dpi, 2
    for tag, content, kind in ((_PROFILE, metadata.icc, 7), (_XMP, metadata.xmp, 1)):
        if content:
            tags.tagtype[tag] = kind
            tags[tag] = content
    if metadata.exif:
        exif = Image.Exif()
        exif.load(_PREFIX + metadata.exif)
        tags.update(_describing(exif))
        tags[_ORIENTATION] = 1
    return _with_directory(data, tags)


def _with_directory(data: bytes, tags: TiffImagePlugin.ImageFileDirectory_v2) -> bytes:
    """A little-endian TIFF file whose directory has more tags. Pillow writes their values behind the file; then comes the joint
    directory. Entries point to positions in the file, so those of the present directory stay valid."""
    if not len(tags):
        return data
    data += b"\0" * (len(data) % 2)
    longer = data + tags.tobytes(len(data))
    longer += b"\0" * (len(longer) % 2)
    (present,) = struct.unpack_from("<I", data, 4)
    entries: dict[int, bytes] = {}
    for start in (present, len(data)):
        (count,) = struct.unpack_from("<H", longer, start)
        places = range(start + 2, start + 2 + 12 * count, 12)
        entries |= {struct.unpack_from("<H", longer, place)[0]: longer[place : place + 12] for place in places}
    joint = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return longer[:4] + struct.pack("<I", len(longer)) + longer[8:] + joint


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _exif_of_tiff(image: Image.Image) -> bytes:
    """The describing tags of a TIFF file as an Exif block."""
    given, kept = image.getexif(), Image.Exif()
    kept.update(_describing(given))
    kept[_ORIENTATION] = given.get(_ORIENTATION, 1)
    return kept.tobytes()


def _describing(tags: Image.Exif) -> dict[int, Any]:
    return {tag: tags.get_ifd(tag) if tag in (_EXIF, _GPS) else tags[tag] for tag in _DESCRIBING if tag in tags}


def _upright(block: bytes) -> tuple[bytes, tuple[str, ...]]:
    """An Exif block for upright pixels, without its thumbnail, and notes."""
    if not block:
        return b"", ()
    try:
        tags, order = Directory(block), "<" if block[:2] == b"II" else ">"
        turned, changed = tags.orientation, bytearray(block)
        if _ORIENTATION in tags:
            struct.pack_into(order + "H", changed, tags.position(_ORIENTATION), 1)
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        if start + 2 + 12 * count + 4 <= len(block):
            struct.pack_into(order + "I", changed, start + 2 + 12 * count, 0)  # no second directory, that of the thumbnail
        if turned >= 5 and _EXIF in tags:
            details = Directory(block, tags.value(_EXIF))
            if _WIDTH in details and _HEIGHT in details:
                # the type, the count and the value of a tag of one number end 4 bytes after the position of the value
                one, other = (slice(details.position(tag) - 6, details.position(tag) + 4) for tag in (_WIDTH, _HEIGHT))
                changed[one], changed[other] = block[other], block[one]
        if Directory(bytes(changed)).orientation == 1:
            return bytes(changed), ()
    except (BadImageError, KeyError, struct.error):
        pass
    return b"", ("Exif not kept, since it is damaged",)
