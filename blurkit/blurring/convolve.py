"""Uniform blur: an image convolved with one kernel.

``blurred = image * kernel`` is a true convolution: a unit impulse at p becomes the kernel centred on p. Images are float32 linear
light, because light adds up and codes do not. :mod:`blurkit.blurring.codes` blurs codes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from blurkit.blurring.spectrum import Spectrum
from blurkit.blurring.taps import Taps
from blurkit.blurring.tiles import Window, aligned, tile_shape, tiles
from blurkit.camera.arrays import F32, Array, check_array
from blurkit.kernels.rasterization import checked_kernel
from blurkit.truth.box import Box

#: With more nonzero taps than this, Fourier transforms are faster than the loop over the taps. For large images both take the
#: same time at 350 to 450 taps, for small images at more taps.
FFT_TAPS = 400


def blur(image: F32, kernel: ArrayLike, *, border: str = "reflect101") -> F32:
    """Convolve an image with a kernel, by the faster of :func:`blur_direct` and :func:`blur_fft`.

    ``image``: finite linear light, float32 ``(H, W, C)`` or ``(H, W)``, with any size and number of channels. ``kernel``:
    ``(h, w)``, both odd, converted to float32. Its centre is the displacement 0, and its sum can be any number. ``border``: what
    lies outside the image, one of :data:`blurkit.blurring.tiles.BORDERS`.

    Returns float32 of the image's shape. Raises UsageError for any other dtype, shape or border.
    """
    return _blur(image, best_form(checked_kernel(kernel)), border)


def blur_direct(image: F32, kernel: ArrayLike, *, border: str = "reflect101") -> F32:
    """:func:`blur` by a loop over the nonzero taps.

    Each pixel is the sum over the taps in a fixed order, so its bits do not depend on its place in the image.
    """
    return _blur(image, Taps.of(checked_kernel(kernel)), border)


def blur_fft(image: F32, kernel: ArrayLike, *, border: str = "reflect101") -> F32:
    """:func:`blur` by Fourier transforms, exact to about 1e-6 of the largest value."""
    return _blur(image, Spectrum.of(checked_kernel(kernel)), border)


def best_form(kernel: F32) -> Taps | Spectrum:
    """The form of a kernel that is faster to convolve with."""
    return Taps.of(kernel) if np.count_nonzero(kernel) <= FFT_TAPS else Spectrum.of(kernel)


def convolve_box(image: Array, box: Box, form: Taps | Spectrum, border: str, table: F32 | None = None) -> F32:
    """Convolve an image ``(H, W, C)``, float32 or looked up in ``table``, and return a ``box`` of the result."""
    height, width, channels = shape = box.height, box.width, image.shape[2]
    rows = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    size = form.tile_size(shape)
    (memory,) = aligned(tile_shape(size, form.halo, channels))
    (result,) = aligned((height + 1, width * channels))  # Taps.apply writes pairs of rows
    for tile in tiles(image.shape, box, form.halo, size, border):
        values = tile.read(rows, memory, table)
        form.apply(values, Window(result, tile.y, tile.x * channels), tile.height, tile.width, channels)
    return result[:height].reshape(shape)


def _blur(image: F32, form: Taps | Spectrum, border: str) -> F32:
    check_array("an image", image, "float32", "H, W", "H, W, C")
    planes = image.reshape(*image.shape, 1) if image.ndim == 2 else image
    return convolve_box(planes, Box.of(None, image.shape), form, border).reshape(image.shape)
