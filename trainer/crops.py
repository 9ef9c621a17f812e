"""Crops read ahead: threads copy bytes from memory maps into batches, in numpy, which holds no interpreter lock meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.augment import ANY_FLIP, TRANSPOSE
from trainer.order import Order, draws
from trainer.pairs import Pairs


class Buffer:
    """A batch of bytes in the processor's memory, used again and again.

    ``crops``: uint8 (2, B, size, size, 3), blurred and sharp, as stored. ``orientation``: uint8 (B,), see
    :mod:`trainer.augment`. Both are page-locked where they go to a GPU. ``copied``: an event after which they may be overwritten.
    """

    def __init__(self, batch: int, size: int, device: torch.device) -> None:
        pinned = device.type == "cuda"
        self.crops = torch.empty((2, batch, size, size, 3), dtype=torch.uint8, pin_memory=pinned)
        self.orientation = torch.empty(batch, dtype=torch.uint8, pin_memory=pinned)
        self.copied: torch.cuda.Event | None = None

    def to(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """``crops`` and ``orientation`` on the device, without waiting for a GPU; on the CPU the buffer's own."""
        moved = self.crops.to(device, non_blocking=True), self.orientation.to(device, non_blocking=True)
        if device.type == "cuda":
            self.copied = torch.cuda.current_stream(device).record_event()
        return moved


class Crops:
    """Batches of bytes in the stream's order, ``prefetch`` of them read ahead by ``threads`` threads.

    Batch k holds the positions ``start + k * stride`` and on. The order of batches and their bytes do not depend on the threads.
    """

    def __init__(
        self,
        pairs: Pairs,
        buffers: list[Buffer],
        *,
        seed: int,
        start: int,
        stride: int,
        threads: int,
        orientations: int = ANY_FLIP | TRANSPOSE,
    ) -> None:
        self._pairs, self._seed, self._orientations = pairs, seed, orientations
        self._order = Order(pairs.counts, seed=seed, weights=pairs.weights)
        self._next, self._stride = start, stride
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crops")
        self._ahead: deque[tuple[Buffer, Future[None]]] = deque()
        for buffer in buffers:
            self.give(buffer)

    def take(self) -> Buffer | None:
        """The next batch, to be given back; ``None`` once closed. What went wrong while it was read is raised, after closing."""
        if self._closed.is_set():
            return None
        buffer, filled = self._ahead.popleft()
        try:
            filled.result()
        except BaseException:
            self.close()
            raise
        return buffer

    def give(self, buffer: Buffer) -> None:
        """Give a buffer back, to be filled with the batch after those read ahead."""
        if not self._closed.is_set():
            indices = self._order.indices(self._next, len(buffer.orientation))
            self._ahead.append((buffer, self._pool.submit(self._fill, buffer, indices, self._next)))
            self._next += self._stride

    def close(self) -> None:
        """End the threads; batches under way are given up."""
        self._closed.set()
        self._pool.shutdown(cancel_futures=True)
        self._ahead.clear()

    def _fill(self, buffer: Buffer, indices: NDArray[np.int64], position: int) -> None:
        if buffer.copied is not None:
            buffer.copied.synchronize()
        words = draws(self._seed, position, len(indices))
        buffer.orientation.numpy()[:] = words[:, 2] & np.uint64(self._orientations)
        blurred, sharp = buffer.crops.numpy()
        size = sharp.shape[1]
        for place, (index, (y, x)) in enumerate(zip(indices.tolist(), words[:, :2].tolist(), strict=True)):
            if self._closed.is_set():
                return
            height, width = self._pairs.sizes[index].tolist()
            crop = self._pairs.crop(index, y % (height - size + 1), x % (width - size + 1), size)
            sharp[place], blurred[place] = crop
