"""Pairs whose blurred image is a real photograph: both images are cropped, and nothing is drawn but the place of the crop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.pair.crop import draw_sharp_crop
from blurkit.truth.box import Box


def real_crops(
    image: NDArray[np.uint8],
    blurred: Callable[[], NDArray[np.uint8]] | None,
    size: tuple[int, int] | None,
    least: float,
    *,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Box]:
    """Returns the same crop of the sharp and of the real blurred image, uint8 (h, w, 3), and its place.

    ``blurred``: a function that returns the real blurred image, of the size of ``image``. ``size``, ``least``: see
    :func:`blurkit.pair.crop.draw_sharp_crop`. Raises :class:`UsageError` if there is no real blurred image, and
    :class:`blurkit.errors.BadImageError` as the functions do.
    """
    if blurred is None:
        raise UsageError("recipe section [real] takes real blurred photographs, and this photograph has none; see --src pairs")
    crop = draw_sharp_crop(image, size, 0, least, rng=rng)
    return np.ascontiguousarray(image[crop.slices]), np.ascontiguousarray(blurred()[crop.slices]), crop
