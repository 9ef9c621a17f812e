"""Opens pairs to measure on: shards, or folders of pairs.

The names of files and folders decide what a pair is, see :mod:`blurkit.sources.pairs`. Only if the user says so, each image is a
pair, with the blurred half at the left and the sharp half at the right. Arrays (.npy) may replace images: uint8 (H, W, 3), or
(N, H, W, 3) for N images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode.image import image_size, read_image
from blurkit.errors import BadImageError, UsageError
from blurkit.program.checks import require
from blurkit.shard.documents import INDEX, PLAN
from blurkit.sources.pairs import find_pairs, list_files
from trainer.data.pairs import open_pairs
from trainer.evaluation.images import READABLE

#: The least correlation of the two halves of an image, when they are reduced to 16 x 16 pixels.
_ALIKE = 0.6

#: Files in no pair that are named, at most.
_NAMED = 3

_HALVES = ". If each image holds a pair, with the blurred half at the left, use --side-by-side"

#: Suffixes of arrays and of images.
_SUFFIXES = READABLE | {".npy"}

_Read = TypeVar("_Read")
#: Sharp and blurred, uint8 (H, W, 3), of one size.
Images = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class PairSet(Protocol):
    """Pairs by number, each with a name and its images. ``digest``: a sha256 of all of them, 64 hexadecimal digits."""

    @property
    def digest(self) -> str: ...
    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def images(self, index: int) -> Images: ...


class FilePair(NamedTuple):
    """The files of one pair. ``name``: the path of the blurred image relative to the folder. ``sharp``: None if ``blurred`` holds
    both halves. ``number``: the number of the image in an array of several images, otherwise None."""

    name: str
    blurred: Path
    sharp: Path | None
    number: int | None = None

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
        if len(shape) == 2:
            yield self
        else:
            yield from (self._replace(name=f"{self.name}[{number}]", number=number) for number in range(shape[0]))


class FolderPairs(list[FilePair]):
    """A :class:`PairSet` of files. ``notices``: sentences on files that are in no pair."""

    def __init__(self, pairs: Iterable[FilePair], notices: Sequence[str]) -> None:
        super().__init__(pairs)
        self.notices = list(notices)

    @property
    def digest(self) -> str:
        """A sha256 of the names of the pairs and of the content of their files, all of which are read."""
        digest = hashlib.sha256(repr([(pair.name, pair.number) for pair in self]).encode(errors="surrogateescape"))
        for path in dict.fromkeys(path for pair in self for path in (pair.blurred, pair.sharp) if path is not None):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def name(self, index: int) -> str:
        """Returns the name of a pair."""
        return self[index].name

    def images(self, index: int) -> Images:
        """Returns sharp and blurred, uint8 (H, W, 3)."""
        return self[index].images()


def open_pairset(path: Path, *, side_by_side: bool = False) -> PairSet:
    """Returns the pairs of a dataset or a folder. ``side_by_side``: each image of the folder holds both halves of a pair.

    Raises :class:`UsageError` if there are no pairs, if an image has no partner or several, or if the images of a pair differ in
    size.
    """
    if path.is_file() or (path / INDEX).exists() or (path / PLAN).exists():
        require(not side_by_side, f"{path} is a dataset of shards, which has no images side by side")
        return open_pairs([path])
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
    return _array(path).shape[:-1] if path.suffix.lower() == ".npy" else _of_image(image_size, path)


def _load(path: Path, number: int | None) -> NDArray[np.uint8]:
    """The pixels of a file, or of image ``number`` of an array of images."""
    pixels = _array(path) if path.suffix.lower() == ".npy" else _of_image(read_image, path).pixels
    return pixels if number is None else pixels[number]


def _array(path: Path) -> NDArray[np.uint8]:
    try:
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise BadImageError("corrupt", f"{path}: the array cannot be read: {error}") from error
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] != 3 or not array.size:
        kind = f"{array.dtype} {array.shape}"
        raise BadImageError("unsupported", f"{path}: an array is uint8 (H, W, 3) or (N, H, W, 3), this is {kind}")
    return array


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
