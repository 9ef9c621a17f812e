"""Disparity maps beside photographs: ``NAME.disparity.npy`` or ``NAME.disparity.pfm`` for ``NAME.jpg``.

Disparity is in any unit that is inverse to depth up to an offset: large for near, not finite where it is unknown. PFM is the
format of the Middlebury stereo datasets, whose ``inf`` stands for unknown.
"""

from __future__ import annotations

import io
import os
import re

import numpy as np
from numpy.typing import NDArray

from blurkit.decode import read_bytes
from blurkit.errors import BadImageError

#: What follows the name of a photograph, without its suffix, in the name of its map.
SUFFIXES = (".disparity.npy", ".disparity.pfm")

#: Bytes of the largest map that is read: 8 for each of 100 million pixels.
_MOST_BYTES = 800_000_000 + 4096

_PFM = re.compile(rb"Pf\s+(\d{1,6})\s+(\d{1,6})\s+([+-]?[0-9.]{1,12}(?:[eE][+-]?\d{1,3})?)\s")


def find_map(photograph: str, names: frozenset[str]) -> str:
    """The file name of a photograph's map among the names in its folder; empty where there is none."""
    stem = os.path.splitext(photograph)[0]
    return next((stem + suffix for suffix in SUFFIXES if stem + suffix in names), "")


def read_disparity(path: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The map of a photograph of this (height, width) as it is decoded, float32 (H, W).

    Raises :class:`BadImageError` ``bad_disparity`` for a file that is no map, of another size, or without one finite value; and
    as reading a photograph does.
    """
    data = read_bytes(path, most=_MOST_BYTES)
    values = _read_pfm(data) if path.endswith(".pfm") else _read_npy(data)
    if values.shape != shape:
        raise BadImageError("bad_disparity", f"The disparity map has shape {values.shape}, the photograph {shape}.")
    if not np.isfinite(values).any():
        raise BadImageError("bad_disparity", "The disparity map has no finite value.")
    return values.astype(np.float32)


def _read_npy(data: bytes) -> NDArray[np.floating]:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        if kind.kind != "f" or len(shape) != 2 or len(data) - file.tell() != kind.itemsize * shape[0] * shape[1]:
            raise ValueError(f"it holds {kind} {shape} in {len(data)} bytes, not a whole floating-point plane")
        file.seek(0)
        values: NDArray[np.floating] = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, SyntaxError) as error:
        raise BadImageError("bad_disparity", f"The disparity map is no .npy file of one: {error}.") from error
    return values


def _read_pfm(data: bytes) -> NDArray[np.floating]:
    header = _PFM.match(data)
    if header is None:
        raise BadImageError("bad_disparity", "The disparity map is no PFM file of one channel.")
    width, height, order = int(header[1]), int(header[2]), "<f4" if float(header[3]) < 0 else ">f4"
    if len(data) - header.end() != 4 * height * width:
        raise BadImageError("bad_disparity", f"The PFM file does not hold the {width} x {height} numbers that it claims.")
    rows = np.frombuffer(data, order, offset=header.end()).reshape(height, width)
    return rows[::-1].astype(np.float32)  # from the bottom up
