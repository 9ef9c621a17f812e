"""Opens pairs to measure on: shards, or folders of pairs in the layouts of other datasets.

A folder of pairs has one of these layouts, which is recognised by the names:

- Folders or files whose names differ in one word, such as ``blur`` and ``sharp``. Examples: GoPro (``GOPR0384_11_00/blur/1.png``
  and ``.../sharp/1.png``; if there are ``blur`` and ``blur_gamma``, ``blur`` is used), REDS (``val_blur/000/0.png`` and
  ``val_sharp/000/0.png``), two folders ``input`` and ``target``, or ``blur_1.png`` and ``sharp_1.png``.
- Without such names, images with the blurred half at the left and the sharp half at the right.
- In both layouts, arrays (.npy) may replace images: uint8 (H, W, 3), or (N, H, W, 3) for N images.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode.image import image_size, read_image
from blurkit.errors import BadImageError, UsageError
from blurkit.program.checks import require
from blurkit.shard.documents import INDEX, PLAN
from trainer.data.pairs import open_pairs
from trainer.evaluation.images import walk

_SHARP_WORDS = ("sharp", "target", "gt", "groundtruth", "ground_truth")
_BLURRED = re.compile(r"(?<![a-z])(blurred|blurry|blur(_gamma|_comp|_jpeg)?|input)(?![a-z])", re.IGNORECASE)
_SHARP = re.compile(rf"(?<![a-z])({'|'.join(_SHARP_WORDS)})(?![a-z])", re.IGNORECASE)

#: The least correlation of the two halves of an image, when they are reduced to 16 x 16 pixels.
_ALIKE = 0.6

LAYOUTS = (
    "in a folder of shards; in folders or files named blur and sharp (GoPro, REDS), blurred and sharp, or input and target; in "
    "images with the blurred half at the left and the sharp half at the right; or in arrays (.npy) in place of images"
)

_Read = TypeVar("_Read")
#: Sharp and blurred, uint8 (H, W, 3), of one size.
Images = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class PairSet(Protocol):
    """Pairs by number, each with a name and its images."""

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
        require(_alike(blurred, sharp), f"{self.blurred}: its halves show different things; pairs are {LAYOUTS}")
        return sharp, blurred

    def checked(self) -> Iterator[FilePair]:
        """Yields the pairs of the files, one per image of an array, after a check of the sizes."""
        shape = _shape(self.blurred)
        size = f"{self.blurred} is {_text(shape)} pixels"
        if self.sharp is None:
            require(shape[-1] % 2 == 0, f"{size}, and an odd width has no two halves; pairs are {LAYOUTS}")
        else:
            other = _shape(self.sharp)
            require(other == shape, f"{size} and {self.sharp} is {_text(other)}; the images of a pair must have the same size")
        if len(shape) == 2:
            yield self
        else:
            yield from (self._replace(name=f"{self.name}[{number}]", number=number) for number in range(shape[0]))


class FolderPairs(list[FilePair]):
    """A :class:`PairSet` of files."""

    def name(self, index: int) -> str:
        """Returns the name of a pair."""
        return self[index].name

    def images(self, index: int) -> Images:
        """Returns sharp and blurred, uint8 (H, W, 3)."""
        return self[index].images()


def open_pairset(path: Path) -> PairSet:
    """Returns the pairs of a dataset or a folder.

    Raises :class:`UsageError` if there are no pairs, if an image has no partner, or if the images of a pair differ in size.
    """
    if path.is_file() or (path / INDEX).exists() or (path / PLAN).exists():
        return open_pairs([path])
    require(path.is_dir(), f"{path}: no such folder; pairs are {LAYOUTS}")
    files = {str(file.relative_to(path)): file for file in walk(path, arrays=True)}
    require(len(files) > 0, f"no images in {path}; pairs are {LAYOUTS}")
    unchecked = _by_name(files) or [FilePair(name, file, None) for name, file in files.items()]
    return FolderPairs(pair for files in unchecked for pair in files.checked())


def _by_name(files: dict[str, Path]) -> list[FilePair]:
    """The pairs of files whose names differ in one word. Raises :class:`UsageError` if a file has no partner."""
    stems = {_stem(name): name for name in files}
    partners = {name: _partner(_stem(name), stems) for name in files if _BLURRED.search(name)}
    pairs: dict[str, str] = {}
    for name, sharp in partners.items():
        if sharp:
            pairs.setdefault(sharp, name)
    lone = [name for name, sharp in partners.items() if not sharp and name not in pairs]
    lone += [name for name in files if _SHARP.search(name) and name not in partners and name not in pairs]
    if lone and partners:
        more = f", and {len(lone) - 1} more" if len(lone) > 1 else ""
        raise UsageError(f"{files[lone[0]]} has no partner{more}; pairs are {LAYOUTS}")
    return [FilePair(blurred, files[blurred], files[sharp]) for sharp, blurred in pairs.items()]


def _stem(name: str) -> str:
    return str(Path(name).with_suffix("")).lower()


def _partner(stem: str, stems: dict[str, str]) -> str | None:
    """The sharp file whose name has one word of the blurred name replaced (the last word first), or all words."""
    for word in _SHARP_WORDS:
        matches = reversed(list(_BLURRED.finditer(stem)))
        for other in (*(stem[: match.start()] + word + stem[match.end() :] for match in matches), _BLURRED.sub(word, stem)):
            if other in stems:
                return stems[other]
    return None


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
