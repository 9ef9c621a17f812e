"""The sensor: highlights beyond full well, Poisson-Gaussian noise, and JPEG compression.

Light is linear and in units of full well: 1 is the brightest value that a photograph can show.
"""

from __future__ import annotations

import cv2
import numpy as np

from blurkit.camera.arrays import F32, U8, U32, U64, Bools
from blurkit.camera.normals import normals, ziggurat
from blurkit.camera.photons import FEW_PHOTONS, alias_tables, photons
from blurkit.camera.response import Response
from blurkit.jit import compiled

#: Light counts as saturated if it is at most this far below full well.
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
    """The light of the scene for each code, float32 (256,).

    Light of at least ``threshold`` in the response's decoding table is raised by ``highlight``. Then all light is multiplied by
    ``gain``. A photograph shows clipped light as 1, however bright the light was. Blur spreads the clipped light, so it is
    restored before the blur. Blur is linear, so the gain may be applied before it. The sharp and the blurred image use the same
    table.
    """
    response.require_inverse()
    table = response.table.copy()
    table[table >= threshold] += np.float32(highlight)
    return table * np.float32(gain)


def saturated(linear: F32) -> Bools:
    """The mask of saturated pixels, bool (h, w): light reaches full well in any channel.

    ``linear``: float32 (h, w, C), before it is clipped. Light may be :data:`ROUNDING` below full well, because blur can turn a
    surface of 1 into .9999999.
    """
    full = np.float32(1 - ROUNDING)
    mask = linear[..., 0] >= full
    for channel in range(1, linear.shape[2]):
        mask |= linear[..., channel] >= full
    return mask


def add_noise(linear: F32, *, shot: float, read: float, rng: np.random.Generator) -> F32:
    """Light with Poisson-Gaussian noise of variance ``shot * linear + read ** 2``, float32 of the same shape, not clipped.

    ``linear``: float32 of any shape; values below 0 count as 0. ``shot``: the light of one photon, > 0. ``read``: the standard
    deviation of the readout, >= 0. Both are in units of full well. If fewer than :data:`FEW_PHOTONS` photons are expected, the
    shot noise is exactly Poisson, else Gaussian.
    """
    flat = np.ascontiguousarray(linear, np.float32).reshape(-1)
    few = np.float32(FEW_PHOTONS * shot)
    noisy = np.empty(flat.size, np.float32)
    for start in range(0, flat.size, _PIECE):
        light = flat[start : start + _PIECE]
        # Random words are drawn in blocks, which is several times faster than one call per pixel.
        normals(_words(light.size, rng), *ziggurat(), rng, noisy[start : start + _PIECE])
        dark = rng.integers(2**64, size=np.count_nonzero(light < few), dtype=np.uint64)
        _expose(light, shot, read, few, dark, alias_tables(), noisy[start : start + _PIECE])
    return noisy.reshape(linear.shape)


def _words(count: int, rng: np.random.Generator) -> U32:
    # To draw 64 bits at a time takes a third less time than 32 bits.
    return rng.integers(2**64, size=(count + 1) // 2, dtype=np.uint64).view(np.uint32)[:count]


@compiled(error_model="numpy")
def _expose(linear: F32, shot: float, read: float, few: np.float32, words: U64, tables: U32, noise: F32) -> None:
    """Replace the normal numbers in ``noise`` by light with noise. Each pixel below ``few`` uses the next word."""
    gain, readout, variance = np.float32(shot), np.float32(read), np.float32(read * read)
    bright = np.empty(_BLOCK, np.float32)
    dark = 0
    for start in range(0, linear.size, _BLOCK):
        light, drawn = linear[start : start + _BLOCK], noise[start : start + _BLOCK]
        for i in range(np.uint64(light.size)):  # a loop without a branch is compiled to vector code
            bright[i] = light[i] + np.sqrt(gain * light[i] + variance) * drawn[i]
        for i in range(np.uint64(light.size)):
            if light[i] < few:
                count = photons(max(np.float64(light[i]), 0.0) / shot, words[dark], tables)
                drawn[i] = gain * np.float32(count) + readout * drawn[i]
                dark += 1
            else:
                drawn[i] = bright[i]


def compress(image: U8, *, quality: int, subsampling: str = "4:2:0") -> U8:
    """An RGB image, uint8 (H, W, 3), after JPEG. ``quality``: 1 to 100. ``subsampling``: "4:4:4", "4:2:2" or "4:2:0"."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLING[subsampling]]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
