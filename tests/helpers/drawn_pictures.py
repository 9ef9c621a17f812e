"""Pictures that the program has drawn, read back as pixels."""

from pathlib import Path

import cv2
import numpy as np


def read(path: Path) -> np.ndarray:
    """An image file as RGB, uint8 (H, W, 3)."""
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


def flat(colour: object, height: int = 320, width: int = 320) -> np.ndarray:
    """An image of one colour, uint8 (H, W, 3)."""
    return np.full((height, width, 3), colour, np.uint8)


def rgb(colour: str) -> np.ndarray:
    """The three codes of "#rrggbb"."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def near(image: np.ndarray, colour: str, within: int = 40) -> np.ndarray:
    """The pixels of about this colour, bool (H, W)."""
    return (np.abs(image.astype(int) - rgb(colour)) <= within).all(axis=2)


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The bounding box (top, bottom, left, right) of the true pixels."""
    rows, columns = np.nonzero(mask)
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
