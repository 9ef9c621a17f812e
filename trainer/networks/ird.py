"""The Inception-ResNet-dense generator: dense blocks whose branches see windows of different sizes.

The text that publishes it says that the size never changes, and halves it twice. This is its list of layers. Before the
convolutions that join the blocks the list names no activation; there normalisation and ReLU come first, as in DenseNet (Huang et
al., CVPR 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from blurkit.program.checks import within
from trainer.networks.build import initialise, normalised, require_size
from trainer.networks.resnet import transposed


class IrdGenerator(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1] to the same shape, range and precision. H and W are multiples of 4 and at least 8.

    ``width``: the channels that each of the nine blocks adds, at a quarter of the size. ``dropout``: its rate after each block.
    """

    multiple = 4
    least = 8

    def __init__(self, *, width: int = 64, dropout: float = 0.2) -> None:
        within("generator.width", [width], 1, 256)
        within("generator.dropout", [dropout], 0, 1)
        super().__init__()
        self.head = nn.Sequential(
            *(nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), *normalised(width)),
            *(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), *normalised(2 * width)),
            *(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1), *normalised(4 * width)),
        )
        self.blocks = nn.Sequential(*(Block((4 + block) * width, width, dropout) for block in range(9)))
        self.transitions = nn.Sequential(
            *(*normalised(13 * width), nn.Conv2d(13 * width, 7 * width, 1)),
            *(*normalised(7 * width), nn.Conv2d(7 * width, 4 * width, 1)),
        )
        self.tail = nn.Sequential(
            *(transposed(4 * width, 2 * width), *normalised(2 * width)),
            *(transposed(2 * width, width), *normalised(width)),
            *(nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()),
        )
        initialise(self)

    def forward(self, blurred: Tensor) -> Tensor:
        """Returns the restored photographs."""
        require_size(self, blurred)
        features = self.transitions(self.blocks(self.head(blurred)))
        return (blurred + self.tail(features).to(blurred.dtype)).clamp(-1, 1)


class Block(nn.Module):
    """Adds ``width`` channels to those it is given."""

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.bottleneck = nn.Sequential(*normalised(channels), nn.Conv2d(channels, 4 * width, 1))
        self.branches = nn.ModuleList(
            [
                nn.Sequential(*_convolved(4 * width, width, 1)),
                nn.Sequential(*_convolved(4 * width, width, 1), *_convolved(width, width, 3)),
                nn.Sequential(*_convolved(4 * width, width, 1), *_convolved(width, width, 3), *_convolved(width, width, 3)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *_convolved(4 * width, width, 1)),
            ]
        )
        self.last = nn.Conv2d(4 * width, width, 3, padding=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C + ``width``, H, W)."""
        narrow = self.bottleneck(features)
        wide = torch.cat([branch(narrow) for branch in self.branches], dim=1) + narrow
        return self.dropout(torch.cat([features, self.last(wide)], dim=1))


def _convolved(channels: int, width: int, side: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, width, side, padding=side // 2), *normalised(width)
