"""Defocus kernels: the shape of the aperture, with the exact area that the shape covers of every pixel.

A point out of focus becomes a small picture of the aperture: a disk, or a polygon if the blades of the iris show. The light is
spread evenly over this shape, so the weight of a pixel is the area of the shape within the pixel. The kernel of motion and
defocus together is the convolution of their kernels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blurkit.camera.arrays import F32, F64
from blurkit.kernels.rasterization import checked_kernel
from blurkit.program.checks import require

#: The largest radius in pixels. A larger kernel, of more than 2,001 pixels a side, is probably a mistake of units.
MAX_RADIUS = 1000.0

_CHORDS = 16  # these replace the arc of a curved blade; with three blades, the worst case, the error is .2 % of the arc's radius


@dataclass(frozen=True)
class Aperture:
    """The shape of an iris.

    ``blades``: the number of sides of a regular polygon, at least 3, or 0 for a disk. ``rotation``: the direction of the first
    corner, in radians from the x axis towards the y axis. ``curvature``: of the sides, from 0 (straight) to 1 (arcs of the
    circumscribed circle).
    """

    blades: int = 0
    rotation: float = 0.0
    curvature: float = 0.0

    def kernel(self, radius: float) -> F32:
        """The kernel of this shape, by :func:`disk` or :func:`polygon`. Its area is that of a disk of ``radius`` pixels."""
        if self.blades == 0:
            return disk(radius)
        return polygon(radius, self.blades, rotation=self.rotation, curvature=self.curvature)


def disk(radius: float) -> F32:
    """The kernel of a circular aperture, float32 ``(k, k)``, k odd, sum 1: the exact area of the disk within each pixel.

    ``radius``: in pixels, from 0 to :data:`MAX_RADIUS`. Up to a radius of half a pixel the kernel is the identity.
    """
    if _checked_radius(radius) <= 0.5:
        return np.ones((1, 1), np.float32)
    half = math.ceil(radius - 0.5)
    edges = np.concatenate(([0.0], np.arange(half + 1) + 0.5))  # of one quadrant: half a pixel in the centre, then whole pixels
    low, high = edges[:-1, None], edges[1:, None]
    # Along x, the disk fills the whole height of a pixel up to ``left``, the part below its rim from ``left`` to ``right``, and
    # nothing beyond ``right``.
    left, right = (np.clip(_rim(radius, y), low.T, high.T) for y in (high, low))
    under = [(x * _rim(radius, x) + radius**2 * np.arcsin(np.minimum(x / radius, 1))) / 2 for x in (left, right)]
    quadrant = (high - low) * (left - low.T) + under[1] - under[0] - low * (right - left)
    quadrant[0] *= 2
    quadrant[:, 0] *= 2
    places = np.abs(np.arange(-half, half + 1))
    return _normalized(quadrant[np.ix_(places, places)])


def polygon(radius: float, blades: int, *, rotation: float = 0.0, curvature: float = 0.0) -> F32:
    """The kernel of an iris with ``blades`` blades: a regular polygon with the *area* of a disk of ``radius`` pixels.

    Apertures of equal area pass equal light and blur about equally for any number of blades. The radius of the circumscribed
    circle is larger than ``radius`` by the factor 1.19 for five blades and 1.10 for six. Up to a radius of half a pixel the
    kernel is the identity. ``rotation``, ``curvature``: see :class:`Aperture`; an arc is drawn as 16 chords.

    Returns float32 ``(k, k)``, k odd, sum 1: the exact area of the polygon within each pixel. The centroid is the centre of the
    kernel if the number of blades is even. If it is odd and at least 5, the centroid is within .03 px of the centre, because the
    grid of pixels is symmetric and the polygon is not.
    """
    require(blades >= 3, f"a polygonal aperture has at least 3 blades, got {blades}; for a disk, call disk")
    good = math.isfinite(rotation) and 0 <= curvature <= 1
    require(good, f"rotation is an angle in radians and curvature lies in [0, 1], got {rotation} and {curvature}")
    if _checked_radius(radius) <= 0.5:
        return np.ones((1, 1), np.float32)
    corners = _outline(blades, curvature) * np.exp(1j * rotation)
    corners *= radius * math.sqrt(math.pi / _area(corners))
    half = math.ceil(np.abs(np.concatenate((corners.real, corners.imag))).max() - 0.5)
    covered = np.zeros((2 * half + 1,) * 2)
    for start, end in zip(corners, np.roll(corners, -1), strict=True):
        _add_area_above(covered, start, end)
    return _normalized(np.maximum(covered, 0))


def compose(first: ArrayLike, second: ArrayLike) -> F32:
    """The kernel of two blurs, one after the other: the full convolution of their kernels.

    ``first``, ``second``: kernels ``(h, w)`` with odd sides and a positive sum, such as camera motion and defocus. Returns
    float32 ``(k, k)``, k odd, sum 1, without rings of zeros around the taps. The centroid is the sum of the centroids.
    """
    kernels = sorted((checked_kernel(first), checked_kernel(second)), key=np.count_nonzero)
    require(all(kernel.sum(dtype=np.float64) > 0 for kernel in kernels), "a kernel to compose has a positive sum")
    few, many = (kernel.astype(np.float64) for kernel in kernels)
    height, width = few.shape[0] + many.shape[0] - 1, few.shape[1] + many.shape[1] - 1
    side = max(height, width)
    total = np.zeros((side, side))
    inner = total[(side - height) // 2 :, (side - width) // 2 :]
    for y, x in np.argwhere(few):
        inner[y : y + many.shape[0], x : x + many.shape[1]] += few[y, x] * many
    reach = np.abs(np.argwhere(total) - side // 2).max()
    kept = slice(side // 2 - reach, side // 2 + reach + 1)
    return _normalized(total[kept, kept])


def _rim(radius: float, place: F64) -> F64:
    """The extent of a disk along one axis at a place on the other axis; 0 outside the disk."""
    return np.sqrt(np.maximum(radius**2 - place**2, 0))


def _outline(blades: int, curvature: float) -> NDArray[np.complex128]:
    """The corners of an iris in the unit circle, in the order of increasing angles."""
    turn = math.pi / blades
    if curvature == 0:
        return np.exp(2j * turn * np.arange(blades))
    # The blade between the corners at -turn and turn is an arc of radius 1 / curvature with the same chord.
    bulge = math.asin(curvature * math.sin(turn))
    angles = np.linspace(-bulge, bulge, _CHORDS, endpoint=False)
    centre = math.cos(turn) - math.cos(bulge) / curvature
    blade = (centre + np.exp(1j * angles) / curvature) * np.exp(1j * turn)
    return np.concatenate([blade * np.exp(2j * turn * number) for number in range(blades)])


def _area(corners: NDArray[np.complex128]) -> float:
    return float((np.conj(corners) * np.roll(corners, -1)).imag.sum() / 2)


def _add_area_above(covered: F64, start: complex, end: complex) -> None:
    """Add to each pixel its area between one side of the outline and the top edge of the pixel, signed by the side's direction.

    In the sum over all sides of a closed outline, the areas outside the outline cancel. Within a column of pixels a side is a
    straight line. Clipped to the height of a pixel, the line has kinks where it enters and leaves the pixel. Between the kinks
    the area is exactly a trapezoid.
    """
    half = covered.shape[0] // 2
    pixels = np.arange(-half, half + 1)
    first, last = sorted((start.real, end.real))
    left, right = (np.clip(pixels + edge, first, last) for edge in (-0.5, 0.5))
    columns = np.flatnonzero(right > left)
    if columns.size == 0:
        return
    slope = (end.imag - start.imag) / (end.real - start.real)
    left, right, top = left[columns], right[columns], pixels[:, None] - 0.5
    knots = [np.broadcast_to(side, (len(pixels), columns.size)) for side in (left, right)]
    if slope:
        crossings = [np.clip(start.real + (y - start.imag) / slope, left, right) for y in (top, top + 1)]
        knots[1:1] = crossings if slope > 0 else crossings[::-1]
    heights = [np.clip(start.imag + slope * (x - start.real) - top, 0, 1) for x in knots]
    pieces = [(b - a) * (f + g) / 2 for a, b, f, g in zip(knots, knots[1:], heights, heights[1:], strict=False)]
    covered[:, columns] -= math.copysign(1, end.real - start.real) * sum(pieces)


def _checked_radius(radius: float) -> float:
    require(0 <= radius <= MAX_RADIUS, f"a radius of defocus is a number of pixels from 0 to {MAX_RADIUS:g}, got {radius}")
    return radius


def _normalized(kernel: F64) -> F32:
    return (kernel / kernel.sum()).astype(np.float32)
