"""Peak signal-to-noise ratio, as every test takes it."""

import numpy as np

from blurkit.camera.response import load_response


def psnr(first: np.ndarray, second: np.ndarray, *, peak: float = 1.0, margin: int = 0) -> float:
    """In decibels, over all pixels but a margin; finite where nothing differs."""
    inner = slice(margin, -margin or None)
    difference = first[inner, inner].astype(np.float64) - second[inner, inner]
    return float(10 * np.log10(peak**2 / (np.mean(difference**2) + 1e-30)))


def encoded_psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Of two images in linear light, both encoded as sRGB."""
    response = load_response("srgb")
    return psnr(response.encode(first), response.encode(second))


def psnr_up_to_a_shift(made: np.ndarray, photographed: np.ndarray, *, reach: int = 15) -> float:
    """The best agreement of the inner pixels of two grey images over whole-pixel shifts."""
    shifts = range(-reach, reach + 1)
    return max(psnr(np.roll(made, (y, x), axis=(0, 1)), photographed, margin=30) for y in shifts for x in shifts)
