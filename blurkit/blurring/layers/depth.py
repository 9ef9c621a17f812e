"""Defocus that follows depth: each surface is blurred by its distance from the plane in focus, and near ones hide far ones.

A photograph is cut into layers of about equal radius, which are blurred one by one with their masks and laid over each other from
back to front. What a layer has behind nearer ones is unknown and is filled in from its nearest visible pixel, so that nothing of
a sharp object bleeds into the background, and through the soft edge of a blurred object its surroundings show.
"""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.convolve import blur
from blurkit.blurring.tiles import surroundings
from blurkit.camera.arrays import F32, F64, Bools, Floats, check_array, require_array
from blurkit.kernels.aperture import MAX_RADIUS, Aperture
from blurkit.program.checks import require
from blurkit.truth.box import Box

#: Pixels of radius from one layer to the next.
SPACING = 0.5

_DISK = Aperture()


def circle_of_confusion(disparity: Floats, *, focus: float, strength: float) -> F32:
    """The signed radius of defocus of each pixel: ``strength * (disparity - focus)``, that of a thin lens.

    ``disparity``: (H, W), in any unit that is inverse to depth up to an offset, large for near; pixels that are not finite are
    holes, see :func:`fill_holes`. ``focus``: the disparity in focus. ``strength``: pixels of radius per unit, at least 0.

    Returns float32 (H, W) in pixels: positive nearer than the focus, negative beyond it. The disk of a point has its magnitude.
    """
    good = math.isfinite(focus) and math.isfinite(strength) and strength >= 0
    require(good, f"focus is a disparity and strength a finite number >= 0, got {focus} and {strength}")
    return (strength * (fill_holes(disparity) - focus)).astype(np.float32)


def fill_holes(disparity: Floats) -> F64:
    """A disparity map (H, W) without holes: each takes the smaller of the nearest values to its left and right.

    Stereo has no match where one camera alone sees the scene past an edge, and that belongs to what lies behind. A row without a
    single value takes the nearest one that has some. Raises :class:`UsageError` for a map without any.
    """
    require_array("a disparity map", disparity)
    good = disparity.ndim == 2 and disparity.dtype.kind == "f" and np.isfinite(disparity).any()
    require(bool(good), f"a disparity map is floating point (H, W) with finite values, got {disparity.dtype} {disparity.shape}")
    known = np.isfinite(disparity)
    values = np.where(known, disparity, np.inf).astype(np.float64)
    columns = np.arange(values.shape[1])
    left = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, columns, len(columns))[:, ::-1], axis=1)[:, ::-1]
    bordered = np.pad(values, ((0, 0), (0, 1)), constant_values=np.inf)  # -1 and W both lead to the infinite column
    filled = np.minimum(*(np.take_along_axis(bordered, side, axis=1) for side in (left, right)))
    rows = np.flatnonzero(known.any(axis=1))
    between = np.searchsorted((rows[1:] + rows[:-1]) / 2, np.arange(len(filled)))
    return filled[rows[between]]


def blur_depth(
    linear: F32,
    radius: Floats,
    *,
    aperture: Aperture = _DISK,
    box: tuple[int, int, int, int] | None = None,
    spacing: float = SPACING,
) -> F32:
    """An image as a lens with that defocus would have seen it.

    ``linear``: float32 (H, W, 3) linear light. ``radius``: (H, W), finite, the signed radius of :func:`circle_of_confusion`; its
    order is the order of depth. ``aperture``: the shape of the iris as objects beyond the focus show it; nearer ones show it
    upside down. ``box``: (y, x, h, w), the part to return. ``spacing``: pixels of radius from layer to layer, at least 1/16; a
    pixel belongs to the nearest. Outside the image, it is reflected.

    Returns float32 (h, w, 3). A single distance is uniform defocus, and what is in focus stays as it is. Against the mean of the
    views from all points of a lens, an object before a plane comes within 39 to 50 dB, where blurring each pixel by its own
    kernel has 29 to 42 dB and shows; slanted planes come within 49 dB. Memory: some 100 bytes for each pixel of the box and of
    twice the largest radius around it. Raises :class:`UsageError` for other shapes and dtypes.
    """
    _check(linear, radius, spacing)
    part = Box.of(box, linear.shape)
    levels = _levels(float(radius.min()), float(radius.max()), spacing)
    reach = reach_of(radius)
    around = np.ix_(*surroundings(part, reach, linear.shape, "reflect101"))
    light = linear[around]
    # A pixel at the rim of a near surface shows some of it too. Left behind, it would outline what is blurred in front of it.
    depth = cv2.dilate(radius[around].astype(np.float32), np.ones((3, 3), np.uint8))
    result = np.zeros_like(light)
    bounds = np.concatenate(([-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]))
    for level, (behind, before) in zip(levels, itertools.pairwise(bounds), strict=True):
        own = (depth >= behind) & (depth < before)
        if own.any():
            kernel = aperture.kernel(abs(level))
            _lay_over(result, light, _shown(own, depth < before), kernel[::-1, ::-1] if level > 0 else kernel)
    return np.ascontiguousarray(result[reach : reach + part.height, reach : reach + part.width])


def reach_of(radius: Floats) -> int:
    """How far away, in pixels, a pixel's light comes from at most: what lies twice as far off as the rim of the largest disk may
    fill what is hidden within that disk."""
    return math.ceil(2 * float(np.abs(radius).max())) + 1


def _shown(own: Bools, visible: Bools) -> NDArray[np.intp]:
    """For each pixel of a layer, (h, w), the flat index of the pixel whose light it has; -1 where the layer is transparent.

    ``own``: the layer's pixels. ``visible``: these and all behind them; others hide the layer, which goes on there as at the
    nearest visible pixel.
    """
    places = np.arange(own.size).reshape(own.shape)
    if not visible.all():
        hidden = (~visible).astype(np.uint8)
        _, labels = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
        labelled = np.zeros(labels.max() + 1, np.intp)
        labelled[labels[visible]] = places[visible]
        places = labelled[labels]
    return np.where(own.reshape(-1)[places], places, -1)


def _lay_over(result: F32, light: F32, shown: NDArray[np.intp], kernel: F32) -> None:
    """Blur a layer and lay it over what is behind it, in place; only the rectangle that it reaches is touched."""
    opaque, margin = shown >= 0, len(kernel) // 2
    rows, columns = (np.flatnonzero(opaque.any(axis=axis)) for axis in (1, 0))
    part = tuple(slice(max(int(at[0]) - margin, 0), int(at[-1]) + margin + 1) for at in (rows, columns))
    opaque, shown = opaque[part], shown[part]
    layer = np.zeros((*opaque.shape, 4), np.float32)  # light times opacity, and opacity
    layer[opaque, :3] = light.reshape(-1, 3)[shown[opaque]]
    layer[opaque, 3] = 1
    layer = blur(layer, kernel, border="zero")
    result[part] *= 1 - layer[..., 3:]
    result[part] += layer[..., :3]


def _levels(low: float, high: float, spacing: float) -> F64:
    """Radii from ``low`` to ``high`` at most ``spacing`` apart, and zero where they straddle it: what is in focus stays so."""
    ends = [low, 0.0, high] if low < 0 < high else [low, high]
    parts = [np.linspace(a, b, math.ceil((b - a) / spacing), endpoint=False) for a, b in itertools.pairwise(ends)]
    return np.concatenate([*parts, [high]])


def _check(linear: F32, radius: Floats, spacing: float) -> None:
    check_array("an image", linear, "float32", "H, W, 3")
    require_array("a radius", radius)
    good = radius.shape == linear.shape[:2] and radius.dtype.kind == "f"
    require(good, f"radius is floating point of the image's {linear.shape[:2]}, got {radius.dtype} {radius.shape}")
    finite = bool((np.abs(radius) <= MAX_RADIUS).all())
    require(finite, f"radius is finite and at most {MAX_RADIUS:g} px everywhere; fill holes with circle_of_confusion")
    require(spacing >= 1 / 16, f"spacing is a number of pixels from 1/16, got {spacing}")
