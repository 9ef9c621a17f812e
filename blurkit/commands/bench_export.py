"""The section ``export`` of ``blurkit bench``: each format against the least that it has to do.

That is: samples are read, their images are encoded as the format stores them, and the bytes are written and synced, one after the
other on one thread. ``folder`` has a file for each image, every other format one file. The export encodes on one thread as well,
and writes on another.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from blurkit.errors import UsageError
from blurkit.export import FORMATS, Job, export
from blurkit.export.state import make_state
from blurkit.program.benchmark import Figure, times
from blurkit.program.signals import Stop
from blurkit.shard.format import Sample
from blurkit.shard.index import Dataset, open_dataset

#: The least share of the rate of the bare steps that an export has.
SHARE = 0.8


def export_figures(shard: Path) -> Iterator[Figure]:
    """The figure of each format, for the pairs of one shard."""
    dataset = open_dataset(shard)
    for to in FORMATS:
        try:
            FORMATS[to](Job(dataset, shard.parent, "train")).check()
        except UsageError:  # a package is missing
            continue
        bare, ours = times(lambda: _bare(dataset, to), lambda: _export(dataset, to), repeats=5)  # noqa: B023
        yield Figure(f"pairs/s of an export to {to} over decode, encode, write", bare / ours, SHARE, "x")


def _export(dataset: Dataset, to: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        job = Job(dataset, Path(folder), "train")
        exporter = FORMATS[to](job)
        make_state(job)
        for _ in export(job, exporter, job.parts, workers=1, stop=Stop(), tick=lambda: None):
            pass
        exporter.finish()


def _bare(dataset: Dataset, to: str) -> None:
    encode = _floats if to == "deepinv" else _png
    images = (data for sample in dataset for data in encode(sample))
    with tempfile.TemporaryDirectory() as folder:
        if to == "folder":
            for number, data in enumerate(images):
                Path(folder, f"{number}.png").write_bytes(data)
            os.sync()
        else:
            with Path(folder, "images").open("wb") as file:
                file.writelines(images)
                file.flush()
                os.fsync(file.fileno())


def _png(sample: Sample) -> Iterator[bytes]:
    for image in (sample.blurred, sample.sharp):
        yield cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def _floats(sample: Sample) -> Iterator[bytes]:
    for image in (sample.blurred, sample.sharp):
        yield np.divide(image.transpose(2, 0, 1), np.float32(255), dtype=np.float32, order="C").tobytes()
