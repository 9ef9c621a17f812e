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
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode import image_size, read_image
from blurkit.errors import BadImageError, UsageError
from blurkit.shard.index import INDEX, PLAN
from trainer.images import walk
from trainer.pairs import open_pairs

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


class Picture(NamedTuple):
    """Where an image lies: a file, its number in a stack of several, and for a half its side, 0 for left and 1 for right."""

    path: Path
    number: int | None = None
    side: int | None = None

    def read(self) -> NDArray[np.uint8]:
        """The pixels, uint8 (H, W, 3); :class:`BadImageError` names the file."""
        pixels = _named(self.path, lambda: _load(self.path))
        pixels = pixels if self.number is None else pixels[self.number]
        half = pixels.shape[1] // 2
        return np.asarray(pixels if self.side is None else pixels[:, self.side * half : (self.side + 1) * half])


class FolderPairs:
    """A :class:`PairSet` of files."""

    def __init__(self, names: list[str], pairs: list[tuple[Picture, Picture]]) -> None:
        self._names, self._pairs = names, pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def name(self, index: int) -> str:
        """The path of the blurred image below the folder, with its number in a stack."""
        return self._names[index]

    def images(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Sharp and blurred, uint8 (H, W, 3); UsageError for halves of one image that show different things."""
        blurred, sharp = (picture.read() for picture in self._pairs[index])
        if self._pairs[index][0].side is not None and not _alike(blurred, sharp):
            raise UsageError(f"{self._pairs[index][0].path}: its halves show different things; pairs are {LAYOUTS}")
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
    partners = _by_name(path, files) or [(name, file, None) for name, file in files.items()]
    if not partners:
        raise UsageError(f"no images in {path}; pairs are {LAYOUTS}")
    found = [pair for name, blurred, sharp in partners for pair in _pictures(name, blurred, sharp)]
    return FolderPairs([name for name, *_ in found], [(blurred, sharp) for _, blurred, sharp in found])


def _by_name(root: Path, files: dict[str, Path]) -> list[tuple[str, Path, Path | None]]:
    """Pairs (name, blurred, sharp) of files whose names differ in the word that says which they are; all have a partner."""
    stems = {_stem(name): name for name in files}
    partners = {
        name: [stems[stem] for stem in _partners(_stem(name)) if stem in stems] for name in files if _BLURRED.search(name)
    }
    pairs: dict[str, str] = {}
    for name, found in partners.items():
        if found:
            pairs.setdefault(found[0], name)
    lone = [name for name, found in partners.items() if not found and name not in pairs]
    lone += [name for name in files if _SHARP.search(name) and name not in partners and name not in pairs]
    if lone and (pairs or _BLURRED.search(lone[0])):
        raise UsageError(f"{root / lone[0]} has no partner{f', and {len(lone) - 1} more' * (len(lone) > 1)}; pairs are {LAYOUTS}")
    return [(blurred, files[blurred], files[sharp]) for sharp, blurred in pairs.items()]


def _stem(name: str) -> str:
    return str(Path(name).with_suffix("")).lower()


def _partners(stem: str) -> Iterator[str]:
    """What the sharp image of a blurred one may be called: one of the words replaced, the last first, or all of them."""
    for word in _SHARP_WORDS:
        for match in reversed(list(_BLURRED.finditer(stem))):
            yield stem[: match.start()] + word + stem[match.end() :]
        yield _BLURRED.sub(word, stem)


def _pictures(name: str, blurred: Path, sharp: Path | None) -> Iterator[tuple[str, Picture, Picture]]:
    """The pairs of two files, or of the halves of one, after a look at their sizes."""
    shape = _named(blurred, lambda: _shape(blurred))
    if sharp is None and shape[-1] % 2:
        raise UsageError(f"{blurred} is {_text(shape)} pixels, which has no two halves; pairs are {LAYOUTS}")
    if sharp is not None and (other := _named(sharp, lambda: _shape(sharp))) != shape:
        raise UsageError(f"{blurred} is {_text(shape)} pixels and {sharp} {_text(other)}; the images of a pair have one size")
    for number in range(shape[0]) if len(shape) == 3 else (None,):
        whole = name if number is None else f"{name}[{number}]"
        if sharp is None:
            yield whole, Picture(blurred, number, 0), Picture(blurred, number, 1)
        else:
            yield whole, Picture(blurred, number), Picture(sharp, number)


def _shape(path: Path) -> tuple[int, ...]:
    """(height, width), or (n, height, width) of an array of several."""
    return tuple(_load(path).shape[:-1]) if path.suffix.lower() == ".npy" else image_size(path)


def _load(path: Path) -> NDArray[np.uint8]:
    if path.suffix.lower() != ".npy":
        return read_image(path).pixels
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise BadImageError("corrupt", f"The array cannot be read: {error}.") from error
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] != 3 or not array.size:
        raise BadImageError("unsupported", f"An array is uint8 (H, W, 3) or (N, H, W, 3), this is {array.dtype} {array.shape}.")
    return np.asarray(array)


def _named(path: Path, read: Callable[[], Any]) -> Any:
    """What ``read`` returns, with the file's name in its errors."""
    try:
        return read()
    except BadImageError as error:
        raise BadImageError(error.reason, f"{path}: {error}") from error


def _alike(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    """Whether two images show the same, as far as 16 x 16 pixels tell."""
    far = [cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float64) for image in (a, b)]
    x, y = (image.ravel() - image.mean() for image in far)
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return scale < 256 or float(x @ y) / scale >= _ALIKE  # images without contrast resemble all others


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, reversed(shape)))
