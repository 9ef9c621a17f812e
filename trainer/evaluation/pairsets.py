"""Pairs of photographs to measure on: shards, and folders of pairs as other datasets have them, recognised by their names.

- Folders or files whose names differ in one word, ``blur`` and ``sharp`` or the like: GoPro (``GOPR0384_11_00/blur/1.png`` with
  ``.../sharp/1.png``; of ``blur`` and ``blur_gamma`` the first), REDS (``val_blur/000/0.png`` with ``val_sharp/000/0.png``), two
  folders ``input`` and ``target``, ``blur_1.png`` with ``sharp_1.png``.
- Without such names, images with the blurred half at the left and the sharp one at the right.
- In either, arrays (.npy) in place of images: uint8 (H, W, 3), or (N, H, W, 3) for several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode.image import image_size, read_image
from blurkit.errors import BadImageError, UsageError
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


class PairSet(Protocol):
    """Pairs by number."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """The name of a pair."""
        ...

    def images(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Sharp and blurred, uint8 (H, W, 3), of one size."""
        ...


class Place(NamedTuple):
    """Where a pair lies: its two files, or one with both halves where ``sharp`` is None, and its number in a stack of several."""

    name: str
    blurred: Path
    sharp: Path | None
    number: int | None = None


class FolderPairs:
    """A :class:`PairSet` of files; a pair's name is the path of its blurred image below the folder."""

    def __init__(self, places: list[Place]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def name(self, index: int) -> str:
        """The name of a pair."""
        return self._places[index].name

    def images(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Sharp and blurred, uint8 (H, W, 3); UsageError for halves of one image that show different things."""
        _, path, other, number = self._places[index]
        blurred = _load(path, number)
        if other is not None:
            return _load(other, number), blurred
        blurred, sharp = np.split(blurred, 2, axis=1)
        if not _alike(blurred, sharp):
            raise UsageError(f"{path}: its halves show different things; pairs are {LAYOUTS}")
        return sharp, blurred


def open_pairset(path: Path) -> PairSet:
    """The pairs of a dataset or a folder.

    Raises :class:`UsageError` where there are none, where an image has no partner, and where partners differ in size.
    """
    if path.is_file() or (path / INDEX).exists() or (path / PLAN).exists():
        return open_pairs([path])
    if not path.is_dir():
        raise UsageError(f"{path}: no such folder; pairs are {LAYOUTS}")
    files = {str(file.relative_to(path)): file for file in walk(path, arrays=True)}
    if not files:
        raise UsageError(f"no images in {path}; pairs are {LAYOUTS}")
    places = _by_name(path, files) or [Place(name, file, None) for name, file in files.items()]
    return FolderPairs([each for place in places for each in _checked(place)])


def _by_name(root: Path, files: dict[str, Path]) -> list[Place]:
    """Pairs of files whose names differ in the word that says which they are; all have a partner."""
    stems = {_stem(name): name for name in files}
    partners = {name: _partner(_stem(name), stems) for name in files if _BLURRED.search(name)}
    pairs: dict[str, str] = {}
    for name, sharp in partners.items():
        if sharp:
            pairs.setdefault(sharp, name)
    lone = [name for name, sharp in partners.items() if not sharp and name not in pairs]
    lone += [name for name in files if _SHARP.search(name) and name not in partners and name not in pairs]
    if lone and (pairs or partners):
        raise UsageError(f"{root / lone[0]} has no partner{f', and {len(lone) - 1} more' * (len(lone) > 1)}; pairs are {LAYOUTS}")
    return [Place(blurred, files[blurred], files[sharp]) for sharp, blurred in pairs.items()]


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


def _checked(place: Place) -> Iterator[Place]:
    """The pairs of a file or two, one for each image of a stack, after a look at their sizes."""
    name, blurred, sharp, _ = place
    shape = _shape(blurred)
    if sharp is None and shape[-1] % 2:
        raise UsageError(f"{blurred} is {_text(shape)} pixels, which has no two halves; pairs are {LAYOUTS}")
    if sharp is not None and (other := _shape(sharp)) != shape:
        raise UsageError(f"{blurred} is {_text(shape)} pixels and {sharp} {_text(other)}; the images of a pair have one size")
    if len(shape) == 2:
        yield place
    else:
        yield from (Place(f"{name}[{number}]", blurred, sharp, number) for number in range(shape[0]))


def _shape(path: Path) -> tuple[int, ...]:
    """(height, width), or (n, height, width) of an array of several."""
    if path.suffix.lower() == ".npy":
        return tuple(_load(path, None).shape[:-1])
    try:
        return image_size(path)
    except BadImageError as error:
        raise BadImageError(error.reason, f"{path}: {error}") from error


def _load(path: Path, number: int | None) -> NDArray[np.uint8]:
    """The pixels of a file, or those of an image of a stack; :class:`BadImageError` names the file."""
    try:
        if path.suffix.lower() != ".npy":
            return read_image(path).pixels
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except BadImageError as error:
        raise BadImageError(error.reason, f"{path}: {error}") from error
    except (ValueError, OSError, EOFError) as error:
        raise BadImageError("corrupt", f"{path}: the array cannot be read: {error}") from error
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] != 3 or not array.size:
        kind = f"{array.dtype} {array.shape}"
        raise BadImageError("unsupported", f"{path}: an array is uint8 (H, W, 3) or (N, H, W, 3), this is {kind}")
    return np.asarray(array if number is None else array[number])


def _alike(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    """Whether two images show the same, as far as 16 x 16 pixels tell."""
    far = [cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float64) for image in (a, b)]
    x, y = (image.ravel() - image.mean() for image in far)
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return scale < 256 or float(x @ y) / scale >= _ALIKE  # images without contrast resemble all others


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, reversed(shape)))
