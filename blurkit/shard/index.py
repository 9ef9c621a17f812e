"""Reads a folder of shards as one dataset: the completion records, the index, and the samples by number.

``00042.json`` is the completion record of ``00042.h5``: {file, samples, bytes, sha256, digest, failures}. The index
``dataset.json`` holds all records, the configuration and the digest of the dataset. It is written when every shard is complete.
"""

from __future__ import annotations

import bisect
import itertools
import json
import os
import re
import shlex
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

#: The files that describe a complete dataset. A user can have own files with these names; they are not changed.
CARD, EXAMPLES, CROISSANT = "README.md", "examples.jpg", "croissant.json"

#: The approximate size of a shard in bytes.
DEFAULT_SHARD_BYTES = 128 << 20

#: The most shards that a dataset keeps open at once. Each open shard holds one file handle.
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
    """Whether ``name`` is a file name of a dataset."""
    return name in (INDEX, LEDGER, PLAN) or bool(_SHARD_NAME.fullmatch(name) or _RECORD_NAME.fullmatch(name))


def is_written(name: str) -> bool:
    """Whether a run writes files with this name: files of a dataset, and files that describe it (a user can have these too)."""
    return is_dataset_file(name) or name in (CARD, EXAMPLES, CROISSANT)


def read_record(folder: Path, number: int) -> dict[str, Any] | None:
    """The completion record of a shard. Returns ``None`` if it is missing or not valid, or if the shard has another size."""
    try:
        record = json.loads(record_path(folder, number).read_bytes())
        _check_record(record)
        file, failures = record["file"], record["failures"]
        there = file is None or (file == shard_name(number) and (folder / file).stat().st_size == record["bytes"])
        return dict(record) if there and all(isinstance(failure, dict) for failure in failures) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def total_digest(records: list[dict[str, Any]]) -> str:
    """The digest of a dataset: the sum of the digests of its samples. It depends only on the samples."""
    return digest_text(sum(int(record["digest"], 16) for record in records))


def open_dataset(path: str | os.PathLike[str], *, partial: bool = False) -> Dataset:
    """Open a folder of shards, or a single shard file, for reading.

    ``partial=True`` also accepts an incomplete dataset, and reads its complete shards. Raises :class:`UsageError` if there is no
    dataset, and :class:`CorruptShardError` if its index is damaged.
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
    """The samples of all shards, as a list: ``len``, indexing, slices and iteration; and crops of them.

    ``folder``: the folder. ``files``: the names of its shards. ``index``: the content of ``dataset.json``. A shard is opened when
    it is first needed, in each process separately, so a dataset can be passed to worker processes.
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
        """64 hexadecimal digits that depend only on the samples. Empty if the dataset is not complete."""
        return str(self.index.get("digest", ""))

    def crop(self, index: int, y: int, x: int, size: int | tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Crops of sharp and blurred at (y, x), as views, uint8 (h, w, 3). Only the bands of the crop are read and verified.

        ``size``: the side of a square, or (h, w), in pixels. Raises :class:`CorruptShardError` if a band has changed.
        """
        shard, row = self.locate(index)
        return shard.crop(row, y, x, size)

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
        """The shard ``files[number]``. It is opened if it is not open yet."""
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
    """Raise KeyError, TypeError or ValueError unless a completion record is valid."""
    file, samples, size, sha256 = (record[key] for key in ("file", "samples", "bytes", "sha256"))
    if not (isinstance(samples, int) and isinstance(size, int) and len(record["digest"]) == 64):
        raise ValueError("samples, bytes or digest of a record are not valid")
    int(record["digest"], 16)
    if file is not None and not (_SHARD_NAME.fullmatch(file) and len(sha256) == 64):
        raise ValueError(f"{file!r} is not the name of a shard")


def _begun(folder: Path) -> dict[str, Any]:
    """The configuration of an incomplete dataset, from its plan."""
    try:
        return {"configuration": json.loads((folder / PLAN).read_bytes())["configuration"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptShardError(
            f"{folder / PLAN} is damaged ({error}); start afresh with `blurkit generate --overwrite`"
        ) from error


def _explain_missing(folder: Path) -> None:
    if (folder / PLAN).exists():
        raise UsageError(f"{folder} is not complete; run the same `blurkit generate` again, it resumes")
    raise UsageError(
        f"{folder} holds no {INDEX}, so it is no dataset of shards. If it holds photographs, make a dataset of them in another "
        f"folder: blurkit generate --src {shlex.quote(str(folder))} --out NEW_FOLDER. Only `trainer eval` reads folders of pairs"
    )
