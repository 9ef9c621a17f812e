"""Defocus kernels: the image of the lens's aperture, with the exact area that it covers of every pixel.

A point out of focus becomes a small picture of the aperture: a disk, or a polygon where the blades of the iris show. Its light is
spread evenly, so a pixel's share is the area of the shape within it. Motion and defocus compose by convolving their kernels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blurkit.camera.arrays import F32, F64
from blurkit.kernels.rasterization import checked_kernel
from blurkit.program.checks import require

#: The largest radius in pixels; a kernel of 2,001 pixels a side stands for a mistake of units.
MAX_RADIUS = 1000.0

_CHORDS = 16  # in place of the arc of a curved blade; at three blades, the worst case, they leave the arc by .2 % of its radius


@dataclass(frozen=True)
class Aperture:
    """The shape of an iris.

    ``blades``: the sides of a regular polygon, at least 3, or 0 for a disk. ``rotation``: the direction of its first corner, in
    radians from the x axis towards the y axis. ``curvature``: from 0, straight sides, to 1, arcs of the circumscribed circle.
    """

    blades: int = 0
    rotation: float = 0.0
    curvature: float = 0.0

    def kernel(self, radius: float) -> F32:
        """The kernel of this shape with the area of a disk of ``radius`` pixels: :func:`disk` or :func:`polygon`."""
        if self.blades == 0:
            return disk(radius)
        return polygon(radius, self.blades, rotation=self.rotation, curvature=self.curvature)


def disk(radius: float) -> F32:
    """The kernel of a circular aperture.

    ``radius``: in pixels, from 0 to :data:`MAX_RADIUS`; up to half a pixel it is the identity. Returns float32 ``(k, k)``, k odd,
    sum 1: the area of each pixel within the disk, in closed form.
    """
    if _checked_radius(radius) <= 0.5:
        return np.ones((1, 1), np.float32)
    half = math.ceil(radius - 0.5)
    edges = np.concatenate(([0.0], np.arange(half + 1) + 0.5))  # one quadrant: half of the central pixels, then whole ones
    low, high = edges[:-1, None], edges[1:, None]
    # Over [x0, x1] the disk fills a pixel up to where its rim comes in at the top, then what lies below the rim, then nothing.
    left, right = (np.clip(_rim(radius, y), low.T, high.T) for y in (high, low))
    under = [(x * _rim(radius, x) + radius**2 * np.arcsin(np.minimum(x / radius, 1))) / 2 for x in (left, right)]
    quadrant = (high - low) * (left - low.T) + under[1] - under[0] - low * (right - left)
    quadrant[0] *= 2
    quadrant[:, 0] *= 2
    places = np.abs(np.arange(-half, half + 1))
    return _normalized(quadrant[np.ix_(places, places)])


def polygon(radius: float, blades: int, *, rotation: float = 0.0, curvature: float = 0.0) -> F32:
    """The kernel of an iris of ``blades`` blades: a regular polygon of the *area* of a disk of ``radius`` pixels.

    Equal areas pass equal light and blur about equally, whatever the blades; the circumscribed circle is larger, by 1.19 at five
    blades and 1.10 at six. Up to half a pixel of ``radius`` it is the identity. ``rotation`` and ``curvature`` are those of
    :class:`Aperture`; an arc is drawn as 16 chords.

    Returns float32 ``(k, k)``, k odd, sum 1: the area of each pixel within the polygon, exact. Its centroid is the centre
    for an even number of blades, and within .03 px of it for an odd one from 5: pixels sample a shape that they do not mirror.
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
    """The kernel of two blurs, one after the other: their full convolution.

    ``first``, ``second``: ``(h, w)`` of odd sides and a positive sum, such as camera motion and defocus. Returns float32
    ``(k, k)``, k odd, sum 1, without the rings of zeros around it; its centroid is the sum of theirs.
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
    """How far a disk reaches along one axis at a place on the other; 0 beyond it."""
    return np.sqrt(np.maximum(radius**2 - place**2, 0))


def _outline(blades: int, curvature: float) -> NDArray[np.complex128]:
    """The corners of an iris in the unit circle, one after the other in the direction of growing angles."""
    turn = math.pi / blades
    if curvature == 0:
        return np.exp(2j * turn * np.arange(blades))
    # The blade between the corners at -turn and turn is an arc of radius 1 / curvature whose ends span the same chord.
    bulge = math.asin(curvature * math.sin(turn))
    angles = np.linspace(-bulge, bulge, _CHORDS, endpoint=False)
    centre = math.cos(turn) - math.cos(bulge) / curvature
    blade = (centre + np.exp(1j * angles) / curvature) * np.exp(1j * turn)
    return np.concatenate([blade * np.exp(2j * turn * number) for number in range(blades)])


def _area(corners: NDArray[np.complex128]) -> float:
    return float((np.conj(corners) * np.roll(corners, -1)).imag.sum() / 2)


def _add_area_above(covered: F64, start: complex, end: complex) -> None:
    """Add to each pixel its area between a side of the outline and the top edge of the pixels' rows, signed by its direction.

    Over all sides of a closed outline the areas outside it cancel. Within a column of pixels the side is a straight line; cut to
    a pixel's rows, it has kinks where it enters and leaves them, and between kinks a trapezoid is exact.
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
