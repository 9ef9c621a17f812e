"""The composition of objects over a background at each instant: the compiled part of :mod:`blurkit.blurring.layers.objects`."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from blurkit.camera.arrays import F32, F64, I64, Bools
from blurkit.jit import compiled

_U = np.uint64  # unsigned, as in blurkit.blurring.taps


class Stack(NamedTuple):
    """A background (3, H, W) and k objects from back to front, as planes. ``objects``: colours times opacity, and opacity,
    (k, 4, H, W). ``clear``: as in ``Layers``, (k, H, W). ``hidden``: whether an object is hidden in part, (k,); only then its
    ``clear`` is read. ``spans``: from :func:`spans_of`, (k, H, 2)."""

    background: F32
    objects: F32
    clear: F32
    hidden: Bools
    spans: I64


@compiled(error_model="numpy")
def planes_of(values: F32, rows: I64, columns: I64) -> F32:
    """The pixels of an image (H, W, C) at these rows and columns, as planes (C, h, w). A pixel is 0 if an index is negative."""
    planes = np.empty((values.shape[2], rows.size, columns.size), np.float32)
    for y in range(rows.size):
        for x in range(columns.size):
            inside = rows[y] >= 0 and columns[x] >= 0
            for c in range(values.shape[2]):
                planes[c, y, x] = values[rows[y], columns[x], c] if inside else np.float32(0)
    return planes


@compiled(error_model="numpy")
def spans_of(opacity: F32) -> I64:
    """For each row of each object, its first column and the column after its last, int64 (k, h, 2); (w, 0) for an empty row."""
    spans = np.empty((*opacity.shape[:2], 2), np.int64)
    for j in range(opacity.shape[0]):
        for y in range(opacity.shape[1]):
            spans[j, y, 0], spans[j, y, 1] = opacity.shape[2], 0
            for x in range(opacity.shape[2]):
                if opacity[j, y, x] > 0:
                    spans[j, y, 0] = min(spans[j, y, 0], x)
                    spans[j, y, 1] = x + 1
    return spans


@compiled(error_model="numpy")
def add_objects(stack: Stack, displacements: F64, shares: F64, margin_y: int, margin_x: int, blurred: F32) -> None:
    """Add to ``blurred`` (h, w, 3) the change that the objects make to the blurred background: the mean over the instants.

    The first pixel of ``blurred`` is the pixel (``margin_y``, ``margin_x``) of the stack's planes. ``displacements``: of the
    camera, then of the objects, (1 + k, m, 2), (x, y) in pixels. ``shares``: the fraction of each instant, (m,).
    """
    background, planes, clear, hidden, spans = stack
    height, width = blurred.shape[0], blurred.shape[1]
    count = planes.shape[0]
    total, change, behind = np.zeros((3, width), np.float32), np.zeros((3, width), np.float32), np.zeros((3, width), np.float32)
    colour, cover, light = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    starts, stops = np.empty(count, np.int64), np.empty(count, np.int64)
    for y in range(height):
        total[:] = 0
        for t in range(shares.size):
            first, last = width, 0
            for j in range(count):
                row = y + margin_y + math.floor(-displacements[1 + j, t, 1])
                shift = margin_x + math.floor(-displacements[1 + j, t, 0])
                start = min(spans[j, row, 0], spans[j, row + 1, 0]) - 1 - shift
                stop = max(spans[j, row, 1], spans[j, row + 1, 1]) - shift
                starts[j], stops[j] = max(start, 0), min(stop, width)
                if starts[j] < stops[j]:
                    first, last = min(first, starts[j]), max(last, stops[j])
            if first >= last:
                continue
            share = np.float32(shares[t])
            for c in range(3):
                change[c, first:last] = 0
                _read(background[c], y + margin_y, first + margin_x, displacements[0, t], behind[c, first:last])
            for j in range(count):
                if starts[j] >= stops[j]:
                    continue
                a, b = starts[j], stops[j]
                _read(planes[j, 3], y + margin_y, a + margin_x, displacements[1 + j, t], cover[a:b])
                if hidden[j]:
                    _read(clear[j], y + margin_y, a + margin_x, displacements[0, t], light[a:b])
                for c in range(3):
                    _read(planes[j, c], y + margin_y, a + margin_x, displacements[1 + j, t], colour[a:b])
                    _lay(colour[a:b], cover[a:b], behind[c, a:b], light[a:b], hidden[j], change[c, a:b])
            for c in range(3):
                sums, added = total[c, first:last], change[c, first:last]
                for x in range(_U(sums.size)):
                    sums[x] += share * added[x]
        for c in range(3):
            for x in range(width):
                blurred[y, x, c] += total[c, x]


@compiled(error_model="numpy")
def _read(plane: F32, y: int, x: int, displacement: F64, values: F32) -> None:
    """Read consecutive pixels of a row, from (x, y) on, of a plane that is moved by a displacement."""
    row, column = math.floor(-displacement[1]), math.floor(-displacement[0])
    fy, fx = np.float32(-displacement[1] - row), np.float32(-displacement[0] - column)
    gy, gx = np.float32(1) - fy, np.float32(1) - fx
    w00, w01, w10, w11 = gy * gx, gy * fx, fy * gx, fy * fx
    upper, lower = plane[y + row, x + column :], plane[y + row + 1, x + column :]
    for i in range(_U(values.size)):
        values[i] = w00 * upper[i] + w01 * upper[i + _U(1)] + w10 * lower[i] + w11 * lower[i + _U(1)]


@compiled(error_model="numpy")
def _lay(colour: F32, cover: F32, behind: F32, light: F32, hidden: bool, change: F32) -> None:
    """Lay a row of an object over the background ``behind``, and update the ``change`` of the objects behind this object."""
    if hidden:
        for x in range(_U(change.size)):
            change[x] += light[x] * (colour[x] - cover[x] * (behind[x] + change[x]))
    else:
        for x in range(_U(change.size)):
            change[x] += colour[x] - cover[x] * (behind[x] + change[x])
