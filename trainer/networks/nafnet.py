"""NAFNet, a U-Net without activations: gates, channel attention, and layer normalisation over the channels of a pixel.

Sources: Chen et al., "Simple Baselines for Image Restoration", ECCV 2022, and its code, whose weights load. The published scores
take the attention from a window around each pixel: Chu et al., "Improving Image Restoration by Revisiting Global Information
Aggregation", ECCV 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import Parameter

from blurkit.program.checks import require, within
from trainer.networks.build import full_precision, require_size


class NafnetGenerator(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1] to the same shape, range and precision. H and W are multiples of 2 to the number of
    levels. It starts as the photograph plus a small change.

    ``width``: channels at full size (published: 32 or 64), doubled at each level. ``encoder``, ``middle``, ``decoder``: the
    numbers of blocks of the levels. ``window``: the side of the window of the attention, in pixels of the photograph; 0 is the
    whole photograph. Crops up to this size, such as those of the published training, are seen as a whole.
    """

    def __init__(
        self,
        *,
        width: int = 32,
        encoder: Sequence[int] = (1, 1, 1, 28),
        middle: int = 1,
        decoder: Sequence[int] = (1, 1, 1, 1),
        window: int = 384,
    ) -> None:
        within("generator.width", [width], 1, 512)
        within("generator.encoder and generator.decoder", [*encoder, middle, *decoder], 0, 64)
        levels = len(encoder)
        require(len(decoder) == levels, f"generator.encoder has {levels} levels and generator.decoder {len(decoder)}")
        require(window >= 0, f"generator.window is a number of pixels, at least 0, got {window}")
        super().__init__()
        self.multiple = self.least = 2**levels
        channels, windows = [width * 2**level for level in range(levels + 1)], [window >> level for level in range(levels + 1)]

        def blocks(count: int, level: int) -> nn.Module:
            return nn.Sequential(*(Block(channels[level], windows[level]) for _ in range(count)))

        down = list(range(levels))
        self.intro, self.ending = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)
        self.encoders = nn.ModuleList(blocks(count, level) for level, count in zip(down, encoder, strict=True))
        self.downs = nn.ModuleList(nn.Conv2d(channels[level], channels[level + 1], 2, stride=2) for level in down)
        self.middle_blks = blocks(middle, levels)
        doubled = (nn.Sequential(nn.Conv2d(count, 2 * count, 1, bias=False), nn.PixelShuffle(2)) for count in channels[:0:-1])
        self.ups = nn.ModuleList(doubled)
        self.decoders = nn.ModuleList(blocks(count, level) for level, count in zip(down[::-1], decoder, strict=True))

    def forward(self, blurred: Tensor) -> Tensor:
        """Returns the restored photographs."""
        require_size(self, blurred)
        features, skipped = self.intro((blurred + 1) / 2), []  # published for values in [0, 1]
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            skipped.append(blocks(features))
            features = down(skipped[-1])
        features = self.middle_blks(features)
        for up, blocks, skip in zip(self.ups, self.decoders, skipped[::-1], strict=True):
            features = blocks(up(features) + skip)
        return (blurred + 2 * self.ending(features).to(blurred.dtype)).clamp(-1, 1)


class Block(nn.Module):
    """Adds to x what a depthwise convolution with attention finds, then what a gate finds. Both start at zero."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = ChannelNorm(channels), ChannelNorm(channels)
        self.conv1 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.sca = nn.Sequential(Mean(window), nn.Conv2d(channels, channels, 1))
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.conv4, self.conv5 = nn.Conv2d(channels, 2 * channels, 1), nn.Conv2d(channels, channels, 1)
        self.beta, self.gamma = (Parameter(torch.zeros(1, channels, 1, 1)) for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        found = _gate(self.conv2(self.conv1(self.norm1(features))))
        features = features + self.beta * self.conv3(found * self.sca(found))
        return features + self.gamma * self.conv5(_gate(self.conv4(self.norm2(features))))


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel, in float32 for half precision."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = Parameter(torch.ones(channels))
        self.bias = Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape and precision."""
        values = full_precision(features).movedim(1, -1)
        return F.layer_norm(values, self.weight.shape, self.weight, self.bias, 1e-6).movedim(-1, 1).to(features.dtype)


class Mean(nn.Module):
    """The mean of each channel over a window of at most ``window`` x ``window`` around each pixel; 0 is the whole photograph."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C, 1, 1), or to (B, C, H, W) if the photograph is larger than the window."""
        height, width = features.shape[2:]
        if not self.window or max(height, width) <= self.window:
            return features.mean((2, 3), keepdim=True)
        high, wide = min(height, self.window), min(width, self.window)
        sums = F.pad(full_precision(features).cumsum(-1).cumsum(-2), (1, 0, 1, 0))
        sums = sums[..., high:, :] - sums[..., :-high, :]
        means = (sums[..., wide:] - sums[..., :-wide]) / (high * wide)
        below, right = height - means.shape[2], width - means.shape[3]  # at the borders, the nearest whole window
        sides = (right // 2, right - right // 2, below // 2, below - below // 2)
        return F.pad(means, sides, mode="replicate").to(features.dtype)


def _gate(features: Tensor) -> Tensor:
    one, other = features.chunk(2, dim=1)
    return one * other
