"""Limits on what a file of kernels may declare. A file of a kilobyte can declare gigabytes, and libraries allocate them first."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import h5py

from blurkit.errors import UsageError
from blurkit.program.files import open_regular

#: A file with more bytes is no bank of kernels, and all of its kernels together have no more.
MOST_BYTES = 512 << 20

#: Deflate makes data at most this many times smaller. Kernels of zeros that were never stored are as good as none.
_EXPANSION, _FREE_BYTES = 1032, 4 << 20

_MOST_CHUNK_BYTES = 16 << 20
_MOST_CHUNKS = 100_000

#: The filters of HDF5 that are undone: deflate, shuffle, Fletcher checksums, LZF. Any other would be loaded as code.
_DEFLATE = h5py.h5z.FILTER_DEFLATE
_FILTERS = {_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}


class Budget:
    """Counts the bytes that are read from one file. Several names can stand for the same data, so each reading counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        self._left = min(MOST_BYTES, _FREE_BYTES + _EXPANSION * size)
        self._left_plain = _FREE_BYTES + 2 * size  # twice, because text and numbers may be read apart

    def take(self, shape: tuple[int, ...], itemsize: int, *, packed: bool = True) -> None:
        """Raise :class:`UsageError` if the file declares more than it may. ``packed``: the data can be compressed."""
        size = math.prod(shape) * itemsize
        self._left -= size
        self._left_plain -= 0 if packed else size
        if min(self._left, self._left_plain) < 0:
            most = f"a file of its size can hold, or more than {MOST_BYTES >> 20} MB"
            raise UsageError(f"{self.path}: it declares more kernels than {most}; split it into several files")


def check_size(path: Path) -> None:
    """Raise :class:`blurkit.errors.UnreadableFileError` for what is no plain file, and :class:`UsageError` for a large one."""
    with open_regular(path):
        if (size := path.stat().st_size) > MOST_BYTES:
            raise UsageError(f"{path}: it has {size >> 20} MB; a bank of kernels has at most {MOST_BYTES >> 20} MB")


def check_storage(path: Path, name: str, item: h5py.Dataset) -> None:
    """Raise :class:`UsageError` if reading a data set can take much more memory than its values."""
    properties = item.id.get_create_plist()
    filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
    if set(filters) - _FILTERS:
        raise UsageError(f"{path}: {name} is stored with an unknown filter ({max(set(filters) - _FILTERS)}), which is not loaded")
    if item.chunks is None:
        return
    most, count = math.prod(item.chunks) * item.dtype.itemsize, item.id.get_num_chunks()
    if most > _MOST_CHUNK_BYTES or count > _MOST_CHUNKS:
        raise UsageError(
            f"{path}: {name} is stored in {count:,} chunks of {most:,} bytes, and not read; write it again without chunks"
        )
    for number in range(count if _DEFLATE in filters else 0):
        chunk = item.id.get_chunk_info(number)
        _, data = item.id.read_direct_chunk(chunk.chunk_offset) if chunk.size <= 2 * most + 1024 else (0, None)
        packed = not chunk.filter_mask >> filters.index(_DEFLATE) & 1
        if data is None or (packed and len(zlib.decompressobj().decompress(data, most + 1025)) > most + 1024):
            raise UsageError(f"{path}: a chunk of {name} holds more bytes than it declares")
