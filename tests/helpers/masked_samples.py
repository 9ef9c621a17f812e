"""Samples with masks, and shards of these samples."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from blurkit.shard import Sample
from blurkit.shard.writer import write_shard
from blurkit.truth.masks import Masks

NAMES = ("person", "", "Größe", "traffic light")
COLUMNS = ("mask", "mask_count", "mask_name", "mask_class", "mask_crowd")


def draw_objects(number: int, count: int, height: int, width: int) -> Masks:
    """Random masks. No two planes are equal."""
    rng = np.random.default_rng((number, count))
    names = tuple(NAMES[i % 4] for i in range(count))
    ids = tuple(int(i) for i in rng.integers(-(2**31), 2**31, count))
    crowd = tuple(bool(i) for i in rng.integers(0, 2, count))
    return Masks(rng.random((count, height, width)) < 0.4, names, ids, crowd, ("an outline of two points",))


def with_objects(samples: list[Sample], counts: tuple[int, ...]) -> list[Sample]:
    """The samples with these numbers of objects."""
    shapes = [sample.sharp.shape[:2] for sample in samples]
    drawn = [draw_objects(number, count, *shape) for number, (count, shape) in enumerate(zip(counts, shapes, strict=True))]
    return [dataclasses.replace(sample, objects=objects) for sample, objects in zip(samples, drawn, strict=True)]


def save(folder: Path, samples: Iterable[Sample]) -> Path:
    """Write a dataset of one shard and return the path of the shard."""
    folder.mkdir(exist_ok=True)
    path = folder / "00000.h5"
    written = write_shard(path, iter(samples), attributes={"format": "blurkit-shard", "version": 1})
    record = {"file": path.name, **dataclasses.asdict(written)}
    (folder / "00000.json").write_text(json.dumps({**record, "failures": []}))
    (folder / "dataset.json").write_text(json.dumps({"shards": [record], "digest": written.digest}))
    return path
