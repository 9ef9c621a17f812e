"""Objects that move on their own over a moving camera.

At each instant of the exposure the camera displaces everything by d_c, and object j by its own d_j on top; a displacement d moves
the content of the image by +d, x to the right and y down, as the kernel of a path does. With the photograph cut into a background
and layers of colour and opacity (:mod:`blurkit.cutout`), the image at an instant is

    s = background(p - d_c),    then from back to front    s = s + clear_j(p - d_c) (colours_j(p - d) - opacity_j(p - d) s),

with d = d_c + d_j, all read bilinearly, and the blurred image is the mean of these instants. Of that sum the background is a
convolution with the camera's kernel, and what the objects change is zero out of their reach. So most pixels cost a convolution,
and the sum runs over objects' pixels, and over instants of which those that nearly coincide are taken together. While an object
is within a pixel of where it was, what the layers lack of the photograph there is added in proportion: a motion of next to
nothing changes next to nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blurkit.convolve import best_form, convolve_box
from blurkit.cutout import Layers, cut_out
from blurkit.errors import UsageError
from blurkit.instants import merge_instants
from blurkit.jit import compiled
from blurkit.kernel import splat
from blurkit.tiles import Box, source_indices

#: Instants whose displacements span at most this many pixels along each axis are taken together. Up to here it is the bilinear
#: reading that blurs more; from two pixels on contours become visible.
TOLERANCE = 0.5

#: Pixels of own motion over which the rest of an object, see :class:`blurkit.cutout.Layers`, fades. Where it faded slowly, it
#: would show as a contour that stands still.
FADE = 1.0

# The photograph is cut into layers within a window that starts at multiples of this, as the pyramid that fills behind objects
# does, and whose margin keeps pixels to fill from in sight.
_GRID, _MARGIN = 32, 64

_U = np.uint64  # unsigned, as in blurkit.taps


def blur_layers(
    linear: NDArray[np.float32],
    masks: NDArray[np.bool_],
    camera: ArrayLike,
    own: ArrayLike,
    weights: ArrayLike,
    *,
    box: Box,
    border: str = "reflect101",
    tolerance: float = TOLERANCE,
) -> NDArray[np.float32]:
    """A ``box`` of a photograph blurred by the motion of the camera and of objects in it.

    ``linear``: float32 (H, W, 3), linear light. ``masks``: bool (n, H, W), later ones in front; objects that stand still are
    worth giving too, since they hide what moves behind them. ``camera``: (T, 2), where the camera's motion takes the image at
    each instant, as (x, y) in pixels. ``own``: (n, T, 2), what each object's own motion adds. ``weights``: (T,), the share of
    each instant, >= 0, of any positive sum. ``border``: what lies outside the image, and moves with it: one of
    :data:`blurkit.tiles.BORDERS`. ``tolerance``: px, see :data:`TOLERANCE`; 0 takes every instant.

    Returns float32 (h, w, 3). Where no moving object comes near it is the convolution with the camera's kernel (to the bit, while
    that has at most :data:`blurkit.convolve.FFT_TAPS` taps), and so it is everywhere if nothing has a motion of its own. What
    objects uncover is a guess, which depends a little on the box. Takes memory for the box and the reach of the motion around
    it, for each moving object. Raises UsageError for other shapes and dtypes, numbers that are not finite, negative weights, and
    a box that leaves the image.
    """
    camera, own, weights = _checked(linear, masks, camera, own, weights, box, tolerance)
    reach = math.ceil(max(np.abs(camera).max(), np.abs(camera + own).max(initial=0.0))) + 2
    rows, columns = (
        source_indices(start - reach, start + side + reach, full, border)
        for start, side, full in zip(box[:2], box[2:], linear.shape[:2], strict=True)
    )
    y, x = (_window(indices, full, own) for indices, full in zip((rows, columns), linear.shape[:2], strict=True))
    moving = np.logical_and(own.any(axis=(1, 2)), masks[:, y, x].any(axis=(1, 2)))
    if not moving.any():
        return convolve_box(linear, box, best_form(_kernel(camera, weights)), border)

    layers = cut_out(linear[y, x], masks[:, y, x], moving)
    inner = (box[0] - y.start, box[1] - x.start, *box[2:])
    blurred = _blur_standing(layers, camera, own[moving], weights, inner, border)
    displacements, shares = merge_instants(np.concatenate((camera[None], camera + own[moving])), weights, tolerance)
    rows, columns = (np.where(i < 0, i, i - part.start) for i, part in zip((rows, columns), (y, x), strict=True))
    planes = np.stack([_planes(layer, rows, columns) for layer in layers.objects])
    hidden = np.logical_or.reduce(layers.clear == 0, axis=(1, 2))
    background, clear = _planes(layers.background, rows, columns), planes[:, 3]  # which is not read where nothing is hidden
    if hidden.any():
        clear = np.concatenate([_planes(layer[..., None], rows, columns) for layer in layers.clear])
    _add_objects(background, planes, clear, hidden, _spans(planes[:, 3]), displacements, shares, blurred)
    return np.maximum(blurred, 0, out=blurred)


def _blur_standing(
    layers: Layers,
    camera: NDArray[np.float64],
    own: NDArray[np.float64],
    weights: NDArray[np.float64],
    box: Box,
    border: str,
) -> NDArray[np.float32]:
    """What the camera's motion alone blurs: the background, and the rest of each object while the object is where it was."""
    blurred = convolve_box(layers.background, box, best_form(_kernel(camera, weights)), border)
    for rest, path in zip(layers.rest, own, strict=True):
        near = weights * np.maximum(1 - np.hypot(*path.T) / FADE, 0)
        if near.any() and rest.any():
            blurred += convolve_box(rest, box, best_form(_kernel(camera, near, weights.sum())), border)
    return blurred


def _checked(
    linear: NDArray[np.float32],
    masks: NDArray[np.bool_],
    camera: ArrayLike,
    own: ArrayLike,
    weights: ArrayLike,
    box: Box,
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    if linear.dtype != np.float32 or linear.ndim != 3 or linear.shape[2] != 3:
        raise UsageError(f"linear light is float32 (H, W, 3), got {linear.dtype} {linear.shape}")
    if masks.dtype != bool or masks.ndim != 3 or masks.shape[1:] != linear.shape[:2]:
        raise UsageError(f"masks are bool (n, H, W) for an image {linear.shape}, got {masks.dtype} {masks.shape}")
    path, paths, shares = (np.ascontiguousarray(values, np.float64) for values in (camera, own, weights))
    instants = len(shares) if shares.ndim == 1 else 0
    if not instants or path.shape != (instants, 2) or paths.shape != (len(masks), instants, 2):
        raise UsageError(
            f"for {len(masks)} masks and T >= 1 instants camera is (T, 2), own ({len(masks)}, T, 2) and weights (T,), "
            f"got {path.shape}, {paths.shape} and {shares.shape}"
        )
    if not (np.isfinite(path).all() and np.isfinite(paths).all() and np.isfinite(shares).all()):
        raise UsageError("displacements and weights are finite numbers; these have others")
    if shares.min() < 0 or shares.sum() <= 0:
        raise UsageError(f"weights are >= 0 and their sum is not 0, got {shares.min()} at least and a sum of {shares.sum()}")
    if not tolerance >= 0:
        raise UsageError(f"the tolerance is a number of pixels >= 0, got {tolerance}")
    y, x, height, width = box
    if min(y, x) < 0 or min(height, width) < 1 or y + height > linear.shape[0] or x + width > linear.shape[1]:
        raise UsageError(f"the box (y, x, h, w) = {tuple(box)} is empty or leaves the image of {linear.shape[:2]} pixels")
    return path, paths, shares


def _kernel(camera: NDArray[np.float64], weights: NDArray[np.float64], exposure: float | None = None) -> NDArray[np.float32]:
    """The camera's kernel, as :func:`blurkit.kernel.rasterize_anchored` makes it: its sum is 1, or their share of an exposure."""
    half = math.ceil(np.abs(camera).max())
    mass = np.zeros((2 * half + 1, 2 * half + 1))
    splat(camera, weights, mass)
    return np.asarray(mass / (mass.sum() if exposure is None else exposure), np.float32)


def _window(indices: NDArray[np.int64], size: int, own: NDArray[np.float64]) -> slice:
    """The part of an image along one axis that the pixels at these indices, and what is filled in there, depend on."""
    margin = _MARGIN + math.ceil(np.abs(own).max(initial=0.0))
    used = indices[indices >= 0]
    start, stop = int(used.min()) - margin, int(used.max()) + 1 + margin
    return slice(max(start // _GRID * _GRID, 0), min(-(-stop // _GRID) * _GRID, size))


@compiled(error_model="numpy")
def _planes(values: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """The pixels of (H, W, C) at these rows and columns, as planes (C, h, w); zero where an index is negative."""
    planes = np.empty((values.shape[2], rows.size, columns.size), np.float32)
    for y in range(rows.size):
        for x in range(columns.size):
            inside = rows[y] >= 0 and columns[x] >= 0
            for c in range(values.shape[2]):
                planes[c, y, x] = values[rows[y], columns[x], c] if inside else np.float32(0)
    return planes


@compiled(error_model="numpy")
def _spans(opacity: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each row of each object, int64 (k, h, 2), its first column and the one after its last; (w, 0) where it has none."""
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
def _add_objects(
    background: NDArray[np.float32],
    planes: NDArray[np.float32],
    clear: NDArray[np.float32],
    hidden: NDArray[np.bool_],
    spans: NDArray[np.int64],
    displacements: NDArray[np.float64],
    shares: NDArray[np.float64],
    blurred: NDArray[np.float32],
) -> None:
    """Add to ``blurred`` (h, w, 3), the blurred background, what the objects change: the mean over the instants.

    ``planes``: (k, 4, H, W), colours and opacity; ``displacements``: (1 + k, m, 2), the camera's first.
    """
    height, width = blurred.shape[0], blurred.shape[1]
    margin_y, margin_x = (background.shape[1] - height) // 2, (background.shape[2] - width) // 2
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
def _read(plane: NDArray[np.float32], y: int, x: int, displacement: NDArray[np.float64], values: NDArray[np.float32]) -> None:
    """Consecutive pixels of a row, from (x, y) on, of a plane moved by a displacement."""
    row, column = math.floor(-displacement[1]), math.floor(-displacement[0])
    fy, fx = np.float32(-displacement[1] - row), np.float32(-displacement[0] - column)
    gy, gx = np.float32(1) - fy, np.float32(1) - fx
    w00, w01, w10, w11 = gy * gx, gy * fx, fy * gx, fy * fx
    upper, lower = plane[y + row, x + column :], plane[y + row + 1, x + column :]
    for i in range(_U(values.size)):
        values[i] = w00 * upper[i] + w01 * upper[i + _U(1)] + w10 * lower[i] + w11 * lower[i + _U(1)]


@compiled(error_model="numpy")
def _lay(
    colour: NDArray[np.float32],
    cover: NDArray[np.float32],
    behind: NDArray[np.float32],
    light: NDArray[np.float32],
    hidden: bool,
    change: NDArray[np.float32],
) -> None:
    """Lay a row of an object over what is ``behind`` it, with the ``change`` that objects further back have made."""
    if hidden:
        for x in range(_U(change.size)):
            change[x] += light[x] * (colour[x] - cover[x] * (behind[x] + change[x]))
    else:
        for x in range(_U(change.size)):
            change[x] += colour[x] - cover[x] * (behind[x] + change[x])
