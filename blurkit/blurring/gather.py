"""Spatially varying blur by a field: each pixel gathers its light with the kernel that the field has at the pixel.

Within a cell of the lattice, the kernel is a bilinear function of the pixel's place. Along a row of the cell, it is a blend of
two kernels, at the left end and at the right end of the row. Each of these is a blend of two nodes. So a row of a cell is
convolved with both kernels in one pass over the union of their taps. Each load of a pixel serves two multiply-adds, as in
:mod:`blurkit.blurring.taps`.

The sums of a pixel run over the taps of its cell in a fixed order, with one fused multiply-add per tap. So the bits of a pixel
depend on the pixels around it and on the four nodes, but not on the box or the tile.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from blurkit.blurring.tiles import aligned, tile_shape, tiles
from blurkit.camera.arrays import F32, I16, I64, U64, Array, check_array
from blurkit.jit import compiled
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField, cells

# Taps in one pass along a row, as in blurkit.blurring.taps.
_GROUP = 6
# The row of a cell is computed in multiples of this many values, because a remainder would run as scalar code.
_STRIDE = 16
# The sides of a tile in pixels. With the halo of a long path, a row of cells still fits into the second-level cache.
_TILE = 384

_U = np.uint64  # unsigned, as in blurkit.blurring.taps


class _Lists(NamedTuple):
    """A :class:`blurkit.truth.kernel_field.KernelField` for compiled code. ``longest``: the largest number of taps of a node."""

    columns: int
    rows: int
    reach: int
    longest: int
    starts: I64
    places: I16
    weights: F32


def blur_field(
    image: Array,
    field: KernelField,
    box: tuple[int, int, int, int] | None = None,
    *,
    table: F32 | None = None,
    border: str = "reflect101",
) -> F32:
    """Blur a photograph by a field and return linear light, float32 ``(h, w, C)``.

    ``image``: the whole photograph ``(H, W, C)``, as float32 linear light, or as uint8 codes with a ``table``. ``field``: a field
    that covers the box. ``box``: (y, x, h, w) in pixels, the part of the blurred image to return, by default all of it.
    ``table``: the linear light of each code, float32 (256,), such as ``Response.table``. ``border``: what lies outside the
    photograph, one of :data:`blurkit.blurring.tiles.BORDERS`.

    Raises UsageError for another dtype or shape, for a box that leaves the image, and for a field that does not cover the box.
    """
    name, dtype = ("an image without a table", "float32") if table is None else ("an image with a table", "uint8")
    check_array(name, image, dtype, "H, W, C")
    y, x, height, width = box = Box.of(box, image.shape)
    channels = image.shape[2]
    rows, fy = cells(field.y, np.arange(y, y + height, dtype=np.float64))
    columns, fx = cells(field.x, np.arange(x, x + width, dtype=np.float64))
    shares = np.repeat(fx, channels)
    halo = (field.reach,) * 4
    size = (min(_TILE, height), min(_TILE, width))
    room = math.prod(tile_shape(size, halo, channels)) + _STRIDE  # _gather reads beyond the end of the last row
    (memory,) = aligned((1, room))
    result = np.empty((height, width * channels), np.float32)
    longest = int(np.diff(field.starts).max())
    lists = _Lists(len(field.x), len(field.y), field.reach, longest, field.starts, field.places, field.weights)
    source = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    for tile in tiles(image.shape, box, halo, size, border):
        values = tile.read(source, memory, table)
        vertical, horizontal = slice(tile.y, tile.y + tile.height), slice(tile.x, tile.x + tile.width)
        along = slice(tile.x * channels, (tile.x + tile.width) * channels)
        places = rows[vertical], fy[vertical], columns[horizontal], shares[along]
        _blur_tile(memory.reshape(-1), values.shape[1], lists, *places, result[vertical, along])
    return result.reshape(height, width, channels)


@compiled(error_model="numpy")
def _blur_tile(pixels: F32, stride: int, lists: _Lists, rows: I64, fy: F32, columns: I64, fx: F32, target: F32) -> None:
    channels = fx.size // columns.size
    room = (4 * lists.longest // _GROUP + 1) * _GROUP
    offsets, nodes = np.empty(room, np.uint64), np.empty((4, room), np.float32)
    weights = np.empty((room // _GROUP, 2 * _GROUP), np.float32)
    sums = np.empty((2, -(-fx.size // _STRIDE) * _STRIDE), np.float32)
    top = 0
    while top < rows.size:
        bottom = _run_end(rows, top)
        left = 0
        while left < columns.size:
            right = _run_end(columns, left)
            groups = _merge(lists, rows[top], columns[left], stride, channels, offsets, nodes)
            first, last = left * channels, right * channels
            count = -(-(last - first) // _STRIDE) * _STRIDE
            for y in range(top, bottom):
                _blend(nodes, fy[y], weights[:groups])
                _gather(pixels[y * stride + first :], offsets, weights[:groups], sums, count)
                _join(sums, fx[first:last], target[y, first:last])
            left = right
        top = bottom


@compiled(error_model="numpy")
def _run_end(values: I64, start: int) -> int:
    end = start + 1
    while end < values.size and values[end] == values[start]:
        end += 1
    return end


@compiled(error_model="numpy")
def _merge(lists: _Lists, row: int, column: int, stride: int, channels: int, offsets: U64, nodes: F32) -> int:
    """Merge the taps of the four nodes of a cell, in the order of the pixels that they read. Returns the number of groups."""
    below, right = min(row + 1, lists.rows - 1), min(column + 1, lists.columns - 1)
    upper, lower = row * lists.columns, below * lists.columns
    # A tap of displacement (dy, dx) reads the pixel at (-dy, -dx). The lists are in raster order, so the loop starts at their
    # ends.
    tap, first, read = np.empty(4, np.int64), np.empty(4, np.int64), np.empty(4, np.int64)
    for n, corner in enumerate((upper + column, upper + right, lower + column, lower + right)):
        tap[n], first[n] = lists.starts[corner + 1] - 1, lists.starts[corner]
    nobody = (2 * lists.reach + 1) * stride
    count = 0
    while True:
        for n in range(4):
            read[n] = nobody
            if tap[n] >= first[n]:
                dy, dx = lists.places[tap[n]]
                read[n] = (lists.reach - dy) * stride + (lists.reach - dx) * channels
        nearest = min(read[0], read[1], read[2], read[3])
        if nearest == nobody:
            break
        offsets[count] = nearest
        for n in range(4):
            if read[n] == nearest:
                nodes[n, count] = lists.weights[tap[n]]
                tap[n] -= 1
            else:
                nodes[n, count] = 0
        count += 1
    groups = max(-(-count // _GROUP), 1)
    offsets[count : groups * _GROUP] = lists.reach * (stride + channels)  # unused taps: weight 0, at a pixel that always exists
    nodes[:, count : groups * _GROUP] = 0
    return groups


@compiled(error_model="numpy", fastmath={"contract"})
def _blend(nodes: F32, share: np.float32, weights: F32) -> None:
    """Compute the kernels at the left and at the right end of a row."""
    for group in range(weights.shape[0]):
        for tap in range(_GROUP):
            t = group * _GROUP + tap
            weights[group, tap] = nodes[0, t] + share * (nodes[2, t] - nodes[0, t])
            weights[group, _GROUP + tap] = nodes[1, t] + share * (nodes[3, t] - nodes[1, t])


@compiled(error_model="numpy", fastmath={"contract"})
def _gather(pixels: F32, offsets: U64, weights: F32, sums: F32, count: int) -> None:
    """Convolve a row of a cell with the kernels of both of its ends."""
    width = _U(count)
    a, b = sums[0], sums[1]
    for x in range(width):
        a[x] = 0
        b[x] = 0
    for group in range(_U(weights.shape[0])):
        o, w = offsets[group * _U(_GROUP) :], weights[group]
        o0, o1, o2, o3, o4, o5 = o[0], o[1], o[2], o[3], o[4], o[5]
        u0, u1, u2, u3, u4, u5 = w[0], w[1], w[2], w[3], w[4], w[5]
        v0, v1, v2, v3, v4, v5 = w[6], w[7], w[8], w[9], w[10], w[11]
        for x in range(width):
            p0, p1, p2 = pixels[o0 + x], pixels[o1 + x], pixels[o2 + x]
            p3, p4, p5 = pixels[o3 + x], pixels[o4 + x], pixels[o5 + x]
            left = a[x] + u0 * p0 + u1 * p1 + u2 * p2 + u3 * p3 + u4 * p4 + u5 * p5
            right = b[x] + v0 * p0 + v1 * p1 + v2 * p2 + v3 * p3 + v4 * p4 + v5 * p5
            a[x] = left
            b[x] = right


@compiled(error_model="numpy", fastmath={"contract"})
def _join(sums: F32, shares: F32, target: F32) -> None:
    for x in range(_U(target.size)):
        target[x] = sums[0, x] + shares[x] * (sums[1, x] - sums[0, x])
