"""Convolution by the fast Fourier transform, for kernels with too many taps to walk: overlap-save on blocks.

A block with its halo is transformed, multiplied by the transform of the kernel and transformed back; of this circular
convolution the pixels that the halo surrounds are those of the true one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from blurkit.tiles import Halo, Window, support

# Side of a block, halo included: it fits in the cache, and most of what it yields is not halo.
_BLOCK = 256
_KERNEL_SIDES = 6


@dataclass(frozen=True)
class Spectrum:
    """A kernel, float32 ``(h, w)`` cropped to its nonzero values, for convolution by Fourier transforms."""

    kernel: NDArray[np.float32]
    halo: Halo

    @classmethod
    def of(cls, kernel: NDArray[np.float32]) -> Spectrum:
        """The spectrum of a kernel with odd sides, centred on its middle."""
        return cls(*support(kernel))

    def tile_size(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """Height and width in pixels of what one block yields in a box of ``shape`` (h, w, C), split evenly."""
        height, width = (
            -(-size // max(round(size / (max(_BLOCK, _KERNEL_SIDES * side) - side + 1)), 1))
            for size, side in zip(shape[:2], self.kernel.shape, strict=True)
        )
        return height, width

    def apply(self, values: NDArray[np.float32], target: Window, height: int, width: int, channels: int) -> None:
        """Convolve ``height`` x ``width`` pixels from ``values``, halo included, into ``target``; both are float32."""
        rows, columns = self.kernel.shape
        planes = values.reshape(values.shape[0], -1, channels).transpose(2, 0, 1)
        sides = [scipy.fft.next_fast_len(side, real=True) for side in planes.shape[1:]]
        spectrum = scipy.fft.rfft2(planes, sides)
        spectrum *= scipy.fft.rfft2(self.kernel, sides)
        result = scipy.fft.irfft2(spectrum, sides, overwrite_x=True)[:, rows - 1 :, columns - 1 :][:, :height, :width]
        place = target.values[target.top :, target.left :][:height, : width * channels]
        place[:] = result.transpose(1, 2, 0).reshape(height, -1)
