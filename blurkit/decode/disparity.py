"""Disparity maps beside photographs: ``NAME.disparity.npy`` or ``NAME.disparity.pfm`` for ``NAME.jpg``.

Disparity is in any unit that is inverse to depth up to an offset: large for near, not finite where it is unknown. PFM is the
format of the Middlebury stereo datasets, whose ``inf`` stands for unknown.
"""

from __future__ import annotations

import os
import re

import numpy as np
from numpy.typing import NDArray

from blurkit.decode.image import bad_image
from blurkit.errors import BadImageError
from blurkit.program.files import read_regular

#: What follows the name of a photograph, without its suffix, in the name of its map.
SUFFIXES = (".disparity.npy", ".disparity.pfm")

#: Bytes of the largest map that is read: 8 for each of 100 million pixels.
_MOST_BYTES = 800_000_000 + 4096

_PFM = re.compile(rb"Pf\s+(\d{1,6})\s+(\d{1,6})\s+([+-]?)(?:\d{1,12}\.?\d{0,12}|\.\d{1,12})(?:[eE][+-]?\d{1,3})?\s")

# The headers that numpy writes. Its reader evaluates their text, and a hostile one makes it fail in ways that it does not name.
_NPY = re.compile(rb"\x93NUMPY(?:\x01\0(..)|[\x02\x03]\0(....))", re.DOTALL)
_NPY_HEADER = re.compile(rb"\{'descr': '([<>]f[248])', 'fortran_order': (True|False), 'shape': \((\d{1,6}), (\d{1,6})\),? ?\}\s*")


def find_map(photograph: str, names: frozenset[str]) -> str:
    """The file name of a photograph's map among the names in its folder; empty where there is none."""
    stem = os.path.splitext(photograph)[0]
    return next((stem + suffix for suffix in SUFFIXES if stem + suffix in names), "")


def read_disparity(path: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The map of a photograph of this (height, width) as it is decoded, float32 (H, W).

    Raises :class:`BadImageError` ``bad_disparity`` for a file that is no map, of another size, or without one finite value; and
    as reading a photograph does.
    """
    with bad_image():
        data = read_regular(path, most=_MOST_BYTES)
    values = _read_pfm(data) if path.endswith(".pfm") else _read_npy(data)
    if values.shape != shape:
        raise BadImageError("bad_disparity", f"The disparity map has shape {values.shape}, the photograph {shape}.")
    with np.errstate(over="ignore"):  # what float32 cannot hold is unknown too
        values = values.astype(np.float32)
    if not np.isfinite(values).any():
        raise BadImageError("bad_disparity", "The disparity map has no finite value.")
    return values


def _read_npy(data: bytes) -> NDArray[np.floating]:
    start = _NPY.match(data)
    end = start.end() + int.from_bytes(start[1] or start[2], "little") if start else 0
    header = _NPY_HEADER.fullmatch(data, start.end(), end) if start and end <= len(data) else None
    if header is None:
        raise BadImageError("bad_disparity", "The disparity map is no .npy file of a floating-point plane.")
    kind, height, width = np.dtype(header[1].decode()), int(header[3]), int(header[4])
    values = _whole(data, end, kind, height, width)
    return values.reshape(width, height).T if header[2] == b"True" else values.reshape(height, width)


def _read_pfm(data: bytes) -> NDArray[np.floating]:
    header = _PFM.match(data)
    if header is None:
        raise BadImageError("bad_disparity", "The disparity map is no PFM file of one channel.")
    width, height = int(header[1]), int(header[2])
    values = _whole(data, header.end(), np.dtype("<f4" if header[3] == b"-" else ">f4"), height, width)
    return values.reshape(height, width)[::-1]  # from the bottom up


def _whole(data: bytes, start: int, kind: np.dtype[np.floating], height: int, width: int) -> NDArray[np.floating]:
    """The numbers from a byte on, which must be as many as the header says."""
    if len(data) - start != kind.itemsize * height * width:
        raise BadImageError("bad_disparity", f"The disparity map does not hold the {width} x {height} numbers that it claims.")
    return np.frombuffer(data, kind, offset=start)
