"""Reads a folder of shards as one dataset: samples by number, and crops of them."""

from __future__ import annotations

import bisect
import itertools
import os
import shlex
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import CorruptShardError, UsageError
from blurkit.program.progress import plural
from blurkit.shard.documents import INDEX, PLAN, read_index, read_plan, read_record, shard_number
from blurkit.shard.format import Sample, digest_text
from blurkit.shard.places import PlaceFinder
from blurkit.shard.reader import Shard
from blurkit.shard.samples import Samples
from blurkit.shard.schema import SchemaError, read_sides
from blurkit.shard.stored import ReplacedShardError, StoredFile

#: The most shards that a dataset keeps in mind at once. Each takes about 20 kB of memory, and no file handle.
MOST_OPEN = 4096

#: What a dataset knows about a shard: its completion record, empty for a single file.
Record = dict[str, Any]

#: The data sets that identify the photographs and the sizes of samples.
_IDENTITY = ("source_sha256", "sharp", "height", "width")

_Value = TypeVar("_Value")


def open_dataset(path: str | os.PathLike[str], *, partial: bool = False) -> Dataset:
    """Open a folder of shards, or a single shard file, for reading.

    ``partial=True`` also accepts an incomplete dataset, and reads its complete shards. Raises :class:`UsageError` if there is no
    dataset, and :class:`CorruptShardError` if its index is damaged.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        return Dataset(folder.parent, [folder.name], [len(Shard(folder))], {})
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of shards; make one with `blurkit generate --out {folder}`")
    index = read_index(folder)
    if index is None:
        plan = read_plan(folder) if partial else None
        if plan is None:
            _explain_missing(folder)
        numbers = sorted(int(file.stem) for file in folder.glob("*.json") if file.stem.isdecimal() and len(file.stem) <= 12)
        records = [record for record in (read_record(folder, number) for number in numbers) if record]
        index = {"shards": records, "configuration": plan["configuration"]}
    shards = [record for record in index["shards"] if record["file"] is not None]
    return Dataset(folder, [record["file"] for record in shards], [record["samples"] for record in shards], index)


class Dataset(Samples):
    """The samples of all shards, as a list: ``len``, indexing, slices and iteration; and crops of them. Any thread may read.

    ``folder``: the folder. ``files``: the names of its shards. ``index``: the content of ``dataset.json``. A shard is opened when
    it is first needed, and compared with its record in the index: it must have the size and the samples that the record says. No
    file handle stays open. A dataset can be passed to worker processes.
    """

    def __init__(self, folder: Path, files: list[str], counts: list[int], index: dict[str, Any]) -> None:
        self.folder, self.files, self.index = folder, files, index
        self._ends = list(itertools.accumulate(counts))
        self._records: dict[str, Record] = {record["file"]: record for record in index.get("shards", [])}
        self._open: OrderedDict[int, Shard] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __repr__(self) -> str:
        return f"Dataset({str(self.folder)!r}: {plural(len(self), 'sample')} in {plural(len(self.files), 'shard')})"

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_open", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _open=OrderedDict(), _lock=threading.Lock())

    def _read(self, index: int) -> Sample:
        return self._use(index, lambda shard, row: shard[row])

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that depend only on the samples. Empty if the dataset is not complete."""
        return str(self.index.get("digest", ""))

    @property
    def store(self) -> str:
        """What the samples store, see :data:`blurkit.shard.format.STORES`. If there is no index, a shard is opened."""
        return self.shard(0).store if not self.index else str(self.index.get("configuration", {}).get("store", "pairs"))

    def record(self, file: str) -> Record:
        """The completion record of a shard in the index. Empty if there is no index."""
        return self._records.get(file, {})

    def crop(self, index: int, y: int, x: int, size: int | tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Crops of sharp and blurred at (y, x), uint8 (h, w, 3), read-only. Only the bands of the crop are read and verified.

        ``size``: the side of a square, or (h, w), in pixels. If no pairs are stored, blurred has another form, see
        :attr:`store`, and :class:`blurkit.Redrawn` draws it. Raises :class:`CorruptShardError` if a band has changed.
        """
        return self._use(index, lambda shard, row: shard.crop(row, y, x, size))

    def images(self, index: int) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """The sharp and the blurred image of a sample as stored, verified, uint8 (H, W, 3), read-only."""
        return self._use(index, lambda shard, row: shard.images(row))

    def kernel(self, index: int) -> NDArray[np.float32]:
        """The kernel of a sample, float32 (k, k)."""
        return self._use(index, lambda shard, row: shard.kernel(row))

    def meta(self, index: int) -> dict[str, Any]:
        """The metadata of a sample, ``Sample.meta``, without its pixels. It is not verified."""
        return self._use(index, lambda shard, row: shard.meta(row))

    def name(self, index: int) -> str:
        """The name of a sample: photograph and variant."""
        return self._use(index, lambda shard, row: shard.name(row))

    def shape(self, index: int) -> tuple[int, int]:
        """The (height, width) of a sample in pixels."""
        shard, row = self.locate(index)
        return shard.shape(row)

    def locate(self, index: int) -> tuple[Shard, int]:
        """The shard of a sample, and the number of the sample in it. A negative ``index`` counts from the end."""
        index = self._number(index)
        number = bisect.bisect_right(self._ends, index)
        return self.shard(number), index - (self._ends[number - 1] if number else 0)

    def shard(self, number: int) -> Shard:
        """The shard ``files[number]``. It is opened if it is not open yet. Raises :class:`CorruptShardError` if it is not the
        shard that the index describes."""
        with self._lock:
            shard = self._open.get(number)
            if shard is not None:
                self._open.move_to_end(number)
                return shard
        shard = self._checked(number)  # without the lock: another thread may open the same shard, which does no harm
        with self._lock:
            self._open[number] = shard
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        return shard

    def identities(self) -> Iterator[tuple[NDArray[np.bytes_], NDArray[np.int64]]]:
        """Yields for each shard the sha256 of each sample's photograph, as bytes of hexadecimal digits, (n,), and each sample's
        height and width, int64 (n, 2). Nothing else is read, which is much faster than opening the shards."""
        finder = PlaceFinder(_IDENTITY)
        return (self._identities(number, finder) for number in range(len(self.files)))

    def _identities(self, number: int, finder: PlaceFinder) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
        file = self.files[number]
        stored, record = StoredFile(self.folder / file, follow_links=not self.index), self.record(file)
        with stored.opened() as descriptor:
            places = finder.find(descriptor, stored.path)
            if "source_sha256" not in places or not _is_digest(places["source_sha256"][0]) or "sharp" not in places:
                raise CorruptShardError(f"{stored.path} is not a valid shard: it has no source_sha256 or no sharp")
            try:
                sides = read_sides(places, lambda name: stored.array(descriptor, places[name]))
            except SchemaError as error:
                raise CorruptShardError(f"{stored.path} is not a valid shard: {error}") from error
            photographs = stored.array(descriptor, places["source_sha256"])
        if photographs.shape != (len(sides),):
            raise CorruptShardError(f"{stored.path} is not a valid shard: source_sha256 should have one row per sample")
        self._compare(number, {}, stored.size, len(sides), record)
        return photographs, sides

    def _use(self, index: int, use: Callable[[Shard, int], _Value]) -> _Value:
        """The result of ``use`` for a sample. If its shard was replaced since it was opened, it is opened and compared again."""
        shard, row = self.locate(index)
        try:
            return use(shard, row)
        except ReplacedShardError:
            with self._lock:
                self._open = OrderedDict((number, other) for number, other in self._open.items() if other is not shard)
            shard, row = self.locate(index)
            return use(shard, row)

    def _checked(self, number: int) -> Shard:
        """The shard, opened and compared with its record."""
        file = self.files[number]
        shard, record = Shard(self.folder / file, follow_links=not self.index), self.record(file)
        self._compare(number, shard.attributes, shard.size, len(shard), record)
        if self.index and shard.store != self.store:
            self._refuse(number, f"it stores {shard.store}, not {self.store}")
        if "digest" in record and digest_text(shard.digests()) != record["digest"]:
            self._refuse(number, "its samples are others (digest)")
        return shard

    def _compare(self, number: int, attributes: dict[str, Any], size: int, count: int, record: Record) -> None:
        """Raise unless a shard has the number, the size and the count of samples that its record says."""
        expected = self._ends[number] - (self._ends[number - 1] if number else 0)
        named = shard_number(self.files[number])
        if record and attributes.get("shard", named) != named:
            self._refuse(number, f"it is shard {attributes['shard']}")
        if count != expected:
            self._refuse(number, f"it holds {count:,} samples, its record says {expected:,}")
        if record and size != record["bytes"]:
            self._refuse(number, f"it has {size:,} bytes, its record says {record['bytes']:,}")

    def _refuse(self, number: int, what: str) -> NoReturn:
        raise CorruptShardError(
            f"{self.folder / self.files[number]} is not the shard that {INDEX} describes: {what}; delete it and its .json "
            f"record, and run the same `blurkit generate` again; `blurkit verify {self.folder}` finds all such shards"
        )


def _is_digest(kind: np.dtype[Any]) -> bool:
    return kind.kind == "S" and kind.itemsize <= 64


def _explain_missing(folder: Path) -> NoReturn:
    if os.path.lexists(folder / PLAN):
        raise UsageError(f"{folder} is not complete; run the same `blurkit generate` again, it resumes")
    where = shlex.quote(str(folder))
    raise UsageError(
        f"{folder} holds no {INDEX}, so it is no dataset of shards. Make a dataset of it in another folder: of photographs, "
        f"blurkit generate --src {where} --out NEW_FOLDER; of pairs of blurred and sharp images, blurkit import {where} --out "
        "NEW_FOLDER"
    )
