"""Tar files for the package ``webdataset``: ``train-00042.tar`` with 000123.blurred.png, 000123.sharp.png and 000123.json.

The bytes of a tar file depend on the pairs alone: it stores no time and no owner.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from blurkit.export.exporter import Part, Pieces, Row
from blurkit.export.parts import FileParts
from blurkit.export.pieces import npy, png
from blurkit.program.files import sync_file
from blurkit.program.lenient import naming
from blurkit.shard.format import Sample

#: Bytes that go to a tar file in one system call. With fewer, the threads that encode wait for Python's lock more often.
_MOST_IN_A_CALL = 1 << 24


class WebdatasetExporter(FileParts):
    """One tar file for each shard. With the truth, a pair also has 000123.kernel.npy."""

    reading: ClassVar[str] = """\
import glob, webdataset

pairs = webdataset.WebDataset(sorted(glob.glob("{out}/{split}-*.tar")), shardshuffle=False)
pairs = pairs.decode("rgb8").to_tuple("blurred.png", "sharp.png", "json")"""

    def outputs(self) -> list[Path]:
        return [self.final(part) for part in self.job.parts]

    def final(self, part: Part) -> Path:
        return self.job.out / f"{self.job.split}-{part.number:05d}.tar"

    def place(self, part: Part, index: int) -> Row:
        return {"file": self.final(part).name}

    def encode(self, index: int, sample: Sample, row: Row) -> Pieces:
        kernel = {"kernel.npy": npy(sample.kernel)} if self.job.truth else {}
        text = json.dumps(row, ensure_ascii=False).encode()
        return {"blurred.png": png(sample.blurred), "sharp.png": png(sample.sharp), **kernel, "json": text}

    def write(self, part: Part, pairs: Iterable[tuple[int, Pieces]]) -> int:
        temporary = self.temporary(part)
        with temporary.open("wb", buffering=0) as file:
            tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT, copybufsize=_MOST_IN_A_CALL)
            for index, pieces in pairs:
                with naming("write", temporary):
                    for extension, data in pieces.items():
                        member = tarfile.TarInfo(f"{self.job.name(index)}.{extension}")
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))
            with naming("write", temporary):
                tar.close()
            sync_file(file.fileno(), temporary)
            return os.fstat(file.fileno()).st_size
