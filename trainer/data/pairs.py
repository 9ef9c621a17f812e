"""Pairs of photographs in shards, as the trainer sees them: by number, over several datasets, some of them held out."""

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

_OTHER_FILES = 128  # handles left for everything that is no shard


def open_pairs(paths: Sequence[str | os.PathLike[str]], *, weights: Sequence[float] | None = None) -> Pairs:
    """Open folders of shards, or single shard files, as one set of pairs.

    ``weights``: how often a sample comes from each path, in any unit; without them every sample comes once an epoch. Raises
    UsageError where there is no complete dataset or no pair, CorruptShardError where a shard is none.
    """
    require(len(paths) > 0, "there is no data to train on; make some with `blurkit generate`, then say --data FOLDER")
    if weights is not None:
        good = len(weights) == len(paths) and all(0 < weight < math.inf for weight in weights)
        require(good, f"weights are one positive number for each of the {len(paths)} datasets, got {list(weights)}")
    datasets = [open_dataset(path) for path in paths]
    for path, dataset in zip(paths, datasets, strict=True):
        require(len(dataset) > 0, f"{path} holds no pairs; make some with `blurkit generate --out {path}`")
    return Pairs(datasets, weights)


def hold_out(pairs: Pairs, share: float = 0.1, *, seed: int) -> tuple[Pairs, Pairs]:
    """Divide pairs by photograph, the sha256 of its file: (to train on, held out), with every variant and copy on one side.

    Held out is ``share`` of the photographs to the nearest whole, at least one; the choice depends on the seed and the
    photographs alone. Raises UsageError where one side would be empty.
    """
    photographs, member = np.unique(pairs.photographs, return_inverse=True)
    what = f"cannot hold out {share:g} of {len(photographs)} photographs: that leaves nothing on one side"
    good = len(photographs) > 1 and 0 < share < 1
    require(good, f"{what}; make pairs of more photographs, or name others with --val")
    count = min(max(round(share * len(photographs)), 1), len(photographs) - 1)
    keys = [hashlib.blake2b(photograph, key=b"%d" % seed).digest() for photograph in photographs.tolist()]
    held = np.isin(member, sorted(range(len(keys)), key=keys.__getitem__)[:count])
    return pairs.only(~held), pairs.only(held)


class Pairs:
    """Pairs by number: ``len``, :meth:`crop`, :meth:`images`. Any thread may read, and shards are opened once.

    ``counts``: the pairs of each dataset, which follow one another. ``photographs``: of each pair, the hexadecimal sha256 of its
    photograph's file, as bytes. ``sizes``: int (n, 2), height and width of each.
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
            photographs.append(shard.columns["source_sha256"].copy())  # a view would keep the file open
            sizes.extend(map(shard.shape, range(len(shard))))
        if len(sizes) != sum(map(len, datasets)):
            folders = ", ".join(str(dataset.folder) for dataset in datasets)
            raise CorruptShardError(f"{folders}: shards and index differ; `blurkit verify` says which")
        self.photographs, self.sizes = np.concatenate(photographs), np.array(sizes)
        self._digests = [dataset.digest or _digest(dataset) for dataset in datasets]
        self._ends, self._datasets = np.cumsum(lengths), len(datasets)
        self._owners, self._members = np.repeat(range(len(datasets)), list(map(len, datasets))), np.arange(len(sizes))

    def __len__(self) -> int:
        return len(self._members)

    def only(self, chosen: NDArray[np.bool_ | np.int64]) -> Pairs:
        """Those pairs for which ``chosen``, bool (n,), is true, or of these numbers; shards stay shared."""
        part = copy.copy(self)
        part._members, part._owners = self._members[chosen], self._owners[chosen]
        part.photographs, part.sizes = self.photographs[chosen], self.sizes[chosen]
        return part

    def spread(self, most: int) -> Pairs:
        """At most so many of them, evenly spread, always the same."""
        return self.only(np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(np.int64))

    @property
    def counts(self) -> list[int]:
        """The number of pairs of each dataset."""
        return [int(count) for count in np.bincount(self._owners, minlength=self._datasets)]

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that depend on the samples of the datasets, on their weights, and on which are among these."""
        digest = hashlib.sha256(f"{self._digests} {self.weights}".encode())
        digest.update(self._members.astype("<i8").tobytes())
        return digest.hexdigest()

    def name(self, index: int) -> str:
        """The name of a pair: photograph and variant."""
        return Shard.name(*self._locate(index))

    def images(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Sharp and blurred, uint8 (H, W, 3), verified; views of the shard."""
        return Shard.images(*self._locate(index))

    def crop(self, index: int, y: int, x: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Views of sharp and blurred, uint8 (size, size, 3), at (y, x), verified when first touched."""
        return Shard.crop(*self._locate(index), y, x, size)

    def _locate(self, index: int) -> tuple[Shard, int]:
        member = int(self._members[index])
        number = int(np.searchsorted(self._ends, member, "right"))
        return self._shard(number), member - (int(self._ends[number - 1]) if number else 0)


def _digest(dataset: Dataset) -> str:
    """That of a single file, which no index knows of."""
    return digest_text(sum(map(dataset.shard(0).digest, range(len(dataset)))))


def _allow_open(shards: int) -> int:
    """How many of so many shards may be open. A random order touches all of them at once, and each opening costs milliseconds
    and its checksums anew, so the process's soft limit of open files is raised as far as they need it and the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = shards + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(shards + _OTHER_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(files - _OTHER_FILES, MOST_OPEN)
