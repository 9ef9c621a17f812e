"""Gives access to the pairs of several datasets by number, and divides them into training and validation pairs."""

from __future__ import annotations

import copy
import functools
import hashlib
import math
import os
import resource
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import CorruptShardError
from blurkit.program.checks import require
from blurkit.shard import Dataset, Shard, open_dataset
from blurkit.shard.format import digest_text
from blurkit.shard.index import MOST_OPEN

_OTHER_FILES = 128  # file handles that are kept for other files than shards


def open_pairs(paths: Sequence[str | os.PathLike[str]], *, weights: Sequence[float] | None = None) -> Pairs:
    """Opens folders of shards, or single shard files, as one set of pairs.

    ``weights``: the relative frequency of samples of each path, in any unit. Without weights every sample is used once per epoch.
    Raises UsageError if a path has no complete dataset or no pair, and CorruptShardError if a file is not a valid shard.
    """
    require(len(paths) > 0, "there is no data to train on; make pairs with `blurkit generate`, then use --data FOLDER")
    if weights is not None:
        valid = len(weights) == len(paths) and all(0 < weight < math.inf for weight in weights)
        require(valid, f"weights are one positive number for each of the {len(paths)} datasets, got {list(weights)}")
    datasets = [open_dataset(path) for path in paths]
    for path, dataset in zip(paths, datasets, strict=True):
        require(len(dataset) > 0, f"{path} holds no pairs; `blurkit info {path}` says why")
    return Pairs(datasets, weights)


def hold_out(pairs: Pairs, share: float = 0.1, *, seed: int) -> tuple[Pairs, Pairs]:
    """Divides pairs by photograph and returns (training pairs, held-out pairs).

    The sha256 of its file identifies a photograph, so all its variants and copies are on the same side. Held out is ``share`` of
    the photographs, rounded, at least one. The choice depends on the seed and the photographs only. Raises UsageError if one side
    would be empty.
    """
    photographs, member = np.unique(pairs.photographs, return_inverse=True)
    problem = f"cannot hold out {share:g} of {len(photographs)} photographs for validation, since one side would be empty"
    valid = len(photographs) > 1 and 0 < share < 1
    require(valid, f"{problem}; make pairs of more photographs, or name validation pairs with --val")
    count = min(max(round(share * len(photographs)), 1), len(photographs) - 1)
    keys = [hashlib.blake2b(photograph, key=b"%d" % seed).digest() for photograph in photographs.tolist()]
    held = np.isin(member, sorted(range(len(keys)), key=keys.__getitem__)[:count])
    return pairs.only(~held), pairs.only(held)


class Pairs:
    """The pairs of several datasets, one dataset after the other, by number. Any thread may read. A shard is opened once.

    ``photographs``: the hexadecimal sha256 of the file of each pair's photograph, bytes (n,). ``sizes``: the height and width of
    each pair in pixels, int (n, 2).
    """

    def __init__(self, datasets: Sequence[Dataset], weights: Sequence[float] | None) -> None:
        self.weights = None if weights is None else tuple(weights)
        paths = [dataset.folder / file for dataset in datasets for file in dataset.files]
        self._shard = functools.lru_cache(_allow_open(len(paths)))(lambda number: Shard(paths[number]))
        lengths: list[int] = []
        photographs: list[NDArray[np.bytes_]] = []
        sizes: list[tuple[int, int]] = []
        for shard in map(self._shard, range(len(paths))):
            lengths.append(len(shard))
            photographs.append(shard.columns["source_sha256"].copy())  # a view would keep the shard's file open
            sizes.extend(map(shard.shape, range(len(shard))))
        if len(sizes) != sum(map(len, datasets)):
            folders = ", ".join(str(dataset.folder) for dataset in datasets)
            raise CorruptShardError(
                f"{folders}: the shards do not match their index; run `blurkit verify` to find the wrong shard"
            )
        self.photographs, self.sizes = np.concatenate(photographs), np.array(sizes)
        self._digests = [dataset.digest or _digest(dataset) for dataset in datasets]
        self._ends, self._datasets = np.cumsum(lengths), len(datasets)
        self._owners, self._members = np.repeat(range(len(datasets)), list(map(len, datasets))), np.arange(len(sizes))

    def __len__(self) -> int:
        return len(self._members)

    def only(self, chosen: NDArray[np.bool_ | np.int64]) -> Pairs:
        """Returns the chosen pairs. ``chosen``: a mask, bool (n,), or numbers, int. The open shards are shared."""
        part = copy.copy(self)
        part._members, part._owners = self._members[chosen], self._owners[chosen]
        part.photographs, part.sizes = self.photographs[chosen], self.sizes[chosen]
        return part

    def spread(self, most: int) -> Pairs:
        """Returns at most ``most`` of the pairs, evenly spaced. The choice is always the same."""
        return self.only(np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(np.int64))

    @property
    def counts(self) -> list[int]:
        """The number of pairs of each dataset, in order."""
        return [int(count) for count in np.bincount(self._owners, minlength=self._datasets)]

    @property
    def digest(self) -> str:
        """A sha256 of the samples of the datasets, the weights, and the choice of pairs, 64 hexadecimal digits."""
        digest = hashlib.sha256(f"{self._digests} {self.weights}".encode())
        digest.update(self._members.astype("<i8").tobytes())
        return digest.hexdigest()

    def name(self, index: int) -> str:
        """Returns the name of a pair: its photograph and variant."""
        return Shard.name(*self._locate(index))

    def images(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Returns sharp and blurred, uint8 (H, W, 3), as views of the shard. Their checksums are verified."""
        return Shard.images(*self._locate(index))

    def crop(self, index: int, y: int, x: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Returns the crops of sharp and blurred at (y, x), uint8 (size, size, 3), as views, verified at first access."""
        return Shard.crop(*self._locate(index), y, x, size)

    def _locate(self, index: int) -> tuple[Shard, int]:
        member = int(self._members[index])
        number = int(np.searchsorted(self._ends, member, "right"))
        return self._shard(number), member - (int(self._ends[number - 1]) if number else 0)


def _digest(dataset: Dataset) -> str:
    """The digest of a single shard file, which has no index."""
    return digest_text(sum(map(dataset.shard(0).digest, range(len(dataset)))))


def _allow_open(shards: int) -> int:
    """Returns how many shards may be open at once, and raises the soft limit of open files if more are needed. A random order
    reads from all shards at once. Each time a shard is opened again costs milliseconds and new checksums. The hard limit bounds
    the soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = shards + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(shards + _OTHER_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(files - _OTHER_FILES, MOST_OPEN)
