"""Pixels and points made ready for a page: cut, resampled, coloured, thinned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: Pictures narrower or wider than this are shown by their middle part.
ASPECTS = (0.6, 2.5)


def shown(image: NDArray[Any]) -> NDArray[Any]:
    """The part of an image (H, W, 3), or of a mask (H, W), that is shown: its middle where it is extremely narrow or wide."""
    height, width = image.shape[:2]
    high, wide = min(height, math.ceil(width / ASPECTS[0])), min(width, math.ceil(height * ASPECTS[1]))
    y, x = (height - high) // 2, (width - wide) // 2
    return image[y : y + high, x : x + wide]


def resampled(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """An image, uint8 (H, W, 3), at another size, by area averaging; where it grows, its pixels become crisp squares."""
    times = max(math.ceil(height / image.shape[0]), math.ceil(width / image.shape[1]))
    if times > 1:  # OpenCV averages areas when it shrinks alone, and would interpolate
        image = image.repeat(times, axis=0).repeat(times, axis=1)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def thinned(points: NDArray[np.floating], most: int = 600) -> NDArray[np.floating]:
    """About ``most`` of the points where there are more, with both ends."""
    return np.concatenate((points[: -1 : max(len(points) // most, 1)], points[-1:]))


def shade(stops: Sequence[str], share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Colours between equally spaced "#rrggbb": shares in [0, 1] of any shape (...) as RGB (..., 3) in [0, 1]."""
    channels = np.array([[int(stop[i : i + 2], 16) / 255 for i in (1, 3, 5)] for stop in stops]).T
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(share, places, channel) for channel in channels], axis=-1)
