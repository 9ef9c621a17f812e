"""Where a crop is taken: within the photograph, with its halo, and where it is sharp enough.

How sharp an image is, in one number, is the variance of its Laplacian: the measure of J. L. Pech-Pacheco, G. Cristóbal,
J. Chamorro-Martínez and J. Fernández-Valdivia, "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000.
It tells empty sky, blank walls and what lies out of focus from detail, but counts noise as detail too.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.errors import BadImageError, UsageError
from blurkit.truth.box import Box

#: How often a place is drawn for a crop before the photograph is given up as blurred or empty.
PLACES = 10


class TooSmallError(BadImageError, UsageError):
    """A photograph smaller than the crop that is asked of it: one of many that cannot be used, or a size that is too large."""


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
        raise TooSmallError("too_small", f"{shape[1]}x{shape[0]} pixels, smaller than the asked {size[1]}x{size[0]}")
    starts = []
    for full, side in zip(shape, size, strict=True):
        margin = reach if full >= side + 2 * reach else 0
        starts.append(int(rng.integers(margin, full - side - margin, endpoint=True)))
    return Box(starts[0], starts[1], *size)


def valid_box(shape: tuple[int, ...], crop: Box, reach: int) -> Box:
    """The part of a crop, in its own coordinates, that lies at least ``reach`` pixels inside the image, possibly none."""
    starts, sides = np.reshape(crop, (2, 2))
    first = np.clip(reach - starts, 0, sides)
    end = np.clip(np.array(shape) - reach - starts, first, sides)
    return Box(*first.tolist(), *(end - first).tolist())


def laplacian_variance(image: NDArray[np.uint8]) -> float:
    """The variance of the 4-neighbour Laplacian of the grey image over its interior pixels, in squared codes.

    ``image``: uint8 (H, W, 3) RGB. Grey is the Rec. 601 luma of the codes, rounded to whole codes. All sums are whole numbers and
    exact: it is the same number on every machine. An image without interior pixels, less than 3 pixels high or wide, has 0.
    Raises UsageError for another dtype or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(f"an image is uint8 of shape (H, W, 3), got {image.dtype} of shape {image.shape}")
    if min(image.shape[:2]) < 3:
        return 0.0
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    interior = cv2.Laplacian(grey, cv2.CV_16S)[1:-1, 1:-1]
    total, squares = int(interior.sum(dtype=np.int64)), round(cv2.norm(interior, cv2.NORM_L2SQR))
    return (interior.size * squares - total**2) / interior.size**2  # in integers, which have no bounds here
