"""Damage to shards, for the tests that find it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def flipped_bits(path: Path, column: str, count: int) -> Iterator[int]:
    """Flip one bit of a column at a time, ``count`` bits evenly spread, or all. At each yield one bit of the file is wrong."""
    good = path.read_bytes()
    with h5py.File(path) as file:
        start, bits = file[column].id.get_offset(), 8 * file[column].nbytes
    for bit in np.unique(np.linspace(0, bits - 1, count).astype(int)).tolist():
        path.write_bytes(good)
        flip(path, start + bit // 8, bit % 8)
        yield bit


def tamper(path: Path, change: Callable[[h5py.File], object]) -> None:
    """Change a shard through HDF5."""
    with h5py.File(path, "r+") as file:
        change(file)


def put(name: str, values: Any) -> Callable[[h5py.File], None]:
    """A change for :func:`tamper`: replace a data set by values, or by the result of a function of its values."""

    def change(file: h5py.File) -> None:
        new = np.asarray(values(file[name][:])) if callable(values) else values
        if name in file:
            del file[name]
        file[name] = new

    return change


def flip(path: Path, place: int, bit: int = 3) -> None:
    """Flip one bit of one byte of a file."""
    with open(path, "r+b") as file:
        file.seek(place)
        value = file.read(1)[0] ^ 1 << bit
        file.seek(place)
        file.write(bytes([value]))
