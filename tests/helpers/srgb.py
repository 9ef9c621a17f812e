"""The curve of sRGB in float64, as the standard defines it. The tests compare the program's tables with it."""

import numpy as np
from numpy.typing import ArrayLike


def decode(codes: ArrayLike) -> np.ndarray:
    """Linear light from 0 to 1 of codes from 0 to 255."""
    encoded = np.asarray(codes) / 255.0
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def encode(linear: ArrayLike) -> np.ndarray:
    """Encoded values from 0 to 1 of linear light from 0 to 1."""
    linear = np.asarray(linear)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
