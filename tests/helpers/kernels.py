"""Random kernels, and the moments of a kernel."""

import numpy as np


def draw_kernel(rng: np.random.Generator, shape: tuple[int, int], share: float) -> np.ndarray:
    """A random kernel that sums to 1: this share of its taps, and the middle tap."""
    kernel = rng.random(shape) * (rng.random(shape) < share)
    kernel[tuple(side // 2 for side in shape)] = 0.5
    return kernel / kernel.sum()


def moments(kernel: np.ndarray) -> tuple[float, float, float, float]:
    """The means (x, y) and the mean squares (x, y) of a square kernel that sums to 1, in pixels from its middle."""
    offsets = np.arange(len(kernel)) - len(kernel) // 2
    x, y = kernel.sum(axis=0, dtype=float), kernel.sum(axis=1, dtype=float)
    return x @ offsets, y @ offsets, x @ offsets**2, y @ offsets**2


def centroid(kernel: np.ndarray) -> np.ndarray:
    """The centroid (x, y) of a square kernel, in pixels from its middle."""
    return np.array(moments(kernel)[:2]) / kernel.sum(dtype=float)
