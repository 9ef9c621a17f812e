"""Measures by how much the sharp and the blurred image of a real pair are shifted, and moves the sharp one.

The shift is that of the centroid of the unknown kernel, in linear light: of a symmetric kernel its middle, and of a skewed one
the mean of its path in time, which is where the kernels that blurkit draws are anchored too. A cross-correlation of the reduced
images gives the first estimate, and fits of :mod:`blurkit.pair.moments` refine it, at a scale that suits the blur they find. The
blurred image stays as the camera took it, because its noise and its blur are what a network learns from. The sharp image is moved
in codes by a windowed sinc of 17 taps, which keeps fine detail where a spline or a bilinear filter would blur the target.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.camera.response import Response
from blurkit.errors import BadImageError
from blurkit.pair.moments import F32, F64, Moments, fit_moments
from blurkit.truth.box import Box
from blurkit.truth.scene import Registration

#: A code from which on a pixel counts as saturated.
_SATURATED = 250

#: The first and the finest scale in pixels, and the least short side of an image in coarsest scales.
_FIRST, _FINEST, _SIDES = 24.0, 4.0, 16

#: A scale has at least so many standard deviations of the kernel. The next one is chosen a little above.
_WIDE, _NEXT = 1.5, 1.6

#: Means, one after the other, before pixels are left out.
_BOXES = 3

#: Fits at one scale, and scales, at most.
_TRIES, _SCALES = 6, 5

#: What a fit is worth: the least share of the blurred image that it explains, and the largest error and spread in scales. Images
#: of different things may reach a share of 0.99 at coarse scales, but then one of the others is larger.
_EXPLAINED, _ERROR, _SPREAD = 0.5, 0.25, 1.2

#: The short side of the reduced images of the first estimate in pixels, at least, unless the image itself is smaller.
_REDUCED = 128

#: Half the taps of the filter that moves an image, and the shape of its Kaiser window.
HALF, _KAISER = 8, 6.0


def register(sharp: NDArray[np.uint8], blurred: NDArray[np.uint8], response: Response) -> Registration:
    """Measures the shift and the gain between two images of one size, uint8 (H, W, 3). ``response``: decodes both.

    Raises :class:`BadImageError` with the reason ``not_registered`` if the images have too little detail in common.
    """
    # OpenCV and pairs of channels: NumPy's sums and maxima over the last axis take five times as long.
    mean = np.full((1, 3), 1 / 3, np.float32)
    light = [cv2.transform(response.decode(image), mean) for image in (sharp, blurred)]
    brightest = [np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2]) for image in (sharp, blurred)]
    saturated = [(codes >= _SATURATED).astype(np.float32) for codes in brightest]
    at, found = _at_a_suitable_scale(light, saturated)
    if found is None or found.explained < _EXPLAINED or found.error > _ERROR * at or found.spread > _SPREAD * at:
        raise BadImageError("not_registered", "the sharp and the blurred image have too little detail in common to compare them")
    y, x = found.shift
    # In whole thousandths, so that the last bits of another machine do not change the pixels.
    return Registration((round(y, 3), round(x, 3)), round(found.error, 4), round(found.gain, 4))


def _at_a_suitable_scale(light: list[F32], saturated: list[F32]) -> tuple[float, Moments | None]:
    """The finest scale in pixels that is wide for the blur, or the coarsest that the image allows, and the moments at it."""
    coarsest = min(light[0].shape) / _SIDES
    sigma, at, found = min(_FIRST, coarsest), 0.0, None
    for _ in range(_SCALES):
        moments = _fitted(light, saturated, found.shift if found else _correlated(*light), sigma)
        if moments is None:
            break
        is_wide = _WIDE * moments.spread <= sigma
        if not is_wide and sigma < at:
            break
        at, found = sigma, moments
        sigma = min(max(_FINEST, _NEXT * moments.spread), coarsest)
        if (sigma > 0.9 * at) if is_wide else (sigma < 1.1 * at):
            break
    return at, found


def moved(image: NDArray[np.uint8], shift: tuple[float, float]) -> tuple[NDArray[np.uint8], Box]:
    """Moves an image, uint8 (H, W, 3), by ``shift`` (y, x) pixels. Returns the part of the frame that it covers afterwards, uint8
    (h, w, 3), and the place of this part. A whole shift changes no pixel. Otherwise the outermost :data:`HALF` pixels use
    reflected ones."""
    height, width = image.shape[:2]
    whole = [round(part) for part in shift]
    rest = [part - number for part, number in zip(shift, whole, strict=True)]
    box = Box(max(whole[0], 0), max(whole[1], 0), height - abs(whole[0]), width - abs(whole[1]))
    part = image[max(-whole[0], 0) :, max(-whole[1], 0) :][: box.height, : box.width]
    if any(rest):
        filtered = cv2.sepFilter2D(part, cv2.CV_32F, _sinc(rest[1]), _sinc(rest[0]), borderType=cv2.BORDER_REFLECT_101)
        part = np.rint(np.clip(filtered, 0, 255)).astype(np.uint8)
    return np.ascontiguousarray(part), box


def brightened(image: NDArray[np.uint8], gain: float, response: Response) -> NDArray[np.uint8]:
    """An image, uint8 (H, W, 3), with its linear light times ``gain``."""
    codes = np.arange(256, dtype=np.uint8)[None]
    return np.asarray(cv2.LUT(image, response.quantize(np.clip(response.decode(codes) * np.float32(gain), 0, 1))))


def _sinc(shift: float) -> F64:
    """The taps that move a row by ``shift``, within [-0.5, 0.5]: a correlation reads at x + place what lies at x - shift."""
    place = np.arange(-HALF, HALF + 1) + shift
    inside = np.clip(1 - (place / (HALF + 0.5)) ** 2, 0, None)
    taps = np.sinc(place) * np.i0(_KAISER * np.sqrt(inside))
    return np.asarray(taps / taps.sum())


def _fitted(light: list[F32], saturated: list[F32], shift: tuple[float, float], sigma: float) -> Moments | None:
    """The moments at a scale, with the whole shift. The part that both images have is cut out, and fitted again until it no
    longer changes."""
    factor = max(round(sigma / 2), 1)
    images, smoothed = [_smoothed(image, factor) for image in (*light, *saturated)], _BOXES * factor * (factor - 1) / 3
    rest = math.sqrt(sigma**2 - smoothed) / factor
    moments, last = None, None
    for _ in range(_TRIES):
        whole = (round(shift[0]), round(shift[1]))
        sides = [side - abs(part) for side, part in zip(light[0].shape, whole, strict=True)]
        if whole == last or min(sides) < 10 * sigma:
            break
        last, places = whole, []
        for sign in (-1, 1):
            starts = [max(sign * part, 0) for part in whole]
            places.append(tuple(slice(start, start + side, factor) for start, side in zip(starts, sides, strict=True)))
        parts = [np.ascontiguousarray(image[place]) for image, place in zip(images, 2 * places, strict=True)]
        fit = fit_moments(parts[0], parts[1], np.maximum(parts[2], parts[3]), rest)
        if fit is None:
            break
        shift = (whole[0] + factor * fit.shift[0], whole[1] + factor * fit.shift[1])
        moments = replace(fit, shift=shift, error=factor * fit.error, spread=factor * fit.spread)
    return moments


def _smoothed(image: F32, factor: int) -> F32:
    """An image from which pixels can be left out: :data:`_BOXES` times the mean over 2 ``factor`` - 1 pixels, of which the time
    does not depend on the factor. Both images get the same filter, so its shape does not change the moments."""
    for _ in range(_BOXES if factor > 1 else 0):
        image = cv2.blur(image, (2 * factor - 1, 2 * factor - 1), borderType=cv2.BORDER_REFLECT_101)
    return image


def _correlated(sharp: F32, blurred: F32) -> tuple[float, float]:
    """The shift of the greatest cross-correlation of two images, reduced, without their coarsest parts, in a Hann window."""
    factor = max(min(sharp.shape) // _REDUCED, 1)
    spectra = []
    for image in (sharp, blurred):
        small = cv2.resize(image, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        detail = cv2.GaussianBlur(small, (0, 0), 1.5) - cv2.GaussianBlur(small, (0, 0), 8)
        window = np.outer(np.hanning(detail.shape[0]), np.hanning(detail.shape[1]))
        spectra.append(np.fft.rfft2(detail * window, s=[2 * side for side in detail.shape]))
    correlation = np.fft.irfft2(spectra[1] * spectra[0].conj())
    place = np.unravel_index(int(correlation.argmax()), correlation.shape)
    first, second = (int(part) - (part > side // 2) * side for part, side in zip(place, correlation.shape, strict=True))
    return float(first * factor), float(second * factor)
