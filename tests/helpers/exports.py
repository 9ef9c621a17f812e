"""Exports of small datasets, and what they leave on the disk."""

import dataclasses
from pathlib import Path

import numpy as np
from command_line import run
from pair_folders import write_folder

from blurkit.shard import Dataset, Sample, open_dataset

FORMATS = ("folder", "lmdb", "webdataset", "deepinv")


def write_samples(folder: Path, *shards: list[Sample]) -> Dataset:
    """A complete dataset of these shards."""
    return open_dataset(write_folder(folder, shards))


def one_sized(make_sample, count: int, first: int = 0) -> list[Sample]:
    """Samples of 70x50 pixels, with kernels of 1 to 7 pixels."""
    return [make_sample(number) for number in range(first, first + count)]


def unknown(sample: Sample) -> Sample:
    """The sample as a real pair, whose kernel is not known."""
    nothing = {"kernel": np.zeros((0, 0), np.float32), "path": np.zeros((0, 2), np.float32)}
    return dataclasses.replace(sample, **nothing)


def export(folder: Path, *options: object, **how):
    """Run ``blurkit export shards`` in a folder, with two threads."""
    return run("export", "shards", "-q", "--workers", 2, *options, cwd=folder, **how)


def contents(folder: Path) -> dict[str, bytes]:
    """All files by path, also the records of the state. Locks are empty."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
