"""Metrics as the code of other projects computes them, written plainly with torch and scipy."""

import numpy as np
import torch
from scipy.signal import convolve


def volume_ssim(one, other):
    """The SSIM of NAFNet's code: a convolution of the volume with 11 x 11 x 11 taps, edges repeated, in float64."""
    axis = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    axis /= axis.sum()
    taps = torch.from_numpy(np.einsum("i,j,k->ijk", axis, axis, axis))[None, None]

    def mean(values):
        padded = torch.nn.functional.pad(torch.from_numpy(values)[None, None], (5,) * 6, mode="replicate")
        return torch.nn.functional.conv3d(padded, taps).numpy()

    x, y = one.astype(np.float64), other.astype(np.float64)
    mx, my = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return ((2 * mx * my + c1) * (2 * xy + c2) / ((mx * mx + my * my + c1) * (xx + yy + c2))).mean()


def row_ssim(one, other, grey):
    """The CW-SSIM of pyssim 0.6: all its factors, with direct convolutions. ``grey``: makes (H, W) of (H, W, 3)."""
    rows = [grey(image).astype(np.float64).ravel() for image in (one, other)]
    x, y = ([], [])
    for width in range(1, 31):
        points = np.arange(min(10 * width, rows[0].size)) - (min(10 * width, rows[0].size) - 1) / 2
        amplitude = 2 / (np.sqrt(3 * width) * np.pi**0.25)
        wavelet = amplitude * (1 - (points / width) ** 2) * np.exp(-(points**2) / (2 * width**2))
        for signal, found in zip(rows, (x, y), strict=True):
            found.append(convolve(signal, wavelet, mode="same", method="direct"))
    x, y = np.array(x), np.array(y)
    first = (2 * (abs(x) * abs(y)).sum(0) + 0.01) / ((x**2).sum(0) + (y**2).sum(0) + 0.01)
    second = (2 * abs((x * y).sum(0)) + 0.01) / (2 * abs(x * y).sum(0) + 0.01)
    return (first * second).mean()
