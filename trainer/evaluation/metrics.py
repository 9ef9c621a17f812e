"""Computes metrics with stated conventions, since definitions differ: the same results have an SSIM of 0.96 or of 0.83."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.program.checks import one_of, require

_SIDE, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(restored: NDArray[np.uint8], sharp: NDArray[np.uint8]) -> float:
    """Returns the peak signal-to-noise ratio of two images, uint8 (H, W, 3), in decibels. It is infinite if they are equal.

    The mean squared error is over all pixels and channels of the stored codes, and the peak is 255.
    """
    _check(restored, sharp)
    error = np.subtract(restored, sharp, dtype=np.float64)
    mean = float(np.mean(error * error))
    return 10 * math.log10(255**2 / mean) if mean else math.inf


def ssim(restored: NDArray[np.uint8], sharp: NDArray[np.uint8]) -> float:
    """Returns the structural similarity of two images, uint8 (H, W, 3) with sides of at least 11 pixels, in [-1, 1].

    Source: Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004). The Gaussian window is
    11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, the range is 255, and the covariance is that of the population. The mean is over
    all places at which the window fits into the image, and over R, G and B.
    """
    _check(restored, sharp)
    fits = min(sharp.shape[:2]) >= _SIDE
    require(fits, f"ssim needs images with sides of at least {_SIDE} pixels, got {sharp.shape[1]}x{sharp.shape[0]}")
    x, y = restored.astype(np.float64), sharp.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    means = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    covariance = _windowed(x * y) - means
    variances = _windowed(x * x + y * y) - squares
    return float(np.mean((2 * means + _C1) * (2 * covariance + _C2) / ((squares + _C1) * (variances + _C2))))


class Metric(NamedTuple):
    """A metric: its function of (restored, sharp), both uint8 (H, W, 3); its convention; decimals and unit for printing."""

    measure: Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]
    convention: str
    decimals: int
    unit: str = ""

    def text(self, value: float, *, sign: str = "") -> str:
        """Returns a value as text with its unit. With ``sign`` "+", positive values get a plus sign."""
        return f"{value:{sign}.{self.decimals}f}{self.unit}"


METRICS = {
    "psnr": Metric(psnr, "RGB codes rounded to 8 bits, peak 255, one mean squared error per image", 2, " dB"),
    "ssim": Metric(
        ssim, "Gaussian window 11 x 11, sigma 1.5, population covariance, where the window fits, mean of R, G and B", 4
    ),
}


def choose_metrics(names: str) -> dict[str, Metric]:
    """Returns the metrics of a list such as ``psnr,ssim``, in its order. Raises UsageError for an unknown metric."""
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    require(bool(chosen), f"name at least one metric of {', '.join(METRICS)}")
    for name in chosen:
        one_of("each of --metrics", name, list(METRICS))
    return {name: METRICS[name] for name in chosen}


def _check(restored: NDArray[np.uint8], sharp: NDArray[np.uint8]) -> None:
    valid = restored.dtype == sharp.dtype == np.uint8 and restored.shape == sharp.shape and sharp.ndim == 3 and sharp.size > 0
    types = f"{restored.dtype} {restored.shape} and {sharp.dtype} {sharp.shape}"
    require(valid, f"metrics compare two images of one shape, uint8 (H, W, 3), got {types}")


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The means under the window of values (H, W, 3), float64 (H - 10, W - 10, 3)."""
    window = cv2.getGaussianKernel(_SIDE, _SIGMA, cv2.CV_64F)
    inner = _SIDE // 2
    return np.asarray(cv2.sepFilter2D(values, cv2.CV_64F, window, window))[inner:-inner, inner:-inner]
