"""Convolution by the fast Fourier transform, for kernels with many taps. The method is overlap-save on blocks.

A block with its halo is transformed, multiplied by the transform of the kernel, and transformed back. This is a circular
convolution. Inside the halo, its pixels equal those of the true convolution.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from blurkit.blurring.tiles import Halo, Window, support
from blurkit.camera.arrays import F32

# A block with its halo has a side of _BLOCK pixels, or of _KERNEL_SIDES kernel sides if these are larger. So it usually fits in
# the cache, and most of it is not halo.
_BLOCK = 256
_KERNEL_SIDES = 4


@dataclass(frozen=True)
class Spectrum:
    """A kernel for convolution by Fourier transforms. ``kernel``: cropped to its nonzero values, float32 ``(h, w)``."""

    kernel: F32
    halo: Halo
    _transforms: dict[tuple[int, int], NDArray[np.complex64]] = field(default_factory=dict)

    @classmethod
    def of(cls, kernel: F32) -> Spectrum:
        """The spectrum of a kernel with odd sides, centred on its middle."""
        return cls(*support(kernel))

    def tile_size(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """The height and width in pixels of the tile that one block yields, for a box of ``shape`` (h, w, C), split evenly."""
        height, width = (
            -(-size // max(round(size / (max(_BLOCK, _KERNEL_SIDES * side) - side + 1)), 1))
            for size, side in zip(shape[:2], self.kernel.shape, strict=True)
        )
        return height, width

    def apply(self, values: F32, target: Window, height: int, width: int, channels: int) -> None:
        """Convolve ``height`` x ``width`` pixels. ``values``: these pixels and their halo, float32. ``target``: float32."""
        planes = values.reshape(values.shape[0], -1, channels).transpose(2, 0, 1)
        sides = (scipy.fft.next_fast_len(planes.shape[1], real=True), scipy.fft.next_fast_len(planes.shape[2], real=True))
        if sides not in self._transforms:
            self._transforms[sides] = scipy.fft.rfft2(self.kernel, sides)
        spectrum = scipy.fft.rfft2(planes, sides)
        spectrum *= self._transforms[sides]
        circular = scipy.fft.irfft2(spectrum, sides, overwrite_x=True)
        top, left = self.kernel.shape[0] - 1, self.kernel.shape[1] - 1
        result = circular[:, top : top + height, left : left + width].transpose(1, 2, 0)
        target.values[target.top :, target.left :][:height, : width * channels] = result.reshape(height, -1)
