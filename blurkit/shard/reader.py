"""Reads one shard. The file is checked when it is opened. Pixels are verified band by band on first use.

HDF5 finds the data sets and is then closed. After that, the parts of samples are read with plain system calls.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import CorruptShardError, UsageError
from blurkit.program.progress import plural
from blurkit.shard import format as fmt
from blurkit.shard.columns import Rows
from blurkit.shard.format import BAND_ROWS, FIELDS, Sample
from blurkit.shard.kinds import KINDS
from blurkit.shard.places import read_places
from blurkit.shard.samples import Samples
from blurkit.shard.schema import SchemaError, read_schema
from blurkit.shard.stored import Columns, StoredFile

#: In bytes.
_SHORT_ROW = 1024

_Pixels = NDArray[np.uint8]


class Shard(Samples):
    """The samples of one shard file, as a list: ``len``, indexing, slices and iteration. Arrays are read-only copies of the file.
    No file handle stays open. Any thread may read.

    ``columns``: the data sets by name; each is read whole when it is asked for. ``attributes``: of the file.

    ``follow_links``: whether the file may be a symbolic link. Raises :class:`CorruptShardError` if the file is not a shard, if
    the bytes of a sample have changed since they were written, or if the file is replaced or cut off while it is in use.
    """

    def __init__(self, path: str | os.PathLike[str], *, follow_links: bool = True) -> None:
        self.path = Path(path)
        self._file = StoredFile(self.path, follow_links=follow_links)
        with self._file.opened() as descriptor:
            self.attributes, places = read_places(descriptor, self.path)
            self.columns = Columns(self._file, places)
            try:
                self._schema = read_schema(places, lambda name: self._file.array(descriptor, places[name]))
            except SchemaError as error:
                self._refuse(str(error))
        self._parameters = [name for name in places if name.startswith("parameters/")]
        self._checked = np.zeros(places["crc32"][1], bool)
        self._held: dict[str, NDArray[Any]] = {}

    @property
    def store(self) -> str:
        """What is stored, see :data:`blurkit.shard.format.STORES`."""
        kind = self.columns.places["blurred"][0].str if "blurred" in self.columns.places else None
        return next(store for store, stored in fmt.STORES.items() if stored == kind)

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return self._file.size

    def __len__(self) -> int:
        return self._schema.count

    def __repr__(self) -> str:
        return f"Shard({str(self.path)!r}: {plural(len(self), 'sample')})"

    def _read(self, index: int) -> Sample:
        with self._file.opened() as descriptor:
            sample = self._sample(descriptor, index)
            optional = {name: self._optional(descriptor, name, index) for name in KINDS}
            if fmt.row_crc(sample, optional) != self._row(descriptor, "row_crc32", index):
                truth = "kernel, path, parameters, moves, radius, field, poses, saturation or masks"
                self._fail(f"sample {index} ({sample.name}): its {truth}")
        try:
            return replace(sample, **{name: kind.unpack(optional[name], self.shape(index)) for name, kind in KINDS.items()})
        except UsageError as error:  # somebody made this file on purpose: its checksum is right
            self._refuse(f"sample {index} ({sample.name}) is not valid: {error}")

    def name(self, index: int) -> str:
        """The name of a sample: photograph and variant."""
        with self._file.opened() as descriptor:
            return self._name(descriptor, self._number(index))

    def photograph(self, index: int) -> tuple[str, str]:
        """The source and the id of the photograph of a sample."""
        index = self._number(index)
        with self._file.opened() as descriptor:
            return self._text(descriptor, "source", index), self._text(descriptor, "id", index)

    def shape(self, index: int) -> tuple[int, int]:
        """The (height, width) of a sample in pixels."""
        return self._schema.shape(self._number(index))

    def meta(self, index: int) -> dict[str, Any]:
        """The metadata of a sample, ``Sample.meta``, without its pixels. It is not verified."""
        with self._file.opened() as descriptor:
            return self._meta(descriptor, self._number(index))

    def images(self, index: int) -> tuple[_Pixels, NDArray[Any]]:
        """The sharp and the blurred image as stored, verified: uint8 (H, W, 3), or see :attr:`store`."""
        return self.crop(index, 0, 0, self.shape(index))

    def crop(self, index: int, y: int, x: int, size: int | tuple[int, int]) -> tuple[_Pixels, NDArray[Any]]:
        """Crops of sharp and blurred at (y, x), uint8 (h, w, 3), read-only. Only the bands of the crop are read and verified.
        If the shard stores no pairs, blurred has another form, see :attr:`store`.

        ``size``: the side of a square, or (h, w), in pixels.
        """
        index = self._number(index)
        rows, columns = size if isinstance(size, tuple) else (size, size)
        height, width = self.shape(index)
        if not (0 <= y <= y + rows <= height and 0 <= x <= x + columns <= width):
            raise IndexError(
                f"crop {columns}x{rows} at ({x}, {y}) leaves sample {index} of {width}x{height} pixels in {self.path}"
            )
        with self._file.opened() as descriptor:
            sharp, blurred = (self._rows(descriptor, index, field, (height, width), y, y + rows) for field in range(2))
        return sharp[:, x : x + columns], blurred[:, x : x + columns]

    def hold_columns(self) -> None:
        """Keep the columns with short rows in memory. Reading all samples then takes a fraction of the system calls."""
        for name, (kind, shape, _) in self.columns.places.items():
            if shape[:1] == (len(self),) and kind.itemsize * math.prod(shape[1:]) <= _SHORT_ROW:
                self._held[name] = self.columns[name]

    def verify(self, index: int) -> Sample:
        """A sample, after all of its bytes are checked again, including bytes that were checked before."""
        self._checked[self._number(index)] = False
        return self[index]

    def digest(self, index: int) -> int:
        """The number of a sample that the dataset's digest sums up."""
        index = self._number(index)
        bands = fmt.band_count(self.shape(index)[0])
        with self._file.opened() as descriptor:
            crcs, row = self._row(descriptor, "crc32", index), self._row(descriptor, "row_crc32", index)
            return fmt.sample_digest(self._name(descriptor, index), crcs[:, :bands], int(row))

    def digests(self) -> int:
        """The sum of the digests of all samples. It covers names and checksums; reading compares the checksums with the data."""
        ids, variants, crcs, rows = (self.columns[name] for name in ("id", "variant", "crc32", "row_crc32"))
        total = 0
        for index, (image, variant, row) in enumerate(zip(ids.tolist(), variants.tolist(), rows.tolist(), strict=True)):
            name = fmt.sample_name(image.decode(errors="replace"), variant)
            total += fmt.sample_digest(name, crcs[index, :, : fmt.band_count(self.shape(index)[0])], row)
        return total

    def kernel(self, index: int) -> NDArray[np.float32]:
        """The kernel of a sample, float32 (k, k), without the zeros that pad it to the largest kernel of the shard."""
        with self._file.opened() as descriptor:
            return self._kernel(descriptor, self._number(index))

    def _sample(self, descriptor: int, index: int) -> Sample:
        """A sample without its optional truth."""
        meta = self._meta(descriptor, index)
        shape = self.shape(index)
        sharp, blurred = (self._rows(descriptor, index, field, shape, 0, shape[0]) for field in range(2))
        path = self._flat(descriptor, "path", "path", index)
        return Sample(sharp, blurred, self._kernel(descriptor, index), path, self._text(descriptor, "id", index), meta)

    def _meta(self, descriptor: int, index: int) -> dict[str, Any]:
        meta: dict[str, Any] = {key: self._text(descriptor, key, index) for key in fmt.TEXTS}
        meta |= {key: tuple(self._row(descriptor, key, index).tolist()) for key in ("crop", "valid", "seed")}
        meta["variant"] = int(self._row(descriptor, "variant", index))
        for name in self._parameters:
            value = float(self._row(descriptor, name, index))
            if not np.isnan(value):
                meta[name.removeprefix("parameters/")] = value
        return meta

    def _optional(self, descriptor: int, name: str, index: int) -> Rows:
        """The rows of a sample for one kind of optional truth."""
        kind = KINDS[name]
        if name not in self._schema.ends:
            return kind.none()
        numbers = {column: int(self._row(descriptor, column, index)) for column in kind.numbers}
        return {**numbers, **{column: self._flat(descriptor, name, column, index) for column in kind.flat}}

    def _rows(self, descriptor: int, index: int, field: int, shape: tuple[int, int], first: int, end: int) -> NDArray[Any]:
        """Rows [first, end) of the image ``FIELDS[field]`` of a sample. Bands that were never verified are read whole.
        ``shape``: that of the sample."""
        if FIELDS[field] not in self.columns.places:
            return np.empty((0, 0, 3), np.uint8)
        (height, width), start, stop = shape, first, end
        checked = self._checked[index, field, first // BAND_ROWS : fmt.band_count(end)].tolist()
        bands = [first // BAND_ROWS + number for number, done in enumerate(checked) if not done] if not all(checked) else []
        if bands:
            start, stop = min(first, bands[0] * BAND_ROWS), min(max(end, bands[-1] * BAND_ROWS + BAND_ROWS), height)
        kind, _, offset = self.columns.places[FIELDS[field]]
        offsets = self._schema.offsets
        first_value = (index * height * width * 3 if offsets is None else int(offsets[index])) + start * width * 3
        offset += first_value * kind.itemsize
        rows = self._file.array(descriptor, (kind, (stop - start, width, 3), offset))
        if bands:
            self._verify_bands(descriptor, index, field, {band: rows[band * BAND_ROWS - start :][:BAND_ROWS] for band in bands})
        return rows[first - start : end - start]

    def _verify_bands(self, descriptor: int, index: int, field: int, bands: dict[int, NDArray[Any]]) -> None:
        name, crcs = self._name(descriptor, index), self._row(descriptor, "crc32", index)[field].tolist()
        for band, rows in bands.items():
            if fmt.rows_crc(name, FIELDS[field], band, rows) != crcs[band]:
                first = band * BAND_ROWS
                self._fail(f"sample {index} ({name}): rows {first} to {first + len(rows) - 1} of {FIELDS[field]}")
            self._checked[index, field, band] = True

    def _kernel(self, descriptor: int, index: int) -> NDArray[np.float32]:
        stack, size = self._row(descriptor, "kernel", index), int(self._row(descriptor, "kernel_size", index))
        margin = (len(stack) - size) // 2
        return stack[margin : margin + size, margin : margin + size]

    def _name(self, descriptor: int, index: int) -> str:
        return fmt.sample_name(self._text(descriptor, "id", index), int(self._row(descriptor, "variant", index)))

    def _text(self, descriptor: int, column: str, index: int) -> str:
        return bytes(self._row(descriptor, column, index)).decode(errors="replace")

    def _row(self, descriptor: int, column: str, index: int) -> Any:
        """One row of a column."""
        if column in self._held:
            return self._held[column][index]
        return self._file.array(descriptor, self.columns.places[column], index, index + 1)[0]

    def _flat(self, descriptor: int, kind: str, column: str, index: int) -> NDArray[Any]:
        """The rows of a sample in a flat column."""
        first, end = self._schema.ends[kind][column][index : index + 2].tolist()
        return self._file.array(descriptor, self.columns.places[column], first, end)

    def _refuse(self, what: str) -> NoReturn:
        raise CorruptShardError(f"{self.path} is not a valid shard: {what}; make it again with `blurkit generate`")

    def _fail(self, where: str) -> NoReturn:
        raise CorruptShardError(
            f"{self.path}: {where} differ from what was written (checksum); delete the shard and its .json record, and "
            "run the same `blurkit generate` again"
        )
