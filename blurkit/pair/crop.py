"""Where a crop is taken: within the photograph, with its halo, and where it is sharp enough.

How sharp an image is, in one number, is the variance of its Laplacian: the measure of J. L. Pech-Pacheco, G. Cristóbal,
J. Chamorro-Martínez and J. Fernández-Valdivia, "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000.
It tells empty sky, blank walls and what lies out of focus from detail, but counts noise as detail too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import BadImageError, UsageError
from blurkit.jit import compiled
from blurkit.truth.box import Box

#: How often a place is drawn for a crop before the photograph is given up as blurred or empty.
PLACES = 10


def draw_sharp_crop(
    image: NDArray[np.uint8], size: tuple[int, int] | None, reach: int, least: float, *, rng: np.random.Generator
) -> Box:
    """A crop as :func:`draw_crop` draws it, the first one whose variance of the Laplacian is at least ``least``."""
    found = 0.0
    for _ in range(PLACES if size else 1):
        crop = draw_crop(image.shape[:2], size, reach, rng=rng)
        if least == 0:
            return crop
        sharpness = laplacian_variance(image[crop.slices])
        if sharpness >= least:
            return crop
        found = max(found, sharpness)
    places = f"the sharpest of {PLACES} places drawn" if size else "the photograph"
    raise BadImageError("not_sharp", f"{places} has a variance of the Laplacian of {found:.1f}, below {least:g}")


def draw_crop(shape: tuple[int, ...], size: tuple[int, int] | None, reach: int, *, rng: np.random.Generator) -> Box:
    """A crop of ``size`` in an image of ``shape``; along each axis its halo of ``reach`` pixels lies inside where that fits."""
    if size is None:
        return Box(0, 0, shape[0], shape[1])
    if shape[0] < size[0] or shape[1] < size[1]:
        raise BadImageError("too_small", f"{shape[1]}x{shape[0]} pixels, smaller than the asked {size[1]}x{size[0]}")
    starts = []
    for full, side in zip(shape, size, strict=True):
        margin = reach if full >= side + 2 * reach else 0
        starts.append(int(rng.integers(margin, full - side - margin, endpoint=True)))
    return Box(starts[0], starts[1], *size)


def valid_box(shape: tuple[int, ...], crop: Box, reach: int) -> Box:
    """The part of a crop, in its own coordinates, that lies at least ``reach`` pixels inside the image, possibly none."""
    starts, sides = [], []
    for full, start, side in zip(shape, crop[:2], crop[2:], strict=True):
        low = min(max(reach - start, 0), side)
        high = max(min(full - reach - start, side), low)
        starts.append(low)
        sides.append(high - low)
    return Box(starts[0], starts[1], sides[0], sides[1])


def laplacian_variance(image: NDArray[np.uint8]) -> float:
    """The variance of the 4-neighbour Laplacian of the grey image over its interior pixels, in squared codes.

    ``image``: uint8 (H, W, 3) RGB. Grey is the Rec. 601 luma of the codes, rounded to whole codes by OpenCV's weights, so the
    result is that of ``cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F)[1:-1, 1:-1].var()``. All sums are
    integers and exact: it is the same number on every machine. An image without interior pixels, less than 3 pixels high or
    wide, has 0. Raises UsageError for another dtype or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(f"an image is uint8 of shape (H, W, 3), got {image.dtype} of shape {image.shape}")
    height, width = image.shape[:2]
    if min(height, width) < 3:
        return 0.0
    count = (height - 2) * (width - 2)
    sums = _laplacian_sums(np.ascontiguousarray(image).reshape(height, -1))
    total, squares = int(sums[0]), int(sums[1])  # without bounds: the products below leave 64 bits
    return (count * squares - total**2) / count**2


@compiled(error_model="numpy")
def _laplacian_sums(rows: NDArray[np.uint8]) -> tuple[np.int64, np.int64]:
    """The sum of the Laplacian, and of its squares, from rows (H, 3 W) of interleaved codes."""
    width = np.uint64(rows.shape[1] // 3)
    grey = np.empty((3, width), np.int32)  # a ring of the rows above, at and below
    total, squares = np.int64(0), np.int64(0)
    for y in range(rows.shape[0]):
        _luma(rows[y], grey[y % 3])
        if y < 2:
            continue
        above, middle, below = grey[(y - 2) % 3], grey[(y - 1) % 3], grey[y % 3]
        row_total, row_squares = np.int64(0), np.int64(0)
        for x in range(np.uint64(1), width - np.uint64(1)):
            around = above[x] + below[x] + middle[x - np.uint64(1)] + middle[x + np.uint64(1)]
            value = np.int32(around - np.int32(4) * middle[x])
            row_total += value
            row_squares += np.int32(value * value)
        total += row_total
        squares += row_squares
    return total, squares


@compiled(error_model="numpy")
def _luma(row: NDArray[np.uint8], grey: NDArray[np.int32]) -> None:
    """0.299 R + 0.587 G + 0.114 B in fixed point, rounded to nearest."""
    for x in range(np.uint64(grey.size)):
        at = np.uint64(3) * x
        red, green, blue = np.int32(row[at]), np.int32(row[at + np.uint64(1)]), np.int32(row[at + np.uint64(2)])
        grey[x] = np.int32(9798 * red + 19235 * green + 3735 * blue + 16384) >> np.int32(15)
