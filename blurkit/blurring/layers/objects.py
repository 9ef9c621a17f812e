"""Objects that move on their own over a moving camera.

At each instant of the exposure the camera displaces everything by d_c, and object j by its own d_j on top; a displacement d moves
the content of the image by +d, x to the right and y down, as the kernel of a path does. With the photograph cut into a background
and layers of colour and opacity (:mod:`blurkit.blurring.layers.cutout`), the image at an instant is

    s = background(p - d_c),    then from back to front    s = s + clear_j(p - d_c) (colours_j(p - d) - opacity_j(p - d) s),

with d = d_c + d_j, all read bilinearly, and the blurred image is the mean of these instants. Of that sum the background is a
convolution with the camera's kernel, and what the objects change is zero out of their reach. So most pixels cost a convolution,
and the sum runs over objects' pixels, and over instants of which those that nearly coincide are taken together. While an object
is within a pixel of where it was, what the layers lack of the photograph there is added in proportion: a motion of next to
nothing changes next to nothing.

Where the camera's motion varies over the frame, all this holds at each node of its lattice, and pixels are blended between nodes.
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

#: Instants whose displacements span at most this many pixels along each axis are taken together. Up to here it is the bilinear
#: reading that blurs more; from two pixels on contours become visible.
TOLERANCE = 0.5

#: Pixels of own motion over which the rest of an object, see ``Layers``, fades. Where it faded slowly, it
#: would show as a contour that stands still.
FADE = 1.0

# The photograph is cut into layers within a window that starts at multiples of this, as the pyramid that fills behind objects
# does, and whose margin keeps pixels to fill from in sight.
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
    """A ``box`` of a photograph blurred by the motion of the camera and of objects in it.

    ``linear``: float32 (H, W, 3), linear light. ``masks``: bool (n, H, W), later ones in front; objects that stand still are
    worth giving too, since they hide what moves behind them. ``camera``: where its motion takes the image at each of T instants,
    and their weights. ``own``: (n, T, 2), what each object's own motion adds, (x, y) in pixels. ``border``: what lies outside the
    image, and moves with it: one of ``BORDERS``. ``tolerance``: px, see :data:`TOLERANCE`; 0 takes every
    instant.

    Returns float32 (h, w, 3). Where no moving object comes near it is what the camera's motion alone makes (to the bit, while a
    kernel has at most ``FFT_TAPS`` taps), and so it is everywhere if nothing has a motion of its own. What
    objects uncover is a guess, which depends a little on the box. Takes memory for the box and the reach of the motion around
    it, for each moving object. Raises UsageError for other shapes and dtypes, numbers that are not finite, negative weights, and
    a box that leaves the image.
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
        if objects.come_near(node):
            change = objects.change(node, inner, border, tolerance)
            change *= node.down[:, None, None] * node.across[:, None]
            blurred[node.rows, node.columns] += change
    return np.maximum(blurred, 0, out=blurred)


def reach_of(camera: CameraPaths, own: F64) -> int:
    """How far away, in pixels, a pixel's light comes from at most, and two more that are read between pixels."""
    return math.ceil(camera.reach + np.abs(own).max(initial=0.0)) + 2


def window(box: Box, shape: tuple[int, ...], reach: int, own: F64) -> Box:
    """The part of an image of ``shape`` that a box depends on: cut out, with the box in its coordinates, it gives the same."""
    places = surroundings(box, reach, shape, "reflect101")
    y, x = (_window(indices, full, own) for indices, full in zip(places, shape[:2], strict=True))
    return Box(y.start, x.start, y.stop - y.start, x.stop - x.start)


class _Objects:
    """Moving objects over the pixels of a box and ``reach`` of them around it, which lie at these rows and columns."""

    def __init__(self, layers: Layers, own: F64, weights: F64, rows: I64, columns: I64, reach: int) -> None:
        self._own, self._weights, self._reach, self._rest = own, weights, reach, layers.rest
        planes = np.stack([planes_of(layer, rows, columns) for layer in layers.objects])
        opacity = planes[:, 3]
        hidden = np.logical_or.reduce(layers.clear == 0, axis=(1, 2))
        clear = opacity  # which is not read where nothing is hidden
        if hidden.any():
            clear = np.concatenate([planes_of(layer[..., None], rows, columns) for layer in layers.clear])
        self._stack = Stack(planes_of(layers.background, rows, columns), planes, clear, hidden, spans_of(opacity))
        self._filled = [np.flatnonzero((opacity > 0).any(axis=axes)) for axes in ((0, 2), (0, 1))]

    def come_near(self, node: Node) -> bool:
        """Whether a motion within the reach brings any of them to a node's pixels."""
        return all(
            len(filled) and filled[0] < part.stop + 2 * self._reach and filled[-1] >= part.start
            for filled, part in zip(self._filled, (node.rows, node.columns), strict=True)
        )

    def change(self, node: Node, box: Box, border: str, tolerance: float) -> F32:
        """What they add to the blurred background at a node's pixels, float32 (h, w, 3), were its path that of the camera."""
        top, left = node.rows.start, node.columns.start
        part = Box(box.y + top, box.x + left, node.rows.stop - top, node.columns.stop - left)
        changed = np.zeros((part.height, part.width, 3), np.float32)
        for rest, path in zip(self._rest, self._own, strict=True):  # of each object, while it is where it was
            near = self._weights * np.maximum(1 - np.hypot(*path.T) / FADE, 0)
            if near.any() and rest.any():
                kernel = splat_kernel(node.path, near, total=float(self._weights.sum()))
                changed += convolve_box(rest, part, best_form(kernel), border)
        paths = np.concatenate((node.path[None], node.path + self._own))
        displacements, shares = merge_instants(paths, self._weights, tolerance)
        add_objects(self._stack, displacements, shares, self._reach + top, self._reach + left, changed)
        return changed


def _checked(linear: F32, masks: Bools, camera: CameraPaths, own: ArrayLike, tolerance: float) -> F64:
    check_array("an image", linear, "float32", "H, W, 3")
    check_array("a stack of masks", masks, "bool", f"n, {linear.shape[0]}, {linear.shape[1]}")
    paths, shape = np.ascontiguousarray(own, np.float64), (len(masks), len(camera.weights), 2)
    found = f"for {shape[0]} masks and {shape[1]} instants own is ({shape[0]}, T, 2), got {paths.shape}"
    require(paths.shape == shape, found)
    require(bool(np.isfinite(paths).all()), "displacements are finite numbers; an object's own motion has others")
    require(tolerance >= 0, f"the tolerance is a number of pixels >= 0, got {tolerance}")
    return paths


def _window(indices: I64, size: int, own: F64) -> slice:
    """The part of an image along one axis that the pixels at these indices, and what is filled in there, depend on."""
    margin = _MARGIN + math.ceil(np.abs(own).max(initial=0.0))
    used = indices[indices >= 0]
    start, stop = int(used.min()) - margin, int(used.max()) + 1 + margin
    return slice(max(start // _GRID * _GRID, 0), min(-(-stop // _GRID) * _GRID, size))
