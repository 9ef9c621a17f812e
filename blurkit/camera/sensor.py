"""The sensor: highlights beyond full well, Poisson-Gaussian noise, and JPEG compression.

Light is linear and relative to full well: 1 is the brightest value that a photograph can show.
"""

from __future__ import annotations

import cv2
import numpy as np

from blurkit.camera.arrays import F32, U8, U32, U64, Bools
from blurkit.camera.normals import normals, ziggurat
from blurkit.camera.photons import FEW_PHOTONS, alias_tables, photons
from blurkit.camera.response import Response
from blurkit.jit import compiled

#: How far below full well light still counts as saturated.
ROUNDING = 1e-5
_PIECE = 2**16
_BLOCK = 2048

#: The longest side that libjpeg compresses.
LARGEST_JPEG_SIDE = 65500

_SUBSAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def highlight_table(response: Response, highlight: float, threshold: float, gain: float = 1.0) -> F32:
    """The light of the scene for each code, float32 (256,): the response's decoding table, with ``highlight`` added where linear
    light is at least ``threshold``, times ``gain``.

    A photograph shows clipped light as 1, however bright it was; blur spreads what was clipped, so it has to be there. A gain
    acts on all light alike, and so before the blur as well as after it: the sharp and the blurred image take the same table.
    """
    response.require_inverse()
    table = response.table.copy()
    table[table >= threshold] += np.float32(highlight)
    return table * np.float32(gain)


def saturated(linear: F32) -> Bools:
    """Where light reaches full well in any channel: bool (h, w), of float32 light (h, w, C) that has not been clipped yet.

    Light may fall short of full well by :data:`ROUNDING`, as blur makes .9999999 of a surface of 1.
    """
    full = np.float32(1 - ROUNDING)
    mask = linear[..., 0] >= full
    for channel in range(1, linear.shape[2]):
        mask |= linear[..., channel] >= full
    return mask


def add_noise(linear: F32, *, shot: float, read: float, rng: np.random.Generator) -> F32:
    """Light with Poisson-Gaussian noise of variance ``shot * linear + read ** 2``: float32, same shape, not clipped.

    ``linear``: float32 of any shape, values below 0 count as 0; ``shot`` > 0 is the light of one photon, ``read`` >= 0 the
    standard deviation of the readout, both in units of full well. Below :data:`FEW_PHOTONS` expected photons the shot noise is
    exact Poisson.
    """
    flat = np.ascontiguousarray(linear, np.float32).reshape(-1)
    few = np.float32(FEW_PHOTONS * shot)
    noisy = np.empty(flat.size, np.float32)
    for start in range(0, flat.size, _PIECE):
        light = flat[start : start + _PIECE]
        # Random words come in blocks, which is several times faster than a call per pixel.
        normals(_words(light.size, rng), *ziggurat(), rng, noisy[start : start + _PIECE])
        dark = rng.integers(2**64, size=np.count_nonzero(light < few), dtype=np.uint64)
        _expose(light, shot, read, few, dark, alias_tables(), noisy[start : start + _PIECE])
    return noisy.reshape(linear.shape)


def _words(count: int, rng: np.random.Generator) -> U32:
    return rng.integers(2**64, size=(count + 1) // 2, dtype=np.uint64).view(np.uint32)[:count]  # pairs take a third less time


@compiled(error_model="numpy")
def _expose(linear: F32, shot: float, read: float, few: np.float32, words: U64, tables: U32, noise: F32) -> None:
    """Light with noise in place of the normal numbers in ``noise``; each pixel below ``few`` takes the next of the words."""
    gain, readout, variance = np.float32(shot), np.float32(read), np.float32(read * read)
    bright = np.empty(_BLOCK, np.float32)
    dark = 0
    for start in range(0, linear.size, _BLOCK):
        light, drawn = linear[start : start + _BLOCK], noise[start : start + _BLOCK]
        for i in range(np.uint64(light.size)):  # by itself, without a branch, this loop becomes vector code
            bright[i] = light[i] + np.sqrt(gain * light[i] + variance) * drawn[i]
        for i in range(np.uint64(light.size)):
            if light[i] < few:
                count = photons(max(np.float64(light[i]), 0.0) / shot, words[dark], tables)
                drawn[i] = gain * np.float32(count) + readout * drawn[i]
                dark += 1
            else:
                drawn[i] = bright[i]


def compress(image: U8, *, quality: int, subsampling: str = "4:2:0") -> U8:
    """An RGB image, uint8 (H, W, 3), after JPEG compression at this quality, 1 to 100, and chroma subsampling."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLING[subsampling]]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
