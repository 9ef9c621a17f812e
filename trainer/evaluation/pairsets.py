"""Pairs of photographs to measure on: shards, and folders of pairs as other datasets have them, recognised by their names.

- Folders or files whose names differ in one word, ``blur`` and ``sharp`` or the like: GoPro (``GOPR0384_11_00/blur/1.png`` with
  ``.../sharp/1.png``; of ``blur`` and ``blur_gamma`` the first), REDS (``val_blur/000/0.png`` with ``val_sharp/000/0.png``), two
  folders ``input`` and ``target``, ``blur_1.png`` with ``sharp_1.png``.
- Without such names, images with the blurred half at the left and the sharp one at the right.
- In either, arrays (.npy) in place of images: uint8 (H, W, 3), or (N, H, W, 3) for several.
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
from blurkit.shard.index import INDEX, PLAN
from trainer.data.pairs import open_pairs
from trainer.evaluation.images import walk

_SHARP_WORDS = ("sharp", "target", "gt", "groundtruth", "ground_truth")
_BLURRED = re.compile(r"(?<![a-z])(blurred|blurry|blur(_gamma|_comp|_jpeg)?|input)(?![a-z])", re.IGNORECASE)
_SHARP = re.compile(rf"(?<![a-z])({'|'.join(_SHARP_WORDS)})(?![a-z])", re.IGNORECASE)

#: Halves of one image resemble each other, seen from afar, at least this much (correlation).
_ALIKE = 0.6

LAYOUTS = (
    "a folder of shards; folders or files named blur and sharp (GoPro, REDS), blurred and sharp, or input and target; images "
    "with the blurred half at the left and the sharp half at the right; or arrays (.npy) in their place"
)

_Read = TypeVar("_Read")
#: Sharp and blurred, uint8 (H, W, 3), of one size.
Images = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class PairSet(Protocol):
    """Pairs by number."""

    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def images(self, index: int) -> Images: ...


class FilePair(NamedTuple):
    """A pair's files, or the one with both halves where ``sharp`` is None, and its number in a stack of several. Its name is the
    path of the blurred image below the folder."""

    name: str
    blurred: Path
    sharp: Path | None
    number: int | None = None

    def images(self) -> Images:
        """Sharp and blurred; UsageError for halves of one image that show different things."""
        blurred = _load(self.blurred, self.number)
        if self.sharp is not None:
            return _load(self.sharp, self.number), blurred
        blurred, sharp = np.split(blurred, 2, axis=1)
        require(_alike(blurred, sharp), f"{self.blurred}: its halves show different things; pairs are {LAYOUTS}")
        return sharp, blurred

    def checked(self) -> Iterator[FilePair]:
        """The pairs of the files, one for each image of a stack, after a look at their sizes."""
        shape = _shape(self.blurred)
        size = f"{self.blurred} is {_text(shape)} pixels"
        if self.sharp is None:
            require(shape[-1] % 2 == 0, f"{size}, which has no two halves; pairs are {LAYOUTS}")
        else:
            other = _shape(self.sharp)
            require(other == shape, f"{size} and {self.sharp} {_text(other)}; the images of a pair have one size")
        if len(shape) == 2:
            yield self
        else:
            yield from (self._replace(name=f"{self.name}[{number}]", number=number) for number in range(shape[0]))


class FolderPairs(list[FilePair]):
    """A :class:`PairSet` of files."""

    def name(self, index: int) -> str:
        """The name of a pair."""
        return self[index].name

    def images(self, index: int) -> Images:
        """Sharp and blurred, uint8 (H, W, 3)."""
        return self[index].images()


def open_pairset(path: Path) -> PairSet:
    """The pairs of a dataset or a folder.

    Raises :class:`UsageError` where there are none, where an image has no partner, and where partners differ in size.
    """
    if path.is_file() or (path / INDEX).exists() or (path / PLAN).exists():
        return open_pairs([path])
    require(path.is_dir(), f"{path}: no such folder; pairs are {LAYOUTS}")
    files = {str(file.relative_to(path)): file for file in walk(path, arrays=True)}
    require(len(files) > 0, f"no images in {path}; pairs are {LAYOUTS}")
    found = _by_name(files) or [FilePair(name, file, None) for name, file in files.items()]
    return FolderPairs(pair for files in found for pair in files.checked())


def _by_name(files: dict[str, Path]) -> list[FilePair]:
    """Pairs of files whose names differ in the word that says which they are; all have a partner."""
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
    """The file of the sharp image of a blurred one: one of the words replaced, the last first, or all of them."""
    for word in _SHARP_WORDS:
        matches = reversed(list(_BLURRED.finditer(stem)))
        for other in (*(stem[: match.start()] + word + stem[match.end() :] for match in matches), _BLURRED.sub(word, stem)):
            if other in stems:
                return stems[other]
    return None


def _shape(path: Path) -> tuple[int, ...]:
    """(height, width), or (n, height, width) of an array of several."""
    return _array(path).shape[:-1] if path.suffix.lower() == ".npy" else _of_image(image_size, path)


def _load(path: Path, number: int | None) -> NDArray[np.uint8]:
    """The pixels of a file, or those of an image of a stack."""
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
    """What is read of an image; :class:`BadImageError` names the file."""
    try:
        return read(path)
    except BadImageError as error:
        raise BadImageError(error.reason, f"{path}: {error}") from error


def _alike(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    """Whether two images show the same, as far as 16 x 16 pixels tell."""
    x, y = (cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).ravel().astype(np.float64) for image in (a, b))
    return bool(x.std() * y.std() < 1 / 3 or np.corrcoef(x, y)[0, 1] >= _ALIKE)  # images without contrast resemble all others


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, reversed(shape)))
