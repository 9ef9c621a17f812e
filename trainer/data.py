"""Batches for training: random crops of memory-mapped shards, read ahead, exact to resume.

pairs = open_pairs(["shards/"])
train, held = hold_out(pairs, seed=1)
with Stream(train, batch=8, crop=256, seed=1) as stream:
    for batch in stream:                 # without end; batch.blurred and batch.sharp are float32 (8, 3, 256, 256)
        ...
Stream(train, batch=8, crop=256, seed=1, consumed=stream.consumed)     # goes on where that one ended
"""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple, Self

import torch
from torch import Tensor

from blurkit.configuration import require
from blurkit.errors import UsageError
from trainer.augment import ANY_FLIP, TRANSPOSE, augment
from trainer.crops import Buffer, Crops
from trainer.pairs import Pairs, hold_out, open_pairs

__all__ = ["Batch", "Pairs", "Stream", "hold_out", "open_pairs"]


class Batch(NamedTuple):
    """``blurred``, ``sharp``: float32 (B, 3, crop, crop) in [-1, 1], RGB, on the stream's device, in memory of their own."""

    blurred: Tensor
    sharp: Tensor


class Stream:
    """Batches of random crops, without end: one process's part of what ``world`` processes see.

    Position p is one crop: the sample that :class:`trainer.order.Order` puts there, at a place and in an orientation drawn for p.
    The k-th joint batch is the positions from k * batch * world on, and process ``rank`` has the ``rank``-th part of it. So what
    comes depends on neither ``threads`` nor ``prefetch``, and several processes see what one with their joint batch sees.

    ``consumed``: the positions that all processes have consumed so far, not those read ahead: all that is kept to go on.
    ``flips``, ``transpose``: whether crops are mirrored and transposed at random. Raises UsageError where a pair is smaller than
    ``crop``. A corrupt shard's error is raised in place of the batch; after that and after :meth:`close` no thread is left.
    """

    def __init__(
        self,
        pairs: Pairs,
        *,
        batch: int,
        crop: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        consumed: int = 0,
        threads: int = 2,
        prefetch: int = 3,
        device: torch.device | None = None,
        flips: bool = True,
        transpose: bool = True,
    ) -> None:
        require(min(batch, crop, threads, prefetch) >= 1, f"a batch of {batch} crops of {crop} pixels is none")
        _require_room(pairs, crop)
        self.consumed, self.device = consumed, device or torch.device("cpu")
        self._joint = batch * world
        self._crops = Crops(
            pairs,
            [Buffer(batch, crop, self.device) for _ in range(prefetch)],
            seed=seed,
            start=consumed + rank * batch,
            stride=self._joint,
            threads=threads,
            allowed=ANY_FLIP * flips | TRANSPOSE * transpose,
        )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        buffer = next(self._crops)
        blurred, sharp = augment(buffer.to(self.device), buffer.orientations)
        self._crops.give(buffer)
        self.consumed += self._joint
        return Batch(blurred, sharp)

    def close(self) -> None:
        """End the threads, and the stream."""
        self._crops.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _require_room(pairs: Pairs, crop: int) -> None:
    small = pairs.sizes[(pairs.sizes < crop).any(axis=1)]
    if len(small):
        height, width = small[small.min(axis=1).argmin()].tolist()
        raise UsageError(
            f"crops of {crop}x{crop} do not fit {len(small):,} of {len(pairs):,} pairs, such as one of {width}x{height} pixels; "
            f"lower the crop (--set crop={min(height, width)}), or make larger pairs with `blurkit generate --size`"
        )
