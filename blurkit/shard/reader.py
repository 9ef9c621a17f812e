"""Reads one shard. The file is checked and mapped into memory. Pixels are verified band by band on first use.

HDF5 finds the data sets and is then closed. After that, a shard is one read-only memory map.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import CorruptShardError, UsageError
from blurkit.program.progress import plural
from blurkit.shard import format as fmt
from blurkit.shard.columns import Rows, Shape
from blurkit.shard.format import BAND_ROWS, FIELDS, Sample
from blurkit.shard.kinds import KINDS
from blurkit.shard.places import read_places
from blurkit.shard.samples import Samples

#: The dtype of each column. ``S`` is text of any fixed length.
_TYPES = {
    **dict.fromkeys(("id", *fmt.TEXTS), "S"),
    **{name: kind for name, (kind, _) in fmt.NUMBERS.items()},
    **{name: kind for truth in KINDS.values() for name, kind in truth.types.items()},
    **dict.fromkeys(FIELDS, "u1"),
    **dict.fromkeys(("kernel", "path"), "<f4"),
    **dict.fromkeys(("kernel_size", "path_length", "height", "width"), "<i4"),
    **dict.fromkeys(("crc32", "row_crc32"), "<u4"),
    "offset": "<i8",
}
_LARGEST_SIDE = 1 << 20


class Shard(Samples):
    """The samples of one shard file, as a list: ``len``, indexing, slices and iteration. Arrays are read-only views of the file.

    Raises :class:`CorruptShardError` if the file is not a shard, or if the bytes of a sample have changed since they were
    written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.attributes, places = read_places(self.path)
        with open(self.path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.columns = {name: self._view(*place) for name, place in places.items()}
        self._check_schema()
        self._checked = np.zeros(self.columns["crc32"].shape, bool)

    def __len__(self) -> int:
        return len(self.columns["id"])

    def __repr__(self) -> str:
        return f"Shard({str(self.path)!r}: {plural(len(self), 'sample')})"

    def _read(self, index: int) -> Sample:
        sample = self._sample(index)
        optional = {name: rows[index] for name, rows in self._optional.items()}
        if fmt.row_crc(sample, optional) != self.columns["row_crc32"][index]:
            truth = "kernel, path, parameters, moves, radius, field, poses, saturation or masks"
            self._fail(f"sample {index} ({sample.name}): its {truth}")
        try:
            return replace(sample, **{name: kind.unpack(optional[name], self.shape(index)) for name, kind in KINDS.items()})
        except UsageError as error:  # somebody made this file on purpose: its checksum is right
            self._refuse(f"sample {index} ({sample.name}) is not valid: {error}")

    def name(self, index: int) -> str:
        """The name of a sample: photograph and variant."""
        return fmt.sample_name(self._text("id", index), int(self.columns["variant"][index]))

    def photograph(self, index: int) -> tuple[str, str]:
        """The source and the id of the photograph of a sample."""
        return self._text("source", index), self._text("id", index)

    def shape(self, index: int) -> tuple[int, int]:
        """The (height, width) of a sample in pixels."""
        if "height" in self.columns:
            return int(self.columns["height"][index]), int(self.columns["width"][index])
        return self.columns["sharp"].shape[1:3]

    def images(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The sharp and the blurred image, verified, uint8 (H, W, 3)."""
        return self.crop(index, 0, 0, self.shape(index))

    def crop(self, index: int, y: int, x: int, size: int | tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Crops of sharp and blurred at (y, x), as views, uint8 (h, w, 3). Only the bands of the crop are read and verified.

        ``size``: the side of a square, or (h, w), in pixels.
        """
        index = self._number(index)
        rows, columns = size if isinstance(size, tuple) else (size, size)
        height, width = self.shape(index)
        if not (0 <= y <= y + rows <= height and 0 <= x <= x + columns <= width):
            raise IndexError(
                f"crop {columns}x{rows} at ({x}, {y}) leaves sample {index} of {width}x{height} pixels in {self.path}"
            )
        bands = range(y // BAND_ROWS, fmt.band_count(y + rows))
        sharp, blurred = (self._image(index, field, bands)[y : y + rows, x : x + columns] for field in range(2))
        return sharp, blurred

    def verify(self, index: int) -> Sample:
        """A sample, after all of its bytes are checked again, including bytes that were checked before."""
        self._checked[index] = False
        return self[index]

    def digest(self, index: int) -> int:
        """The number of a sample that the dataset's digest sums up."""
        bands = fmt.band_count(self.shape(index)[0])
        crcs, row = self.columns["crc32"][index][:, :bands], int(self.columns["row_crc32"][index])
        return fmt.sample_digest(self.name(index), crcs, row)

    def kernel(self, index: int) -> NDArray[np.float32]:
        """The kernel of a sample, float32 (k, k), without the zeros that pad it to the largest kernel of the shard."""
        stack, size = self.columns["kernel"], int(self.columns["kernel_size"][index])
        margin = (stack.shape[1] - size) // 2
        return stack[index, margin : margin + size, margin : margin + size]

    def _sample(self, index: int) -> Sample:
        """A sample without its optional truth."""
        columns = self.columns
        meta: dict[str, Any] = {key: self._text(key, index) for key in fmt.TEXTS}
        meta |= {key: tuple(columns[key][index].tolist()) for key in ("crop", "valid", "seed")}
        meta["variant"] = int(columns["variant"][index])
        for name, values in columns.items():
            if name.startswith("parameters/") and not np.isnan(values[index]):
                meta[name.removeprefix("parameters/")] = float(values[index])
        end = int(self._path_ends[index])
        path = columns["path"][end - int(columns["path_length"][index]) : end]
        return Sample(*self.images(index), self.kernel(index), path, self._text("id", index), meta)

    def _image(self, index: int, field: int, bands: range) -> NDArray[np.uint8]:
        """The image ``FIELDS[field]`` of a sample, after these bands are verified."""
        image = self.columns[FIELDS[field]]
        if image.ndim == 4:
            image = image[index]
        else:
            height, width = self.shape(index)
            offset = int(self.columns["offset"][index])
            image = image[offset : offset + height * width * 3].reshape(height, width, 3)
        for band in bands:
            if not self._checked[index, field, band]:
                name = self.name(index)
                if fmt.band_crc(name, FIELDS[field], band, image) != self.columns["crc32"][index, field, band]:
                    last = min((band + 1) * BAND_ROWS, len(image)) - 1
                    self._fail(f"sample {index} ({name}): rows {band * BAND_ROWS} to {last} of {FIELDS[field]}")
                self._checked[index, field, band] = True
        return image

    def _text(self, column: str, index: int) -> str:
        return bytes(self.columns[column][index]).decode(errors="replace")

    def _view(self, kind: np.dtype[Any], shape: tuple[int, ...], offset: int) -> NDArray[Any]:
        return np.frombuffer(self._map, kind, int(np.prod(shape)), offset).reshape(shape)

    def _check_schema(self) -> None:
        """Check that all columns are there, have their types and fit together. Then no index made from them leaves an array."""
        columns, flat = self.columns, self.columns.get("sharp", np.empty(0)).ndim == 1
        per_sample = ["id", *fmt.TEXTS, *fmt.NUMBERS, "kernel", "kernel_size", "path_length", "crc32", "row_crc32"]
        per_sample += ["height", "width", "offset"] if flat else FIELDS
        kinds = {name: kind for name, kind in KINDS.items() if not kind.types.keys().isdisjoint(columns)}
        optional = [name for kind in kinds.values() for name in kind.types]
        missing = [name for name in (*FIELDS, *per_sample, "path", *optional) if name not in columns]
        self._require(not missing, f"it has no {', '.join(missing)}")
        wrong = [name for name, values in columns.items() if not _right_type(name, values)]
        self._require(not wrong, f"{', '.join(wrong)} have an unexpected type")
        per_sample += [name for name in columns if name.startswith("parameters/")]
        wrong = [name for name in per_sample if columns[name].ndim == 0 or len(columns[name]) != len(columns["id"])]
        self._require(not wrong and len(columns["id"]) > 0, f"{', '.join(wrong) or 'id'} should have one row per sample")
        images = "the shapes of sharp and blurred, or offset, height and width, do not fit together"
        self._require(self._images_valid(), images)
        shapes = [self.shape(index) for index in range(len(self))]
        self._require(self._truth_valid(shapes), "kernel, path or crc32 have an unexpected shape")
        self._optional: dict[str, list[Rows]] = {name: [kind.none()] * len(self) for name, kind in KINDS.items()}
        for name, kind in kinds.items():
            self._optional[name] = kind.rows(columns, shapes) or []
            self._require(bool(self._optional[name]), f"{', '.join(kind.types)} do not fit together")

    def _images_valid(self) -> bool:
        sharp, blurred = (self.columns[field] for field in FIELDS)
        if sharp.shape != blurred.shape or sharp.ndim not in (1, 4):
            return False
        if sharp.ndim == 4:
            return sharp.shape[3] == 3 and 0 not in sharp.shape
        heights, widths = (self.columns[name].astype(np.int64) for name in ("height", "width"))
        if min(heights.min(), widths.min()) < 1 or max(heights.max(), widths.max()) > _LARGEST_SIDE:
            return False
        ends = np.cumsum(3 * heights * widths)
        return np.array_equal(self.columns["offset"], ends - 3 * heights * widths) and ends[-1] == len(sharp)

    def _truth_valid(self, shapes: list[Shape]) -> bool:
        columns = self.columns
        kernels, sizes, lengths = columns["kernel"], columns["kernel_size"], columns["path_length"].astype(np.int64)
        square = kernels.ndim == 3 and kernels.shape[1] == kernels.shape[2]
        if not square or np.any((sizes < 0) | ((sizes % 2 == 0) & (sizes > 0)) | (sizes > kernels.shape[1])):
            return False
        self._path_ends = np.cumsum(lengths)
        bands = fmt.band_count(max(height for height, _ in shapes))
        numbers = all(columns[name].shape[1:] == shape for name, (_, shape) in fmt.NUMBERS.items())
        paths = lengths.min() >= 0 and columns["path"].shape == (self._path_ends[-1], 2)
        return bool(numbers and paths and columns["crc32"].shape == (len(self), 2, bands))

    def _require(self, condition: bool, what: str) -> None:
        if not condition:
            self._refuse(what)

    def _refuse(self, what: str) -> NoReturn:
        raise CorruptShardError(f"{self.path} is not a valid shard: {what}; make it again with `blurkit generate`")

    def _fail(self, where: str) -> NoReturn:
        raise CorruptShardError(
            f"{self.path}: {where} differ from what was written (checksum); delete the shard and its .json record, and "
            "run the same `blurkit generate` again"
        )


def _right_type(name: str, values: NDArray[Any]) -> bool:
    expected = "<f8" if name.startswith("parameters/") else _TYPES.get(name)
    if expected == "S":
        return values.dtype.kind == "S"
    return expected is None or values.dtype == np.dtype(expected)  # an unknown column of a later blurkit is allowed
