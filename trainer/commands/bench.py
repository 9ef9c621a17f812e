"""``trainer bench``: measure speed. Each figure is a ratio of two times of the same run, printed beside its limit."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from blurkit.decode.image import read_image
from blurkit.program.benchmark import Figure, measure, times
from blurkit.shard import FORMAT_VERSION, Sample
from blurkit.shard.format import FIELDS, FORMAT_NAME
from blurkit.shard.writer import write_shard
from trainer.commands.bench_drawn import drawn_figures
from trainer.commands.bench_step import card_sections, step_figures
from trainer.config import TrainingRecipe
from trainer.data.pairs import open_pairs
from trainer.data.stream import Stream
from trainer.training.device import choose_device

_SHAPE, _PAIRS = (480, 640), 36  # the size of photographs in COCO
_CROP, _BATCH, _THREADS = 256, 16, 2
_OURS, _THEIRS = 200, 10  # batches per measurement, which takes some tenths of a second


def bench(sections: tuple[str, ...], *, device: str, as_json: bool) -> int:
    """Measure the named sections, or all sections of a device; see :func:`blurkit.program.benchmark.measure`. Returns the exit
    code."""
    place, reason = choose_device(device)
    if not as_json:
        print(f"on {reason}", file=sys.stderr)
    known = SECTIONS if place.type == "cpu" else {**card_sections(place), "loader": _loader}
    return measure(known, sections, as_json=as_json)


def _loader() -> Iterator[Figure]:
    ours, theirs = loader_rates()
    yield Figure("pairs/s of 256x256 into torch over DataLoader on gzipped HDF5", ours / theirs, 40)


def loader_rates(*, repeats: int = 5) -> tuple[float, float]:
    """Pairs per second that reach torch, as 256x256 crops of bytes in batches of 16: of our stream, and of torch's DataLoader.

    :class:`trainer.data.Stream` reads a shard with two threads. DataLoader reads the same photographs from gzipped HDF5, one per
    chunk, with two workers. The two are measured in turn, and the fastest time of each counts. The files are in the page cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        shard, gzipped = Path(folder) / "00000.h5", Path(folder) / "gzipped.h5"
        _write_pairs(shard, gzipped)
        loader = DataLoader(_GzippedCrops(gzipped), _BATCH, num_workers=_THREADS, persistent_workers=True)

        def theirs() -> None:
            for _ in loader:
                pass

        theirs()  # forks the workers now, since a fork is not safe while the stream has threads
        with Stream(open_pairs([shard]), TrainingRecipe(batch=_BATCH, crop=_CROP), threads=_THREADS) as stream:

            def ours() -> None:
                for _ in range(_OURS):
                    stream.give(stream.take())

            slow, fast = times(theirs, ours, repeats=repeats)
    return _OURS * _BATCH / fast, _THEIRS * _BATCH / slow


class _GzippedCrops(Dataset[torch.Tensor]):
    """Random crops as they are usually read: slices of h5py, with one file handle per worker."""

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
    """Write shifted copies of the packaged photographs, and the same copies blurred, to both files."""
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


SECTIONS = {"step": step_figures, "loader": _loader, "drawn": drawn_figures}
