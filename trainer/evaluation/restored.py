"""Finds the images that another program restored from the blurred images of pairs, by their names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from blurkit.decode.image_arrays import ARRAY, ARRAYS
from blurkit.decode.place import ImagePlace
from blurkit.errors import BadImageError, UsageError
from blurkit.program.checks import require
from blurkit.program.progress import plural
from blurkit.sources.listing import SUFFIXES
from blurkit.sources.pairs import list_files
from trainer.data.folders import FolderPairs
from trainer.evaluation.pairsets import PairSet
from trainer.evaluation.restore import Restorer

#: Names that an error lists, at most.
_NAMED = 3


class RestoredFiles:
    """The restored image of each pair, by the number of the pair. ``files``: their paths, in the order of the pairs."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = list(files)

    def image(self, index: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Returns an image, uint8 (H, W, 3) RGB. Raises :class:`BadImageError` with the name of the file if it cannot be read, or
        if it has another shape."""
        path = self.files[index]
        try:
            pixels = ImagePlace(str(path)).read().pixels
        except BadImageError as error:
            raise BadImageError(error.reason, f"{path}: {error}") from error
        if pixels.shape != shape:
            ours, theirs = ("x".join(map(str, reversed(sides[:2]))) for sides in (pixels.shape, shape))
            raise BadImageError("size_mismatch", f"{path} is {ours} pixels, and the images of its pair are {theirs}")
        return pixels


#: What gives the restored images: a generator, or the files of another program.
Restore: TypeAlias = Restorer | RestoredFiles


def open_restored(folder: Path, pairs: PairSet) -> RestoredFiles:
    """Returns the files of a folder that belong to pairs. Suffixes play no part.

    A file has the path of the blurred or of the sharp image, or this path without the folders in which both differ (``blur``),
    or the name of the image alone. One of these ways must fit all. Raises :class:`UsageError` if a pair has no file or several,
    or if a file belongs to no pair; the message names them, for the way that fits most.
    """
    names, _ = list_files(folder)
    files: dict[str, list[str]] = {}
    for name in names:
        files.setdefault(_key(name), []).append(name)
    ways = [keys for keys in _ways(pairs) if len(set(keys)) == len(keys)]
    require(bool(ways), "two pairs have the same name without its suffix, so files cannot be matched by names")
    best = max(ways, key=lambda keys: len(files.keys() & set(keys)))  # of equal ways the first
    twice = next((found for found in files.values() if len(found) > 1), [])
    require(not twice, f"{folder} has {' and '.join(twice)}: keep one of them")
    found = [files.get(key, [""])[0] for key in best]
    missing = [pairs.name(index) for index, name in enumerate(found) if not name]
    extra = sorted(set(names) - set(found))
    if missing or extra:
        parts = [f"no file for {plural(len(missing), 'pair')} ({_listed(missing)})"] if missing else []
        parts += [f"{plural(len(extra), 'file')} for no pair ({_listed(extra)})"] if extra else []
        raise UsageError(f"{folder} has {', and '.join(parts)}; files have the names of the blurred or of the sharp images")
    return RestoredFiles([folder / name for name in found])


def restored_image(restore: Restore, index: int, blurred: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The restored image of a pair, computed or read, uint8 of the shape of ``blurred``."""
    return restore.image(index, blurred.shape) if isinstance(restore, RestoredFiles) else restore(blurred)


def _ways(pairs: PairSet) -> Iterator[list[str]]:
    """The keys of all pairs, by each way to name a restored image."""
    numbers = range(len(pairs))
    names = [[pairs.name(index)] for index in numbers]
    if isinstance(pairs, FolderPairs):
        names = [[name, pairs.sharp_name(index)] for index, (name,) in enumerate(names)]
    else:
        names = [[name, name.rpartition("#")[0]] for (name,) in names]  # of a dataset: with and without the variant
    for side in range(2):
        yield [_key(both[side]) for both in names]
    yield [_key(_common(*both)) for both in names]
    for side in range(2):
        yield [_key(os.path.basename(both[side])) for both in names]


def _common(blurred: str, sharp: str) -> str:
    """The path of the blurred image without the folders in which the paths differ."""
    ours, theirs = blurred.split(os.sep), sharp.split(os.sep)
    if len(ours) != len(theirs):
        return blurred
    folders = [part for part, other in zip(ours[:-1], theirs[:-1], strict=True) if part == other]
    return os.path.join(*folders, ours[-1])


def _key(name: str) -> str:
    """A path without the suffix of an image. The id of a sample may hold other dots."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in SUFFIXES | {ARRAY, ARRAYS} else name


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
