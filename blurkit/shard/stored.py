"""Reads parts of a shard's file with plain system calls.

The file is not mapped into memory: if a mapped file is cut off, or its disk fails, the kernel kills the process with SIGBUS and
nothing can be said about it. A read returns fewer bytes or an error instead. It is about as fast, because the rows of a crop are
one block. The file is opened for each read, which takes microseconds. So a shard holds no file handle.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import CorruptShardError, UnreadableFileError
from blurkit.program.files import open_regular
from blurkit.shard.places import Place

#: No part of a shard that is read at once has more bytes. A file can declare more than it stores, and memory is allocated first.
_MOST_BYTES = 2 << 30


class ReplacedShardError(CorruptShardError):
    """A shard that was replaced or changed after it was opened."""


class MissingShardError(CorruptShardError):
    """A shard that is not there."""


class StoredFile:
    """The file of a shard. It is checked at each opening that it is still the same file, unchanged."""

    def __init__(self, path: Path, *, follow_links: bool) -> None:
        self.path, self._follow_links = path, follow_links
        self._state: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """The size of the file in bytes, when it was first opened."""
        assert self._state is not None
        return self._state[2]

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor of the file. Raises :class:`CorruptShardError` if it is missing, no plain file, replaced, or if reading
        fails within the block."""
        try:
            with open_regular(self.path, follow_links=self._follow_links) as descriptor:
                found = os.fstat(descriptor)
                state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
                if self._state is None:
                    self._state = state
                elif state != self._state:
                    raise ReplacedShardError(f"{self.path} was replaced or changed while it was in use; open it again")
                yield descriptor
        except UnreadableFileError as error:
            if error.reason == "missing":
                raise MissingShardError(f"{self.path}: No such file; run the same `blurkit generate` again") from error
            raise CorruptShardError(f"{self.path}: {error}") from error

    def array(self, descriptor: int, place: Place, first: int = 0, end: int | None = None) -> NDArray[Any]:
        """Rows [first, end) of a data set, or all of it, as a read-only array. Raises :class:`CorruptShardError` if the file ends
        before."""
        kind, shape, offset = place
        if shape:
            rows, row = (shape[0] if end is None else end) - first, math.prod(shape[1:])
            shape, offset = (rows, *shape[1:]), offset + first * row * kind.itemsize
        if (needed := math.prod(shape) * kind.itemsize) > _MOST_BYTES:
            raise CorruptShardError(f"{self.path}: a part of {needed:,} bytes is too large to be read at once")
        values: NDArray[Any] = np.empty(shape, kind)
        if values.nbytes:
            self.read(descriptor, values.reshape(-1).view(np.uint8).data, offset)
        values.flags.writeable = False
        return values

    def read(self, descriptor: int, buffer: memoryview, offset: int) -> None:
        """Fill a buffer from the file."""
        while buffer:
            count = os.preadv(descriptor, [buffer], offset)
            if not count:
                raise CorruptShardError(
                    f"{self.path} was cut off while it was in use: it ends before byte {offset + len(buffer):,}"
                )
            buffer, offset = buffer[count:], offset + count


class Columns(Mapping[str, NDArray[Any]]):
    """The data sets of a shard by name. Each is read when it is asked for, whole, as a read-only array."""

    def __init__(self, file: StoredFile, places: Mapping[str, Place]) -> None:
        self._file, self.places = file, dict(places)

    def __getitem__(self, name: str) -> NDArray[Any]:
        place = self.places[name]
        with self._file.opened() as descriptor:
            return self._file.array(descriptor, place)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
