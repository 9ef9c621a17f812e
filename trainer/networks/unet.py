"""A plain U-Net, the shallow baseline beside the adversarial systems.

Source: Ronneberger, Fischer and Brox, MICCAI 2015. The numbers of channels are ours, since the text that compares with it gives
none. Unlike :mod:`trainer.networks.residual_unet` it does not start from the photograph: it has to learn to reproduce it.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blurkit.program.checks import within
from trainer.networks.build import require_size


class UnetGenerator(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1] to the same shape, range and precision. H and W are multiples of 8.

    There are ``width`` channels at full size, and twice as many at each of three halvings.
    """

    multiple = 8
    least = 8

    def __init__(self, *, width: int = 64) -> None:
        within("generator.width", [width], 1, 512)
        super().__init__()
        channels = [width, 2 * width, 4 * width, 8 * width]
        self.encoder = nn.ModuleList(_block(*pair) for pair in itertools.pairwise([3, *channels]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * count, count, 2, stride=2) for count in channels[:3])
        self.decoder = nn.ModuleList(_block(2 * count, count) for count in channels[:3])
        self.last = nn.Conv2d(width, 3, 1)

    def forward(self, blurred: Tensor) -> Tensor:
        """Returns the restored photographs."""
        require_size(self, blurred)
        found = [self.encoder[0](blurred)]
        for block in self.encoder[1:]:
            found.append(block(F.max_pool2d(found[-1], 2)))
        features = found.pop()
        for up, block, skipped in zip(self.up[::-1], self.decoder[::-1], found[::-1], strict=True):
            features = block(torch.cat([skipped, up(features)], dim=1))
        return self.last(features).tanh().to(blurred.dtype)


def _block(channels: int, width: int) -> nn.Module:
    first, second = nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))
