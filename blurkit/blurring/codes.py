"""Uniform blur in linear light, from codes to codes, tile by tile.

If a whole photograph is decoded, convolved and encoded in three steps, moving float32 images takes more time than the arithmetic.
Here each tile goes through all three steps while it is in the cache. The result is the same, bit for bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from blurkit.blurring.convolve import best_form, convolve_box
from blurkit.blurring.tiles import Window, aligned, tile_shape, tiles
from blurkit.camera.arrays import F32, U8, check_array
from blurkit.camera.response import Response, quantize_rows
from blurkit.kernels.rasterization import checked_kernel
from blurkit.truth.box import Box


def blur_codes(
    codes: U8, kernel: ArrayLike, response: Response, *, box: tuple[int, int, int, int] | None = None, border: str = "reflect101"
) -> U8:
    """Blur an image in linear light and return the nearest codes.

    ``codes``: uint8 ``(H, W, C)``. ``kernel``: ``(h, w)``, as for :func:`blurkit.blur`. ``box``: (y, x, h, w) in pixels, the part
    of the blurred image to return, by default all of it. Around the box true pixels are read. ``border``: what lies outside the
    image, one of :data:`blurkit.blurring.tiles.BORDERS`; it matters only if the kernel reaches beyond the image.

    Returns uint8 ``(h, w, C)``, equal to the box of ``response.quantize(blur(response.decode(codes), kernel))``. Raises
    UsageError for another dtype, shape or border, and for a box that is empty or leaves the image.
    """
    response.require_inverse()
    check_array("an image in codes", codes, "uint8", "H, W, C")
    form, box = best_form(checked_kernel(kernel)), Box.of(box, codes.shape)
    height, width, channels = box.height, box.width, codes.shape[2]
    encoded = np.empty((height, width * channels), np.uint8)
    rows = np.ascontiguousarray(codes).reshape(codes.shape[0], -1)
    size = form.tile_size((height, width, channels))
    memory, blurred = aligned(tile_shape(size, form.halo, channels), (size[0], size[1] * channels))
    for tile in tiles(codes.shape, box, form.halo, size, border):
        linear = tile.read(rows, memory, response.table)
        form.apply(linear, Window(blurred, 0, 0), tile.height, tile.width, channels)
        target = encoded[tile.y : tile.y + tile.height, tile.x * channels : (tile.x + tile.width) * channels]
        quantize_rows(blurred, response.entries, response.thresholds, response.steep, target)
    return encoded.reshape(height, width, channels)


def blur_region(codes: U8, kernel: ArrayLike, response: Response, box: Box, border: str = "reflect101") -> F32:
    """The linear light of a ``box`` of the blurred image, float32 ``(h, w, C)``: :func:`blur_codes` without the encoding."""
    response.require_inverse()
    check_array("an image in codes", codes, "uint8", "H, W, C")
    return convolve_box(codes, Box.of(box, codes.shape), best_form(checked_kernel(kernel)), border, response.table)
