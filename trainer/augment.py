"""From bytes to what a network takes, on the device: mirrored, transposed, scaled to [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

#: Bits of an orientation, applied in this order; the eight of them are the symmetries of a square.
FLIP_ROWS, FLIP_COLUMNS, TRANSPOSE = 1, 2, 4
ANY_FLIP = FLIP_ROWS | FLIP_COLUMNS


def augment(crops: Tensor, orientation: Tensor) -> Tensor:
    """float32 (2, B, 3, h, w) in [-1, 1] from uint8 crops (2, B, h, w, 3), both on one device; always new memory.

    ``orientation``: uint8 (B,), the sum of the bits above for each pair; sharp and blurred are treated alike. A transposition
    needs h = w.
    """
    images = crops.permute(0, 1, 4, 2, 3)
    for bit, turned in ((FLIP_ROWS, lambda x: x.flip(-2)), (FLIP_COLUMNS, lambda x: x.flip(-1)), (TRANSPOSE, lambda x: x.mT)):
        chosen = (orientation & bit).bool().view(1, -1, 1, 1, 1)
        images = torch.where(chosen, turned(images), images)
    return scale(images)


def scale(images: Tensor) -> Tensor:
    """Float32 in [-1, 1] from uint8 in [0, 255] of any shape; 0 and 255 become -1 and 1 exactly."""
    return images.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)
