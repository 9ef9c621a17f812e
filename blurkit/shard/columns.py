"""Truth that not every sample has: one mechanism to keep it in a shard's columns.

What samples have of a kind lies in flat columns, the rows of all samples one after the other, beside a number or two of each
sample that say how many rows are its own; the first of them is 0 where a sample has none. The columns are absent where no
sample of a shard has any, and what a sample does not have is in none of its checksums.
"""

from __future__ import annotations

import itertools
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]

#: What one sample has of a kind, by column: Python integers for its numbers, arrays for its rows of the flat columns.
Rows = dict[str, Any]

#: (height, width) of an image.
Shape = tuple[int, int]


class Flat(NamedTuple):
    """A flat column: its type, ``S`` for text; how many rows are a sample's own, from its numbers and its rows of the columns
    before; and the shape of a row."""

    type: str
    length: Callable[[Rows, Shape], int]
    row: tuple[int, ...] = ()


def counted_by(number: str) -> Callable[[Rows, Shape], int]:
    """A length that is one of the sample's numbers."""
    return lambda rows, _: int(rows[number])


class Kind(ABC):
    """How one kind of truth maps to columns.

    ``numbers``: the type of each column with a number per sample: a count, or of type ``u1`` a flag. ``flat``: the flat columns.
    """

    numbers: ClassVar[dict[str, str]]
    flat: ClassVar[dict[str, Flat]]

    @property
    def types(self) -> dict[str, str]:
        """The type of every column."""
        return {**self.numbers, **{name: column.type for name, column in self.flat.items()}}

    @abstractmethod
    def pack(self, value: Any, shape: Shape) -> Rows:
        """The rows of what a sample of this size has; UsageError where it does not fit the sample."""

    @abstractmethod
    def unpack(self, rows: Rows, shape: Shape) -> Any:
        """What a sample of this size has; UsageError where a hostile file made rows that no value has."""

    def sound(self, columns: Columns) -> bool:
        """Whether flat columns of counts and flags hold such; called before anything follows from them."""
        return True

    def none(self) -> Rows:
        """The rows of a sample that has nothing of this kind."""
        flat = {name: np.empty((0, *column.row), column.type) for name, column in self.flat.items()}
        return {**dict.fromkeys(self.numbers, 0), **flat}

    def there(self, rows: Rows) -> bool:
        """Whether a sample has anything of this kind."""
        return bool(rows[next(iter(self.numbers))])

    def crc(self, rows: Rows, crc: int) -> int:
        """The checksum of a sample's bytes in the columns, in their order, after a word that says which."""
        crc = zlib.crc32(" ".join(self.types).encode(), crc)
        for name, kind in self.types.items():
            crc = zlib.crc32(np.ascontiguousarray(rows[name], kind).data, crc)
        return crc

    def columns(self, samples: list[Rows]) -> Columns:
        """The columns of a shard of samples with these rows."""
        if not any(map(self.there, samples)):
            return {}
        numbers = {name: np.array([rows[name] for rows in samples], kind) for name, kind in self.numbers.items()}
        flat = {name: np.concatenate([rows[name] for rows in samples]) for name in self.flat}
        return {**numbers, **{name: values.astype(self.types[name], copy=False) for name, values in flat.items()}}

    def rows(self, columns: Columns, shapes: list[Shape]) -> list[Rows] | None:
        """The rows of every sample, views of the columns; ``None`` where these, of the right types, do not fit together."""
        for name, kind in self.numbers.items():
            values = columns[name]
            if values.shape != (len(shapes),) or values.min() < 0 or (kind == "u1" and values.max() > 1):
                return None
        # In Python's integers, which hostile counts cannot overflow.
        numbers = [columns[name].tolist() for name in self.numbers]
        samples: list[Rows] = [dict(zip(self.numbers, row, strict=True)) for row in zip(*numbers, strict=True)]
        if not self.sound(columns) or any(any(rows.values()) and not self.there(rows) for rows in samples):
            return None
        for name, column in self.flat.items():
            lengths = [column.length(rows, shape) for rows, shape in zip(samples, shapes, strict=True)]
            places = [0, *itertools.accumulate(lengths)]
            if columns[name].shape != (places[-1], *column.row):
                return None
            for rows, start, end in zip(samples, places, places[1:], strict=False):
                rows[name] = columns[name][start:end]
        return samples
