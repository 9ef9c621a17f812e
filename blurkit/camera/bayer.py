"""The Bayer mosaic, and its interpolation by the linear filters of Malvar, He and Cutler (ICASSP 2004).

A pattern names the colours of a square of 2 x 2 pixels, row by row: "RGGB" has red in the first corner and blue in the opposite
corner. The pattern is anchored to the frame; :func:`pattern_at` gives the pattern of a crop. A missing colour is the mean of its
neighbours, corrected by the second difference of the known colour. All weights are sixteenths.
"""

from __future__ import annotations

import numpy as np

from blurkit.camera.arrays import F32, I64
from blurkit.errors import UsageError, nearest
from blurkit.jit import compiled
from blurkit.program.checks import require

#: The patterns: the first two rows of the mosaic, from the corner of the frame.
BAYER_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")

#: How many pixels the interpolation reads on each side of a pixel.
REACH = 2


def pattern_at(pattern: str, y: int, x: int) -> str:
    """The pattern of a crop whose first pixel is (y, x) in a frame with this pattern."""
    colours = _channels(pattern)
    return "".join("RGB"[colours[(y + row) % 2, (x + column) % 2]] for row in (0, 1) for column in (0, 1))


def mosaic(linear: F32, pattern: str = "RGGB") -> F32:
    """The mosaic, float32 (H, W), of light in the camera's colours, float32 (H, W, 3). The sensor sees one colour per pixel."""
    require(linear.ndim == 3 and linear.shape[2] == 3, f"light is (H, W, 3) RGB, got shape {linear.shape}")
    raw = np.empty(linear.shape[:2], np.float32)
    for (row, column), channel in np.ndenumerate(_channels(pattern)):
        raw[row::2, column::2] = linear[row::2, column::2, channel]
    return raw


def scale(raw: F32, gains: tuple[float, float, float], pattern: str = "RGGB") -> F32:
    """Multiply each pixel of a mosaic, float32 (H, W), by the gain of its colour (red, green, blue), as white balance does."""
    scaled = np.empty(raw.shape, np.float32)
    for (row, column), channel in np.ndenumerate(_channels(pattern)):
        np.multiply(raw[row::2, column::2], np.float32(gains[channel]), out=scaled[row::2, column::2])
    return scaled


def demosaic_malvar(raw: F32, pattern: str = "RGGB") -> F32:
    """All three colours of each pixel, float32 (H, W, 3), interpolated from a mosaic, float32 (H, W), of at least 3 x 3 pixels.

    The interpolation is linear. Beside an edge its values can be below zero or above the largest value of the mosaic. At the
    border the mosaic is reflected about its last pixel, which keeps the pattern. The mosaic should be white-balanced, because the
    filters assume that the three colours vary alike.
    """
    require(raw.ndim == 2 and min(raw.shape) >= 3, f"a mosaic is (H, W) and at least 3 x 3 pixels, got shape {raw.shape}")
    padded = np.pad(np.asarray(raw, np.float32), REACH, mode="reflect")
    colours = np.empty((*raw.shape, 3), np.float32)
    _interpolate(padded, _channels(pattern), colours)
    return colours


def _channels(pattern: str) -> I64:
    """The channel of each pixel of the pattern's square, (2, 2)."""
    if pattern not in BAYER_PATTERNS:
        known = ", ".join(BAYER_PATTERNS)
        raise UsageError(f"a Bayer pattern is one of {known}, got {pattern!r}{nearest(pattern, BAYER_PATTERNS)}")
    return np.array(["RGB".index(colour) for colour in pattern]).reshape(2, 2)


@compiled(error_model="numpy")
def _interpolate(raw: F32, channels: I64, colours: F32) -> None:
    """Fill ``colours``. ``raw``: the mosaic with a margin of REACH pixels on each side."""
    height, width, _ = colours.shape
    half, eighth = np.float32(0.5), np.float32(0.125)
    for y in range(height):
        above2, above, row, below, below2 = raw[y], raw[y + 1], raw[y + 2], raw[y + 3], raw[y + 4]
        for first in range(2):
            own, beside, under = channels[y % 2, first], channels[y % 2, 1 - first], channels[1 - y % 2, first]
            for x in range(first, width, 2):
                centre = row[x + 2]
                level, upright = row[x + 1] + row[x + 3], above[x + 2] + below[x + 2]
                level2, upright2 = row[x] + row[x + 4], above2[x + 2] + below2[x + 2]
                corners = (above[x + 1] + above[x + 3]) + (below[x + 1] + below[x + 3])
                colours[y, x, own] = centre
                if own == 1:
                    same = np.float32(5) * centre - corners
                    colours[y, x, beside] = (same + np.float32(4) * level - level2 + half * upright2) * eighth
                    colours[y, x, under] = (same + np.float32(4) * upright - upright2 + half * level2) * eighth
                else:
                    far = level2 + upright2
                    green = np.float32(4) * centre + np.float32(2) * (level + upright) - far
                    other = np.float32(6) * centre + np.float32(2) * corners - np.float32(1.5) * far
                    colours[y, x, 1] = green * eighth
                    colours[y, x, 2 - own] = other * eighth
