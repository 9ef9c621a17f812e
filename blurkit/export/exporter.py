"""What is exported, and what each format does with it."""

from __future__ import annotations

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from blurkit.pair.redrawn import Redrawn, pairs_of
from blurkit.shard.format import Sample, digest_text
from blurkit.shard.index import Dataset

#: A pair in the bytes of a format, by the name of each piece.
Pieces: TypeAlias = Mapping[str, bytes | memoryview]

#: A row of the table of pairs, as values of JSON.
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """What is written in one go: the samples ``indices`` of a dataset, those of its shard ``files[number]``."""

    number: int
    indices: range


@dataclass(frozen=True)
class Job:
    """An export. ``out``: the folder. ``split``: begins the names of all outputs. ``truth``: whether kernels are written too.

    All samples are numbered through. The name of a sample is its number with so many digits that names sort like numbers. It has
    no dot: readers take what follows the first dot as the type of the file.
    """

    dataset: Dataset
    out: Path
    split: str
    truth: bool = False

    @property
    def state(self) -> Path:
        """The folder for what is unfinished and for the records of what is done."""
        return self.out / f".export-{self.split}"

    @functools.cached_property
    def pairs(self) -> Dataset | Redrawn:
        """The pairs. What the dataset does not store is drawn by the stored seeds."""
        return pairs_of(self.dataset)

    @functools.cached_property
    def sizes(self) -> list[NDArray[np.int64]]:
        """The heights and widths in pixels of the samples of each part, int64 (n, 2)."""
        return [sizes for _, sizes in self.dataset.identities()]

    @functools.cached_property
    def parts(self) -> list[Part]:
        """The parts in order."""
        ends = itertools.accumulate(map(len, self.sizes))
        return [Part(number, range(end - len(self.sizes[number]), end)) for number, end in enumerate(ends)]

    @functools.cached_property
    def digest(self) -> str:
        """What the dataset is known by. It depends on the samples alone."""
        return self.dataset.digest or digest_text(sum(self.dataset.shard(number).digests() for number in range(len(self.parts))))

    @functools.cached_property
    def kernel_side(self) -> int:
        """The side of the largest kernel in pixels, at least 1."""
        return max(1, max(len(self.pairs.kernel(index)) for index in range(len(self.pairs))))

    def name(self, index: int) -> str:
        """The name of a sample."""
        return f"{index:0{max(6, len(str(len(self.dataset) - 1)))}d}"


class Exporter(ABC):
    """A format. Pairs are encoded in any thread and in any order, and written by one thread, part by part, in order.

    A part is written in ``Job.state``, then recorded, then committed. So a part that was interrupted never has a final name, and
    a final name without a record is the file of somebody else.
    """

    #: Lines of Python that read an export with the program for which it is meant. ``{out}`` and ``{split}`` are replaced.
    reading: ClassVar[str]

    def __init__(self, job: Job) -> None:
        self.job = job

    def check(self) -> None:  # noqa: B027 — most formats hold any dataset
        """Raise :class:`UsageError` if the format cannot hold the dataset, or if a package is missing."""

    @abstractmethod
    def outputs(self) -> list[Path]:
        """All final paths, without the files that describe the export."""

    def bytes_of(self, part: Part) -> int:
        """About how many bytes a part takes: both images without compression."""
        return 6 * int(self.job.sizes[part.number].prod(1).sum())

    @abstractmethod
    def place(self, part: Part, index: int) -> Row:
        """Where a sample is, for the table of pairs. Paths are relative to ``Job.out``."""

    @abstractmethod
    def encode(self, index: int, sample: Sample, row: Row) -> Pieces:
        """The pieces of a pair."""

    @abstractmethod
    def write(self, part: Part, pairs: Iterable[tuple[int, Pieces]]) -> int:
        """Write and sync a part without a final name. Returns its size in bytes. ``pairs``: each with its number, in order."""

    def commit(self, part: Part) -> None:  # noqa: B027 — for parts without names of their own
        """Give a written part its final name."""

    @abstractmethod
    def has(self, part: Part, size: int) -> bool:
        """Whether a recorded part of this size is still there."""

    def finish(self) -> None:  # noqa: B027 — for parts that are complete by themselves
        """Complete the export after the last part. It may have been completed before."""
