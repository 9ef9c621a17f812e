"""Reads disparity maps of photographs: beside them, ``NAME.disparity.npy`` or ``NAME.disparity.pfm`` for ``NAME.jpg``, or named.

Disparity is inverse to depth, up to an offset, in any unit. Near points have large values. Unknown points have values that are
not finite. PFM is the format of the Middlebury stereo datasets, which write ``inf`` for unknown points. PNG files with 16 bits,
as in Cityscapes and KITTI, hold whole numbers, 256 for each pixel of disparity, and 0 for unknown points.
"""

from __future__ import annotations

import os
import re

import numpy as np
from numpy.typing import NDArray

from blurkit.decode.header import read_header
from blurkit.decode.image import bad_image, decode_image
from blurkit.errors import BadImageError
from blurkit.program.files import read_regular

#: The end of a map's name. It follows the photograph's name without suffix.
SUFFIXES = (".disparity.npy", ".disparity.pfm")

#: The ends of the names of all files that can be read.
FORMATS = (".npy", ".pfm", ".png")

#: The most bytes of a map: 8 for each of 100 million pixels, and the header.
_MOST_BYTES = 800_000_000 + 4096

_PFM = re.compile(rb"Pf\s+(\d{1,6})\s+(\d{1,6})\s+([+-]?)(?:\d{1,12}\.?\d{0,12}|\.\d{1,12})(?:[eE][+-]?\d{1,3})?\s")

# The headers that numpy writes. numpy's own reader evaluates their text, and a hostile header makes it fail in undocumented ways.
_NPY = re.compile(rb"\x93NUMPY(?:\x01\0(..)|[\x02\x03]\0(....))", re.DOTALL)
_NPY_HEADER = re.compile(rb"\{'descr': '([<>]f[248])', 'fortran_order': (True|False), 'shape': \((\d{1,6}), (\d{1,6})\),? ?\}\s*")


def find_map(photograph: str, names: frozenset[str]) -> str:
    """Returns the file name of a photograph's map among the names in its folder, or an empty text."""
    stem = os.path.splitext(photograph)[0]
    return next((stem + suffix for suffix in SUFFIXES if stem + suffix in names), "")


def read_disparity(path: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Returns the disparity map of a photograph, float32 (H, W).

    ``shape``: (height, width) of the decoded photograph. Raises :class:`BadImageError`: ``bad_disparity`` if the file is no
    disparity map, has another size or has no finite value; the reasons of :func:`read_image` if the file cannot be read.
    """
    with bad_image():
        data = read_regular(path, most=_MOST_BYTES)
    read = {".pfm": _read_pfm, ".png": _read_png}.get(path[-4:], _read_npy)
    values = read(data)
    if values.shape != shape:
        raise BadImageError("bad_disparity", f"The disparity map has shape {values.shape}, the photograph {shape}.")
    with np.errstate(over="ignore"):  # values beyond the range of float32 become inf: unknown
        values = values.astype(np.float32)
    if not np.isfinite(values).any():
        raise BadImageError("bad_disparity", "The disparity map has no finite value.")
    return values


def _read_npy(data: bytes) -> NDArray[np.floating]:
    start = _NPY.match(data)
    end = start.end() + int.from_bytes(start[1] or start[2], "little") if start else 0
    header = _NPY_HEADER.fullmatch(data, start.end(), end) if start and end <= len(data) else None
    if header is None:
        raise BadImageError("bad_disparity", "The disparity map is no .npy file of a two-dimensional floating-point array.")
    kind, height, width = np.dtype(header[1].decode()), int(header[3]), int(header[4])
    values = _read_numbers(data, end, kind, height, width)
    return values.reshape(width, height).T if header[2] == b"True" else values.reshape(height, width)


def _read_pfm(data: bytes) -> NDArray[np.floating]:
    header = _PFM.match(data)
    if header is None:
        raise BadImageError("bad_disparity", "The disparity map is no PFM file of one channel.")
    width, height = int(header[1]), int(header[2])
    values = _read_numbers(data, header.end(), np.dtype("<f4" if header[3] == b"-" else ">f4"), height, width)
    return values.reshape(height, width)[::-1]  # PFM stores the bottom row first


def _read_png(data: bytes) -> NDArray[np.floating]:
    """Cityscapes: disparity (v - 1) / 256 for v > 0. KITTI has v / 256, which differs by an offset, and offsets do not matter."""
    try:
        header = read_header(data)
        if (header.format, header.depth, header.colour, header.alpha) != ("PNG", 16, "grey", ""):
            raise BadImageError("bad_disparity", "It is no PNG file of one channel with 16 bits.")
        codes = decode_image(data, deep=True).pixels[..., 0]
    except BadImageError as error:
        raise BadImageError("bad_disparity", f"The disparity map cannot be used. {error}") from error
    return np.where(codes > 0, (codes.astype(np.float32) - 1) / 256, np.float32(np.inf))


def _read_numbers(data: bytes, start: int, kind: np.dtype[np.floating], height: int, width: int) -> NDArray[np.floating]:
    """Returns the numbers from byte ``start`` on. Raises if the file has more or fewer than the header claims."""
    if len(data) - start != kind.itemsize * height * width:
        raise BadImageError("bad_disparity", f"The disparity map does not hold the {width} x {height} numbers of its header.")
    return np.frombuffer(data, kind, offset=start)
