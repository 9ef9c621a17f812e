"""Stores optional truth in the columns of a shard.

A kind of truth has flat columns, which hold the rows of all samples one after the other. It also has columns with one number per
sample. The numbers say how many rows belong to the sample; the first number is 0 if the sample has no truth of this kind. If no
sample of a shard has this truth, the shard has none of the columns. The checksum of a sample does not cover truth that it lacks.
"""

from __future__ import annotations

import itertools
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]

#: The truth of one kind and one sample, by column: a Python integer for a number, an array for the rows of a flat column.
Rows = dict[str, Any]

#: For each flat column, where the rows of each sample end, int64 (N + 1,): those of sample i lie from ends[i] to ends[i + 1].
Ends = dict[str, NDArray[np.int64]]

#: (height, width) of an image.
Shape = tuple[int, int]


class Flat(NamedTuple):
    """A flat column. ``type``: its dtype, ``S`` for text. ``length``: a function that returns how many rows belong to a sample,
    from the sample's numbers and its rows of the small columns before. ``row``: the shape of one row. ``small``: whether the
    column is read whole when a shard is opened, because :meth:`Kind.valid` or a length needs its values."""

    type: str
    length: Callable[[Rows, Shape], int]
    row: tuple[int, ...] = ()
    small: bool = False


def counted_by(number: str) -> Callable[[Rows, Shape], int]:
    """Returns a length function for :class:`Flat`: the length is the sample's ``number``."""
    return lambda rows, _: int(rows[number])


class Kind(ABC):
    """How one kind of truth is stored in columns.

    ``numbers``: the dtype of each column with one number per sample. A number of dtype ``u1`` is a flag, any other is a count.
    ``flat``: the flat columns.
    """

    numbers: ClassVar[dict[str, str]]
    flat: ClassVar[dict[str, Flat]]

    @property
    def types(self) -> dict[str, str]:
        """The dtype of every column."""
        return {**self.numbers, **{name: column.type for name, column in self.flat.items()}}

    @abstractmethod
    def pack(self, value: Any, shape: Shape) -> Rows:
        """The rows for ``value``, of a sample of this size. Raises :class:`UsageError` if ``value`` does not fit the sample."""

    @abstractmethod
    def unpack(self, rows: Rows, shape: Shape) -> Any:
        """The value of these rows, of a sample of this size. Raises :class:`UsageError` if a hostile file made the rows."""

    def valid(self, columns: Mapping[str, NDArray[Any]]) -> bool:
        """Whether small flat columns of counts and flags hold only counts and flags. It is called before they are used."""
        return True

    def none(self) -> Rows:
        """The rows of a sample without this kind of truth."""
        flat = {name: np.empty((0, *column.row), column.type) for name, column in self.flat.items()}
        return {**dict.fromkeys(self.numbers, 0), **flat}

    def present(self, rows: Rows) -> bool:
        """Whether a sample has this kind of truth."""
        return bool(rows[next(iter(self.numbers))])

    def crc(self, rows: Rows, crc: int) -> int:
        """Continue the checksum ``crc`` with the names of the columns, then with the sample's bytes in each column."""
        crc = zlib.crc32(" ".join(self.types).encode(), crc)
        for name, kind in self.types.items():
            crc = zlib.crc32(np.ascontiguousarray(rows[name], kind).data, crc)
        return crc

    def columns(self, samples: list[Rows]) -> Columns:
        """The columns of a shard, from the rows of its samples."""
        if not any(map(self.present, samples)):
            return {}
        numbers = {name: np.array([rows[name] for rows in samples], kind) for name, kind in self.numbers.items()}
        flat = {name: np.concatenate([rows[name] for rows in samples]) for name in self.flat}
        return {**numbers, **{name: values.astype(self.types[name], copy=False) for name, values in flat.items()}}

    def ends(self, columns: Mapping[str, NDArray[Any]], shapes: list[Shape], places: Mapping[str, Any]) -> Ends | None:
        """Where the rows of each sample end in each flat column. ``None`` if the columns do not fit together.

        ``columns``: the numbers and the small flat columns, with the right types. ``shapes``: the sizes of the samples.
        ``places``: the (dtype, shape, offset) of every column.
        """
        for name, kind in self.numbers.items():
            values = columns[name]
            if values.shape != (len(shapes),) or values.min() < 0 or (kind == "u1" and values.max() > 1):
                return None
        # Python's integers: the counts of a hostile file cannot overflow them.
        numbers = [columns[name].tolist() for name in self.numbers]
        samples: list[Rows] = [dict(zip(self.numbers, row, strict=True)) for row in zip(*numbers, strict=True)]
        if not self.valid(columns) or any(any(rows.values()) and not self.present(rows) for rows in samples):
            return None
        found = {}
        for name, column in self.flat.items():
            lengths = [column.length(rows, shape) for rows, shape in zip(samples, shapes, strict=True)]
            ends = list(itertools.accumulate(lengths, initial=0))
            if places[name][1] != (ends[-1], *column.row):
                return None
            for rows, start, end in zip(samples, ends, ends[1:], strict=False):
                rows[name] = columns[name][start:end] if column.small else None
            found[name] = np.array(ends, np.int64)
        return found
