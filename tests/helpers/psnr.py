"""Peak signal-to-noise ratio."""

import numpy as np

from blurkit.camera.response import load_response


def psnr(first: np.ndarray, second: np.ndarray, *, peak: float = 1.0, margin: int = 0) -> float:
    """PSNR in dB of all pixels inside a margin. Equal images give a finite value."""
    inner = slice(margin, -margin or None)
    difference = first[inner, inner].astype(np.float64) - second[inner, inner]
    return float(10 * np.log10(peak**2 / (np.mean(difference**2) + 1e-30)))


def encoded_psnr(first: np.ndarray, second: np.ndarray) -> float:
    """PSNR in dB of two images in linear light after encoding as sRGB."""
    response = load_response("srgb")
    return psnr(response.encode(first), response.encode(second))


def psnr_up_to_a_shift(made: np.ndarray, photographed: np.ndarray, *, reach: int = 15) -> float:
    """The best PSNR in dB of the inner pixels of two grey images over all whole-pixel shifts up to ``reach``."""
    shifts = range(-reach, reach + 1)
    return max(psnr(np.roll(made, (y, x), axis=(0, 1)), photographed, margin=30) for y in shifts for x in shifts)
