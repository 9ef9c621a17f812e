"""Reads images from arrays in NumPy's formats, one at a time: ``.npy``, and ``.npz`` with several arrays by name.

An array is uint8 (H, W, 3), or (N, H, W, 3) for N images. Files are read at offsets and never mapped, because a mapped file that
is cut off kills the process. Pickled objects are refused. Only one image is in memory. Of a compressed ``.npz``, the images are
unpacked one after the other: in this order reading is fast, and going back starts again.
"""

from __future__ import annotations

import math
import os
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from blurkit.decode.arrays import read_header
from blurkit.decode.image import MAX_PIXELS
from blurkit.errors import BadImageError, UnreadableFileError
from blurkit.program.files import open_regular

#: The suffixes of arrays. A file with the second one holds several arrays.
ARRAY, ARRAYS = ".npy", ".npz"

#: Compressed arrays that stay open, at most.
_OPEN = 4

#: The most bytes that deflate unpacks from one byte.
_MOST_UNPACKED = 1032

#: The size of the local header of a member in a ZIP file, and the places of its two lengths.
_LOCAL, _LENGTHS = 30, slice(26, 30)


@dataclass(frozen=True)
class ArrayOfImages:
    """An array of images in a file. ``count``: the number of images, or None if the array is a single image. ``start``: where its
    values begin in the file, or in the unpacked member if it is ``compressed``."""

    count: int | None
    height: int
    width: int
    start: int
    compressed: bool

    @property
    def bytes(self) -> int:
        """The size of one image."""
        return 3 * self.height * self.width


def array_names(path: str) -> list[str]:
    """The names of the arrays in a ``.npz`` file, in its order. Raises :class:`BadImageError`."""
    with _array_errors(path), open_regular(path) as descriptor, _stream(descriptor) as file, zipfile.ZipFile(file) as archive:
        return [name.removesuffix(ARRAY) for name in archive.namelist() if name.endswith(ARRAY)]


def find_array(path: str, key: str = "") -> ArrayOfImages:
    """Reads the header of an array. ``key``: the name of the array in a ``.npz`` file, empty for a ``.npy`` file.

    Raises :class:`BadImageError`, whose message names the file: if this is no array, or an array of another kind.
    """
    with _array_errors(path), open_regular(path) as descriptor, _stream(descriptor) as file:
        size = os.fstat(descriptor).st_size
        if not key:
            return _described(path, file, 0, size)
        with zipfile.ZipFile(file) as archive:
            member = archive.getinfo(key + ARRAY)
            if member.compress_type != zipfile.ZIP_STORED:
                with archive.open(member) as unpacked:
                    return _described(path, unpacked, None, min(member.file_size, _MOST_UNPACKED * size))
        lengths = os.pread(descriptor, _LOCAL, member.header_offset)[_LENGTHS]
        first = member.header_offset + _LOCAL + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        file.seek(first)
        return _described(path, file, first, size)


def read_array_image(path: str, key: str = "", number: int | None = None) -> NDArray[np.uint8]:
    """One image of an array, uint8 (H, W, 3), read-only: image ``number`` of (N, H, W, 3), or all of (H, W, 3).

    Raises :class:`BadImageError` with the reason ``corrupt``, ``unsupported`` or another one of :func:`find_array`, and with the
    reason ``missing`` if there is no image of this number.
    """
    array = find_array(path, key)
    if (number or 0) >= (array.count or 1):
        raise BadImageError("missing", f"{path}: the array has no image {number}")
    place = array.start + array.bytes * (number or 0)
    with _array_errors(path):
        if array.compressed:
            data = _unpacked(path, key, place, array.bytes)
        else:
            with open_regular(path) as descriptor:
                data = os.pread(descriptor, array.bytes, place)
    if len(data) < array.bytes:
        raise BadImageError("corrupt", f"{path}: the array cannot be read: the file is cut off")
    return np.frombuffer(data, np.uint8).reshape(array.height, array.width, 3)


def _described(path: str, file: IO[bytes], first: int | None, size: int) -> ArrayOfImages:
    """The array whose header begins here. ``first``: its place in the file, or None if the member is compressed. ``size``: of the
    file or of the unpacked member in bytes, at most. An array that declares more images is not believed."""
    begin = file.tell()
    shape, dtype, by_columns = read_header(file)
    if dtype != np.uint8 or len(shape) not in (3, 4) or shape[-1] != 3 or not math.prod(shape) or by_columns:
        kind = f"{dtype} {shape}{' in the order of Fortran' if by_columns else ''}"
        raise BadImageError("unsupported", f"{path}: an array is uint8 (H, W, 3) or (N, H, W, 3), this is {kind}")
    height, width = shape[-3:-1]
    if height * width > MAX_PIXELS:
        raise BadImageError("too_large", f"{path}: an image of {width} x {height} pixels; the limit is {MAX_PIXELS} pixels")
    start = file.tell() - begin + (first or 0)
    if start + math.prod(shape) > size:
        raise BadImageError("corrupt", f"{path}: the array cannot be read: the file is cut off")
    return ArrayOfImages(shape[0] if len(shape) == 4 else None, height, width, start, first is None)


@contextmanager
def _stream(descriptor: int) -> Iterator[IO[bytes]]:
    with open(descriptor, "rb", closefd=False) as file:
        yield file


@contextmanager
def _array_errors(path: str) -> Iterator[None]:
    """Raises :class:`BadImageError` that names the file for whatever a damaged array leads to."""
    try:
        yield
    except BadImageError:  # it names the file already
        raise
    except UnreadableFileError as error:
        raise BadImageError(error.reason, f"{path}: {error}") from error
    except KeyError as error:
        raise BadImageError("missing", f"{path}: {error.args[0]}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise BadImageError("corrupt", f"{path}: the array cannot be read: {error}") from error


#: Open compressed arrays by their file and name, the one that was used last at the end.
_cursors: OrderedDict[tuple[Any, ...], IO[bytes]] = OrderedDict()
_lock = threading.Lock()


def _unpacked(path: str, key: str, place: int, length: int) -> bytes:
    """Bytes of a compressed array. It stays open, so that the next image does not unpack all images before it again."""
    status = os.stat(path)
    name = (os.getpid(), path, key, status.st_mtime_ns, status.st_size)
    with _lock:
        member = _cursors.pop(name, None)
        if member is None:
            member = zipfile.ZipFile(path).open(key + ARRAY)  # noqa: SIM115 (it stays open)
        try:
            member.seek(place)
            data = member.read(length)
        except BaseException:
            member.close()
            raise
        _cursors[name] = member
        while len(_cursors) > _OPEN:
            _cursors.popitem(last=False)[1].close()
    return data
