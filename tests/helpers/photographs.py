"""Photographs that nobody took."""

import numpy as np


def random_photograph(
    rng: np.random.Generator, blocks: tuple[int, int] = (9, 12), side: int = 20, bright: float = 230, grain: float = 8
) -> np.ndarray:
    """Coarse and fine structure, uint8 (H, W, 3): squares of one colour up to ``bright``, which may be clipped, under grain."""
    coarse = np.kron(rng.random((*blocks, 3)), np.ones((side, side, 1)))
    return np.clip(coarse * bright + rng.normal(0, grain, coarse.shape), 0, 255).astype(np.uint8)
