"""Kernels that stand for no camera, and where the weight of a kernel lies."""

import numpy as np


def draw_kernel(rng: np.random.Generator, shape: tuple[int, int], share: float) -> np.ndarray:
    """Random taps, a share of all and the one in the middle, that sum to 1."""
    kernel = rng.random(shape) * (rng.random(shape) < share)
    kernel[tuple(side // 2 for side in shape)] = 0.5
    return kernel / kernel.sum()


def moments(kernel: np.ndarray) -> tuple[float, float, float, float]:
    """(x, y, mean square along x, along y) of a square kernel that sums to 1, in pixels from its centre."""
    offsets = np.arange(len(kernel)) - len(kernel) // 2
    x, y = kernel.sum(axis=0, dtype=float), kernel.sum(axis=1, dtype=float)
    return x @ offsets, y @ offsets, x @ offsets**2, y @ offsets**2


def centroid(kernel: np.ndarray) -> np.ndarray:
    """(x, y) of the centre of a kernel's weight, in pixels from its middle."""
    return np.array(moments(kernel)[:2]) / kernel.sum(dtype=float)
