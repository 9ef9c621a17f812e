"""Photographs as files: read with all of their bits, and written in the format of their name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode.image import read_image
from blurkit.program.checks import require
from blurkit.program.files import write_atomic

#: uint8 or uint16 (H, W, 3), RGB.
Pixels: TypeAlias = NDArray[np.integer[Any]]

_WEBP = [cv2.IMWRITE_WEBP_QUALITY, 101]  # above 100: lossless
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
#: Suffixes of files that are taken for photographs; what the bytes are is found out when they are read.
READABLE = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"))
#: Formats that are written, by suffix, and what the encoder is told.
WRITABLE: dict[str, list[int]] = {".png": [], ".tif": [], ".tiff": [], ".bmp": [], ".webp": _WEBP, ".jpg": _JPEG, ".jpeg": _JPEG}
_DEEP = (".png", ".tif", ".tiff")


def read_photograph(path: Path) -> tuple[Pixels, tuple[str, ...]]:
    """A photograph, upright, as uint8 or, where it has 16 bits, uint16 (H, W, 3) RGB; and what changed, such as lost alpha.

    Raises :class:`blurkit.errors.BadImageError`.
    """
    decoded = read_image(path, deep=True)
    return np.ascontiguousarray(decoded.pixels), decoded.notes


def write_photograph(path: Path, pixels: Pixels) -> tuple[str, ...]:
    """Write a photograph complete or not at all, in the format of its suffix; returns what changed.

    PNG and TIFF keep 16 bits, other formats round them to 8. JPEG is written with quality 95, all else without loss.
    """
    suffix, notes = path.suffix.lower(), []
    use = f"use one of {', '.join(WRITABLE)}"
    require(suffix in WRITABLE, f"{path}: {suffix or 'no suffix'} is no format that is written; {use}")
    if pixels.dtype == np.uint16 and suffix not in _DEEP:
        pixels, notes = np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257), np.uint8), ["16 bits rounded to 8"]
    _, encoded = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), WRITABLE[suffix])
    write_atomic(path, encoded.tobytes())
    return tuple(notes)


def walk(folder: Path, *, arrays: bool = False) -> list[Path]:
    """Every photograph below a folder, and every ``.npy`` on request, in an order that no locale or file system changes."""
    suffixes = READABLE | {".npy"} if arrays else READABLE
    found = [Path(place, name) for place, _, names in os.walk(folder) for name in names if not name.startswith(".")]
    return sorted((path for path in found if path.suffix.lower() in suffixes), key=os.fsencode)
