"""Turns stored bytes into network input on the device: flipped, transposed and scaled to [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: The bits of an orientation, in the order in which they are applied. The eight orientations are the symmetries of a square.
FLIP_ROWS, FLIP_COLUMNS, TRANSPOSE = 1, 2, 4
#: The flips that each value of the recipe key ``augment.flips`` allows.
FLIPS = {"both": FLIP_ROWS | FLIP_COLUMNS, "horizontal": FLIP_COLUMNS, "none": 0}


def augment(crops: Tensor, orientations: Sequence[int]) -> Tensor:
    """Returns float32 (2, B, 3, h, w) in [-1, 1], a copy on the device of ``crops``, which are uint8 (2, B, h, w, 3).

    ``orientations``: for each of the B pairs, the sum of its bits (see above). Both images of a pair get the same orientation. A
    transposition needs h = w.
    """
    _, batch, height, width, _ = crops.shape
    images = torch.empty((2, batch, 3, height, width), device=crops.device)
    # One pair at a time: to select from whole flipped batches takes six times as long on a CPU, since each batch is written out.
    for place, orientation in enumerate(orientations):
        pair = crops[:, place]
        axes = [axis for bit, axis in ((FLIP_ROWS, 1), (FLIP_COLUMNS, 2)) if orientation & bit]
        pair = pair.flip(axes) if axes else pair
        pair = pair.transpose(1, 2) if orientation & TRANSPOSE else pair
        images[:, place] = pair.permute(0, 3, 1, 2)
    return images.div_(127.5).sub_(1)  # 0 and 255 become exactly -1 and 1
