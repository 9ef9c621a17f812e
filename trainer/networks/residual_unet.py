"""A small residual U-Net that learns to restore within minutes. Networks with instance normalisation need hours.

The network preserves the contrast of every pixel, because it does not normalise. It starts as the identity, because all residuals
start at zero. Sources: the U-Net of Ronneberger, Fischer and Brox, MICCAI 2015, with sums in place of concatenations; residual
blocks without normalisation of Lim et al., CVPR workshops 2017.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from blurkit.program.checks import within
from trainer.networks.build import require_size


class ResidualUnet(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1] to the same shape and range, float32 for half precision. H and W are multiples of 4.

    There are ``width`` channels at full resolution, twice as many at half, and four times as many at quarter resolution. If
    ``unshuffle`` is 2, each 2x2 pixels first become one place with 12 channels (Shi et al., CVPR 2016), so that all layers work
    at half of these resolutions, in a quarter of the time. H and W are then multiples of 8.
    """

    multiple = 4
    least = 4

    def __init__(self, *, width: int = 64, unshuffle: int = 1) -> None:
        within("generator.width", [width], 1, 1024)
        within("generator.unshuffle", [unshuffle], 1, 2)
        super().__init__()
        self.multiple = self.least = 4 * unshuffle
        channels = 3 * unshuffle**2
        self.pack = nn.PixelUnshuffle(unshuffle) if unshuffle > 1 else nn.Identity()
        self.unpack = nn.PixelShuffle(unshuffle) if unshuffle > 1 else nn.Identity()
        self.head = nn.Conv2d(channels, width, 3, padding=1)
        self.encoder = nn.ModuleList([ResidualBlock(width), ResidualBlock(2 * width)])
        self.down = nn.ModuleList(nn.Conv2d(n, 2 * n, 3, stride=2, padding=1) for n in (width, 2 * width))
        self.middle = nn.Sequential(ResidualBlock(4 * width), ResidualBlock(4 * width))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in (width, 2 * width))
        self.decoder = nn.ModuleList([ResidualBlock(width), ResidualBlock(2 * width)])
        self.tail = _zero(nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, blurred: Tensor) -> Tensor:
        """Returns the restored photographs."""
        require_size(self, blurred)
        full = self.encoder[0](self.head(self.pack(blurred)))
        half = self.encoder[1](self.down[0](full))
        quarter = self.middle(self.down[1](half))
        half = self.decoder[1](half + self.up[1](quarter))
        full = self.decoder[0](full + self.up[0](half))
        return (blurred + self.unpack(self.tail(full)).to(blurred.dtype)).clamp(-1, 1)


class ResidualBlock(nn.Module):
    """Adds two convolutions of x to x. The second convolution starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = _zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        return features + self.second(F.relu(self.first(features)))


def _zero(convolution: nn.Conv2d) -> nn.Conv2d:
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)
    return convolution
