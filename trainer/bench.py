"""The promise about reading: batches into torch, against what most projects use, in one run and of the same pixels."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from blurkit.decode import read_image
from blurkit.shard import FORMAT_VERSION, Sample
from blurkit.shard.format import FIELDS, FORMAT_NAME
from blurkit.shard.writer import write_shard
from trainer.crops import Buffer, Crops
from trainer.pairs import Pairs, open_pairs

_SHAPE, _PAIRS = (480, 640), 36  # photographs of COCO's size
_CROP, _BATCH, _THREADS = 256, 16, 2
_OURS, _THEIRS = 200, 10  # batches at a time, some tenths of a second each


def loader_ratio(*, repeats: int = 5) -> float:
    """How many times as many pairs a second as DataLoader's arrive from shards; see :func:`loader_rates`."""
    ours, theirs = loader_rates(repeats=repeats)
    return ours / theirs


def loader_rates(*, repeats: int = 5) -> tuple[float, float]:
    """Pairs of 256x256 crops a second that arrive in torch, as bytes in batches of 16: ours, and DataLoader's.

    Ours come from a shard by :class:`trainer.crops.Crops` with two threads; those of DataLoader, with two workers, from the same
    photographs in gzipped HDF5, one to a chunk. Both take turns, and count by their fastest. Files are in the page cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        pairs = open_pairs([_write_shard(Path(folder))])
        crops = _GzippedCrops(_write_gzipped(Path(folder), pairs), _THEIRS * _BATCH)
        loader = DataLoader(crops, _BATCH, num_workers=_THREADS, persistent_workers=True)

        def theirs() -> None:
            for _ in loader:
                pass

        theirs()  # workers are forked before there are threads
        buffers = [Buffer(_BATCH, _CROP, torch.device("cpu")) for _ in range(3)]
        stream = Crops(pairs, buffers, seed=0, start=0, stride=_BATCH, threads=_THREADS)

        def ours() -> None:
            for _ in range(_OURS):
                stream.give(next(stream))

        try:
            ours()  # checks every band once
            seconds = [(_seconds(ours) / _OURS, _seconds(theirs) / _THEIRS) for _ in range(repeats)]
        finally:
            stream.close()
        return _BATCH / min(ours for ours, _ in seconds), _BATCH / min(theirs for _, theirs in seconds)


class _GzippedCrops(Dataset[torch.Tensor]):
    """Random crops the usual way: h5py slices, a file handle for each worker."""

    def __init__(self, path: Path, count: int) -> None:
        self._path, self._count = path, count
        self._file: h5py.File | None = None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> torch.Tensor:
        if self._file is None:
            self._file = h5py.File(self._path)
        rng = np.random.default_rng(index)
        row, y, x = rng.integers((_PAIRS, _SHAPE[0] - _CROP + 1, _SHAPE[1] - _CROP + 1))
        return torch.from_numpy(np.stack([self._file[field][row, y : y + _CROP, x : x + _CROP] for field in FIELDS]))


def _write_shard(folder: Path) -> Path:
    photographs = sorted(resources.files("blurkit.data_manifests").joinpath("sample").iterdir(), key=lambda file: file.name)
    files = [Path(str(file)) for file in photographs if file.name.endswith(".jpg")]
    meta = {"source": "sample", "licence": "", "source_sha256": "", "notes": "", "variant": 0, "seed": (0,) * 5}
    meta |= dict.fromkeys(("crop", "valid"), (0, 0, *_SHAPE))
    kernel = np.full((9, 9), 1 / 81, np.float32)
    samples = []
    for number in range(_PAIRS):
        sharp = cv2.resize(read_image(files[number % len(files)]).pixels, _SHAPE[::-1])
        sharp = np.roll(sharp, 50 * number, axis=1)
        samples.append(Sample(sharp, cv2.filter2D(sharp, -1, kernel), kernel, np.empty((0, 2), np.float32), f"{number}", meta))
    write_shard(folder / "00000.h5", samples, attributes={"format": FORMAT_NAME, "version": FORMAT_VERSION})
    return folder / "00000.h5"


def _write_gzipped(folder: Path, pairs: Pairs) -> Path:
    with h5py.File(folder / "gzipped.h5", "w") as file:
        for place, field in enumerate(FIELDS):
            images = np.stack([pairs.images(index)[place] for index in range(len(pairs))])
            file.create_dataset(field, data=images, chunks=(1, *_SHAPE, 3), compression="gzip")
    return folder / "gzipped.h5"


def _seconds(action: Callable[[], None]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin
