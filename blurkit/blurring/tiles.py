"""Tiles of an image, each with a halo of the pixels around it.

A border maps positions outside the image to indices inside the image. So a tile reads the same values as from a padded image of
any size, but a padded image is never made. Here an image is an array of rows of interleaved channels, ``(H, W * C)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from blurkit.camera.arrays import F32, I64, Array
from blurkit.errors import UsageError, nearest
from blurkit.jit import compiled
from blurkit.truth.box import Box

#: The names of the borders. If a row ends with the pixels a b c d, they continue it with: c b a; d c b; d d d; a b c; 0 0 0.
BORDERS = ("reflect101", "reflect", "replicate", "wrap", "zero")

#: The number of pixels that a tile reads around its own: above, below, left, right. A number can be negative: then no tap of the
#: kernel lies on this side of its centre.
Halo = tuple[int, int, int, int]

_VECTOR = 16  # the float32 values of the widest vector register and of a cache line

_U = np.uint64  # unsigned, as in blurkit.blurring.taps


class Window(NamedTuple):
    """The part of a two-dimensional C-ordered array that starts at row ``top`` and column ``left``."""

    values: Array
    top: int
    left: int


def aligned(*shapes: tuple[int, int]) -> list[F32]:
    """Arrays of these shapes with arbitrary values. They start on vector boundaries and share one block of memory.

    The allocator returns freed memory beyond twice the largest block to the system. With separate blocks, the system would have
    to provide new pages for every image, which takes as much time as to fill them.
    """
    sizes = [-(-height * width // _VECTOR) * _VECTOR for height, width in shapes]
    memory = np.empty(sum(sizes) + _VECTOR, np.float32)
    starts = np.cumsum([-memory.ctypes.data // memory.itemsize % _VECTOR, *sizes])
    return [memory[i : i + h * w].reshape(h, w) for i, (h, w) in zip(starts, shapes, strict=False)]


@dataclass(frozen=True)
class Tile:
    """One tile of a box.

    ``y``, ``x``, ``height``, ``width``: its place in the box, in pixels. ``rows`` (h,), ``columns`` (w * C,): the index in the
    image of each row and of each value in a row, with the halo; a negative index means the value 0. From ``first`` up to
    ``last`` the columns are consecutive.
    """

    y: int
    x: int
    height: int
    width: int
    rows: I64
    columns: I64
    first: int
    last: int

    def read(self, image: Array, memory: F32, table: F32 | None = None) -> F32:
        """The values of the tile and its halo, float32.

        ``image``: ``(H, W * C)``. ``memory``: an array with room for the result, which is a view of it. ``table``: if given, the
        values of the image are looked up in this table.
        """
        values = memory.reshape(-1)[: self.rows.size * self.columns.size].reshape(self.rows.size, self.columns.size)
        _read(image, self.rows, self.columns, self.first, self.last, table, values)
        return values


def source_indices(start: int, stop: int, size: int, border: str) -> I64:
    """For each position from ``start`` up to ``stop``, its index in [0, ``size``). The index -1 means the value 0."""
    position = np.arange(start, stop)
    match border:
        case "reflect101":
            return size - 1 - np.abs(position % max(2 * size - 2, 1) - (size - 1))
        case "reflect":
            position %= 2 * size
            return np.minimum(position, 2 * size - 1 - position)
        case "replicate":
            return np.clip(position, 0, size - 1)
        case "wrap":
            return position % size
        case "zero":
            return np.where((position >= 0) & (position < size), position, -1)
    raise UsageError(f"unknown border {border!r}{nearest(border, BORDERS)}; the borders are {', '.join(BORDERS)}")


def surroundings(box: Box, reach: int, shape: tuple[int, ...], border: str) -> tuple[I64, I64]:
    """The rows and columns of a ``box`` and ``reach`` pixels around it, as indices in an image of ``shape`` (H, W, ...)."""
    rows = source_indices(box.y - reach, box.bottom + reach, shape[0], border)
    return rows, source_indices(box.x - reach, box.right + reach, shape[1], border)


def support(kernel: F32) -> tuple[F32, Halo]:
    """Crop a kernel with odd sides to its nonzero values. Returns the cropped kernel and the halo that it reads."""
    y, x = np.nonzero(kernel)
    cy, cx = (side // 2 for side in kernel.shape)
    if y.size == 0:
        return kernel[cy : cy + 1, cx : cx + 1], (0, 0, 0, 0)
    y0, y1, x0, x1 = int(y.min()), int(y.max()), int(x.min()), int(x.max())
    return kernel[y0 : y1 + 1, x0 : x1 + 1], (y1 - cy, cy - y0, x1 - cx, cx - x0)


def tile_shape(size: tuple[int, int], halo: Halo, channels: int) -> tuple[int, int]:
    """The shape (rows, values per row) of a tile of ``size`` (height, width) in pixels with its halo."""
    above, below, left, right = halo
    return size[0] + above + below, (size[1] + left + right) * channels


def tiles(shape: tuple[int, int, int], box: Box, halo: Halo, size: tuple[int, int], border: str) -> Iterator[Tile]:
    """Yield tiles of at most ``size`` (height, width) that cover a ``box`` of an image of ``shape`` (H, W, C), strip by strip."""
    (height, width, channels), (y, x, box_height, box_width) = shape, box
    above, below, left, right = halo
    rows = source_indices(y - above, y + box_height + below, height, border)
    pixels = source_indices(x - left, x + box_width + right, width, border)
    columns = (pixels[:, None] * channels + np.arange(channels)).reshape(-1)
    for start in range(0, box_width, size[1]):
        stop = min(start + size[1], box_width)
        # The positions 0 and W of the image, counted from the first pixel of the halo.
        first, last = (min(max(edge - (x + start - left), 0), stop - start + left + right) for edge in (0, width))
        for top in range(0, box_height, size[0]):
            bottom = min(top + size[0], box_height)
            yield Tile(
                y=top,
                x=start,
                height=bottom - top,
                width=stop - start,
                rows=rows[top : bottom + above + below],
                columns=columns[channels * start : channels * (stop + left + right)],
                first=channels * first,
                last=channels * last,
            )


@compiled(error_model="numpy")
def _read(image: Array, rows: I64, columns: I64, first: int, last: int, table: F32 | None, values: F32) -> None:
    for y in range(rows.size):
        target = values[y]
        if rows[y] < 0:
            target[:] = 0
            continue
        source = image[rows[y]]
        for x in range(first):
            target[x] = _look_up(source[columns[x]], table) if columns[x] >= 0 else 0
        if first < last:
            inside, linear = source[columns[first] :], target[first:last]
            for x in range(_U(linear.size)):
                linear[x] = _look_up(inside[x], table)
        for x in range(last, columns.size):
            target[x] = _look_up(source[columns[x]], table) if columns[x] >= 0 else 0


@compiled(error_model="numpy")
def _look_up(value: Any, table: F32 | None) -> Any:
    return value if table is None else table[value]  # the compiler decides this, not the loop
