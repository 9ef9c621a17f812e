"""Checks that the columns of a shard are there, have their types and fit together. Then no index from them leaves an array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.shard import format as fmt
from blurkit.shard.columns import Ends, Shape
from blurkit.shard.format import FIELDS, STORES
from blurkit.shard.kinds import KINDS
from blurkit.shard.places import Place

#: The dtype of each column. ``S`` is text of any fixed length.
_TYPES = {
    **dict.fromkeys(("id", *fmt.TEXTS), "S"),
    **{name: kind for name, (kind, _) in fmt.NUMBERS.items()},
    **{name: kind for truth in KINDS.values() for name, kind in truth.types.items()},
    "sharp": "u1",
    **dict.fromkeys(("kernel", "path"), "<f4"),
    **dict.fromkeys(("kernel_size", "path_length", "height", "width"), "<i4"),
    **dict.fromkeys(("crc32", "row_crc32"), "<u4"),
    "offset": "<i8",
}
_LARGEST_SIDE = 1 << 20

#: A shard with more samples is not read.
_MOST_SAMPLES = 1 << 24


class SchemaError(Exception):
    """Columns that are no shard. The message says what is wrong."""


@dataclass(frozen=True, eq=False)
class Schema:
    """What is needed to find the parts of a sample.

    ``count``: of the samples. ``sides``: (height, width) of each sample, int64 (N, 2), or of all samples, int64 (1, 2).
    ``offsets``: the first byte of each image in its flat data set, int64 (N,), or ``None`` if the samples have one size.
    ``ends``: for ``path`` and each kind of optional truth in the shard, where the rows of each sample end.
    """

    count: int
    sides: NDArray[np.int64]
    offsets: NDArray[np.int64] | None
    ends: dict[str, Ends]

    def shape(self, index: int) -> Shape:
        """The (height, width) of a sample in pixels."""
        height, width = self.sides[index if len(self.sides) > 1 else 0].tolist()
        return height, width


def read_schema(places: Mapping[str, Place], read: Callable[[str], NDArray[Any]]) -> Schema:
    """The checked schema of a shard. ``read``: returns a whole column; large ones are not read. Raises :class:`SchemaError`."""
    kinds = {name: kind for name, kind in KINDS.items() if not kind.types.keys().isdisjoint(places)}
    _check_columns(places, [name for kind in kinds.values() for name in kind.types])
    count = places["id"][1][0]
    sides, offsets = _images(places, read, count)
    shapes = sides.tolist() if len(sides) == count else sides.tolist() * count
    paths = _truth(places, read, count, int(sides[:, 0].max()))
    ends: dict[str, Ends] = {"path": {"path": paths}}
    for name, kind in kinds.items():
        small = [*kind.numbers, *(flat for flat, column in kind.flat.items() if column.small)]
        found = kind.ends({column: read(column) for column in small}, shapes, places)
        if found is None:
            raise SchemaError(f"{', '.join(kind.types)} do not fit together")
        ends[name] = found
    return Schema(count, sides, offsets, ends)


def read_sides(places: Mapping[str, Place], read: Callable[[str], NDArray[Any]]) -> NDArray[np.int64]:
    """The (height, width) of each sample, int64 (N, 2), from ``sharp``, ``height`` and ``width`` alone. Raises
    :class:`SchemaError`."""
    shape = places["sharp"][1]
    _require((shape or (0,))[0] > 0, "sharp has no rows")
    if len(shape) == 4:
        _require(shape[0] <= _MOST_SAMPLES, f"it has {shape[0]:,} samples, the limit is {_MOST_SAMPLES:,}")
        return np.tile(np.array(shape[1:3], np.int64), (shape[0], 1))
    if not {"height", "width"} <= places.keys() or not all(len(places[name][1]) == 1 for name in ("height", "width")):
        raise SchemaError("it has no height or width of each sample")
    return np.stack([read(name).astype(np.int64) for name in ("height", "width")], axis=1)


def _check_columns(places: Mapping[str, Place], optional: list[str]) -> None:
    images = [field for field in FIELDS if field in places]
    flat = "sharp" in places and len(places["sharp"][1]) == 1
    per_sample = ["id", *fmt.TEXTS, *fmt.NUMBERS, "kernel", "kernel_size", "path_length", "crc32", "row_crc32"]
    per_sample += ["height", "width", "offset"] if flat else images
    missing = [name for name in ("sharp", *per_sample, "path", *optional) if name not in places]
    _require(not missing, f"it has no {', '.join(dict.fromkeys(missing))}")
    wrong = [name for name, place in places.items() if not _right_type(name, place[0])]
    _require(not wrong, f"{', '.join(wrong)} have an unexpected type")
    per_sample += [name for name in places if name.startswith("parameters/")]
    rows = (places["id"][1] or (0,))[0]
    wrong = [name for name in per_sample if len(places[name][1]) == 0 or places[name][1][0] != rows]
    _require(not wrong and 0 < rows <= _MOST_SAMPLES, f"{', '.join(wrong) or 'id'} should have one row per sample")
    flat_rows = ["id", *fmt.TEXTS, "kernel_size", "path_length", "row_crc32", *(("height", "width", "offset") if flat else ())]
    wrong = [name for name in per_sample if (name in flat_rows or "/" in name) and len(places[name][1]) != 1]
    wrong += [name for name, (_, shape) in fmt.NUMBERS.items() if places[name][1][1:] != shape]
    _require(not wrong, f"{', '.join(wrong)} have an unexpected shape")


def _images(
    places: Mapping[str, Place], read: Callable[[str], NDArray[Any]], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """The sides of the samples, and the offsets of their images."""
    problem = "the shapes of sharp and blurred, or offset, height and width, do not fit together"
    sharp = places["sharp"][1]
    _require(places.get("blurred", places["sharp"])[1] == sharp and len(sharp) in (1, 4), problem)
    if len(sharp) == 4:
        _require(sharp[3] == 3 and 0 not in sharp and max(sharp[1:3]) <= _LARGEST_SIDE, problem)
        return np.array([sharp[1:3]], np.int64), None
    sides = read_sides(places, read)
    _require(bool(sides.min() >= 1 and sides.max() <= _LARGEST_SIDE), problem)
    lengths = 3 * sides[:, 0] * sides[:, 1]
    ends, offsets = np.cumsum(lengths), read("offset")
    _require(np.array_equal(offsets, ends - lengths) and ends[-1] == sharp[0], problem)
    return sides, offsets


def _truth(places: Mapping[str, Place], read: Callable[[str], NDArray[Any]], count: int, height: int) -> NDArray[np.int64]:
    """Where the path of each sample ends, int64 (N + 1,)."""
    problem = "kernel, path or crc32 have an unexpected shape"
    kernel, sizes, lengths = places["kernel"][1], read("kernel_size"), read("path_length").astype(np.int64)
    _require(len(kernel) == 3 and kernel[1] == kernel[2], problem)
    _require(not np.any((sizes < 0) | ((sizes % 2 == 0) & (sizes > 0)) | (sizes > kernel[1])), problem)
    ends = np.concatenate(([0], np.cumsum(lengths)))
    _require(bool(lengths.min() >= 0 and places["path"][1] == (ends[-1], 2)), problem)
    _require(places["crc32"][1] == (count, 2, fmt.band_count(height)), problem)
    return ends


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise SchemaError(what)


def _right_type(name: str, kind: np.dtype[Any]) -> bool:
    if name == "blurred":
        return kind.str in STORES.values()
    expected = "<f8" if name.startswith("parameters/") else _TYPES.get(name)
    if expected == "S":
        return kind.kind == "S"
    return expected is None or kind == np.dtype(expected)  # an unknown column of a later blurkit is allowed
