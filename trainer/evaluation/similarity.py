"""Metrics computed with numpy: functions of two images (restored, sharp), uint8 (H, W, 3), or of two batches of images."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.program.checks import require

#: One image, uint8 (H, W, 3), or a batch of images of one size, uint8 (B, H, W, 3).
Images: TypeAlias = NDArray[np.uint8]
Image: TypeAlias = NDArray[np.uint8]
Values: TypeAlias = NDArray[np.float64]

_SIDE, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def check_images(restored: Images, sharp: Images, least: int = 1) -> None:
    """Raise :class:`UsageError` for images that cannot be compared. ``least``: the least side in pixels."""
    shape, valid = sharp.shape, restored.dtype == sharp.dtype == np.uint8 and sharp.ndim in (3, 4) and sharp.size > 0
    types = f"{restored.dtype} {restored.shape} and {sharp.dtype} {shape}"
    valid = valid and restored.shape == shape
    require(valid, f"metrics compare two images of one shape, uint8 (H, W, 3), or two batches of them, got {types}")
    height, width = shape[-3:-1]
    require(min(height, width) >= least, f"the metric needs images with sides of at least {least} pixels, got {width}x{height}")


def _measure(least: int = 1) -> Callable[[Callable[[Image, Image], float]], Callable[[Images, Images], Any]]:
    """Decorates a function of two images, so that it checks them and also takes batches."""

    def decorate(function: Callable[[Image, Image], float]) -> Callable[[Images, Images], Any]:
        @functools.wraps(function)
        def measure(restored: Images, sharp: Images) -> Any:
            check_images(restored, sharp, least)
            if sharp.ndim == 3:
                return function(restored, sharp)
            return np.array([function(*pair) for pair in zip(restored, sharp, strict=True)])

        return measure

    return decorate


@_measure()
def psnr(restored: Image, sharp: Image) -> float:
    """Returns the peak signal-to-noise ratio in decibels, infinite if the images are equal.

    The mean squared error is over all pixels and channels of the stored codes, and the peak is 255.
    """
    return _decibels(np.subtract(restored, sharp, dtype=np.float64))


@_measure()
def psnr_y(restored: Image, sharp: Image) -> float:
    """Returns the peak signal-to-noise ratio of :func:`luma` in decibels. The peak is 255, as is usual."""
    return _decibels(luma(restored) - luma(sharp))


def luma(image: Image) -> Values:
    """Returns the luma of ITU-R BT.601 in [16, 235], float64 (H, W, 1), as MATLAB's ``rgb2ycbcr`` defines it, not rounded."""
    return 16 + image @ (np.array([[65.481], [128.553], [24.966]]) / 255)


@_measure(_SIDE)
def ssim(restored: Image, sharp: Image) -> float:
    """Returns the structural similarity, in [-1, 1]. The sides of the images are at least 11 pixels.

    Source: Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004). The Gaussian window is
    11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, the range is 255, and the covariance is that of the population. The mean is over
    all places at which the window fits into the image, and over R, G and B.
    """
    return _ssim_where_the_window_fits(restored.astype(np.float64), sharp.astype(np.float64))


@_measure(_SIDE)
def ssim_y(restored: Image, sharp: Image) -> float:
    """Returns :func:`ssim` of :func:`luma`."""
    return _ssim_where_the_window_fits(luma(restored), luma(sharp))


@_measure()
def ssim_3d(restored: Image, sharp: Image) -> float:
    """Returns the structural similarity that MATLAB's ``ssim`` computes of a colour image, which it takes for a volume.

    The window is 11 x 11 x 11, so it also averages over R, G and B, and edges are repeated. The code of NAFNet computes the same.
    """
    weights = cv2.getGaussianKernel(_SIDE, _SIGMA, cv2.CV_64F)[:, 0]
    inner = _SIDE // 2
    colours = np.zeros((3, 3))  # the weight of a colour for the mean at a colour: those beyond R and B repeat R and B
    for colour in range(3):
        colours[:, colour] = np.bincount(np.clip(colour + np.arange(-inner, inner + 1), 0, 2), weights)
    x, y = restored.astype(np.float64), sharp.astype(np.float64)
    means = [_windowed(values, cv2.BORDER_REPLICATE) @ colours for values in (x, y, x * y, x * x + y * y)]
    return _ssim(*means)


@_measure()
def cw_ssim(restored: Image, sharp: Image) -> float:
    """Returns the CW-SSIM of the papers of DeblurGAN, which is that of the package pyssim before its version 0.7.

    It is not the metric of Sampat et al. (2009), which needs complex wavelets. The grey pixels, row after row, are one signal,
    and x and y are its convolutions with Ricker wavelets of widths 1 to 30. At each pixel the similarity is
    (2 |sum x y| + 0.01) / (sum x^2 + sum y^2 + 0.01), summed over the widths. Two more factors of pyssim cancel for real x and y.
    """
    from scipy.signal import oaconvolve  # imported here: it takes a second, and only this metric needs it

    grey = [(image @ np.array([19595, 38470, 7471]) + 0x8000 >> 16).ravel() for image in (restored, sharp)]  # as Pillow rounds
    products, squares = np.zeros(grey[0].size), np.zeros(grey[0].size)
    for width in range(1, 31):
        wavelet = _ricker(min(10 * width, grey[0].size), width)
        x, y = (oaconvolve(signal, wavelet, mode="same") for signal in grey)
        products += x * y
        squares += x * x + y * y
    return float(np.mean((2 * np.abs(products) + 0.01) / (squares + 0.01)))


@_measure()
def fourier_error(restored: Image, sharp: Image) -> float:
    """Returns the mean squared difference of the magnitudes of two spectra.

    A spectrum is the orthonormal Fourier transform of the mean of R, G and B, in [0, 1]. VEGAN reports such an error.
    """
    x, y = (np.abs(np.fft.fft2(image.mean(axis=2) / 255, norm="ortho")) for image in (restored, sharp))
    return float(np.mean((x - y) ** 2))


def _decibels(error: Values) -> float:
    mean = float(np.mean(error * error))
    return 10 * math.log10(255**2 / mean) if mean else math.inf


def _ssim_where_the_window_fits(x: Values, y: Values) -> float:
    inner = slice(_SIDE // 2, -(_SIDE // 2))
    return _ssim(*(_windowed(values)[inner, inner] for values in (x, y, x * y, x * x + y * y)))


def _ssim(mean_x: Values, mean_y: Values, mean_xy: Values, mean_squares: Values) -> float:
    """The mean structural similarity from local means of x, y, x y and x^2 + y^2."""
    means, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance, variances = mean_xy - means, mean_squares - squares
    return float(np.mean((2 * means + _C1) * (2 * covariance + _C2) / ((squares + _C1) * (variances + _C2))))


def _windowed(values: Values, border: int = cv2.BORDER_DEFAULT) -> Values:
    """The means of values (H, W, C) under the window around each pixel, float64 (H, W, C)."""
    window = cv2.getGaussianKernel(_SIDE, _SIGMA, cv2.CV_64F)
    return np.asarray(cv2.sepFilter2D(values, cv2.CV_64F, window, window, borderType=border)).reshape(values.shape)


def _ricker(points: int, width: float) -> Values:
    """The Ricker wavelet, the negative second derivative of a Gaussian, of unit energy, float64 (points,)."""
    squares = ((np.arange(points) - (points - 1) / 2) / width) ** 2
    return 2 / (math.sqrt(3 * width) * math.pi**0.25) * (1 - squares) * np.exp(-squares / 2)
