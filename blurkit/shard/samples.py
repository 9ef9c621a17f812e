"""Samples by number, as in a list, and batches of samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from blurkit.errors import UsageError
from blurkit.shard.format import Sample, stack_kernels


class Samples(ABC):
    """Samples by number, as in a list. A negative number counts from the end. A slice returns a list."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _read(self, index: int) -> Sample:
        """The sample with this number, from 0 on."""

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
    """One batch of B samples: ``torch.utils.data.DataLoader(dataset, batch_size=4, collate_fn=collate)``.

    Returns a dict of numpy arrays and lists. ``sharp``, ``blurred``: the images, uint8 (B, H, W, 3). ``kernel``: the kernels,
    float32 (B, k, k), each centred, with zeros around it up to the size of the largest kernel; an unknown kernel is all zeros.
    ``id``: a list of str. ``meta``: a list of dicts. The arrays are writable copies, so ``torch.from_numpy`` accepts them. Other
    truth is left out, because its size differs between samples.

    Raises :class:`UsageError` if the images differ in size, or if there is no sample.
    """
    sizes = sorted({sample.sharp.shape[:2] for sample in samples})
    if len(sizes) != 1:
        given = ", ".join(f"{width}x{height}" for height, width in sizes) or "no sample"
        advice = "make the dataset with a fixed --size, or make batches of crops from Dataset.crop"
        raise UsageError(f"the images of a batch need one size, got {given}; {advice}")
    return {
        "sharp": np.stack([sample.sharp for sample in samples]),
        "blurred": np.stack([sample.blurred for sample in samples]),
        "kernel": stack_kernels([sample.kernel for sample in samples]),
        "id": [sample.id for sample in samples],
        "meta": [sample.meta for sample in samples],
    }
