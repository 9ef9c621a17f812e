"""Draws the place of a crop: inside the photograph, with its halo, where the photograph is sharp enough.

The sharpness of an image is measured by the variance of its Laplacian: J. L. Pech-Pacheco, G. Cristóbal, J. Chamorro-Martínez and
J. Fernández-Valdivia, "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000. The measure separates
detail from empty sky, blank walls and regions out of focus. It also counts noise as detail.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.errors import BadImageError, UsageError
from blurkit.truth.box import Box

#: How many places are drawn for a crop before the photograph is given up as blurred or empty.
PLACES = 10


class TooSmallError(BadImageError, UsageError):
    """The photograph is smaller than the crop: the photograph cannot be used, or the requested size is wrong."""


def draw_sharp_crop(
    image: NDArray[np.uint8], size: tuple[int, int] | None, reach: int, least: float, *, rng: np.random.Generator
) -> Box:
    """Draws crops by :func:`draw_crop`, and returns the first crop with a variance of the Laplacian of at least ``least``. Raises
    :class:`BadImageError` with the reason ``not_sharp`` after :data:`PLACES` places."""
    sharpest = 0.0
    for _ in range(PLACES if size else 1):
        crop = draw_crop(image.shape[:2], size, reach, rng=rng)
        if least == 0:
            return crop
        sharpness = laplacian_variance(image[crop.slices])
        if sharpness >= least:
            return crop
        sharpest = max(sharpest, sharpness)
    places = f"the sharpest of {PLACES} places drawn" if size else "the photograph"
    raise BadImageError("not_sharp", f"{places} has a variance of the Laplacian of {sharpest:.1f}, below {least:g}")


def draw_crop(shape: tuple[int, ...], size: tuple[int, int] | None, reach: int, *, rng: np.random.Generator) -> Box:
    """Draws a crop of ``size`` in an image of ``shape``. Along each axis, the crop
    stays ``reach`` pixels away from the border if the image is large enough. Otherwise it may touch the border."""
    if size is None:
        return Box(0, 0, shape[0], shape[1])
    if shape[0] < size[0] or shape[1] < size[1]:
        raise TooSmallError("too_small", f"{shape[1]}x{shape[0]} pixels, smaller than the asked {size[1]}x{size[0]}")
    starts = []
    for full, side in zip(shape, size, strict=True):
        margin = reach if full >= side + 2 * reach else 0
        starts.append(int(rng.integers(margin, full - side - margin, endpoint=True)))
    return Box(starts[0], starts[1], *size)


def valid_box(shape: tuple[int, ...], crop: Box, reach: int) -> Box:
    """The part of a crop, in its own coordinates, that lies at least ``reach`` pixels inside the image. It may be empty."""
    starts, sides = np.reshape(crop, (2, 2))
    first = np.clip(reach - starts, 0, sides)
    end = np.clip(np.array(shape) - reach - starts, first, sides)
    return Box(*first.tolist(), *(end - first).tolist())


def laplacian_variance(image: NDArray[np.uint8]) -> float:
    """The variance of the 4-neighbour Laplacian of the grey image over its interior pixels, in squared codes.

    ``image``: uint8 (H, W, 3) RGB. Grey is the Rec. 601 luma of the codes, rounded to whole codes. All sums are exact whole
    numbers, so that every machine returns the same number. The result is 0 for an image without interior pixels, which is less
    than 3 pixels high or wide. Raises :class:`UsageError` for another dtype or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(f"an image is uint8 of shape (H, W, 3), got {image.dtype} of shape {image.shape}")
    if min(image.shape[:2]) < 3:
        return 0.0
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    interior = cv2.Laplacian(grey, cv2.CV_16S)[1:-1, 1:-1]
    total, squares = int(interior.sum(dtype=np.int64)), round(cv2.norm(interior, cv2.NORM_L2SQR))
    return (interior.size * squares - total**2) / interior.size**2  # Python's integers cannot overflow
