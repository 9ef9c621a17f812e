"""Writes a shard: first the pixels of each sample, at the end the layout, all in one commit.

Memory holds one photograph and the columns, never a whole shard. Each sharp image is written to its final place. The blurred
images follow all sharp images in the file, so they wait in an unnamed temporary file until their place is known.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.program.files import replacing, write_all
from blurkit.program.lenient import naming
from blurkit.shard import format as fmt
from blurkit.shard.columns import Columns, Rows, Shape
from blurkit.shard.format import Sample
from blurkit.shard.kinds import KINDS
from blurkit.shard.layout import build_layout, first_offset

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Written:
    """A committed shard: its samples, its size in bytes, the sha256 of the file, and the sum of the digests of its samples."""

    samples: int
    bytes: int
    sha256: str
    digest: str


def write_shard(path: Path, samples: Iterable[Sample], *, attributes: Mapping[str, str | int]) -> Written | None:
    """Write and commit one shard. If there is no sample, write nothing and return ``None``."""
    samples = iter(samples)
    first = next(samples, None)
    if first is None:
        return None
    rows = []
    with tempfile.TemporaryFile(dir=path.parent) as spool, replacing(path) as shard:
        end = start = first_offset()
        for sample in itertools.chain((first,), samples):
            write_all(shard, np.ascontiguousarray(sample.sharp).data, end)
            if sample.store != first.store:
                raise UsageError(f"a shard stores one of {', '.join(fmt.STORES)}: {first.store} or {sample.store}, not both")
            if sample.blurred.size:
                write_all(spool.fileno(), np.ascontiguousarray(sample.blurred).view(np.uint8).data)
            end += sample.sharp.nbytes
            rows.append(_Row.of(sample))
        kind = fmt.STORES[first.store]
        layout = build_layout(_image_shape([row.shape for row in rows]), _columns(rows), attributes, blurred=kind)
        if layout.offsets["sharp"] != start:
            raise RuntimeError(f"HDF5 put the pixels at {layout.offsets['sharp']}, they were written at {start}")
        with naming("ftruncate", path):
            os.ftruncate(shard, layout.size)
        for offset, data in _without(layout.extents, start, end):
            write_all(shard, data, offset)
        offset = layout.offsets.get("blurred", 0)
        spool.seek(0)
        while data := spool.read(_CHUNK):
            write_all(shard, data, offset)
            offset += len(data)
        with open(shard, "rb", closefd=False) as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        digest = sum(fmt.sample_digest(row.sample.name, row.crcs, row.row_crc) for row in rows)
        return Written(len(rows), layout.size, sha256, fmt.digest_text(digest))


@dataclass(frozen=True)
class _Row:
    """The data of a sample that stays in memory until the layout is built. It has no pixels, and its maps of flags are packed."""

    sample: Sample
    shape: Shape
    optional: dict[str, Rows]
    crcs: NDArray[np.uint32]
    row_crc: int

    @classmethod
    def of(cls, sample: Sample) -> _Row:
        optional, nothing = fmt.optional_truth(sample), np.empty((0, 0, 3), np.uint8)
        kept = Sample(nothing, nothing, sample.kernel, sample.path, sample.id, sample.meta)
        return cls(kept, sample.sharp.shape[:2], optional, fmt.image_crcs(sample), fmt.row_crc(sample, optional))


def _image_shape(shapes: list[Shape]) -> tuple[int, ...]:
    if len(set(shapes)) == 1:
        return (len(shapes), *shapes[0], 3)
    return (sum(height * width * 3 for height, width in shapes),)


def _columns(rows: list[_Row]) -> Columns:
    samples, shapes = [row.sample for row in rows], [row.shape for row in rows]
    columns: Columns = {"id": _text_column([sample.id for sample in samples])}
    for key in fmt.TEXTS:
        columns[key] = _text_column([sample.meta[key] for sample in samples])
    for key, (kind, shape) in fmt.NUMBERS.items():
        columns[key] = np.array([sample.meta[key] for sample in samples], kind).reshape(-1, *shape)
    if len(set(shapes)) > 1:
        heights, widths = np.array(shapes, "<i4").T
        lengths = 3 * heights.astype("<i8") * widths
        columns |= {"height": heights, "width": widths, "offset": np.cumsum(lengths) - lengths}
    kernels = [sample.kernel for sample in samples]
    columns |= {"kernel": fmt.stack_kernels(kernels), "kernel_size": np.array([len(kernel) for kernel in kernels], "<i4")}
    drawn = [fmt.parameters(sample) for sample in samples]
    for name in sorted(set().union(*drawn)):
        columns[f"parameters/{name}"] = np.array([values.get(name, math.nan) for values in drawn], "<f8")
    for name, truth in KINDS.items():
        columns |= truth.columns([row.optional[name] for row in rows])
    columns["path"] = np.concatenate([sample.path for sample in samples]).astype("<f4")
    columns["path_length"] = np.array([len(sample.path) for sample in samples], "<i4")
    bands = max(row.crcs.shape[1] for row in rows)
    columns["crc32"] = np.stack([np.pad(row.crcs, ((0, 0), (0, bands - row.crcs.shape[1]))) for row in rows]).astype("<u4")
    columns["row_crc32"] = np.array([row.row_crc for row in rows], "<u4")
    return columns


def _text_column(values: list[str]) -> NDArray[np.bytes_]:
    column = np.array([value.encode() for value in values])
    return column if column.dtype.itemsize else column.astype("S1")  # HDF5 has no text of length zero


def _without(extents: list[tuple[int, bytes]], start: int, end: int) -> Iterable[tuple[int, bytes]]:
    """The parts of the layout's bytes outside [start, end). The sharp images are already written there."""
    for offset, data in extents:
        if offset < start:
            yield offset, data[: start - offset]
        if offset + len(data) > end:
            skipped = max(end - offset, 0)
            yield offset + skipped, data[skipped:]
