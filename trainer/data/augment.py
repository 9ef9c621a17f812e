"""From stored bytes to what a network takes, on the device: mirrored, transposed, scaled to [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: Bits of an orientation, applied in this order; the eight orientations are the symmetries of a square.
FLIP_ROWS, FLIP_COLUMNS, TRANSPOSE = 1, 2, 4
#: Which flips there may be, by the words of recipes.
FLIPS = {"both": FLIP_ROWS | FLIP_COLUMNS, "horizontal": FLIP_COLUMNS, "none": 0}


def augment(crops: Tensor, orientations: Sequence[int]) -> Tensor:
    """float32 (2, B, 3, h, w) in [-1, 1], in memory of its own, from uint8 crops (2, B, h, w, 3), on their device.

    ``orientations``: the sum of the bits above for each of the B pairs; both photographs of a pair are treated alike. A
    transposition needs h = w.
    """
    _, batch, height, width, _ = crops.shape
    images = torch.empty((2, batch, 3, height, width), device=crops.device)
    # Pair by pair: selecting among whole turned batches writes each of them out, and takes six times as long on a processor.
    for place, orientation in enumerate(orientations):
        pair = crops[:, place]
        axes = [axis for bit, axis in ((FLIP_ROWS, 1), (FLIP_COLUMNS, 2)) if orientation & bit]
        pair = pair.flip(axes) if axes else pair
        pair = pair.transpose(1, 2) if orientation & TRANSPOSE else pair
        images[:, place] = pair.permute(0, 3, 1, 2)
    return images.div_(127.5).sub_(1)  # 0 and 255 become -1 and 1 exactly
