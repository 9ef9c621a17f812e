"""Random changes through which a critic sees photographs, so that it does not learn a small dataset by heart.

Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020, with the ranges of their code.
The gradient of the critic passes through the changes to the generator.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainer.networks.build import full_precision

SHIFT, CUT = 0.125, 0.5  # shares of a side
#: Random numbers per sample: brightness, saturation, contrast; the shift along y and x; the place of the cutout along y and x.
DRAWS = 7


def diffaugment(images: Tensor, changes: Sequence[str], draws: Tensor | None = None) -> Tensor:
    """Returns changed photographs, float (B, 3, H, W) as ``images``, never in half precision. Each sample has its own changes.

    "colour": brightness plus or minus at most 0.5, the distance from grey times 0 to 2, the distance from the mean times 0.5 to
    1.5. "translation": a shift by at most 1/8 of a side, with zeros beyond the edge. "cutout": a square
    of half a side becomes zero. ``draws``: uniform in [0, 1), float (B, DRAWS); by default from torch's generator of the device.
    """
    if not changes:
        return images
    if draws is None:
        draws = torch.rand((len(images), DRAWS), device=images.device)
    images = full_precision(images)
    numbers = draws.to(images.dtype).view(len(images), DRAWS, 1, 1)
    if "colour" in changes:
        brightness, saturation, contrast = numbers[:, :3].unsqueeze(2).unbind(1)
        images = images + (brightness - 0.5)
        grey = images.mean(1, keepdim=True)
        images = (images - grey) * (2 * saturation) + grey
        mean = images.mean((1, 2, 3), keepdim=True)
        images = (images - mean) * (contrast + 0.5) + mean
    height, width = images.shape[2:]
    if "translation" in changes:
        rows, columns = (_translated(length, numbers[:, 3 + axis]) for axis, length in enumerate((height, width)))
        images = _take(_take(images, rows, 2), columns, 3)
    if "cutout" in changes:
        ys, xs = (_cut(length, numbers[:, 5 + axis]) for axis, length in enumerate((height, width)))
        images = images * ~(ys[:, None, :, None] & xs[:, None, None, :])
    return images


def _translated(length: int, number: Tensor) -> Tensor:
    """The place that each place along an axis is read from, int64 (B, length). Places outside are beyond the edge."""
    most = int(length * SHIFT + 0.5)
    shift = (number[:, :, 0] * (2 * most + 1)).long() - most
    return torch.arange(length, device=number.device) + shift


def _take(images: Tensor, places: Tensor, axis: int) -> Tensor:
    """Images read at places (B, length) along an axis, with zeros outside."""
    length = images.shape[axis]
    shape = [len(places), 1, 1, 1]
    shape[axis] = length
    index = places.clamp(0, length - 1).view(shape).expand_as(images)
    inside = (places >= 0) & (places < length)
    return images.gather(axis, index) * inside.view(shape)


def _cut(length: int, number: Tensor) -> Tensor:
    """Whether each place along an axis is in the cut, bool (B, length). The centre of the cut lies anywhere in the image."""
    side = int(length * CUT + 0.5)
    start = (number[:, :, 0] * (length + 1 - side % 2)).long() - side // 2
    places = torch.arange(length, device=number.device)
    return (places >= start) & (places < start + side)
