"""The generator of DeblurGAN-v2 with the pyramid of EfficientDet: information flows from coarse to fine and back, several times.

Source: Tan, Pang and Le, "EfficientDet: Scalable and Efficient Object Detection", CVPR 2020, with instance normalisation in place
of BatchNorm, for batches of one photograph. The code of NoGAN names this pyramid as future work.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blurkit.program.checks import within
from trainer.networks.encoder import Encoder
from trainer.networks.fpn import Laterals, PyramidGenerator, enlarged


class BifpnGenerator(PyramidGenerator):
    """Like :class:`trainer.networks.fpn.FpnGenerator`, with ``layers`` repetitions of the pyramid's fusion."""

    def __init__(
        self,
        *,
        backbone: str = "mobilenetv2",
        pretrained: bool = False,
        weights: str = "",
        statistics: str = "stored",
        width: int = 0,
        layers: int = 3,
        freeze: int = 0,
    ) -> None:
        within("generator.width", [width], 0, 1024)
        within("generator.layers", [layers], 1, 16)
        encoder = Encoder(backbone, pretrained=pretrained, weights=weights, statistics=statistics)
        width = width or encoder.plan.width
        super().__init__(BidirectionalPyramid(encoder, width, layers), width, freeze)


class BidirectionalPyramid(Laterals):
    """Fuses the maps in ``layers`` rounds, each from coarse to fine and back. The largest map takes no part."""

    def __init__(self, encoder: Encoder, width: int, layers: int) -> None:
        super().__init__(encoder, width)
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))

    def forward(self, photographs: Tensor) -> list[Tensor]:
        """Returns maps of 1/2 to 1/32 of the size, the largest first."""
        largest, *maps = super().forward(photographs)
        for layer in self.layers:
            maps = layer(maps)
        return [largest, *maps]


class Layer(nn.Module):
    """One round. Four maps, the largest first, become four of the same shapes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inward = nn.ModuleList(Fusion(width, 2) for _ in range(2))
        self.outward = nn.ModuleList(Fusion(width, inputs) for inputs in (2, 3, 3, 2))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Returns the fused maps."""
        map1, map2, map3, map4 = maps
        coarse = self.inward[0](map3, enlarged(map4, 2))
        middle = self.inward[1](map2, enlarged(coarse, 2))
        fused1 = self.outward[0](map1, enlarged(middle, 2))
        fused2 = self.outward[1](map2, middle, _reduced(fused1))
        fused3 = self.outward[2](map3, coarse, _reduced(fused2))
        return [fused1, fused2, fused3, self.outward[3](map4, _reduced(fused3))]


class Fusion(nn.Module):
    """A mean of maps with learnt weights above zero ("fast normalised fusion"), swish, and a separable convolution."""

    def __init__(self, width: int, inputs: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(inputs))
        self.convolution = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.Conv2d(width, width, 1), nn.InstanceNorm2d(width)
        )

    def forward(self, *maps: Tensor) -> Tensor:
        """Returns one map of the shape of each."""
        weights = F.relu(self.weights)
        mean = sum(weight * features for weight, features in zip(weights, maps, strict=True)) / (weights.sum() + 1e-4)
        return self.convolution(F.silu(mean))


def _reduced(features: Tensor) -> Tensor:
    return F.max_pool2d(features, 3, stride=2, padding=1)
