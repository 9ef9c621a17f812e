"""Finds where the data sets of an HDF5 file lie, without trusting the file.

HDF5 does only this and is then closed. A foreign file can neither run code nor reach another file. These are refused before any
data is read: links that are not hard links, external or virtual storage, filters, object types, and sizes beyond the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from blurkit.errors import CorruptShardError
from blurkit.shard.format import FORMAT_NAME, FORMAT_VERSION

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_DATASETS = 1000

#: The dtype, shape and offset of a data set.
Place = tuple[np.dtype[Any], tuple[int, ...], int]


def read_places(path: Path) -> tuple[dict[str, Any], dict[str, Place]]:
    """The root attributes, and the (dtype, shape, offset) of each data set. Raises :class:`CorruptShardError` for a bad file."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.read(8) != _SIGNATURE:
                raise CorruptShardError(f"{path} is not a shard: not an HDF5 file ({size:,} bytes)")
    except OSError as error:
        raise CorruptShardError(f"{path}: {error.strerror}") from error
    try:
        with h5py.File(path, "r", locking=False) as root:
            attributes = {key: _plain(value) for key, value in root.attrs.items()}
            if attributes.get("format") != FORMAT_NAME:
                raise CorruptShardError(
                    f"{path} is not a shard of blurkit: its attribute `format` is {attributes.get('format')!r}"
                )
            if attributes.get("version") != FORMAT_VERSION:
                raise CorruptShardError(
                    f"{path} has format version {attributes.get('version')}, this blurkit reads {FORMAT_VERSION}"
                )
            places: dict[str, Place] = {}
            _collect(root, "", places, size)
            return attributes, places
    except CorruptShardError as error:
        raise CorruptShardError(str(error) if str(path) in str(error) else f"{path} is not a valid shard: {error}") from error
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, UnicodeDecodeError, OverflowError) as error:
        raise CorruptShardError(f"{path} cannot be read as HDF5, it is damaged or cut off: {error}") from error


def _collect(group: h5py.Group, prefix: str, places: dict[str, Place], size: int) -> None:
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise CorruptShardError(f"{prefix}{name} is a link to elsewhere")
        if len(places) >= _MOST_DATASETS:
            raise CorruptShardError("it holds too many data sets")
        item = group[name]
        if isinstance(item, h5py.Group) and not prefix:  # only one level of groups is allowed, so a cycle of links ends here
            _collect(item, f"{name}/", places, size)
        elif isinstance(item, h5py.Dataset):
            places[prefix + name] = _place(item, prefix + name, size)
        else:
            raise CorruptShardError(f"{prefix}{name} is neither a data set nor a group of them")


def _place(dataset: h5py.Dataset, name: str, size: int) -> Place:
    properties = dataset.id.get_create_plist()
    if properties.get_layout() != h5py.h5d.CONTIGUOUS or properties.get_nfilters() or properties.get_external_count():
        raise CorruptShardError(f"{name} is not stored as one plain block in the file")
    kind = dataset.dtype
    if kind.kind not in "iufS" or kind.hasobject or (kind.itemsize > 1 and kind.kind != "S" and kind.byteorder == ">"):
        raise CorruptShardError(f"{name} has the type {kind}, only little-endian numbers and fixed-length text are read")
    length = dataset.size * kind.itemsize
    offset = dataset.id.get_offset()
    if length and (offset is None or offset + length > size):
        raise CorruptShardError(f"{name} needs {length:,} bytes at {offset}, the file has {size:,}: it is cut off")
    return kind, dataset.shape, offset or 0


def _plain(value: Any) -> Any:
    return (
        value.decode(errors="replace") if isinstance(value, bytes) else value.item() if isinstance(value, np.generic) else value
    )
