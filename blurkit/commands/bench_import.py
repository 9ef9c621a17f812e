"""Figures of ``blurkit bench import``: how near storing real pairs comes to decoding their files and writing their pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.pipeline.choices import Choices
from blurkit.pipeline.task import make_shard
from blurkit.program.benchmark import Figure, times
from blurkit.program.files import make_folder

#: The least share of the rate of the bare steps, by the kind of file. Hashes of the files and of the shard, checksums of its rows
#: and the checks before decoding take the rest. They weigh more beside files that decode fast.
_SHARES = {"png": 0.6, "jpg": 0.4}


def import_figures(folder: Path, photographs: Sequence[NDArray[np.uint8]]) -> Iterator[Figure]:
    """Measures in a folder, with pairs of these photographs, uint8 (H, W, 3), stored as PNG and as JPEG files.

    The floor decodes both files by ``cv2`` and writes their pixels in one file, which is flushed to the disk. It hashes and
    checks nothing.
    """
    for suffix, share in _SHARES.items():
        root = folder / suffix
        for number, sharp in enumerate(photographs):
            for name, pixels in (("sharp", sharp), ("blur", cv2.blur(sharp, (9, 1)))):
                make_folder(root / name)
                cv2.imwrite(str(root / name / f"{number}.{suffix}"), pixels)
        names = [str(root / name / f"{number}.{suffix}") for name in ("sharp", "blur") for number in range(len(photographs))]
        choices: dict[str, Any] = {"src": ("pairs",), "root": (str(root),), "recipe": "real", "size": "full"}
        tasks = list(Choices(**choices, settings=("shard_bytes=1000000000",)).plan().tasks(folder, [0]))
        ours, floor = times(lambda: make_shard(tasks[0], lambda *_: None), lambda: _floor(names, folder / "floor"), repeats=5)  # noqa: B023
        yield Figure(f"pairs/s of import over decoding and writing, {suffix.upper()}", floor / ours, share, "x")


def _floor(names: Sequence[str], out: Path) -> None:
    with out.open("wb") as file:
        for name in names:
            pixels = cv2.imread(name, cv2.IMREAD_COLOR_RGB)
            file.write(np.asarray(pixels).data)
        file.flush()
        os.fsync(file.fileno())
