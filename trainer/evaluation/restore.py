"""Restores photographs of any size: pads them to a size that the generator accepts, and splits large ones into tiles."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from blurkit.program.checks import require
from trainer.evaluation.statistics import Statistics

#: By default, a photograph with more than WHOLE pixels is restored in tiles of TILE x TILE pixels.
WHOLE, TILE = 2_000_000, 1024
OVERLAP = 64
#: The statistics of normalisation are measured on PATCHES x PATCHES patches, which together have as many pixels as a tile.
PATCHES = 4

_PEAKS = {"uint8": 255.0, "uint16": 65535.0}

_Pixels = TypeVar("_Pixels", bound=np.integer[Any])


class Restorer:
    """Applies a generator to photographs.

    ``tile``: the side of a tile in pixels; 0 restores photographs up to :data:`WHOLE` pixels as a whole, and larger ones in tiles
    of :data:`TILE`. All tiles are normalised alike, see :mod:`trainer.evaluation.statistics`, but not quite as the whole would
    be, so reported figures state which was used. ``overlap``:
    the least number of pixels that neighbouring tiles share, where a raised cosine blends them. ``bf16``: autocast to bfloat16.
    Memory: the network's for one tile, and float32 for one row of tiles.
    """

    def __init__(
        self, generator: nn.Module, device: torch.device, *, tile: int = 0, overlap: int = OVERLAP, bf16: bool = False
    ) -> None:
        valid = not tile or tile >= 4 * overlap
        require(valid, f"tiles that overlap by {overlap} pixels need sides of at least {4 * overlap} pixels, got {tile}")
        self._generator = generator.to(device)
        self._compute: Callable[[Tensor], Tensor] = self._generator
        self._device, self._overlap, self._tile = device, overlap, tile
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=bf16)
        self._multiple, self._least = (int(getattr(generator, name)) for name in ("multiple", "least"))

    def tile(self, height: int, width: int) -> int:
        """Returns the side of the tiles for an image of this size, in pixels. 0 means that the image is restored as a whole."""
        side = _rounded_up(self._tile or (TILE if height * width > WHOLE else 0), self._multiple)
        return side if max(height, width) > side else 0

    def __call__(self, image: NDArray[_Pixels], *, tell: Callable[[int, int], None] | None = None) -> NDArray[_Pixels]:
        """Returns the restored image, with the shape and type of ``image``: uint8 or uint16 (H, W, 3) RGB of any size.

        ``tell`` is called after each tile with the number of restored tiles and of all tiles. Raises :class:`UsageError` for
        other shapes and types.
        """
        valid = image.dtype.name in _PEAKS and image.ndim == 3 and image.shape[2] == 3 and image.size > 0
        require(valid, f"an image is uint8 or uint16 (H, W, 3), got {image.dtype} {image.shape}")
        side = self.tile(*image.shape[:2])
        training = self._generator.training
        try:
            self._generator.eval()
            with torch.inference_mode():
                if not side:
                    return _codes(self._restore(image), image.dtype)
                with self._same_statistics(image, side):
                    return self._tiled(image, side, tell)
        finally:
            self._generator.train(training)  # the generator may be in training

    def _tiled(self, image: NDArray[_Pixels], side: int, tell: Callable[[int, int], None] | None) -> NDArray[_Pixels]:
        """Restore one row of tiles after the other. The pixels that the next row overlaps are completed with that row."""
        height, width = image.shape[:2]
        result = np.empty_like(image)
        unfinished = np.zeros((0, width, 3), np.float32)
        rows, columns = (list(_windows(length, side, self._overlap)) for length in (height, width))
        ends, done = [top for top, _ in rows[1:]] + [height], 0
        for (top, down), end in zip(rows, ends, strict=True):
            strip = np.zeros((len(down), width, 3), np.float32)
            strip[: len(unfinished)] = unfinished
            for left, across in columns:
                place = slice(left, left + len(across))
                restored = self._restore(image[top : top + len(down), place])
                strip[:, place] += restored * down[:, None, None] * across[:, None]
                done += 1
                if tell is not None:
                    tell(done, len(rows) * len(columns))
            result[top:end] = _codes(strip[: end - top], image.dtype)
            unfinished = strip[end - top :]
        return result

    @contextlib.contextmanager
    def _same_statistics(self, image: NDArray[_Pixels], side: int) -> Iterator[None]:
        """Within the block all tiles are normalised by the statistics of patches, which need the memory of one tile."""
        statistics = Statistics(self._generator)
        if not statistics:
            yield
            return
        patch = max(side // PATCHES // self._multiple * self._multiple, self._least)
        sides = [min(patch, length // self._multiple * self._multiple) for length in image.shape[:2]]
        if min(sides) < self._least:  # a strip of a few pixels
            yield
            return
        middles = (np.arange(PATCHES) + 0.5) / PATCHES
        tops, lefts = ((middles * n - m / 2).clip(0, n - m).astype(int) for n, m in zip(image.shape[:2], sides, strict=True))
        places = [(slice(top, top + sides[0]), slice(left, left + sides[1])) for top in tops for left in lefts]
        self._compute = self._generator.forward  # compiled code does not see the hooks of the statistics
        try:
            with statistics.measured():
                self._apply(np.stack([image[place] for place in places]))
            with statistics.used():
                yield
        finally:
            self._compute = self._generator

    def _restore(self, image: NDArray[_Pixels]) -> NDArray[np.float32]:
        """The restored image, float32 (h, w, 3) in [-1, 1], computed as a whole."""
        height, width = image.shape[:2]
        padding = [(0, _rounded_up(max(side, self._least), self._multiple) - side) for side in (height, width)]
        padded = np.pad(image, (*padding, (0, 0)), mode="reflect")
        return self._apply(padded[None])[0, :height, :width]

    def _apply(self, images: NDArray[_Pixels]) -> NDArray[np.float32]:
        """The output of the generator for images (B, h, w, 3) of a size that it accepts, float32 in [-1, 1]."""
        scaled = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / np.float32(_PEAKS[images.dtype.name] / 2) - 1
        with self._autocast:
            restored: Tensor = self._compute(torch.from_numpy(scaled).to(self._device))
        return restored.permute(0, 2, 3, 1).float().cpu().numpy()


def _windows(length: int, side: int, overlap: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yields the start and the weights, float32, of each tile along an axis. The starts are evenly spaced.

    At every pixel the weights add up to 1. Between two tiles they follow a raised cosine over ``overlap`` pixels in the middle of
    the shared pixels. The edge of a tile therefore has little or no weight: its restoration lacks the pixels beyond the edge.
    """
    count = 1 + math.ceil(max(length - side, 0) / (side - overlap))
    starts = np.rint(np.linspace(0, max(length - side, 0), count)).astype(int)
    middles = [-math.inf, *(starts[1:] + starts[:-1] + side) / 2, math.inf]
    for start, (before, after) in zip(starts.tolist(), itertools.pairwise(middles), strict=True):
        places = start + np.arange(min(side, length)) + 0.5
        weights = _ramp((places - before) / overlap) * (1 - _ramp((places - after) / overlap))
        yield start, weights.astype(np.float32)


def _ramp(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """A raised cosine from 0 (at -1/2 and below) to 1 (at 1/2 and above)."""
    return np.sin(np.pi / 2 * np.clip(places + 0.5, 0, 1)) ** 2


def _codes(values: NDArray[np.float32], kind: np.dtype[_Pixels]) -> NDArray[_Pixels]:
    """Values in [-1, 1] as codes of an integer type. Values outside are clipped."""
    return np.rint((np.clip(values, -1, 1) + 1) * np.float32(_PEAKS[kind.name] / 2)).astype(kind)


def _rounded_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
