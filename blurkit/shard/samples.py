"""Samples by number, as in a list; and batches of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from blurkit.errors import UsageError
from blurkit.shard.format import Sample, stack_kernels


class Samples(ABC):
    """Samples by number, as in a list: negative numbers count from the end, and a slice gives a list."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _read(self, index: int) -> Sample:
        """A sample by its number from 0 on."""

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self._read(number) for number in range(len(self))[index]]
        return self._read(self._number(index))

    def __iter__(self) -> Iterator[Sample]:
        return map(self._read, range(len(self)))

    def _number(self, index: int) -> int:
        try:
            return range(len(self))[index]
        except IndexError:
            raise IndexError(f"{self!r} has no number {index}") from None


def collate(samples: Sequence[Sample]) -> dict[str, Any]:
    """A batch of B samples, as ``torch.utils.data.DataLoader(dataset, batch_size=4, collate_fn=collate)`` makes them.

    ``sharp``, ``blurred``: uint8 (B, H, W, 3). ``kernel``: float32 (B, k, k), each centred, with zeros around it up to the size
    of the largest, and zeros alone where nobody knows it. ``id``: a list of str. ``meta``: a list of dicts. The arrays are
    copies, which ``torch.from_numpy`` takes as they are. Other truth, whose size differs between samples, is left out.

    Raises :class:`UsageError` where the images differ in size, or there is no sample.
    """
    sizes = sorted({sample.sharp.shape[:2] for sample in samples})
    if len(sizes) != 1:
        found = ", ".join(f"{width}x{height}" for height, width in sizes) or "no sample"
        advice = "make the dataset with another --size than full, or batch what Dataset.crop gives"
        raise UsageError(f"a batch is of images of one size, got {found}; {advice}")
    return {
        "sharp": np.stack([sample.sharp for sample in samples]),
        "blurred": np.stack([sample.blurred for sample in samples]),
        "kernel": stack_kernels([sample.kernel for sample in samples]),
        "id": [sample.id for sample in samples],
        "meta": [sample.meta for sample in samples],
    }
