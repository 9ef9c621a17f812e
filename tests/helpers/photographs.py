"""Random photographs, textures and masks."""

from collections.abc import Sequence

import cv2
import numpy as np


def random_photograph(
    rng: np.random.Generator, blocks: tuple[int, int] = (9, 12), side: int = 20, bright: float = 230, grain: float = 8
) -> np.ndarray:
    """Squares of one colour each, up to ``bright`` and clipped to 255, with grain, uint8 (H, W, 3)."""
    coarse = np.kron(rng.random((*blocks, 3)), np.ones((side, side, 1)))
    return np.clip(coarse * bright + rng.normal(0, grain, coarse.shape), 0, 255).astype(np.uint8)


def random_squares(rng: np.random.Generator, blocks: tuple[int, int], side: int) -> np.ndarray:
    """Squares of one colour each, uint8 (H, W, 3)."""
    return np.kron(rng.integers(0, 256, (*blocks, 3)), np.ones((side, side, 1))).astype(np.uint8)


def random_texture(rng: np.random.Generator, height: int, width: int, scales: Sequence[int] = (1, 2, 4, 8)) -> np.ndarray:
    """Detail of all of these sizes in pixels, float64 (H, W, 3), mean about 0."""
    return sum(scale * cv2.GaussianBlur(rng.standard_normal((height, width, 3)), (0, 0), scale) for scale in scales)


def disk_mask(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    """The pixels within a radius of a place, bool (H, W)."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
