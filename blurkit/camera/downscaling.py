"""Photographs made smaller by a whole factor in linear light: each block of pixels becomes its mean.

A mean of light is what a sensor with larger pixels would have seen. At its full size a photograph of many megapixels has
little detail for its pixels, and borders of JPEG blocks.

JPEG's own reduced decoding averages encoded values. In the worst of 21 photographs it is 35, 31 and 29 dB away from the mean of
light at factors 2, 4 and 8, in the median 45, 40 and 37, and 7 to 11 dB worse at the strongest edges. So it is not used.
"""

from __future__ import annotations

import numpy as np

from blurkit.camera.arrays import F32, U8, U64, Bools, check_array
from blurkit.camera.response import Response, quantize_rows
from blurkit.jit import compiled
from blurkit.program.checks import require


def downscale(codes: U8, factor: int, response: Response) -> U8:
    """The nearest codes of the mean linear light of blocks of ``factor`` x ``factor`` pixels.

    ``codes``: uint8 (H, W, 3). ``response``: decodes and encodes. Returns uint8 (H // factor, W // factor, 3); rows at the bottom
    and columns at the right that do not fill a block are cut off. A factor of 1 returns ``codes`` themselves.

    Sums are float64 in a fixed order. With sRGB they are exact up to a factor of 512, since its float32 values are multiples of
    2**-35. A view that is not contiguous is copied first. Raises UsageError for another dtype or shape, and for a factor that
    is no whole number from 1 to the smaller side.
    """
    check_array("an image", codes, "uint8", "H, W, 3")
    factor = _checked(factor, codes.shape[:2])
    if factor == 1:
        return codes
    response.require_inverse()
    smaller = np.empty((codes.shape[0] // factor, codes.shape[1] // factor, 3), np.uint8)
    rows = np.ascontiguousarray(codes).reshape(codes.shape[0], -1)
    target = smaller.reshape(len(smaller), -1)
    _mean_rows(rows, factor, response.table, response.entries, response.thresholds, response.steep, target)
    return smaller


def downscale_disparity(disparity: F32, factor: int) -> F32:
    """A disparity map, float32 (H, W), of the smaller photograph: the largest value of each ``factor`` x ``factor`` pixels, as a
    mean would be a surface where there is none; not finite where none of them is."""
    height, width = (side // factor for side in disparity.shape)
    known = np.where(np.isfinite(disparity), disparity, -np.inf)[: height * factor, : width * factor]
    nearest: F32 = known.reshape(height, factor, width, factor).max(axis=(1, 3))
    return nearest


def downscale_mask(masks: Bools, factor: int) -> Bools:
    """Masks for an image of :func:`downscale`: a pixel belongs to an object where at least half of its block does.

    ``masks``: bool (n, H, W), n possibly 0. Returns bool (n, H // factor, W // factor). Raises UsageError as :func:`downscale`.
    """
    check_array("a stack of masks", masks, "bool", "n, H, W")
    factor = _checked(factor, masks.shape[1:])
    if factor == 1:
        return masks
    smaller = np.empty((len(masks), masks.shape[1] // factor, masks.shape[2] // factor), np.bool_)
    for mask, result in zip(masks, smaller, strict=True):
        _majority(np.ascontiguousarray(mask).view(np.uint8), factor, result)
    return smaller


def _checked(factor: int, shape: tuple[int, ...]) -> int:
    whole = int(factor) if isinstance(factor, int | np.integer) and not isinstance(factor, bool) else 0
    found = f"got {factor!r} for {shape[0]} x {shape[1]} pixels (H x W)"
    require(1 <= whole <= min(shape), f"a factor is a whole number from 1 to the smaller side; {found}")
    return whole


@compiled(error_model="numpy")
def _mean_rows(rows: U8, factor: int, table: F32, entries: U64, thresholds: F32, steep: bool, smaller: U8) -> None:
    """The codes of block means, uint8 (h, 3 w), from rows of interleaved codes."""
    means = np.empty((1, smaller.shape[1]), np.float32)
    side, width = np.uint64(factor), np.uint64(smaller.shape[1] // 3)
    area = np.float64(factor * factor)
    for y in range(smaller.shape[0]):
        block = rows[y * factor : (y + 1) * factor]
        for x in range(width):
            red, green, blue = 0.0, 0.0, 0.0
            for dy in range(side):
                for dx in range(side):
                    at = (x * side + dx) * np.uint64(3)
                    red += table[block[dy, at]]
                    green += table[block[dy, at + np.uint64(1)]]
                    blue += table[block[dy, at + np.uint64(2)]]
            at = x * np.uint64(3)
            means[0, at] = red / area
            means[0, at + np.uint64(1)] = green / area
            means[0, at + np.uint64(2)] = blue / area
        quantize_rows(means, entries, thresholds, steep, smaller[y : y + 1])


@compiled(error_model="numpy")
def _majority(mask: U8, factor: int, smaller: Bools) -> None:
    """Where at least half of a block of a mask (H, W) of 0 and 1 is 1."""
    counts = np.empty(smaller.shape[1] * factor, np.uint32)
    side = np.uint64(factor)
    for y in range(smaller.shape[0]):
        counts[:] = 0
        for dy in range(factor):
            row = mask[y * factor + dy]
            for x in range(np.uint64(counts.size)):
                counts[x] += row[x]
        for x in range(np.uint64(smaller.shape[1])):
            count = np.uint64(0)
            for dx in range(side):
                count += counts[x * side + dx]
            smaller[y, x] = np.uint64(2) * count >= side * side
