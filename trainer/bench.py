"""The promise about reading: batches into torch, against what most projects use, in one run and of the same pixels."""

from __future__ import annotations

import tempfile
from importlib import resources
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from blurkit.decode import read_image
from blurkit.figures import times
from blurkit.shard import FORMAT_VERSION, Sample
from blurkit.shard.format import FIELDS, FORMAT_NAME
from blurkit.shard.writer import write_shard
from trainer.data import Stream, open_pairs

_SHAPE, _PAIRS = (480, 640), 36  # photographs of COCO's size
_CROP, _BATCH, _THREADS = 256, 16, 2
_OURS, _THEIRS = 200, 10  # batches at a time, some tenths of a second each


def loader_rates(*, repeats: int = 5) -> tuple[float, float]:
    """Pairs of 256x256 crops a second that arrive in torch, as bytes in batches of 16: ours, and DataLoader's.

    Ours come from a shard by :class:`trainer.data.Stream` with two threads; those of DataLoader, with two workers, from the same
    photographs in gzipped HDF5, one to a chunk. Both take turns, and count by their fastest. Files are in the page cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        shard, gzipped = Path(folder) / "00000.h5", Path(folder) / "gzipped.h5"
        _write_pairs(shard, gzipped)
        loader = DataLoader(_GzippedCrops(gzipped), _BATCH, num_workers=_THREADS, persistent_workers=True)
        streams: list[Stream] = []

        def theirs() -> None:
            for _ in loader:
                pass

        def ours() -> None:
            if not streams:  # DataLoader has forked its workers by now; with threads about, that is not safe
                streams.append(Stream(open_pairs([shard]), batch=_BATCH, crop=_CROP, seed=0, threads=_THREADS))
            for _ in range(_OURS):
                streams[0].give(streams[0].take())

        try:
            slow, fast = times(theirs, ours, repeats=repeats)
        finally:
            for stream in streams:
                stream.close()
    return _OURS * _BATCH / fast, _THEIRS * _BATCH / slow


class _GzippedCrops(Dataset[torch.Tensor]):
    """Random crops the usual way: h5py slices, a file handle for each worker."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: h5py.File | None = None

    def __len__(self) -> int:
        return _THEIRS * _BATCH

    def __getitem__(self, index: int) -> torch.Tensor:
        self._file = self._file or h5py.File(self._path)
        row, y, x = np.random.default_rng(index).integers((_PAIRS, _SHAPE[0] - _CROP + 1, _SHAPE[1] - _CROP + 1))
        return torch.from_numpy(np.stack([self._file[field][row, y : y + _CROP, x : x + _CROP] for field in FIELDS]))


def _write_pairs(shard: Path, gzipped: Path) -> None:
    """Packaged photographs, shifted, and the same blurred."""
    files = sorted(str(file) for file in resources.files("blurkit.data_manifests").joinpath("sample").iterdir())
    photographs = [cv2.resize(read_image(file).pixels, _SHAPE[::-1]) for file in files if file.endswith(".jpg")]
    meta = {"source": "sample", "licence": "", "source_sha256": "", "notes": "", "variant": 0, "seed": (0,) * 5}
    meta |= dict.fromkeys(("crop", "valid"), (0, 0, *_SHAPE))
    kernel, path = np.full((9, 9), 1 / 81, np.float32), np.empty((0, 2), np.float32)
    sharps = [np.roll(photographs[number % len(photographs)], 50 * number, axis=1) for number in range(_PAIRS)]
    samples = [
        Sample(sharp, cv2.filter2D(sharp, -1, kernel), kernel, path, f"{number}", meta) for number, sharp in enumerate(sharps)
    ]
    write_shard(shard, samples, attributes={"format": FORMAT_NAME, "version": FORMAT_VERSION})
    with h5py.File(gzipped, "w") as file:
        for field in FIELDS:
            images = np.stack([getattr(sample, field) for sample in samples])
            file.create_dataset(field, data=images, chunks=(1, *_SHAPE, 3), compression="gzip")
