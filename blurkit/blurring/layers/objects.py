"""Blur of a photograph in which objects move independently of the camera.

At each instant of the exposure the camera displaces everything by d_c, and object j moves by an additional d_j. A displacement d
moves the content of the image by +d, x to the right and y down, as for the kernel of a path. The photograph is cut into a
background and layers of colour and opacity (:mod:`blurkit.blurring.layers.cutout`). The image at an instant is

    s = background(p - d_c),    then from back to front    s = s + clear_j(p - d_c) (colours_j(p - d) - opacity_j(p - d) s),

with d = d_c + d_j. All are read bilinearly. The blurred image is the mean over the instants. The mean of the background is a
convolution with the camera's kernel, and the objects change nothing beyond their reach. So most pixels cost only a convolution.
The sum over the instants is needed only near objects, and instants that nearly coincide are merged. The residual of an object is
added in proportion while the object is within a pixel of its old place, so a tiny motion makes only a tiny change.

If the camera's motion varies over the frame, the same is done at each node of its lattice, and pixels are blended between nodes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from blurkit.blurring.convolve import best_form, convolve_box
from blurkit.blurring.layers.composite import Stack, add_objects, planes_of, spans_of
from blurkit.blurring.layers.cutout import Layers, cut_out
from blurkit.blurring.layers.instants import merge_instants
from blurkit.blurring.layers.paths import CameraPaths, Node
from blurkit.blurring.tiles import surroundings
from blurkit.camera.arrays import F32, F64, I64, Bools, check_array
from blurkit.kernels.rasterization import splat_kernel
from blurkit.program.checks import require
from blurkit.truth.box import Box

#: Instants are merged if their displacements span at most this many pixels along each axis. Up to this value the bilinear reading
#: blurs more than the merging. From two pixels on, contours become visible.
TOLERANCE = 0.5

#: The residual of an object (see ``Layers``) fades to zero while the object moves by this many pixels. If it faded more slowly,
#: it would be visible as a contour that stands still.
FADE = 1.0

# The photograph is cut into layers within a window. The window starts at a multiple of _GRID, like the pyramid that fills holes,
# and has a margin of _MARGIN pixels to fill holes from.
_GRID, _MARGIN = 32, 64


def blur_layers(
    linear: F32,
    masks: Bools,
    camera: CameraPaths,
    own: ArrayLike,
    *,
    box: tuple[int, int, int, int],
    border: str = "reflect101",
    tolerance: float = TOLERANCE,
) -> F32:
    """Blur a photograph by the motion of the camera and of objects, and return a ``box`` of the result, float32 (h, w, 3).

    ``linear``: linear light, float32 (H, W, 3). ``masks``: of the objects from back to front, bool (n, H, W). Include objects
    that stand still, because they hide objects that move behind them. ``camera``: the displacements of the image at T instants,
    and the weights of the instants. ``own``: the displacements that each object adds, (n, T, 2), (x, y) in pixels.
    ``box``: (y, x, h, w). ``border``: what lies outside the image and moves with it, one of ``BORDERS``. ``tolerance``: in
    pixels, see :data:`TOLERANCE`; with 0, only equal instants are merged.

    A pixel that no moving object reaches is blurred only by the camera's motion (exactly, if a kernel has at most ``FFT_TAPS``
    taps). If no object moves, this holds for all pixels. The background that objects uncover is a guess, which depends a little
    on the box. For each moving object, memory is needed for the box and for the reach of the motion around it. Raises UsageError
    for other shapes and dtypes, for numbers that are not finite, and for a box that leaves the image.
    """
    own, box = _checked(linear, masks, camera, own, tolerance), Box.of(box, linear.shape)
    reach = reach_of(camera, own)
    rows, columns = surroundings(box, reach, linear.shape, border)
    y, x = (_window(indices, full, own) for indices, full in zip((rows, columns), linear.shape[:2], strict=True))
    moving = np.logical_and(own.any(axis=(1, 2)), masks[:, y, x].any(axis=(1, 2)))
    if not moving.any():
        return camera.blur(linear, box, border)

    layers = cut_out(linear[y, x], masks[:, y, x], moving)
    inner, camera = box._replace(y=box.y - y.start, x=box.x - x.start), camera.within(y.start, x.start)
    blurred = camera.blur(layers.background, inner, border)
    rows, columns = (np.where(i < 0, i, i - part.start) for i, part in zip((rows, columns), (y, x), strict=True))
    objects = _Objects(layers, own[moving], camera.weights, rows, columns, reach)
    for node in camera.nodes(inner):
        if objects.can_reach(node):
            change = objects.change(node, inner, border, tolerance)
            change *= node.down[:, None, None] * node.across[:, None]
            blurred[node.rows, node.columns] += change
    return np.maximum(blurred, 0, out=blurred)


def reach_of(camera: CameraPaths, own: F64) -> int:
    """The largest distance, in pixels, from which the light of a pixel comes, plus two pixels for the bilinear reading."""
    return math.ceil(camera.reach + np.abs(own).max(initial=0.0)) + 2


def window(box: Box, shape: tuple[int, ...], reach: int, own: F64) -> Box:
    """The part of an image of ``shape`` (H, W, ...) that a box depends on. The blur of this part gives the same box."""
    places = surroundings(box, reach, shape, "reflect101")
    y, x = (_window(indices, full, own) for indices, full in zip(places, shape[:2], strict=True))
    return Box(y.start, x.start, y.stop - y.start, x.stop - x.start)


class _Objects:
    """Moving objects over a box and ``reach`` pixels around it. ``rows``, ``columns``: the indices of these pixels."""

    def __init__(self, layers: Layers, own: F64, weights: F64, rows: I64, columns: I64, reach: int) -> None:
        self._own, self._weights, self._reach, self._residual = own, weights, reach, layers.residual
        planes = np.stack([planes_of(layer, rows, columns) for layer in layers.objects])
        opacity = planes[:, 3]
        hidden = np.logical_or.reduce(layers.clear == 0, axis=(1, 2))
        clear = opacity  # a placeholder, which is not read if no object is hidden
        if hidden.any():
            clear = np.concatenate([planes_of(layer[..., None], rows, columns) for layer in layers.clear])
        self._stack = Stack(planes_of(layers.background, rows, columns), planes, clear, hidden, spans_of(opacity))
        self._filled = [np.flatnonzero((opacity > 0).any(axis=axes)) for axes in ((0, 2), (0, 1))]

    def can_reach(self, node: Node) -> bool:
        """Whether a motion within the reach can bring any object to the pixels of a node."""
        return all(
            len(filled) and filled[0] < part.stop + 2 * self._reach and filled[-1] >= part.start
            for filled, part in zip(self._filled, (node.rows, node.columns), strict=True)
        )

    def change(self, node: Node, box: Box, border: str, tolerance: float) -> F32:
        """The change of the blurred background at the pixels of a node, float32 (h, w, 3), if the camera moves by its path."""
        top, left = node.rows.start, node.columns.start
        part = Box(box.y + top, box.x + left, node.rows.stop - top, node.columns.stop - left)
        changed = np.zeros((part.height, part.width, 3), np.float32)
        for residual, path in zip(self._residual, self._own, strict=True):
            near = self._weights * np.maximum(1 - np.hypot(*path.T) / FADE, 0)  # 1 at the object's old place, 0 from FADE on
            if near.any() and residual.any():
                kernel = splat_kernel(node.path, near, total=float(self._weights.sum()))
                changed += convolve_box(residual, part, best_form(kernel), border)
        paths = np.concatenate((node.path[None], node.path + self._own))
        displacements, shares = merge_instants(paths, self._weights, tolerance)
        add_objects(self._stack, displacements, shares, self._reach + top, self._reach + left, changed)
        return changed


def _checked(linear: F32, masks: Bools, camera: CameraPaths, own: ArrayLike, tolerance: float) -> F64:
    check_array("an image", linear, "float32", "H, W, 3")
    check_array("a stack of masks", masks, "bool", f"n, {linear.shape[0]}, {linear.shape[1]}")
    paths, shape = np.ascontiguousarray(own, np.float64), (len(masks), len(camera.weights), 2)
    require(paths.shape == shape, f"for {shape[0]} masks and {shape[1]} instants own has shape {shape}, got {paths.shape}")
    require(bool(np.isfinite(paths).all()), "own has numbers that are not finite; displacements are in pixels")
    require(tolerance >= 0, f"the tolerance is a number of pixels >= 0, got {tolerance}")
    return paths


def _window(indices: I64, size: int, own: F64) -> slice:
    """The part of an image along one axis that the pixels at these indices and their filled background depend on."""
    margin = _MARGIN + math.ceil(np.abs(own).max(initial=0.0))
    used = indices[indices >= 0]
    start, stop = int(used.min()) - margin, int(used.max()) + 1 + margin
    return slice(max(start // _GRID * _GRID, 0), min(-(-stop // _GRID) * _GRID, size))
