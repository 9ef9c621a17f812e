"""Writing a shard: pixels as they come, the layout at the end, one commit.

Memory follows one photograph and the columns, not the shard: ``sharp`` goes straight to its place, ``blurred`` waits in a
nameless temporary file until its place, behind all of ``sharp``, is known.
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

from blurkit.program.files import replacing, write_all
from blurkit.shard import format as fmt
from blurkit.shard.columns import Rows
from blurkit.shard.format import Sample
from blurkit.shard.kinds import KINDS
from blurkit.shard.layout import build_layout, first_offset

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Written:
    """A committed shard: samples, size in bytes, sha256 of the file, and the sum of its samples' digests."""

    samples: int
    bytes: int
    sha256: str
    digest: str


def write_shard(path: Path, samples: Iterable[Sample], *, attributes: Mapping[str, str | int]) -> Written | None:
    """Write and commit one shard; where there is no sample, write nothing and return ``None``."""
    samples = iter(samples)
    first = next(samples, None)
    if first is None:
        return None
    rows = _Rows()
    with tempfile.TemporaryFile(dir=path.parent) as spool, replacing(path) as shard:
        end = start = first_offset()
        for sample in itertools.chain((first,), samples):
            write_all(shard, np.ascontiguousarray(sample.sharp).data, end)
            write_all(spool.fileno(), np.ascontiguousarray(sample.blurred).data)
            end += sample.sharp.nbytes
            rows.add(sample)
        layout = build_layout(rows.image_shape(), rows.columns(), attributes)
        if layout.offsets["sharp"] != start:
            raise RuntimeError(f"HDF5 put the pixels at {layout.offsets['sharp']}, they were written at {start}")
        os.ftruncate(shard, layout.size)
        for offset, data in _without(layout.extents, start, end):
            write_all(shard, data, offset)
        _copy(spool.fileno(), shard, layout.offsets["blurred"], end - start)
        return Written(len(rows.samples), layout.size, _file_sha256(shard, layout.size), fmt.digest_text(rows.digest))


class _Rows:
    """What is kept of each sample until the layout is built: all but its pixels, and of maps of pixels their bits."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.optional: list[dict[str, Rows]] = []
        self.shapes: list[tuple[int, int]] = []
        self.crcs: list[NDArray[np.uint32]] = []
        self.row_crcs: list[int] = []
        self.digest = 0
        self._no_pixels = np.empty((0, 0, 3), np.uint8)

    def add(self, sample: Sample) -> None:
        optional = fmt.optional_truth(sample)
        crcs, row = fmt.image_crcs(sample), fmt.row_crc(sample, optional)
        self.shapes.append(sample.sharp.shape[:2])
        self.crcs.append(crcs)
        self.row_crcs.append(row)
        self.digest += fmt.sample_digest(sample.name, crcs, row)
        self.optional.append(optional)
        self.samples.append(Sample(self._no_pixels, self._no_pixels, sample.kernel, sample.path, sample.id, sample.meta))

    def image_shape(self) -> tuple[int, ...]:
        if len(set(self.shapes)) == 1:
            return (len(self.shapes), *self.shapes[0], 3)
        return (sum(height * width * 3 for height, width in self.shapes),)

    def columns(self) -> dict[str, NDArray[np.generic]]:
        samples = self.samples
        columns: dict[str, NDArray[np.generic]] = {"id": _text_column([sample.id for sample in samples])}
        for key in fmt.TEXTS:
            columns[key] = _text_column([sample.meta[key] for sample in samples])
        for key, (kind, shape) in fmt.NUMBERS.items():
            columns[key] = np.array([sample.meta[key] for sample in samples], kind).reshape(-1, *shape)
        if len(self.image_shape()) == 1:
            heights, widths = np.array(self.shapes, "<i4").T
            lengths = 3 * heights.astype("<i8") * widths
            columns |= {"height": heights, "width": widths, "offset": np.cumsum(lengths) - lengths}
        columns |= self._kernels() | self._parameters()
        for name, truth in KINDS.items():
            columns |= truth.columns([rows[name] for rows in self.optional])
        columns["path"] = np.concatenate([sample.path for sample in samples]).astype("<f4")
        columns["path_length"] = np.array([len(sample.path) for sample in samples], "<i4")
        bands = max(crcs.shape[1] for crcs in self.crcs)
        columns["crc32"] = np.stack([np.pad(crcs, ((0, 0), (0, bands - crcs.shape[1]))) for crcs in self.crcs]).astype("<u4")
        columns["row_crc32"] = np.array(self.row_crcs, "<u4")
        return columns

    def _kernels(self) -> dict[str, NDArray[np.generic]]:
        sizes = [len(sample.kernel) for sample in self.samples]
        side = max(1, *sizes)  # HDF5 gives an empty column no place
        stack = np.zeros((len(sizes), side, side), "<f4")
        for row, sample, size in zip(stack, self.samples, sizes, strict=True):
            margin = (side - size) // 2
            row[margin : margin + size, margin : margin + size] = sample.kernel
        return {"kernel": stack, "kernel_size": np.array(sizes, "<i4")}

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        drawn = [fmt.parameters(sample) for sample in self.samples]
        names = sorted(set().union(*drawn))
        return {f"parameters/{name}": np.array([row.get(name, math.nan) for row in drawn], "<f8") for name in names}


def _text_column(values: list[str]) -> NDArray[np.bytes_]:
    column = np.array([value.encode() for value in values])
    return column if column.dtype.itemsize else column.astype("S1")  # HDF5 knows no text of length zero


def _without(extents: list[tuple[int, bytes]], start: int, end: int) -> Iterable[tuple[int, bytes]]:
    """The parts of the layout's bytes that lie outside [start, end), where the pixels are already."""
    for offset, data in extents:
        if offset < start:
            yield offset, data[: start - offset]
        if offset + len(data) > end:
            skipped = max(end - offset, 0)
            yield offset + skipped, data[skipped:]


def _copy(source: int, target: int, offset: int, length: int) -> None:
    os.lseek(source, 0, os.SEEK_SET)
    while length:
        data = os.read(source, min(_CHUNK, length))
        write_all(target, data, offset)
        offset, length = offset + len(data), length - len(data)


def _file_sha256(descriptor: int, size: int) -> str:
    digest = hashlib.sha256()
    for offset in range(0, size, _CHUNK):
        digest.update(os.pread(descriptor, _CHUNK, offset))
    return digest.hexdigest()
