"""Prepares images and points for a page: cuts, resamples, colours and thins them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: The least and the largest width / height that is shown. Of other pictures, only the middle is shown.
ASPECTS = (0.6, 2.5)


def shown(image: NDArray[Any]) -> NDArray[Any]:
    """Returns the shown part of an image (H, W, 3) or a mask (H, W): the middle if it is very narrow or wide, else the whole."""
    height, width = image.shape[:2]
    high, wide = min(height, math.ceil(width / ASPECTS[0])), min(width, math.ceil(height * ASPECTS[1]))
    y, x = (height - high) // 2, (width - wide) // 2
    return image[y : y + high, x : x + wide]


def resampled(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Returns an image, uint8 (H, W, 3), resized by area averaging. When it is enlarged, its pixels become sharp squares."""
    times = max(math.ceil(height / image.shape[0]), math.ceil(width / image.shape[1]))
    if times > 1:  # OpenCV averages areas only when it shrinks an image; it would interpolate here
        image = image.repeat(times, axis=0).repeat(times, axis=1)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def thinned(points: NDArray[np.floating], most: int = 600) -> NDArray[np.floating]:
    """Returns about ``most`` points if there are more, with the first and the last one."""
    return np.concatenate((points[: -1 : max(len(points) // most, 1)], points[-1:]))


def shade(stops: Sequence[str], share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns colours interpolated between equally spaced ``stops`` ("#rrggbb"), RGB (..., 3) in [0, 1].

    ``share``: the position between the first and the last stop, in [0, 1], of any shape (...).
    """
    channels = np.array([[int(stop[i : i + 2], 16) / 255 for i in (1, 3, 5)] for stop in stops]).T
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(share, places, channel) for channel in channels], axis=-1)
