"""Reads files of safetensors: a header of JSON with the name, type, shape and place of each tensor, and then their bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from blurkit.camera.arrays import Array
from blurkit.errors import UsageError

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}
_OTHER = np.dtype(np.bool_)  # stands for a type without real numbers

#: The longest header in bytes.
_MOST_BYTES = 1 << 20

#: Name, shape, dtype, and a function that reads the values.
Tensor = tuple[str, tuple[int, ...], np.dtype[Any], Callable[[], Array]]


def tensors(path: Path) -> list[Tensor]:
    """The tensors of a file. Raises :class:`UsageError` if the header does not fit the file."""
    with path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if length > min(_MOST_BYTES, size - 8):
            raise UsageError(f"{path}: no file of safetensors, in spite of its name")
        header = json.loads(file.read(length))
    found: list[Tensor] = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape, (start, end) = tuple(map(int, entry["shape"])), map(int, entry["data_offsets"])
        dtype = np.dtype(_TYPES[entry["dtype"]]) if entry["dtype"] in _TYPES else _OTHER
        count = math.prod(shape)
        fits = min(shape, default=0) >= 0 and 0 <= start <= end <= size - 8 - length
        if not fits or (dtype != _OTHER and count * dtype.itemsize != end - start):
            raise UsageError(f"{path}: the tensor {name} does not fit into the file")
        found.append((name, shape, dtype, partial(_read, path, 8 + length + start, shape, dtype)))
    return found


def _read(path: Path, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return np.fromfile(path, dtype, math.prod(shape), offset=start).reshape(shape)
