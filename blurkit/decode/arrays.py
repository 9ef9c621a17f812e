"""Reads arrays in NumPy's format without trusting what their headers declare."""

from __future__ import annotations

import math
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """The shape and the dtype that an array declares, and whether its values are in the order of Fortran. No value is read.
    Raises ValueError if this is no array."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(file)
    return shape, dtype, by_columns


def read_array(file: IO[bytes], *, most: int) -> NDArray[Any]:
    """An array of at most ``most`` bytes, without pickled objects.

    NumPy allocates what the header declares, so the header is checked first. Raises ValueError if this is no array, or if it
    declares more bytes.
    """
    start = file.tell()
    shape, dtype, _ = read_header(file)
    if (size := math.prod(shape) * dtype.itemsize) > most:
        raise ValueError(f"the array has the shape {shape} and {size:,} bytes; the limit is {most:,}")
    file.seek(start)
    return np.lib.format.read_array(file, allow_pickle=False)
