"""Reads folders of pairs, to train on and to measure on.

The names of files and folders decide what a pair is, see :mod:`blurkit.sources.pairs`. Only if the user says so, each image is a
pair, with the blurred half at the left and the sharp half at the right. Arrays (.npy) may replace images: uint8 (H, W, 3), or
(N, H, W, 3) for N images.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode.arrays import read_header
from blurkit.decode.image import image_size, read_image
from blurkit.errors import BadImageError, UnreadableFileError, UsageError
from blurkit.program.checks import require
from blurkit.program.files import open_regular
from blurkit.sources.listing import SUFFIXES
from blurkit.sources.pairs import find_pairs, list_files

#: The least correlation of the two halves of an image, when they are reduced to 16 x 16 pixels.
_ALIKE = 0.6

#: Files in no pair that are named, at most.
_NAMED = 3

_HALVES = ". If each image holds a pair, with the blurred half at the left, use --side-by-side"

#: Suffixes of arrays and of images.
_SUFFIXES = SUFFIXES | {".npy"}

_Read = TypeVar("_Read")
#: Sharp and blurred, uint8 (H, W, 3), of one size.
Images = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class FilePair(NamedTuple):
    """The files of one pair. ``name``: the path of the blurred image relative to the folder. ``sharp``: None if ``blurred``
    holds both halves. ``number``: the number of the image in an array of several images, otherwise None. ``size``: (height,
    width) of the images, known after :meth:`checked`."""

    name: str
    blurred: Path
    sharp: Path | None
    number: int | None = None
    size: tuple[int, int] = (0, 0)

    def images(self) -> Images:
        """Returns sharp and blurred. Raises UsageError if the halves of an image show different things."""
        blurred = _load(self.blurred, self.number)
        if self.sharp is not None:
            return _load(self.sharp, self.number), blurred
        blurred, sharp = np.split(blurred, 2, axis=1)
        require(_alike(blurred, sharp), f"{self.blurred}: its halves show different things, so they are no pair")
        return sharp, blurred

    def checked(self) -> Iterator[FilePair]:
        """Yields the pairs of the files, one per image of an array, after a check of the sizes."""
        shape = _shape(self.blurred)
        size = f"{self.blurred} is {_text(shape)} pixels"
        if self.sharp is None:
            require(shape[-1] % 2 == 0, f"{size}, and an odd width has no two halves")
        else:
            other = _shape(self.sharp)
            require(other == shape, f"{size} and {self.sharp} is {_text(other)}; the images of a pair must have the same size")
        height, width = shape[-2:]
        pair = self._replace(size=(height, width if self.sharp is not None else width // 2))
        if len(shape) == 2:
            yield pair
        else:
            yield from (pair._replace(name=f"{self.name}[{number}]", number=number) for number in range(shape[0]))


class FolderPairs(list[FilePair]):
    """Pairs of files by number. Any thread may read. ``notices``: sentences on files that are in no pair."""

    def __init__(self, pairs: Iterable[FilePair], notices: Sequence[str]) -> None:
        super().__init__(pairs)
        self.notices = list(notices)
        self._hashes: dict[Path, bytes] = {}

    @property
    def digest(self) -> str:
        """A sha256 of the names of the pairs and of the content of their files, all of which are read."""
        digest = hashlib.sha256(repr([(pair.name, pair.number) for pair in self]).encode(errors="surrogateescape"))
        for path in dict.fromkeys(path for pair in self for path in (pair.blurred, pair.sharp) if path is not None):
            digest.update(self._hash(path))
        return digest.hexdigest()

    def identities(self) -> Iterator[tuple[NDArray[np.bytes_], NDArray[np.int64]]]:
        """Yields once what identifies the sharp images, hexadecimal digits as bytes (n,), and their heights and widths, int64
        (n, 2). The sharp files are read."""
        keys = [hashlib.sha256(self._hash(pair.sharp or pair.blurred) + repr(pair.number).encode()).hexdigest() for pair in self]
        yield np.array(keys, "S64"), np.array([pair.size for pair in self], np.int64).reshape(-1, 2)

    def _hash(self, path: Path) -> bytes:
        """The sha256 of a file, which is read once."""
        if path not in self._hashes:
            with path.open("rb") as file:
                self._hashes[path] = hashlib.file_digest(file, "sha256").digest()
        return self._hashes[path]

    def name(self, index: int) -> str:
        """Returns the name of a pair."""
        return self[index].name

    def images(self, index: int) -> Images:
        """Returns sharp and blurred, uint8 (H, W, 3)."""
        return self[index].images()

    def crop(self, index: int, y: int, x: int, size: int) -> Images:
        """Returns the crops of sharp and blurred at (y, x), uint8 (size, size, 3). Both files are decoded each time."""
        sharp, blurred = (image[y : y + size, x : x + size] for image in self.images(index))
        return sharp, blurred


def open_folder_pairs(path: Path, *, side_by_side: bool = False) -> FolderPairs:
    """Returns the pairs of a folder. ``side_by_side``: each image of the folder holds both halves of a pair.

    Raises :class:`UsageError` if there are no pairs, if an image has no partner or several, or if the images of a pair differ in
    size.
    """
    if side_by_side:
        names, passed_over = list_files(path, _SUFFIXES)
        unchecked = [FilePair(name, path / name, None) for name in names]
    else:
        try:
            found = find_pairs(path, _SUFFIXES)
        except UsageError as error:
            raise UsageError(f"{error}{_HALVES}") from error
        unchecked = [FilePair(pair.blurred, path / pair.blurred, path / pair.sharp) for pair in found.pairs]
        passed_over = found.passed_over
    notices = [f"{entry.path} is in no pair: {entry.message}" for entry in passed_over if entry.reason == "unpaired"]
    if len(notices) > _NAMED:
        notices[_NAMED:] = [f"{len(notices) - _NAMED} more files are in no pair"]
    return FolderPairs((pair for files in unchecked for pair in files.checked()), notices)


def _shape(path: Path) -> tuple[int, ...]:
    """The shape (height, width), or (n, height, width) for an array of n images."""
    return _header(path)[0][:-1] if path.suffix.lower() == ".npy" else _of_image(image_size, path)


def _load(path: Path, number: int | None) -> NDArray[np.uint8]:
    """The pixels of a file, or of image ``number`` of an array of images."""
    return _array(path, number) if path.suffix.lower() == ".npy" else _of_image(read_image, path).pixels


def _array(path: Path, number: int | None) -> NDArray[np.uint8]:
    """One image, or image ``number`` of an array. The file is not mapped: a mapped file that is cut off kills the process."""
    shape, start = _header(path)
    side = math.prod(shape[-3:])
    with open_regular(path) as descriptor:
        data = os.pread(descriptor, side, start + side * (number or 0))
    if len(data) < side:
        raise BadImageError("corrupt", f"{path}: the array cannot be read: the file is cut off")
    return np.frombuffer(data, np.uint8).reshape(shape[-3:])


def _header(path: Path) -> tuple[tuple[int, ...], int]:
    """The shape of an array of images, and where its values begin in the file."""
    try:
        with open_regular(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            (shape, dtype, by_columns), start = read_header(file), file.tell()
    except (ValueError, OSError, EOFError, UnreadableFileError) as error:
        raise BadImageError("corrupt", f"{path}: the array cannot be read: {error}") from error
    if dtype != np.uint8 or len(shape) not in (3, 4) or shape[-1] != 3 or not math.prod(shape) or by_columns:
        kind = f"{dtype} {shape}{' in the order of Fortran' if by_columns else ''}"
        raise BadImageError("unsupported", f"{path}: an array is uint8 (H, W, 3) or (N, H, W, 3), this is {kind}")
    return shape, start


def _of_image(read: Callable[[Path], _Read], path: Path) -> _Read:
    """The result of ``read``. If it raises :class:`BadImageError`, the message names the file."""
    try:
        return read(path)
    except BadImageError as error:
        raise BadImageError(error.reason, f"{path}: {error}") from error


def _alike(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    """Whether two images correlate when they are reduced to 16 x 16 pixels."""
    x, y = (cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).ravel().astype(np.float64) for image in (a, b))
    return bool(x.std() * y.std() < 1 / 3 or np.corrcoef(x, y)[0, 1] >= _ALIKE)  # an image without contrast passes


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, reversed(shape)))
