"""How sharp an image is, in one number: the variance of its Laplacian.

The measure of J. L. Pech-Pacheco, G. Cristóbal, J. Chamorro-Martínez and J. Fernández-Valdivia, "Diatom autofocusing in
brightfield microscopy: a comparative study", ICPR 2000. It tells empty sky, blank walls and what lies out of focus from detail,
but counts noise as detail too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.jit import compiled


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
