"""Uniform blur: an image convolved with one kernel.

``blurred = image * kernel`` is a true convolution: a unit impulse at p becomes the kernel centred on p. It belongs in linear
light, so images are float32; :mod:`blurkit.blurring.codes` goes from codes to codes.
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

#: Above this many nonzero taps Fourier transforms are faster than walking the taps. They break even between 350 and 450 taps for
#: large images, later for small ones.
FFT_TAPS = 400


def blur(image: F32, kernel: ArrayLike, *, border: str = "reflect101") -> F32:
    """An image convolved with a kernel, by whichever of :func:`blur_direct` and :func:`blur_fft` is faster.

    ``image``: float32 ``(H, W, C)`` or ``(H, W)`` of finite linear light, any number of channels and any size. ``kernel``:
    ``(h, w)``, both odd, taken as float32; its centre is the anchor and it need not sum to 1. ``border``: what lies outside
    the image, one of :data:`blurkit.blurring.tiles.BORDERS`.

    Returns float32 of the image's shape. Raises UsageError for any other dtype, shape or border.
    """
    return _blur(image, best_form(checked_kernel(kernel)), border)


def blur_direct(image: F32, kernel: ArrayLike, *, border: str = "reflect101") -> F32:
    """:func:`blur` by walking the nonzero taps.

    Each pixel is the sum over the taps in one fixed order: its bits are the same wherever in an image it lies.
    """
    return _blur(image, Taps.of(checked_kernel(kernel)), border)


def blur_fft(image: F32, kernel: ArrayLike, *, border: str = "reflect101") -> F32:
    """:func:`blur` by Fourier transforms, exact to about 1e-6 of the largest value."""
    return _blur(image, Spectrum.of(checked_kernel(kernel)), border)


def best_form(kernel: F32) -> Taps | Spectrum:
    """The faster form of a kernel."""
    return Taps.of(kernel) if np.count_nonzero(kernel) <= FFT_TAPS else Spectrum.of(kernel)


def convolve_box(image: Array, box: Box, form: Taps | Spectrum, border: str, table: F32 | None = None) -> F32:
    """A ``box`` of the convolution of an image ``(H, W, C)``, float32, or of what its values stand for in a ``table``."""
    height, width, channels = shape = box.height, box.width, image.shape[2]
    rows = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    size = form.tile_size(shape)
    (memory,) = aligned(tile_shape(size, form.halo, channels))
    (result,) = aligned((height + 1, width * channels))  # room for the partner of an odd last row
    for tile in tiles(image.shape, box, form.halo, size, border):
        values = tile.read(rows, memory, table)
        form.apply(values, Window(result, tile.y, tile.x * channels), tile.height, tile.width, channels)
    return result[:height].reshape(shape)


def _blur(image: F32, form: Taps | Spectrum, border: str) -> F32:
    check_array("an image", image, "float32", "H, W", "H, W, C")
    planes = image.reshape(*image.shape, 1) if image.ndim == 2 else image
    return convolve_box(planes, Box.of(None, image.shape), form, border).reshape(image.shape)
