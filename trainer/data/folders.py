"""Gives access to the pairs of a folder by number, as they are, to train on and to measure on."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blurkit.sources.pairs import BY_NAMES, NO_PAIR, Images, PairFolder, PairLayout, StoredPair, stored_pairs

#: Files in no pair that are named, at most.
_NAMED = 3

#: The decoded images that are kept, in bytes. A small folder is decoded once, and of a large one nothing is gained.
KEPT_BYTES = 512 << 20


class FolderPairs:
    """Pairs of files by number. Any thread may read. ``notices``: sentences on files that are in no pair."""

    def __init__(self, root: Path, pairs: Iterable[StoredPair], notices: Sequence[str]) -> None:
        self._root, self._pairs, self.notices = root, list(pairs), list(notices)
        self._hashes: dict[str, bytes] = {}
        self._decoded: OrderedDict[int, Images] = OrderedDict()
        self._kept, self._lock = 0, threading.Lock()

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def digest(self) -> str:
        """A sha256 of the names of the pairs and of the content of their files, all of which are read."""
        names = [(pair.name, pair.blurred.number) for pair in self._pairs]
        digest = hashlib.sha256(repr(names).encode(errors="surrogateescape"))
        for path in dict.fromkeys(place.path for pair in self._pairs for place in (pair.blurred, pair.sharp)):
            digest.update(self._hash(path))
        return digest.hexdigest()

    def identities(self) -> Iterator[tuple[NDArray[np.bytes_], NDArray[np.int64]]]:
        """Yields once what identifies the sharp images, hexadecimal digits as bytes (n,), and their heights and widths, int64
        (n, 2). The sharp files are read."""
        keys = (
            self._hash(place.path) + repr((place.key, place.number)).encode() for place in (pair.sharp for pair in self._pairs)
        )
        sizes = np.array([pair.size() for pair in self._pairs], np.int64).reshape(-1, 2)
        yield np.array([hashlib.sha256(key).hexdigest() for key in keys], "S64"), sizes

    def name(self, index: int) -> str:
        """Returns the name of a pair: the path of its blurred image relative to the folder."""
        return self._pairs[index].name

    def sharp_name(self, index: int) -> str:
        """Returns the path of the sharp image of a pair, relative to the folder."""
        return self._pairs[index].sharp.within(self._root)

    def images(self, index: int) -> Images:
        """Returns sharp and blurred, uint8 (H, W, 3), read-only. Raises :class:`blurkit.errors.BadImageError`, which names the
        file."""
        with self._lock:
            if index in self._decoded:
                self._decoded.move_to_end(index)
                return self._decoded[index]
        images = self._pairs[index].images()
        for image in images:
            image.flags.writeable = False
        with self._lock:
            if index not in self._decoded:
                self._decoded[index] = images
                self._kept += sum(image.nbytes for image in images)
            while self._kept > KEPT_BYTES:
                self._kept -= sum(image.nbytes for image in self._decoded.popitem(last=False)[1])
        return images

    def crop(self, index: int, y: int, x: int, size: int) -> Images:
        """Returns the crops of sharp and blurred at (y, x), uint8 (size, size, 3). Images are decoded at the first crop, and kept
        as far as :data:`KEPT_BYTES` allow."""
        sharp, blurred = (image[y : y + size, x : x + size] for image in self.images(index))
        return sharp, blurred

    def _hash(self, path: str) -> bytes:
        """The sha256 of a file, which is read once."""
        if path not in self._hashes:
            with open(path, "rb") as file:
                self._hashes[path] = hashlib.file_digest(file, "sha256").digest()
        return self._hashes[path]


def open_folder_pairs(path: Path, layout: PairLayout = BY_NAMES) -> FolderPairs:
    """Returns the pairs of a folder, or of a list of pairs, see :func:`blurkit.sources.pairs.find_pairs`.

    Raises :class:`UsageError` if there are no pairs, if an image has no partner or several, or if the images of a pair differ in
    size, and :class:`blurkit.errors.BadImageError` if an image cannot be read. All headers are read.
    """
    found, pairs = stored_pairs(path, layout)
    return FolderPairs(found.root, (pair.check() for pair in pairs), _notices(found))


def _notices(found: PairFolder) -> list[str]:
    notices = [f"{entry.path} is in no pair: {entry.message}" for entry in found.passed_over if entry.reason in NO_PAIR]
    if len(notices) > _NAMED:
        notices[_NAMED:] = [f"{len(notices) - _NAMED} more files are in no pair"]
    return notices
