"""Crops read ahead: threads copy bytes from memory maps into batches, in numpy, which holds no interpreter lock meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.augment import ANY_FLIP, TRANSPOSE
from trainer.order import Order, draws
from trainer.pairs import Pairs


class Buffer:
    """A batch of bytes in the processor's memory, used again and again.

    ``crops``: uint8 (2, B, size, size, 3), blurred and sharp, as stored; page-locked where they go to a GPU. ``orientations``: B
    of them, see :mod:`trainer.augment`.
    """

    def __init__(self, batch: int, size: int, device: torch.device) -> None:
        pinned = device.type == "cuda"
        self.crops = torch.empty((2, batch, size, size, 3), dtype=torch.uint8, pin_memory=pinned)
        self.orientations = [0] * batch
        self._copied: torch.cuda.Event | None = None

    def to(self, device: torch.device) -> torch.Tensor:
        """``crops`` on the device, without waiting for a GPU; on the CPU the buffer's own."""
        moved = self.crops.to(device, non_blocking=True)
        if device.type == "cuda":
            self._copied = torch.cuda.current_stream(device).record_event()
        return moved

    def wait(self) -> None:
        """Wait until nothing reads ``crops`` any more."""
        if self._copied is not None:
            self._copied.synchronize()


class Crops:
    """Batches of bytes in the stream's order, ``prefetch`` of them read ahead by ``threads`` threads.

    Batch k holds the positions ``start + k * stride`` and on, turned as the bits of ``allowed`` allow; threads do not change it.
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
        allowed: int = ANY_FLIP | TRANSPOSE,
    ) -> None:
        self._pairs, self._seed, self._allowed = pairs, seed, allowed
        self._order = Order(pairs.counts, seed=seed, weights=pairs.weights)
        self._next, self._stride = start, stride
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crops")
        self._ahead: deque[tuple[Buffer, Future[None]]] = deque()
        for buffer in buffers:
            self.give(buffer)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Buffer:
        """The next batch, to be given back. What went wrong while it was read is raised here, after closing."""
        if self._closed.is_set():
            raise StopIteration
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
            indices = self._order.indices(self._next, len(buffer.orientations))
            self._ahead.append((buffer, self._pool.submit(self._fill, buffer, indices, self._next)))
            self._next += self._stride

    def close(self) -> None:
        """End the threads; batches under way are given up."""
        self._closed.set()
        self._pool.shutdown(cancel_futures=True)
        self._ahead.clear()

    def _fill(self, buffer: Buffer, indices: NDArray[np.int64], position: int) -> None:
        buffer.wait()
        words = draws(self._seed, position, len(indices))
        buffer.orientations = [word & self._allowed for word in words[:, 2].tolist()]
        blurred, sharp = buffer.crops.numpy()
        size = sharp.shape[1]
        for place, (index, (y, x)) in enumerate(zip(indices.tolist(), words[:, :2].tolist(), strict=True)):
            if self._closed.is_set():
                return
            height, width = self._pairs.sizes[index].tolist()
            crop = self._pairs.crop(index, y % (height - size + 1), x % (width - size + 1), size)
            sharp[place], blurred[place] = crop
