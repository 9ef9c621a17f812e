"""The deep generative filter: ten densely connected layers at full resolution.

Source: Ramakrishnan et al., "Deep Generative Filter for Motion Deblurring", ICCV workshops 2017. The variant "poster" is
the smaller network of a poster of IIT Gandhinagar: normalisation by instance, other dilations, and the head's features beside the
last ones. BatchNorm mixes the samples of a batch, so with "paper" several processes, or parts of a batch, compute something else
than one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from blurkit.program.checks import one_of, within
from trainer.networks.build import require_size

LAYERS = 10


class DenseGenerator(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1], at least 4x4, to the same shape, range and precision. The input is not added.

    ``rate``: the channels that a layer adds (published: 64, in the poster 32). ``variant``: "paper" or "poster". ``dropout``: its
    rate before the last layers, in "paper" only.
    """

    multiple = 1
    least = 4

    def __init__(self, *, rate: int = 64, variant: str = "paper", dropout: float = 0.5) -> None:
        within("generator.rate", [rate], 1, 256)
        within("generator.dropout", [dropout], 0, 1)
        one_of("generator.variant", variant, ("paper", "poster"))
        super().__init__()
        self.poster = variant == "poster"
        self.head = nn.Conv2d(3, 4 * rate, 3, padding=1)
        layer = _poster_layer if self.poster else _paper_layer
        self.layers = nn.ModuleList(layer(number, rate) for number in range(1, LAYERS + 1))
        if self.poster:
            self.join = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(rate, rate, 1, bias=False), nn.InstanceNorm2d(rate))
            first, last = nn.Conv2d(5 * rate, rate, 3, padding=1, bias=False), nn.Conv2d(rate, 3, 3, padding=1, bias=False)
            self.tail = nn.Sequential(first, nn.PReLU(rate), last, nn.Tanh())
        else:
            channels = (4 + LAYERS) * rate
            join = (nn.Conv2d(channels, 4 * rate, 1), nn.BatchNorm2d(4 * rate), nn.Dropout(dropout))
            self.join = nn.Sequential(nn.LeakyReLU(0.2), *join)
            first, last = nn.Conv2d(4 * rate, rate, 3, padding=1), nn.Conv2d(rate, 3, 3, padding=1)
            self.tail = nn.Sequential(first, nn.LeakyReLU(0.2), last, nn.Tanh())

    def forward(self, blurred: Tensor) -> Tensor:
        """Returns the restored photographs."""
        require_size(self, blurred)
        features = head = self.head(blurred)
        for layer in self.layers[:-1]:
            features = torch.cat([features, layer(features)], dim=1)
        last = self.layers[-1](features)
        if self.poster:
            joined = torch.cat([head, self.join(last)], dim=1)
        else:
            joined = head + self.join(torch.cat([features, last], dim=1))
        return self.tail(joined).to(blurred.dtype)


def _paper_layer(number: int, rate: int) -> nn.Module:
    dilation = 1 if number % 2 else 2
    return nn.Sequential(
        *(nn.LeakyReLU(0.2), nn.Conv2d((3 + number) * rate, 4 * rate, 1), nn.BatchNorm2d(4 * rate)),
        *(nn.LeakyReLU(0.2), nn.Conv2d(4 * rate, rate, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(rate)),
    )


def _poster_layer(number: int, rate: int) -> nn.Module:
    channels, dilation = (3 + number) * rate, {3: 2, 5: 3, 7: 2}.get(number, 1)
    return nn.Sequential(
        *(nn.InstanceNorm2d(channels), nn.LeakyReLU(0.2), nn.Conv2d(channels, 4 * rate, 1, bias=False)),
        *(nn.InstanceNorm2d(4 * rate), nn.Conv2d(4 * rate, rate, 3, padding=dilation, dilation=dilation, bias=False)),
        nn.InstanceNorm2d(rate),
    )
