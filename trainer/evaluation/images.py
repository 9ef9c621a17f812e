"""Reads photographs with all their bits, and writes them in the format of their suffix."""

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
#: Suffixes of files that are treated as photographs. The real format is determined when the file is read.
READABLE = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"))
#: Suffixes of formats that can be written, and the parameters of the encoder.
WRITABLE: dict[str, list[int]] = {".png": [], ".tif": [], ".tiff": [], ".bmp": [], ".webp": _WEBP, ".jpg": _JPEG, ".jpeg": _JPEG}
_DEEP = (".png", ".tif", ".tiff")


def read_photograph(path: Path) -> tuple[Pixels, tuple[str, ...]]:
    """Returns a photograph, (H, W, 3) RGB, and notes on what was changed, such as a dropped alpha channel.

    The type is uint16 if the file has 16 bits per channel, otherwise uint8. The Exif orientation is applied. Raises
    :class:`blurkit.errors.BadImageError`.
    """
    decoded = read_image(path, deep=True)
    return np.ascontiguousarray(decoded.pixels), decoded.notes


def write_photograph(path: Path, pixels: Pixels) -> tuple[str, ...]:
    """Writes a photograph atomically in the format of its suffix. Returns notes on what was changed.

    PNG and TIFF keep 16 bits, other formats round to 8 bits. JPEG has quality 95, other formats are lossless.
    """
    suffix, notes = path.suffix.lower(), []
    known = ", ".join(WRITABLE)
    require(suffix in WRITABLE, f"{path}: cannot write {suffix or 'a file without a suffix'}; use one of {known}")
    if pixels.dtype == np.uint16 and suffix not in _DEEP:
        pixels, notes = np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257), np.uint8), ["16 bits rounded to 8"]
    _, encoded = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), WRITABLE[suffix])
    write_atomic(path, encoded.tobytes())
    return tuple(notes)


def walk(folder: Path) -> list[Path]:
    """Returns the photographs below a folder. The order is the same on all systems."""
    found = [Path(place, name) for place, _, names in os.walk(folder) for name in names if not name.startswith(".")]
    return sorted((path for path in found if path.suffix.lower() in READABLE), key=os.fsencode)
