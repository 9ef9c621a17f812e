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
from typing import Any, ClassVar

from blurkit.export.exporter import Encoded, Pair, Part
from blurkit.export.parts import FileParts
from blurkit.export.pieces import npy, png
from blurkit.program.files import sync_file


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

    def place(self, part: Part, index: int) -> dict[str, Any]:
        return {"file": self.final(part).name}

    def encode(self, pair: Pair) -> Encoded:
        sample = pair.sample
        pieces = {"blurred.png": png(sample.blurred), "sharp.png": png(sample.sharp)}
        if self.job.truth:
            pieces["kernel.npy"] = npy(sample.kernel)
        return Encoded(pair.index, {**pieces, "json": json.dumps(pair.row, ensure_ascii=False).encode()})

    def write(self, part: Part, pairs: Iterable[Encoded]) -> int:
        temporary = self.temporary(part)
        with temporary.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                for pair in pairs:
                    for extension, data in pair.pieces.items():
                        member = tarfile.TarInfo(f"{self.job.name(pair.index)}.{extension}")
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))
            file.flush()
            sync_file(file.fileno(), temporary)
            return os.fstat(file.fileno()).st_size
