"""Gives access to the pairs of several datasets by number, and divides them into training and validation pairs."""

from __future__ import annotations

import copy
import hashlib
import math
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.pair.redrawn import Redrawn, pairs_of
from blurkit.program.checks import require
from blurkit.shard import Dataset, open_dataset
from blurkit.shard.documents import INDEX, PLAN
from blurkit.shard.format import digest_text
from blurkit.sources.pairs import scene_folders
from trainer.data.folders import FolderPairs, open_folder_pairs

_PHOTOGRAPH = "S64"  # the hexadecimal sha256 of a photograph


def open_pairs(paths: Sequence[str | os.PathLike[str]], *, weights: Sequence[float] | None = None) -> Pairs:
    """Opens folders of shards, single shard files, or folders of pairs, as one set of pairs.

    ``weights``: the relative frequency of samples of each path, in any unit. Without weights every sample is used once per epoch.
    Raises UsageError if a path has no complete dataset or no pair, and CorruptShardError if a file is not a valid shard.
    """
    require(len(paths) > 0, "there is no data to train on; make pairs with `blurkit generate`, then use --data FOLDER")
    if weights is not None:
        valid = len(weights) == len(paths) and all(0 < weight < math.inf for weight in weights)
        require(valid, f"weights are one positive number for each of the {len(paths)} datasets, got {list(weights)}")
    datasets = [_open(Path(path)) for path in paths]
    for path, dataset in zip(paths, datasets, strict=True):
        require(len(dataset) > 0, f"{path} holds no pairs; `blurkit info {path}` says why")
    return Pairs(datasets, weights)


def is_dataset(path: Path) -> bool:
    """Whether a path is a shard, or a folder that blurkit wrote. A text file is a list of pairs."""
    return (path.is_file() and path.suffix != ".txt") or (path / INDEX).exists() or (path / PLAN).exists()


def _open(path: Path) -> Dataset | FolderPairs:
    if is_dataset(path) or not path.exists():
        return open_dataset(path)
    try:
        return open_folder_pairs(path)
    except UsageError as error:
        where = shlex.quote(str(path))
        raise UsageError(
            f"{path} is no dataset of shards, and it cannot be used as a folder of pairs: {error}\nTo make a dataset of "
            f"photographs, in another folder: blurkit generate --src {where} --out NEW_FOLDER"
        ) from error


def divided_pairs(
    data: Sequence[str | os.PathLike[str]],
    val: Sequence[str | os.PathLike[str]],
    *,
    weights: Sequence[float] | None = None,
    seed: int,
) -> tuple[Pairs, Pairs]:
    """Returns (training pairs, held-out pairs). The second are those of ``val``, or are held out of ``data`` if it is empty."""
    pairs = open_pairs(data, weights=weights)
    return (pairs, open_pairs(val)) if val else hold_out(pairs, seed=seed)


def hold_out(pairs: Pairs, share: float = 0.1, *, seed: int) -> tuple[Pairs, Pairs]:
    """Divides pairs by photograph and returns (training pairs, held-out pairs).

    The sha256 of its file identifies a photograph, so all its variants and copies are on the same side. Of real pairs, all of
    a folder are on the same side, since the frames of a sequence show the same things. Held out is ``share`` of the photographs
    or folders, rounded, at least one. The choice depends on the seed and the photographs only. Raises UsageError if one side
    would be empty.
    """
    photographs, member = np.unique(pairs.scenes(), return_inverse=True)
    problem = f"cannot hold out {share:g} of {len(photographs)} photographs for validation, since one side would be empty"
    valid = len(photographs) > 1 and 0 < share < 1
    require(valid, f"{problem}; make pairs of more photographs, or name validation pairs with --val")
    count = min(max(round(share * len(photographs)), 1), len(photographs) - 1)
    keys = np.empty((len(photographs), 8), ">u8")  # one array: a million Python objects would take 200 MB
    for place, photograph in enumerate(photographs):
        keys[place] = np.frombuffer(hashlib.blake2b(photograph, key=b"%d" % seed).digest(), ">u8")
    held = np.zeros(len(photographs), bool)
    held[np.lexsort(keys.T[::-1])[:count]] = True  # the first keys in the order of their bytes
    return pairs.only(~held[member]), pairs.only(held[member])


class Pairs:
    """The pairs of several datasets, one dataset after the other, by number. Any thread may read.

    Opening reads only the photographs and the sizes of the samples. A shard is opened when a pair of it is first needed. No file
    handle stays open. A million pairs take about 200 MB. If a dataset does not store its blurred images, they are drawn, see
    :class:`blurkit.Redrawn`.

    ``photographs``: the hexadecimal sha256 of the file of each pair's photograph, bytes (n,). ``sizes``: the height and width of
    each pair in pixels, int32 (n, 2).
    """

    def __init__(self, datasets: Sequence[Dataset | FolderPairs], weights: Sequence[float] | None) -> None:
        self.weights = None if weights is None else tuple(weights)
        self._datasets, counts = list(datasets), list(map(len, datasets))
        self._starts = np.cumsum([0, *counts])
        self.photographs, self.sizes = np.empty(sum(counts), _PHOTOGRAPH), np.empty((sum(counts), 2), np.int32)
        first = 0
        for dataset in datasets:
            for photographs, sizes in dataset.identities():
                self.photographs[first : first + len(sizes)], self.sizes[first : first + len(sizes)] = photographs, sizes
                first += len(sizes)
        opened = [dataset if isinstance(dataset, FolderPairs) else pairs_of(dataset) for dataset in datasets]
        self._images: list[Dataset | FolderPairs | Redrawn] = list(opened)
        self._digests = [_digest_of(dataset) for dataset in datasets]
        self._members = np.arange(sum(counts))

    def __len__(self) -> int:
        return len(self._members)

    def only(self, chosen: NDArray[np.bool_ | np.int64]) -> Pairs:
        """Returns the chosen pairs. ``chosen``: a mask, bool (n,), or numbers, int. The datasets are shared."""
        part = copy.copy(self)
        part._members = self._members[chosen]
        part.photographs, part.sizes = self.photographs[chosen], self.sizes[chosen]
        return part

    def spread(self, most: int) -> Pairs:
        """Returns at most ``most`` of the pairs, in their order. The choice is always the same.

        It has one pair of each photograph before a second one of any. Photographs begin with different variants. If there are
        too many photographs, those with the lowest sha256 are taken, which is as good as a random choice.
        """
        _, owner, counts = np.unique(self.photographs, return_inverse=True, return_counts=True)
        order, place = np.argsort(owner, kind="stable"), np.empty(len(self), np.int64)
        place[order] = np.arange(len(self)) - (np.cumsum(counts) - counts)[owner[order]]  # among those of its photograph
        turn = (place - owner) % counts[owner]
        return self.only(np.sort(np.lexsort((owner, turn))[:most]))

    def scenes(self) -> NDArray[np.bytes_]:
        """What shows the same things, bytes (n,): the photographs, or of real pairs the folders of the blurred images (see
        :func:`blurkit.sources.pairs.scene_folders`), if a dataset has several. The names of these pairs are read."""
        scenes = self.photographs.copy()
        owners = np.searchsorted(self._starts, self._members, "right") - 1
        for owner, dataset in enumerate(self._datasets):
            places = np.flatnonzero(owners == owner)
            if isinstance(dataset, Dataset) and dataset.index.get("configuration", {}).get("source") != "pairs":
                continue
            names = [self.name(int(place)) for place in places]
            if isinstance(dataset, Dataset):
                names = [name.rpartition("#")[0] for name in names]  # without the variant
            folders = scene_folders(names)
            if len(set(folders)) > 1:
                scenes[places] = [hashlib.sha256(folder.encode()).hexdigest() for folder in folders]
        return scenes

    @property
    def counts(self) -> list[int]:
        """The number of pairs of each dataset, in order."""
        owners = np.searchsorted(self._starts, self._members, "right") - 1
        return [int(count) for count in np.bincount(owners, minlength=len(self._datasets))]

    @property
    def digest(self) -> str:
        """A sha256 of the samples of the datasets, the weights, and the choice of pairs, 64 hexadecimal digits."""
        digest = hashlib.sha256(f"{self._digests} {self.weights}".encode())
        digest.update(self._members.astype("<i8").tobytes())
        return digest.hexdigest()

    def name(self, index: int) -> str:
        """Returns the name of a pair: its photograph and variant."""
        owner, member = self._locate(index)
        return self._datasets[owner].name(member)

    def images(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Returns sharp and blurred, uint8 (H, W, 3), read-only. Their checksums are verified. A pair that is drawn is always the
        same."""
        owner, member = self._locate(index)
        return self._images[owner].images(member)

    def crop(
        self, index: int, y: int, x: int, size: int, *, key: Sequence[int] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Returns the crops of sharp and blurred at (y, x), uint8 (size, size, 3), read-only, verified at first access. ``key``:
        draws another blurred image for each key, if the dataset does not store it."""
        owner, member = self._locate(index)
        images = self._images[owner]
        if isinstance(images, Redrawn):
            return images.crop(member, y, x, size, key=key)
        return images.crop(member, y, x, size)

    def _locate(self, index: int) -> tuple[int, int]:
        """The number of the dataset of a pair, and the number of the pair in it."""
        member = int(self._members[index])
        owner = int(np.searchsorted(self._starts, member, "right")) - 1
        return owner, member - int(self._starts[owner])


def _digest_of(dataset: Dataset | FolderPairs) -> str:
    if isinstance(dataset, FolderPairs):
        return dataset.digest
    return dataset.digest or digest_text(dataset.shard(0).digests())
