"""A camera with a raw image: its colours, white balance, mosaic and noise, and the development of the raw image.

    light in linear sRGB -> the camera's colours -> Bayer mosaic -> noise -> white balance -> full well -> interpolation -> light

The noise is drawn on the mosaic. After the development it is correlated between neighbours and channels, as in photographs (Rim
et al., "Realistic blur synthesis for learning image deblurring", ECCV 2022).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from blurkit.camera.arrays import F32, F64
from blurkit.camera.bayer import demosaic_malvar, mosaic, pattern_at, scale
from blurkit.camera.sensor import add_noise
from blurkit.errors import UsageError
from blurkit.jit import compiled
from blurkit.program.checks import require

#: From CIE XYZ to the colours of a Sony A7R III under D65: the ColorMatrix2 that Adobe's DNG Converter writes for this camera.
XYZ_TO_A7R3 = ((0.6640, -0.1847, -0.0503), (-0.5238, 1.3010, 0.2474), (-0.0993, 0.1673, 0.6527))

#: From linear sRGB to CIE XYZ under D65 (IEC 61966-2-1).
SRGB_TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera with a Bayer mosaic.

    ``matrix``: from linear sRGB to the camera's white-balanced colours, float64 (3, 3); each row has the sum 1. ``gains``: of the
    white balance, for red, green and blue; they multiply a raw image. ``pattern``: the pattern of the mosaic.
    """

    matrix: F64
    gains: tuple[float, float, float]
    pattern: str = "RGGB"

    @classmethod
    def from_xyz(cls, xyz_to_camera: ArrayLike, *, red_gain: float, blue_gain: float, pattern: str = "RGGB") -> Camera:
        """A camera from its matrix as in the DNG standard, (3, 3). The rows are scaled so that white stays exactly white."""
        matrix = np.asarray(xyz_to_camera, np.float64) @ np.array(SRGB_TO_XYZ)
        if matrix.shape != (3, 3) or np.any(matrix.sum(axis=1) <= 0) or abs(np.linalg.det(matrix)) < 1e-6:
            given = np.asarray(xyz_to_camera)
            raise UsageError(f"a camera's matrix is 3 x 3, invertible and turns white into positive colours, got {given}")
        return cls(matrix / matrix.sum(axis=1, keepdims=True), (red_gain, 1.0, blue_gain), pattern)

    def at(self, y: int, x: int) -> Camera:
        """The camera of a crop whose first pixel is (y, x) in the frame."""
        return dataclasses.replace(self, pattern=pattern_at(self.pattern, y, x))

    def expose(self, linear: F32) -> F32:
        """The raw image without noise, float32 (H, W). ``linear``: light in linear sRGB, float32 (H, W, 3)."""
        balanced = mosaic(transform(linear, self.matrix), self.pattern)
        return scale(balanced, (1 / self.gains[0], 1 / self.gains[1], 1 / self.gains[2]), self.pattern)

    def develop(self, raw: F32) -> F32:
        """Light in linear sRGB, float32 (H, W, 3), from a raw image, float32 (H, W).

        The white-balanced values are clipped to full well, so that saturated highlights are white.
        """
        balanced = scale(raw, self.gains, self.pattern)
        np.minimum(balanced, np.float32(1), out=balanced)
        return transform(demosaic_malvar(balanced, self.pattern), np.linalg.inv(self.matrix))

    def photograph(self, linear: F32, *, shot: float, read: float, rng: np.random.Generator) -> F32:
        """Expose, add noise to the raw image, and develop. ``shot``, ``read``: of :func:`blurkit.camera.sensor.add_noise`."""
        return self.develop(add_noise(self.expose(linear), shot=shot, read=read, rng=rng))


def transform(linear: F32, matrix: ArrayLike) -> F32:
    """Multiply each colour, float32 (H, W, 3), by a matrix (3, 3). The result has the same bits on every machine."""
    weights = np.asarray(matrix, np.float32)
    good = linear.ndim == 3 and linear.shape[2] == 3 and weights.shape == (3, 3)
    require(good, f"colours are (H, W, 3) and their matrix (3, 3), got shapes {linear.shape} and {weights.shape}")
    colours = np.ascontiguousarray(linear, np.float32).reshape(-1, 3)
    transformed = np.empty_like(colours)
    _transform(colours, weights, transformed)
    return transformed.reshape(linear.shape)


@compiled(error_model="numpy")
def _transform(colours: F32, weights: F32, transformed: F32) -> None:
    for i in range(np.uint64(len(colours))):
        red, green, blue = colours[i, 0], colours[i, 1], colours[i, 2]
        for channel in range(3):
            transformed[i, channel] = weights[channel, 0] * red + weights[channel, 1] * green + weights[channel, 2] * blue
