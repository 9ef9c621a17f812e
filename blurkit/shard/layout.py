"""Builds the HDF5 layout of a shard in memory, without its pixels.

HDF5 is not safe on a real file. If a process is killed after a flush, the file can open without an error and hold rows of zeros.
On a full disk, the library has crashed. So HDF5 writes to a sparse file object in memory. There the two large data sets are
allocated and never written. The bytes that HDF5 wrote go to the disk with plain system calls, and the pixels go to the offsets of
the data sets.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from blurkit.shard.format import FIELDS

_PAGE = 1 << 16

#: Every allocation begins at a new page of this size, so the first objects of a shard have headers where no other file has them.
_ALIGNMENT = 4096
_SIGNATURE, _OBJECT = b"\x89HDF\r\n\x1a\n", b"OHDR"


class SparseFile(io.RawIOBase):
    """A seekable file in memory. It keeps only pages that were written; all other bytes read as zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[int, bytearray] = {}
        self.size = 0
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        return self._position

    def truncate(self, size: int | None = None) -> int:
        self.size = self._position if size is None else size
        return self.size

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        for start, page, inner, length in self._spans(len(view)):
            view[start : start + length] = self.pages.get(page, bytes(_PAGE))[inner : inner + length]
        self._position += len(view)
        return len(view)

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        view = memoryview(data).cast("B")
        for start, page, inner, length in self._spans(len(view)):
            self.pages.setdefault(page, bytearray(_PAGE))[inner : inner + length] = view[start : start + length]
        self._position += len(view)
        self.size = max(self.size, self._position)
        return len(view)

    def extents(self) -> list[tuple[int, bytes]]:
        """The (offset, bytes) of everything that was written."""
        return [(page * _PAGE, bytes(data[: self.size - page * _PAGE])) for page, data in sorted(self.pages.items())]

    def _spans(self, length: int) -> list[tuple[int, int, int, int]]:
        spans, start = [], 0
        while start < length:
            page, inner = divmod(self._position + start, _PAGE)
            spans.append((start, page, inner, min(_PAGE - inner, length - start)))
            start += spans[-1][3]
        return spans


@dataclass(frozen=True)
class Layout:
    """``extents``: the (offset, bytes) that HDF5 wrote. ``offsets``: where each image data set begins. ``size``: of the file."""

    extents: list[tuple[int, bytes]]
    offsets: dict[str, int]
    size: int


def build_layout(
    shape: tuple[int, ...],
    columns: Mapping[str, NDArray[np.generic]],
    attributes: Mapping[str, str | int],
    *,
    blurred: str | None = "|u1",
) -> Layout:
    """The layout of a shard with these columns and root attributes. ``shape``: of ``sharp``, uint8, and of ``blurred``, which has
    the dtype ``blurred`` or, with ``None``, is absent."""
    file = SparseFile()
    # Every allocation starts at a new page. So the offset of the images does not depend on their size, and they can be written
    # before their number is known.
    with h5py.File(file, "w", libver=("v110", "v110"), alignment_threshold=1, alignment_interval=_ALIGNMENT) as root:
        kinds = zip(FIELDS, ("|u1", blurred), strict=True)
        offsets = {name: allocate(root, name, shape, kind) for name, kind in kinds if kind is not None}
        for name, values in columns.items():
            root.create_dataset(name, data=values, track_times=False)
        for name, value in attributes.items():
            root.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else np.int64(value)
    return Layout(file.extents(), offsets, file.size)


def is_layout_opening(opening: bytes) -> bool:
    """Whether a file that begins with these bytes has the layout of a shard, also if the rest of it is damaged or missing."""
    headers = (_ALIGNMENT, 2 * _ALIGNMENT)
    return opening.startswith(_SIGNATURE) and all(opening.startswith(_OBJECT, place) for place in headers)


@functools.cache
def first_offset() -> int:
    """The offset of ``sharp``, which is the same in every shard of one HDF5 version."""
    return build_layout((1,), {}, {}).offsets[FIELDS[0]]


def allocate(root: h5py.File, name: str, shape: tuple[int, ...], kind: str) -> int:
    """Allocate a data set of this dtype in the file without writing it. Returns its offset."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.CONTIGUOUS)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    properties.set_obj_track_times(False)
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.h5d.create(root.id, name.encode(), h5py.h5t.py_create(np.dtype(kind)), space, properties)
    return int(dataset.get_offset())
