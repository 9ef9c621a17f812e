"""LMDB in the form of BasicSR: ``train_blur.lmdb`` and ``train_sharp.lmdb``, each with PNG files by key and ``meta_info.txt``.

BasicSR pairs two databases by equal keys. A line of ``meta_info.txt`` is ``000123.png (320,320,3) 1``: the key with a suffix, the
shape, and the level of compression.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from blurkit.errors import UsageError, WriteError
from blurkit.export.exporter import Exporter, Part, Pieces, Row
from blurkit.export.pieces import centred, png
from blurkit.export.state import move
from blurkit.program.files import replacing, sync_file, write_all
from blurkit.shard.format import Sample

_SIDES = ("blur", "sharp")

#: What the file takes beside the values: at most a page for the header of each value, two for the tree; and for an empty file.
_PAGE, _PAGES_OF_PAIR, _EMPTY = 4096, 6, 1 << 20


class LmdbExporter(Exporter):
    """Two databases that grow in the state folder and move to their final names when they are complete.

    A part is one transaction in each database, so after an interruption it is there or it is not. Keys are appended in order.
    This fills each page, and makes equal exports equal files.
    """

    reading: ClassVar[str] = """\
from basicsr.data.paired_image_dataset import PairedImageDataset

folders = {{"dataroot_lq": "{out}/{split}_blur.lmdb", "dataroot_gt": "{out}/{split}_sharp.lmdb"}}
pairs = PairedImageDataset({{**folders, "io_backend": {{"type": "lmdb"}}, "phase": "val", "scale": 1}})"""

    def check(self) -> None:
        _lmdb()

    def outputs(self) -> list[Path]:
        return [self.job.out / f"{self.job.split}_{side}.lmdb" for side in _SIDES] + ([self._kernels] if self.job.truth else [])

    def place(self, part: Part, index: int) -> Row:
        return {}

    def encode(self, index: int, sample: Sample, row: Row) -> Pieces:
        return {"blur": png(sample.blurred), "sharp": png(sample.sharp)}

    def write(self, part: Part, pairs: Iterable[tuple[int, Pieces]]) -> int:
        size = 0
        # After an interruption between the two commits, one of the databases has the part already.
        sides = [side for side in _SIDES if not self._holds(side, part)]
        with contextlib.ExitStack() as stack:
            databases = [stack.enter_context(self._opened(side)) for side in sides]
            writing = [stack.enter_context(database.begin(write=True)) for database in databases]
            for index, pieces in pairs:
                for side, transaction in zip(sides, writing, strict=True):
                    transaction.put(self._key(index), pieces[side], append=True)
                size += sum(map(len, pieces.values()))
        return size

    def has(self, part: Part, size: int) -> bool:
        return all(self._holds(side, part) for side in _SIDES)

    def finish(self) -> None:
        for side in _SIDES:
            growing = self._growing(side)
            if growing.is_dir():
                with (growing / "meta_info.txt").open("wb", buffering=0) as file:
                    write_all(file.fileno(), "".join(self._lines()).encode())
                    sync_file(file.fileno(), growing)
                move(growing, self._final(side))
        if self.job.truth and not self._kernels.exists():
            self._write_kernels()

    @property
    def _kernels(self) -> Path:
        """BasicSR's databases hold images only, so the kernels are in one array beside them."""
        return self.job.out / f"{self.job.split}_kernel.npy"

    def _write_kernels(self) -> None:
        side = self.job.kernel_side
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(self.job.dataset), side, side)}
        with replacing(self._kernels) as descriptor, open(descriptor, "wb", closefd=False) as file:
            np.lib.format.write_array_header_1_0(file, header)
            for index in range(len(self.job.pairs)):
                file.write(centred(self.job.pairs.kernel(index), side).data)
            file.flush()

    @functools.cached_property
    def _most_bytes(self) -> int:
        """The size that a database never exceeds. PNG adds less than a sixteenth to pixels that cannot be compressed."""
        pixels = sum(map(self.bytes_of, self.job.parts)) // 2
        return pixels + pixels // 16 + len(self.job.dataset) * _PAGES_OF_PAIR * _PAGE + _EMPTY

    def _final(self, side: str) -> Path:
        return self.job.out / f"{self.job.split}_{side}.lmdb"

    def _growing(self, side: str) -> Path:
        return self.job.state / self._final(side).name

    def _key(self, index: int) -> bytes:
        return self.job.name(index).encode()

    def _lines(self) -> Iterator[str]:
        for index, (height, width) in enumerate(np.concatenate(self.job.sizes).tolist()):
            yield f"{self.job.name(index)}.png ({height},{width},3) 1\n"

    def _holds(self, side: str, part: Part) -> bool:
        with self._opened(side) as database, database.begin() as transaction:
            return transaction.get(self._key(part.indices[-1])) is not None

    @contextlib.contextmanager
    def _opened(self, side: str) -> Iterator[Any]:
        """The database of a side, open for writing, or for reading if it has its final name.

        It is opened anew for each part: an open database remembers which of its pages it may use again, so its bytes would tell
        where a run was interrupted. It has no lock file of LMDB's own: the export has a lock, and later nobody writes.
        """
        final = self._final(side)
        path, is_final = (final, True) if final.exists() else (self._growing(side), False)
        try:
            with _lmdb().open(str(path), map_size=self._most_bytes, lock=False, readonly=is_final) as database:
                yield database
        except _lmdb().Error as error:
            advice = "free some space if its disk is full, then run the same command again to resume"
            raise WriteError(f"{path}: {error}; {advice}") from error


def _lmdb() -> ModuleType:
    try:
        import lmdb
    except ImportError as error:
        raise UsageError("--to lmdb needs the package lmdb: pip install lmdb") from error
    return lmdb
