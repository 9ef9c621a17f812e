"""Damage to the files of shards, for the tests of what finds it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def flipped_bits(path: Path, column: str, count: int) -> Iterator[int]:
    """Flip one bit of a column after the other, ``count`` of them evenly spread, or all: the file is right but for that one."""
    good = path.read_bytes()
    with h5py.File(path) as file:
        start, bits = file[column].id.get_offset(), 8 * file[column].nbytes
    for bit in np.unique(np.linspace(0, bits - 1, count).astype(int)).tolist():
        path.write_bytes(good)
        flip(path, start + bit // 8, bit % 8)
        yield bit


def tamper(path: Path, change: Callable[[h5py.File], object]) -> None:
    """Change a shard as somebody would who knows HDF5."""
    with h5py.File(path, "r+") as file:
        change(file)


def put(name: str, values: Any) -> Callable[[h5py.File], None]:
    """A change for :func:`tamper`: a data set holds these values, or what a function makes of its own."""

    def change(file: h5py.File) -> None:
        new = np.asarray(values(file[name][:])) if callable(values) else values
        if name in file:
            del file[name]
        file[name] = new

    return change


def flip(path: Path, place: int, bit: int = 3) -> None:
    """Flip a bit of a byte of a file."""
    with open(path, "r+b") as file:
        file.seek(place)
        value = file.read(1)[0] ^ 1 << bit
        file.seek(place)
        file.write(bytes([value]))
