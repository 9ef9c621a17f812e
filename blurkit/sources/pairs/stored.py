"""Pairs as they are stored: where each image is, and how both are read and compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode.place import ImagePlace
from blurkit.errors import BadImageError, UsageError
from blurkit.sources.pairs.layout import BY_NAMES, PairFolder, PairLayout, find_pairs

#: The least correlation of the two halves of an image, when they are reduced to 16 x 16 pixels.
_ALIKE = 0.6

#: Sharp and blurred, uint8 (H, W, 3) RGB, of one size.
Images: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class StoredPair:
    """One pair. ``name``: the path of the blurred image relative to the folder, with its number in an array. ``split``: train,
    val or test, if a list of files says it, otherwise empty."""

    name: str
    blurred: ImagePlace
    sharp: ImagePlace
    split: str = ""

    def images(self) -> Images:
        """Sharp and blurred. Raises :class:`BadImageError`, whose message names the file."""
        sharp, blurred = _read(self.sharp), _read(self.blurred)
        if sharp.shape != blurred.shape:
            raise BadImageError("size_mismatch", _mismatch(self, blurred.shape[:2], sharp.shape[:2]))
        if self.sharp.half:
            require_alike(self.sharp, sharp, blurred)
        return sharp, blurred

    def size(self) -> tuple[int, int]:
        """(height, width) of both images, from their headers. Raises :class:`BadImageError`."""
        return _size(self.blurred)

    def check(self) -> StoredPair:
        """This pair. Raises :class:`UsageError` if its images differ in size, and :class:`BadImageError`. The headers are
        read."""
        blurred, sharp = _size(self.blurred), _size(self.sharp)
        if blurred != sharp:
            raise UsageError(_mismatch(self, blurred, sharp))
        return self


def stored_pairs(path: Path, layout: PairLayout = BY_NAMES) -> tuple[PairFolder, list[StoredPair]]:
    """What :func:`blurkit.sources.pairs.layout.find_pairs` finds, and its pairs, one for each image of an array. Of the files
    only arrays are opened. Raises :class:`UsageError` and :class:`BadImageError`."""
    found = find_pairs(path, layout)
    return found, [stored for pair in found.pairs for stored in _stored(found, pair.blurred, pair.sharp, pair.split)]


def require_alike(place: ImagePlace, one: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
    """Raises :class:`BadImageError` with the reason ``halves_differ`` unless two halves of an image look alike: they correlate
    when they are reduced to 16 x 16 pixels. An image without contrast passes."""
    x, y = (cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).ravel().astype(np.float64) for image in (one, other))
    if x.std() * y.std() >= 1 / 3 and np.corrcoef(x, y)[0, 1] < _ALIKE:
        raise BadImageError("halves_differ", f"{place.path}: its halves show different things, so they are no pair")


def _stored(found: PairFolder, blurred: str, sharp: str, split: str) -> Iterator[StoredPair]:
    halves = ("left", "right") if blurred == sharp else ("", "")
    places = [found.place(name, half) for name, half in zip((blurred, sharp), halves, strict=True)]
    counts = [place.count() for place in places]
    if counts[0] != counts[1]:
        raise UsageError(f"{places[0]} holds {_images(counts[0])}, and {places[1]} holds {_images(counts[1])}")
    if counts[0] is None:
        yield StoredPair(blurred, places[0], places[1], split)
    else:
        for number in range(counts[0]):
            yield StoredPair(f"{blurred}[{number}]", places[0].item(number), places[1].item(number), split)


def _images(count: int | None) -> str:
    return "one image" if count is None else f"an array of {count} images"


def _size(place: ImagePlace) -> tuple[int, int]:
    try:
        return place.size()
    except BadImageError as error:
        raise _named(place, error) from error


def _read(place: ImagePlace) -> NDArray[np.uint8]:
    try:
        return place.read().pixels
    except BadImageError as error:
        raise _named(place, error) from error


def _named(place: ImagePlace, error: BadImageError) -> BadImageError:
    """The error with the name of the file."""
    return BadImageError(error.reason, str(error) if place.path in str(error) else f"{place.path}: {error}")


def _mismatch(pair: StoredPair, blurred: tuple[int, ...], sharp: tuple[int, ...]) -> str:
    ours, theirs = ("x".join(map(str, reversed(size))) for size in (blurred, sharp))
    return f"{pair.blurred} is {ours} pixels and {pair.sharp} is {theirs}; the images of a pair must have the same size"
