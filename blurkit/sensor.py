"""The sensor: highlights beyond full well, Poisson-Gaussian noise, and JPEG compression.

Light is linear and relative to full well: 1 is the brightest value that a photograph can show.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.jit import compiled
from blurkit.response import Response

#: Below this many expected photons the Gaussian approximation of shot noise is visibly wrong and exact Poisson numbers are drawn.
FEW_PHOTONS = 30.0
_PIECE = 2048

#: The longest side that libjpeg compresses.
LARGEST_JPEG_SIDE = 65500

_SUBSAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def highlight_table(response: Response, highlight: float, threshold: float) -> NDArray[np.float32]:
    """The response's decoding table, float32 (256,), with ``highlight`` added where linear light is at least ``threshold``.

    A photograph shows clipped light as 1, however bright it was; blur spreads what was clipped, so it has to be there.
    """
    table = response.table.copy()
    table[table >= threshold] += np.float32(highlight)
    return table


def add_noise(linear: NDArray[np.float32], *, shot: float, read: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Light with Poisson-Gaussian noise of variance ``shot * linear + read ** 2``: float32, same shape, not clipped.

    ``linear``: float32 of any shape, values below 0 count as 0; ``shot`` > 0 is the light of one photon, ``read`` >= 0 the
    standard deviation of the readout, both in units of full well. Below :data:`FEW_PHOTONS` expected photons the shot noise is
    exact Poisson.
    """
    flat = np.ascontiguousarray(linear, np.float32).reshape(-1)
    # Drawn in one block, which is several times faster than a call per pixel; pixels with few photons use theirs for the readout.
    noise = rng.standard_normal(flat.size, dtype=np.float32)
    _expose(flat, shot, read, noise, rng)
    return noise.reshape(linear.shape)


@compiled(error_model="numpy")
def _expose(linear: NDArray[np.float32], shot: float, read: float, noise: NDArray[np.float32], rng: np.random.Generator) -> None:
    few = np.float32(FEW_PHOTONS * shot)
    gain, readout, variance = np.float32(shot), np.float32(read), np.float32(read * read)
    bright = np.empty(_PIECE, np.float32)
    for start in range(0, linear.size, _PIECE):
        light, drawn = linear[start : start + _PIECE], noise[start : start + _PIECE]
        for i in range(np.uint64(light.size)):  # by itself, without a branch, this loop becomes vector code
            bright[i] = light[i] + np.sqrt(gain * light[i] + variance) * drawn[i]
        for i in range(np.uint64(light.size)):
            if light[i] < few:
                drawn[i] = gain * np.float32(rng.poisson(max(light[i], np.float32(0)) / shot)) + readout * drawn[i]
            else:
                drawn[i] = bright[i]


def compress(image: NDArray[np.uint8], *, quality: int, subsampling: str = "4:2:0") -> NDArray[np.uint8]:
    """An RGB image, uint8 (H, W, 3), after JPEG compression at this quality, 1 to 100, and chroma subsampling."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLING[subsampling]]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
