"""A folder of shards as one dataset: completion records, the index, and reading by sample number.

``00042.json`` beside ``00042.h5`` records that the shard is complete: {file, samples, bytes, sha256, digest, failures}.
``dataset.json`` holds all of them, the plan, and the dataset's digest, and is there once every shard is.
"""

from __future__ import annotations

import bisect
import itertools
import json
import os
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import CorruptShardError, UsageError
from blurkit.program.progress import plural
from blurkit.shard.format import Sample, digest_text
from blurkit.shard.reader import Shard
from blurkit.shard.samples import Samples

INDEX = "dataset.json"
PLAN = "plan.json"
LEDGER = "ledger.jsonl"

#: What describes a complete dataset. Others have files of these names too, and those are theirs.
CARD, EXAMPLES, CROISSANT = "README.md", "examples.jpg", "croissant.json"

#: About how large a shard is made.
DEFAULT_SHARD_BYTES = 128 << 20

#: Shards that a dataset keeps open at once; each holds one file handle.
MOST_OPEN = 32

_SHARD_NAME = re.compile(r"\d{5,12}\.h5")
_RECORD_NAME = re.compile(r"\d{5,12}\.json")


def shard_name(number: int) -> str:
    """The file name of a shard."""
    return f"{number:05d}.h5"


def record_path(folder: Path, number: int) -> Path:
    """The path of a shard's completion record."""
    return folder / f"{number:05d}.json"


def is_dataset_file(name: str) -> bool:
    """Whether a file is named like one of a dataset's."""
    return name in (INDEX, LEDGER, PLAN) or bool(_SHARD_NAME.fullmatch(name) or _RECORD_NAME.fullmatch(name))


def is_written(name: str) -> bool:
    """Whether a run writes files of this name: those of a dataset, and those that describe it, which may be another's."""
    return is_dataset_file(name) or name in (CARD, EXAMPLES, CROISSANT)


def read_record(folder: Path, number: int) -> dict[str, Any] | None:
    """A shard's completion record where there is a sound one and its file has the recorded size, else ``None``."""
    try:
        record = json.loads(record_path(folder, number).read_bytes())
        _check_record(record)
        file, failures = record["file"], record["failures"]
        there = file is None or (file == shard_name(number) and (folder / file).stat().st_size == record["bytes"])
        return dict(record) if there and all(isinstance(failure, dict) for failure in failures) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def total_digest(records: list[dict[str, Any]]) -> str:
    """The digest of a dataset: the sum of its samples' digests, so it depends on the samples alone."""
    return digest_text(sum(int(record["digest"], 16) for record in records))


def open_dataset(path: str | os.PathLike[str], *, partial: bool = False) -> Dataset:
    """Open a folder of shards, or a single shard file, for reading.

    ``partial=True`` accepts a folder that is still being made, and reads the shards that are complete. Raises :class:`UsageError`
    where there is no dataset, :class:`CorruptShardError` where its index is damaged.
    """
    folder = Path(path)
    if folder.is_file():
        return Dataset(folder.parent, [folder.name], [len(Shard(folder))], {})
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of shards; make one with `blurkit generate --out {folder}`")
    index = _read_index(folder)
    if index is None:
        if not (partial and (folder / PLAN).exists()):
            _explain_missing(folder)
        numbers = sorted(int(file.stem) for file in folder.glob("*.json") if file.stem.isdigit())
        records = [record for record in (read_record(folder, number) for number in numbers) if record]
        index = {"shards": records, **_begun(folder)}
    shards = [record for record in index["shards"] if record["file"] is not None]
    return Dataset(folder, [record["file"] for record in shards], [int(record["samples"]) for record in shards], index)


class Dataset(Samples):
    """Samples of all shards by number: ``len``, indexing as in a list, iteration, and crops.

    Shards are opened as they are needed, in each process for itself, so a dataset can be handed to worker processes.
    """

    def __init__(self, folder: Path, files: list[str], counts: list[int], index: dict[str, Any]) -> None:
        self.folder, self.files, self.index = folder, files, index
        self._ends = list(itertools.accumulate(counts))
        self._open: OrderedDict[int, Shard] = OrderedDict()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __repr__(self) -> str:
        return f"Dataset({str(self.folder)!r}: {plural(len(self), 'sample')} in {plural(len(self.files), 'shard')})"

    def _read(self, index: int) -> Sample:
        shard, row = self.locate(index)
        return shard[row]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that depend on the samples alone; empty where the dataset is not complete."""
        return str(self.index.get("digest", ""))

    def crop(self, index: int, y: int, x: int, size: int | tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Views of sharp and blurred, uint8 (h, w, 3), at (y, x); nothing else of the images is read.

        ``size``: the side of a square, or (h, w). Pixels are verified when they are first touched.
        """
        shard, row = self.locate(index)
        return shard.crop(row, y, x, size)

    def shape(self, index: int) -> tuple[int, int]:
        """(height, width) of a sample."""
        shard, row = self.locate(index)
        return shard.shape(row)

    def locate(self, index: int) -> tuple[Shard, int]:
        """The shard that holds a sample, and its row there. Negative numbers count from the end."""
        index = self._number(index)
        number = bisect.bisect_right(self._ends, index)
        return self.shard(number), index - (self._ends[number - 1] if number else 0)

    def shard(self, number: int) -> Shard:
        """A shard by its place in ``files``, opened if it is not."""
        shard = self._open.get(number)
        if shard is not None:
            self._open.move_to_end(number)
            return shard
        shard = Shard(self.folder / self.files[number])
        expected = self._ends[number] - (self._ends[number - 1] if number else 0)
        if len(shard) != expected:
            raise CorruptShardError(f"{shard.path} holds {len(shard)} samples, its record says {expected}")
        self._open[number] = shard
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return shard


def _read_index(folder: Path) -> dict[str, Any] | None:
    path = folder / INDEX
    try:
        index = json.loads(path.read_bytes())
        for record in index["shards"]:
            _check_record(record)
        return dict(index)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptShardError(f"{path} is damaged ({error}); delete it and run the same `blurkit generate` again") from error


def _check_record(record: dict[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError unless a record has what a record has."""
    file, samples, size, sha256 = (record[key] for key in ("file", "samples", "bytes", "sha256"))
    if not (isinstance(samples, int) and isinstance(size, int) and len(record["digest"]) == 64):
        raise ValueError("a record's numbers are none")
    int(record["digest"], 16)
    if file is not None and not (_SHARD_NAME.fullmatch(file) and len(sha256) == 64):
        raise ValueError(f"{file!r} is no shard's name")


def _begun(folder: Path) -> dict[str, Any]:
    """What the plan of an incomplete dataset tells of it."""
    try:
        return {"configuration": json.loads((folder / PLAN).read_bytes())["configuration"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptShardError(
            f"{folder / PLAN} is damaged ({error}); start afresh with `blurkit generate --overwrite`"
        ) from error


def _explain_missing(folder: Path) -> None:
    if (folder / PLAN).exists():
        raise UsageError(f"{folder} is not complete; run the same `blurkit generate` again, it resumes")
    raise UsageError(f"{folder} holds no {INDEX}: it is not a dataset; make one with `blurkit generate --out {folder}`")
