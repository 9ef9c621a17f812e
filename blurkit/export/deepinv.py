"""HDF5 as ``deepinv.datasets.HDF5Dataset`` reads it: ``train.h5`` with ``x_train`` (sharp) and ``y_train`` (blurred).

Both are float32 (N, 3, H, W) in [0, 1], code / 255, as ``deepinv.datasets.generate_dataset`` writes them. With the truth there is
``filter_train``, float32 (N, 1, k, k), a parameter of ``deepinv.physics.Blur``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.export.exporter import Exporter, Part, Pieces, Row
from blurkit.export.pieces import centred
from blurkit.export.state import move
from blurkit.program.files import replacing, sync_file, write_all
from blurkit.program.lenient import naming
from blurkit.shard.format import Sample
from blurkit.shard.layout import SparseFile, allocate

_ITEM = 4


class DeepinvExporter(Exporter):
    """One file that is complete from the beginning except for its values, which are written to their places part by part.

    HDF5 makes the layout in memory, as for a shard. The file stays in the state folder until the last part is written.
    """

    reading: ClassVar[str] = """\
from deepinv.datasets import HDF5Dataset

pairs = HDF5Dataset("{out}/{split}.h5", split="{split}", use_dict_output=True)
sharp, blurred = pairs[0]["x"], pairs[0]["y"]"""

    def check(self) -> None:
        sizes = np.unique(np.concatenate(self.job.sizes), axis=0).tolist()
        if len(sizes) > 1:
            (low, high), count = (sizes[0], sizes[-1]), len(sizes)
            raise UsageError(
                f"--to deepinv needs images of one size, and this dataset has {count:,}, from {low[1]}x{low[0]} to "
                f"{high[1]}x{high[0]} pixels; make it with a fixed --size, or take --to folder, lmdb or webdataset"
            )

    def outputs(self) -> list[Path]:
        return [self._final]

    def bytes_of(self, part: Part) -> int:
        return _ITEM * len(part.indices) * sum(map(_count, self._shapes().values()))

    def place(self, part: Part, index: int) -> Row:
        return {"file": self._final.name, "row": index}

    def encode(self, index: int, sample: Sample, row: Row) -> Pieces:
        images = {"x": _floats(sample.sharp), "y": _floats(sample.blurred)}
        if not self.job.truth:
            return images
        return {**images, "filter": _bytes(centred(sample.kernel, self.job.kernel_side))}

    def write(self, part: Part, pairs: Iterable[tuple[int, Pieces]]) -> int:
        if not self._growing.exists():
            self._begin()
        offsets, size = self._offsets(), 0
        with self._growing.open("r+b", buffering=0) as file:
            for index, pieces in pairs:
                for name, data in pieces.items():
                    with naming("write", self._growing):
                        write_all(file.fileno(), data, offsets[name] + index * len(data))
                    size += len(data)
            sync_file(file.fileno(), self._growing)
        return size

    def has(self, part: Part, size: int) -> bool:
        return self._final.exists() or self._growing.exists()

    def finish(self) -> None:
        if self._growing.exists():
            move(self._growing, self._final)

    @property
    def _final(self) -> Path:
        return self.job.out / f"{self.job.split}.h5"

    @property
    def _growing(self) -> Path:
        return self.job.state / self._final.name

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one row of each data set."""
        image = (3, *self.job.sizes[0][0].tolist())
        kernel = {"filter": (1, self.job.kernel_side, self.job.kernel_side)} if self.job.truth else {}
        return {"x": image, "y": image, **kernel}

    def _begin(self) -> None:
        """Write the file without its values."""
        layout, count = SparseFile(), len(self.job.dataset)
        with h5py.File(layout, "w", libver=("v110", "v110")) as root:
            for name, shape in self._shapes().items():
                allocate(root, self._key(name), (count, *shape), "<f4")
        with replacing(self._growing) as descriptor:
            os.ftruncate(descriptor, layout.size)
            for offset, data in layout.extents():
                write_all(descriptor, data, offset)

    def _offsets(self) -> dict[str, int]:
        """Where the values of each data set begin in the file."""
        with h5py.File(self._growing) as root:
            return {name: root[self._key(name)].id.get_offset() for name in self._shapes()}

    def _key(self, name: str) -> str:
        return f"{name}_{self.job.split}"


def _floats(image: NDArray[np.uint8]) -> memoryview:
    """An image, uint8 (H, W, 3), as float32 (3, H, W) in [0, 1]."""
    return _bytes(np.divide(image.transpose(2, 0, 1), np.float32(255), dtype="<f4", order="C"))


def _bytes(values: NDArray[np.float32]) -> memoryview:
    """The bytes of an array, which are not copied."""
    return values.reshape(-1).view(np.uint8).data


def _count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))
