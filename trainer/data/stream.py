"""Makes batches for training: random crops of shards, read ahead by threads. A stream can be resumed exactly.

pairs = open_pairs(["shards/"])
recipe = TrainingRecipe(batch=8, crop=256, seed=1)
with Stream(pairs, recipe) as stream:
    for batch in stream:                 # endless; batch.blurred and batch.sharp are float32 (8, 3, 256, 256)
        ...
Stream(pairs, recipe, consumed=stream.consumed)     # continues where the first stream ended
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from statistics import NormalDist
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blurkit.errors import UsageError
from trainer.config import TrainingRecipe
from trainer.data.augment import FLIPS, TRANSPOSE, augment
from trainer.data.order import Order, draws, uniforms
from trainer.data.pairs import Pairs
from trainer.data.warp import DRAWS, draw_warp, warp


class Batch(NamedTuple):
    """``blurred``, ``sharp``: copies of the crops on the stream's device, RGB, float32 (B, 3, crop, crop) in [-1, 1]."""

    blurred: Tensor
    sharp: Tensor


class Buffer:
    """The memory of one batch on the CPU. It is filled again for later batches. ``crops``: blurred and sharp as stored, uint8 (2,
    B, size, size, 3), page-locked if the device is a GPU. ``orientations``: B numbers, see :mod:`trainer.data.augment`.
    ``warps``: float32 (B, 7), the warps of the pairs ``warped``, see :mod:`trainer.data.warp`."""

    def __init__(self, batch: int, size: int, *, pinned: bool) -> None:
        self.crops = torch.empty((2, batch, size, size, 3), dtype=torch.uint8, pin_memory=pinned)
        self.orientations = [0] * batch
        self.warps = torch.zeros((batch, 7), pin_memory=pinned)
        self.warped: list[int] = []
        self.copied: torch.cuda.Event | None = None  # a GPU copies asynchronously; after this event the buffer is free


class Stream(Iterator[Batch], AbstractContextManager["Stream"]):
    """An endless sequence of batches of random crops, for one process.

    The stream uses ``batch``, ``crop``, ``seed`` and ``augment`` of ``recipe``. Each position of the ``Order`` is one crop, whose
    place, size, orientation and warp are drawn for this position. So is its blurred image, if the dataset does not store it.
    ``process`` is (rank, world). The k-th joint batch of all processes starts at position k * batch * world, and process ``rank``
    takes part number ``rank`` of it. Several processes therefore see the same crops as one process with their joint batch.
    ``threads`` and ``prefetch`` (the number of batches that are read ahead) do not change the batches. The threads read with
    system calls and blur with compiled code, which release the interpreter lock.

    ``consumed``: the number of positions that all processes have consumed, without the batches that were only read ahead. A
    continuation needs nothing else. Raises UsageError if a pair is smaller than the crop. If a shard is corrupt, its error is
    raised in place of the batch. After such an error, and after :meth:`close`, no thread is left.
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
        self._augment = recipe.augment
        self._orientations = FLIPS[recipe.augment.flips] | TRANSPOSE * recipe.augment.transpose
        self._order = Order(pairs.counts, seed=recipe.seed, weights=pairs.weights)
        self._next, self._joint = consumed + rank * batch, batch * world
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crops", initializer=self._enter_thread)
        self._ahead: deque[tuple[Buffer, Future[None]]] = deque()
        for _ in range(prefetch):
            self.give(Buffer(batch, recipe.crop, pinned=self._device.type == "cuda"))

    def __next__(self) -> Batch:
        buffer = self.take()
        crops = buffer.crops.to(self._device, non_blocking=True)
        warps = buffer.warps.to(self._device, non_blocking=True)
        if self._device.type == "cuda":
            buffer.copied = torch.cuda.current_stream(self._device).record_event()
        images = augment(crops, buffer.orientations)
        for place in buffer.warped:
            images[:, place] = warp(images[:, place], warps[place])
        blurred, sharp = images
        self.give(buffer)
        return Batch(blurred, sharp)

    def take(self) -> Buffer:
        """Returns the next batch as bytes, for :meth:`give` later. If reading failed, closes the stream and raises the error."""
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
        """Take a buffer back. It is filled with the batch that follows those that are read ahead."""
        if not self._closed.is_set():
            indices = self._order.indices(self._next, len(buffer.orientations))
            self._ahead.append((buffer, self._pool.submit(self._fill, buffer, indices, self._next)))
            self._next += self._joint

    def close(self) -> None:
        """End the threads and the stream. Batches that are being read are dropped."""
        self._closed.set()
        self._pool.shutdown(cancel_futures=True)
        self._ahead.clear()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enter_thread(self) -> None:
        """Choose the GPU of a new thread. Without a choice it would open the first GPU."""
        if self._device.type == "cuda":
            torch.cuda.set_device(self._device)

    def _fill(self, buffer: Buffer, indices: NDArray[np.int64], position: int) -> None:
        if buffer.copied is not None:
            buffer.copied.synchronize()
        words = draws(self._seed, position, len(indices))
        buffer.orientations = [word & self._orientations for word in words[:, 2].tolist()]
        numbers = uniforms(self._seed, position, len(indices), DRAWS).tolist() if self._augment.warps else []
        warps = [draw_warp(u, self._augment.warps, self._augment.warp_share) for u in numbers]
        buffer.warped = [place for place, drawn in enumerate(warps) if drawn is not None]
        for place in buffer.warped:
            buffer.warps[place] = torch.tensor(warps[place])
        blurred, sharp = buffer.crops.numpy()
        size = sharp.shape[1]
        for place, (index, (y, x, _, word)) in enumerate(zip(indices.tolist(), words.tolist(), strict=True)):
            if self._closed.is_set():
                return
            height, width = self._pairs.sizes[index].tolist()
            side = self._side(size, min(height, width), word)
            top, left, key = y % (height - side + 1), x % (width - side + 1), (self._seed, position + place)
            crop = self._pairs.crop(index, top, left, side, key=key)
            sharp[place], blurred[place] = crop if side == size else (_resized(image, size) for image in crop)

    def _side(self, size: int, most: int, word: int) -> int:
        """The side of a crop in pixels. With ``scale_crop`` it is normal around ``size``, within an eighth of it and ``most``."""
        if not self._augment.scale_crop:
            return size
        side = round(NormalDist(size, self._augment.scale_crop).inv_cdf(((word >> 11) + 0.5) * 2.0**-53))
        return min(max(side, math.ceil(size / 8)), most)


def _resized(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    method = cv2.INTER_AREA if len(image) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (size, size), interpolation=method), np.uint8)


def _require_room(pairs: Pairs, crop: int) -> None:
    small = pairs.sizes[(pairs.sizes < crop).any(axis=1)]
    if len(small):
        height, width = small[small.min(axis=1).argmin()].tolist()
        raise UsageError(
            f"crops of {crop}x{crop} do not fit {len(small):,} of {len(pairs):,} pairs; the smallest is {width}x{height} pixels; "
            f"lower the crop (--set crop={min(height, width)}), or make larger pairs with `blurkit generate --size`"
        )
