"""Batches for training: random crops of memory-mapped shards, read ahead, exact to resume.

pairs = open_pairs(["shards/"])
recipe = TrainingRecipe(batch=8, crop=256, seed=1)
with Stream(pairs, recipe) as stream:
    for batch in stream:                 # without end; batch.blurred and batch.sharp are float32 (8, 3, 256, 256)
        ...
Stream(pairs, recipe, consumed=stream.consumed)     # goes on where that one ended
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blurkit.errors import UsageError
from trainer.config import TrainingRecipe
from trainer.data.augment import FLIPS, TRANSPOSE, augment
from trainer.data.order import Order, draws
from trainer.data.pairs import Pairs


class Batch(NamedTuple):
    """``blurred``, ``sharp``: float32 (B, 3, crop, crop) in [-1, 1], RGB, on the stream's device, in memory of their own."""

    blurred: Tensor
    sharp: Tensor


class Buffer:
    """A batch in the processor's memory, filled again and again: ``crops``, uint8 (2, B, size, size, 3), blurred and sharp as
    stored, page-locked where they go to a GPU; ``orientations``, B of them, see :mod:`trainer.data.augment`."""

    def __init__(self, batch: int, size: int, *, pinned: bool) -> None:
        self.crops = torch.empty((2, batch, size, size, 3), dtype=torch.uint8, pin_memory=pinned)
        self.orientations = [0] * batch
        self.copied: torch.cuda.Event | None = None  # by a GPU, which reads on its own; then it may be filled again


class Stream(Iterator[Batch], AbstractContextManager["Stream"]):
    """Batches of random crops, without end: the part of one process.

    ``recipe`` gives ``batch``, ``crop``, ``seed`` and ``augment``. Position p is one crop: the sample that the ``Order`` puts
    there, at a place and in an orientation drawn for p. ``process`` is (rank, world): the k-th joint batch is the positions from
    k * batch * world on, and process ``rank`` has the ``rank``-th part of it. So neither ``threads`` nor ``prefetch``, the
    batches that are read ahead, change what comes, and several processes see what one process with their joint batch sees. The
    threads copy from memory maps in numpy, which releases the interpreter lock meanwhile.

    ``consumed``: the positions that all processes have consumed so far, without those read ahead. It is all that a continuation
    needs. Raises UsageError if a pair is smaller than the crop. The error of a corrupt shard is raised in place of the batch;
    after that, and after :meth:`close`, no thread is left.
    """

    def __init__(
        self,
        pairs: Pairs,
        recipe: TrainingRecipe,
        *,
        process: tuple[int, int] = (0, 1),
        consumed: int = 0,
        device: torch.device | None = None,
        threads: int = 2,
        prefetch: int = 3,
    ) -> None:
        (rank, world), batch = process, recipe.batch
        _require_room(pairs, recipe.crop)
        self.consumed, self._device = consumed, device or torch.device("cpu")
        self._pairs, self._seed = pairs, recipe.seed
        self._turns = FLIPS[recipe.augment.flips] | TRANSPOSE * recipe.augment.transpose
        self._order = Order(pairs.counts, seed=recipe.seed, weights=pairs.weights)
        self._next, self._joint = consumed + rank * batch, batch * world
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crops")
        self._ahead: deque[tuple[Buffer, Future[None]]] = deque()
        for _ in range(prefetch):
            self.give(Buffer(batch, recipe.crop, pinned=self._device.type == "cuda"))

    def __next__(self) -> Batch:
        buffer = self.take()
        crops = buffer.crops.to(self._device, non_blocking=True)
        if self._device.type == "cuda":
            buffer.copied = torch.cuda.current_stream(self._device).record_event()
        blurred, sharp = augment(crops, buffer.orientations)
        self.give(buffer)
        return Batch(blurred, sharp)

    def take(self) -> Buffer:
        """The next batch as bytes, to be given back. What went wrong while it was read is raised here, after closing."""
        if self._closed.is_set():
            raise StopIteration
        buffer, filled = self._ahead.popleft()
        try:
            filled.result()
        except BaseException:
            self.close()
            raise
        self.consumed += self._joint
        return buffer

    def give(self, buffer: Buffer) -> None:
        """Give a buffer back, to be filled with the batch after those read ahead."""
        if not self._closed.is_set():
            indices = self._order.indices(self._next, len(buffer.orientations))
            self._ahead.append((buffer, self._pool.submit(self._fill, buffer, indices, self._next)))
            self._next += self._joint

    def close(self) -> None:
        """End the threads, and the stream; batches under way are given up."""
        self._closed.set()
        self._pool.shutdown(cancel_futures=True)
        self._ahead.clear()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fill(self, buffer: Buffer, indices: NDArray[np.int64], position: int) -> None:
        if buffer.copied is not None:
            buffer.copied.synchronize()
        words = draws(self._seed, position, len(indices))
        buffer.orientations = [word & self._turns for word in words[:, 2].tolist()]
        blurred, sharp = buffer.crops.numpy()
        size = sharp.shape[1]
        for place, (index, (y, x)) in enumerate(zip(indices.tolist(), words[:, :2].tolist(), strict=True)):
            if self._closed.is_set():
                return
            height, width = self._pairs.sizes[index].tolist()
            crop = self._pairs.crop(index, y % (height - size + 1), x % (width - size + 1), size)
            sharp[place], blurred[place] = crop


def _require_room(pairs: Pairs, crop: int) -> None:
    small = pairs.sizes[(pairs.sizes < crop).any(axis=1)]
    if len(small):
        height, width = small[small.min(axis=1).argmin()].tolist()
        raise UsageError(
            f"crops of {crop}x{crop} do not fit {len(small):,} of {len(pairs):,} pairs, such as one of {width}x{height} pixels; "
            f"lower the crop (--set crop={min(height, width)}), or make larger pairs with `blurkit generate --size`"
        )
