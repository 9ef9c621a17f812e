"""Plain PNG files in the layout of GOPRO_Large: ``train/00042/blur/000123.png`` beside ``train/00042/sharp/000123.png``.

The pairs of one shard take the place of a sequence.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from blurkit.export.exporter import Part, Pieces, Row
from blurkit.export.parts import FileParts
from blurkit.export.pieces import npy, png
from blurkit.program.files import make_folder, sync_folder
from blurkit.program.lenient import naming
from blurkit.shard.format import Sample


class FolderExporter(FileParts):
    """Pairs as PNG files; kernels as ``.npy`` files in a third folder, ``kernel``."""

    reading: ClassVar[str] = """\
import cv2, glob

blurred = sorted(glob.glob("{out}/{split}/*/blur/*.png"))
pairs = ((cv2.imread(path), cv2.imread(path.replace("/blur/", "/sharp/"))) for path in blurred)"""

    def outputs(self) -> list[Path]:
        return [self.job.out / self.job.split]

    def final(self, part: Part) -> Path:
        return self.job.out / self.job.split / f"{part.number:05d}"

    def place(self, part: Part, index: int) -> Row:
        folder, name = f"{self.job.split}/{part.number:05d}", self.job.name(index)
        kernel = {"kernel": f"{folder}/kernel/{name}.npy"} if self.job.truth else {}
        return {"blurred": f"{folder}/blur/{name}.png", "sharp": f"{folder}/sharp/{name}.png", **kernel}

    def encode(self, index: int, sample: Sample, row: Row) -> Pieces:
        name = self.job.name(index)
        images = {f"blur/{name}.png": png(sample.blurred), f"sharp/{name}.png": png(sample.sharp)}
        return {**images, f"kernel/{name}.npy": npy(sample.kernel)} if self.job.truth else images

    def write(self, part: Part, pairs: Iterable[tuple[int, Pieces]]) -> int:
        temporary = self.temporary(part)
        shutil.rmtree(temporary, ignore_errors=True)  # of a run that was interrupted
        for kind in ("blur", "sharp", "kernel") if self.job.truth else ("blur", "sharp"):
            (temporary / kind).mkdir(parents=True)
        size = 0
        for _, pieces in pairs:
            for name, data in pieces.items():
                with naming("write", temporary / name):
                    (temporary / name).write_bytes(data)
                size += len(data)
        os.sync()  # once for all files: syncing each of hundreds takes much longer
        return size

    def commit(self, part: Part) -> None:
        parent = self.final(part).parent
        if not parent.is_dir():
            make_folder(parent)
            sync_folder(parent.parent)
        super().commit(part)
