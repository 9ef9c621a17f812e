"""Reads photographs with all their bits and metadata, and writes them in the format of their suffix."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blurkit.decode.header import Header, png_chunks
from blurkit.decode.image import bad_image, decode_image, image_header, imdecode, upright
from blurkit.errors import BadImageError
from blurkit.program.checks import require
from blurkit.program.files import read_regular, write_atomic
from trainer.evaluation.metadata import Metadata, options, png_with, read_metadata, tiff_with

#: uint8 or uint16 (H, W, 3), RGB.
Pixels: TypeAlias = NDArray[np.integer[Any]]

#: Suffixes of formats that Pillow writes, and its options.
_PILLOW: dict[str, dict[str, Any]] = {
    **{suffix: {"format": "JPEG", "quality": 95, "subsampling": 0} for suffix in (".jpg", ".jpeg", ".jpe", ".jfif")},
    ".webp": {"format": "WEBP", "lossless": True, "exact": True},  # exact: colours under transparent pixels are kept too
}
_TIFF, _DEEP = (".tif", ".tiff"), (".png", ".tif", ".tiff")
#: Suffixes of formats that can be written.
WRITABLE = (".png", *_TIFF, ".bmp", *_PILLOW)
#: Suffixes of files that are treated as photographs. The real format is determined when the file is read.
READABLE = frozenset((*WRITABLE, ".gif"))

_JPEG_SEGMENT = 65_500
_SLACK = 32 << 20  # bytes that a file may have in addition to 8 for each pixel


class Photograph(NamedTuple):
    """A photograph as it was read.

    ``pixels``: uint8 or uint16 (H, W, 3), RGB, upright. ``alpha``: (H, W) of the same type, or None. ``grey``: whether the file
    has one channel of colour. ``notes``: what was changed, such as a palette that became RGB.
    """

    pixels: Pixels
    notes: tuple[str, ...] = ()
    alpha: Pixels | None = None
    grey: bool = False
    metadata: Metadata = Metadata()


def read_photograph(path: Path) -> Photograph:
    """Returns a photograph with its alpha and its metadata. The type is uint16 if the file has 16 bits per channel.

    The Exif orientation is applied. Raises :class:`blurkit.errors.BadImageError`, also for what could not be restored without a
    silent change: CMYK, several frames, and a transparent colour that has no alpha channel.
    """
    header = image_header(path)
    if header.colour == "CMYK":
        raise BadImageError("unsupported", "The file is CMYK, for print; convert it to RGB by its colour profile first.")
    with bad_image():
        data = read_regular(path, most=_SLACK + 8 * header.height * header.width)
    decoded = decode_image(data, deep=True)
    if "first of several frames" in decoded.notes:
        raise BadImageError("unsupported", "The file has several frames or pages; save each as a file of its own.")
    pixels, grey = np.ascontiguousarray(decoded.pixels), header.colour == "grey"
    alpha = _alpha(data, header, pixels) if header.alpha else None
    metadata = read_metadata(data)
    kept = {f"{header.alpha} dropped", "grey to RGB"}  # what is kept after all
    notes = (*(note for note in decoded.notes if note not in kept), *metadata.notes)
    return Photograph(pixels, notes, alpha, grey, metadata)


def _alpha(data: bytes, header: Header, pixels: Pixels) -> Pixels | None:
    """The alpha channel, upright."""
    if header.format == "PNG":  # the pixels and the transparency alone; text could exhaust the memory
        chunks = (
            data[at - 8 : at + size + 4]
            for name, at, size in png_chunks(data, len(data))
            if name == b"tRNS" or not name[0] & 0x20
        )
        data = data[:8] + b"".join(chunks)
    decoded, _ = imdecode(data, cv2.IMREAD_UNCHANGED)
    if header.format == "WebP" and decoded is not None and decoded.shape[2:] == (3,):
        return None  # the container allows alpha, but the image has none
    if decoded is None or decoded.shape[2:] != (4,):
        raise BadImageError("unsupported", "The file has transparent parts without an alpha channel; save it with one.")
    alpha = decoded[..., 3] if header.format == "TIFF" else upright(np.ascontiguousarray(decoded[..., 3]), header.orientation)
    if alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype:
        raise BadImageError("unsupported", f"The alpha channel is {alpha.dtype} {alpha.shape}, unlike the colours.")
    return np.ascontiguousarray(alpha)


def write_photograph(path: Path, photograph: Photograph) -> tuple[str, ...]:
    """Writes a photograph atomically in the format of its suffix. Returns notes on what was changed.

    PNG and TIFF keep 16 bits, other formats round to 8 bits. JPEG has quality 95, other formats are lossless. JPEG and BMP have
    no alpha, and BMP has no metadata. A grey photograph stays grey, unless it has alpha: then it becomes RGB.
    """
    suffix, notes = path.suffix.lower(), []
    require(suffix in WRITABLE, f"{path}: cannot write {suffix or 'a file without a suffix'}; use one of {', '.join(WRITABLE)}")
    pixels, _, alpha, grey, metadata = photograph
    if pixels.dtype == np.uint16 and suffix not in _DEEP:
        pixels, alpha, notes = _rounded(pixels), None if alpha is None else _rounded(alpha), ["16 bits rounded to 8"]
    if alpha is not None and suffix not in (*_DEEP, ".webp"):
        alpha, notes = None, [*notes, "alpha dropped"]
    if grey and (alpha is not None or suffix == ".webp"):
        grey, notes = False, [*notes, "grey to RGB"]
    if metadata.icc[16:20] == b"GRAY" and not grey:
        metadata, notes = replace(metadata, icc=b"", chunks=()), [*notes, "grey colour profile dropped"]
    if suffix in _PILLOW and suffix != ".webp" and max(len(metadata.exif), len(metadata.xmp)) > _JPEG_SEGMENT:
        metadata, notes = replace(metadata, exif=b"", xmp=b""), [*notes, "Exif and XMP dropped, which are too long for JPEG"]
    if suffix == ".bmp" and metadata != Metadata(notes=metadata.notes):
        notes.append("metadata dropped, which BMP cannot hold")
    write_atomic(path, _encoded(suffix, pixels, alpha, metadata, grey=grey))
    return tuple(notes)


def _encoded(suffix: str, pixels: Pixels, alpha: Pixels | None, metadata: Metadata, *, grey: bool) -> bytes:
    channels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)) if grey else pixels
    if alpha is not None:
        channels = np.dstack([channels, alpha])
    if suffix in _PILLOW:
        buffer = io.BytesIO()
        Image.fromarray(channels).save(buffer, **_PILLOW[suffix], **options(metadata))
        return buffer.getvalue()
    if not grey:
        channels = np.asarray(cv2.cvtColor(channels, cv2.COLOR_RGB2BGR if alpha is None else cv2.COLOR_RGBA2BGRA))
    _, encoded = cv2.imencode(suffix, channels)
    data = encoded.tobytes()
    if suffix == ".png":
        return png_with(data, metadata)
    return data if suffix == ".bmp" else tiff_with(data, metadata, alpha=alpha is not None)


def _rounded(values: Pixels) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(values, alpha=1 / 257), np.uint8)


def all_files(folder: Path) -> list[Path]:
    """Returns the files below a folder, without hidden files and folders, in an order that is the same on all systems."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(found, key=os.fsencode)
