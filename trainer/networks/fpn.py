"""The generator of DeblurGAN-v2: a pyramid of features on a network for classification, and heads that restore from it.

Source: Kupyn et al., "DeblurGAN-v2: Deblurring (Orders-of-Magnitude) Faster and Better", ICCV 2019, and its code. The pyramid is
that of Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017. The published weights load: their names differ
from ours in the encoder alone, and the stages that the code loads but never uses are left out.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blurkit.program.checks import require, within
from trainer.networks.build import STATISTICS, normalised, require_size
from trainer.networks.encoder import Encoder, nested_names

#: Weights in the published files that the published network never uses.
UNUSED = r"(module\.)?fpn\.(inception\.(repeat_2|block8|conv2d_7b|last_linear)|features\.1[678])(?=\.)"


class PyramidGenerator(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1] to the same shape, range and precision, from the features that a pyramid returns.

    ``pyramid``: returns a map of width / 2 channels at half the size of the photograph and four of ``width`` channels at 1/4 to
    1/32. ``freeze``: the steps at the beginning of a training in which ``backbone`` is not trained.
    """

    multiple = 32
    least = 64
    unused = UNUSED

    def __init__(self, pyramid: Laterals, width: int, freeze: int) -> None:
        require(freeze >= 0, f"generator.freeze is a number of steps, at least 0, got {freeze}")
        super().__init__()
        self.freeze, self.least = freeze, pyramid.encoder.plan.least
        half, quarter = width // 2, width // 4
        self.fpn = pyramid
        for level in range(1, 5):
            self.add_module(f"head{level}", _head(width, half))
        self.smooth = nn.Sequential(nn.Conv2d(4 * half, half, 3, padding=1), *normalised(half))
        self.smooth2 = nn.Sequential(nn.Conv2d(half, quarter, 3, padding=1), *normalised(quarter))
        self.final = nn.Conv2d(quarter, 3, 3, padding=1)
        self.register_load_state_dict_pre_hook(_accept_published_names)

    @property
    def backbone(self) -> Encoder:
        """The part that was trained before."""
        return self.fpn.encoder

    def forward(self, blurred: Tensor) -> Tensor:
        """Returns the restored photographs."""
        require_size(self, blurred)
        half, *maps = self.fpn(blurred)
        heads = [getattr(self, f"head{level}")(features) for level, features in enumerate(maps, 1)]
        quarter = [enlarged(features, 2**level) for level, features in enumerate(heads)]
        smoothed = self.smooth2(enlarged(self.smooth(torch.cat(quarter[::-1], dim=1)), 2) + half)
        return (blurred + self.final(enlarged(smoothed, 2)).tanh().to(blurred.dtype)).clamp(-1, 1)


class FpnGenerator(PyramidGenerator):
    """The generator of DeblurGAN-v2.

    ``backbone``, ``pretrained``, ``weights``, ``statistics``: see :class:`trainer.networks.encoder.Encoder`; the published code
    has "instance". ``width``: the channels of the pyramid; 0 means the published number, 256 on Inception-ResNet-v2 and 128
    on others. ``freeze``: the steps in which the backbone is not trained; published are 3 epochs of 1000 steps.
    """

    def __init__(
        self,
        *,
        backbone: str = "inception_resnet_v2",
        pretrained: bool = False,
        weights: str = "",
        statistics: str = "stored",
        width: int = 0,
        freeze: int = 0,
    ) -> None:
        within("generator.width", [width], 0, 1024)
        encoder = Encoder(backbone, pretrained=pretrained, weights=weights, statistics=statistics)
        width = width or encoder.plan.width
        super().__init__(Pyramid(encoder, width), width, freeze)


class Laterals(nn.Module):
    """The features of an encoder in ``width`` channels, the largest in half as many."""

    def __init__(self, encoder: Encoder, width: int) -> None:
        require(width % 4 == 0, f"generator.width is a multiple of 4, got {width}")
        super().__init__()
        self.encoder = encoder
        for level, channels in enumerate(encoder.plan.channels):
            self.add_module(f"lateral{level}", nn.Conv2d(channels, width if level else width // 2, 1, bias=False))

    def forward(self, photographs: Tensor) -> list[Tensor]:
        """Returns maps of 1/2 to 1/32 of the size, the largest first."""
        laterals = [getattr(self, f"lateral{level}")(found) for level, found in enumerate(self.encoder(photographs))]
        return [
            F.pad(found, pad, "reflect") if any(pad) else found
            for found, pad in zip(laterals, self.encoder.plan.pads, strict=True)
        ]


class Pyramid(Laterals):
    """Adds to each map, except the largest, what the smaller ones show."""

    def __init__(self, encoder: Encoder, width: int) -> None:
        super().__init__(encoder, width)
        joined = (nn.Sequential(nn.Conv2d(width, width, 3, padding=1), *normalised(width)) for _ in range(3))
        self.td1, self.td2, self.td3 = joined

    def forward(self, photographs: Tensor) -> list[Tensor]:
        """Returns maps of 1/2 to 1/32 of the size, the largest first."""
        map0, map1, map2, map3, map4 = super().forward(photographs)
        map3 = self.td1(map3 + enlarged(map4, 2))
        map2 = self.td2(map2 + enlarged(map3, 2))
        return [map0, self.td3(map1 + enlarged(map2, 2)), map2, map3, map4]


def _head(width: int, half: int) -> nn.Module:
    """Two convolutions, each with a ReLU, under their published names."""
    first, second = nn.Conv2d(width, half, 3, padding=1, bias=False), nn.Conv2d(half, half, 3, padding=1, bias=False)
    return nn.Sequential(OrderedDict(block0=first, relu0=nn.ReLU(), block1=second, relu1=nn.ReLU()))


def enlarged(features: Tensor, times: int) -> Tensor:
    """Returns the features with each pixel repeated ``times`` in both directions."""
    return F.interpolate(features, scale_factor=times, mode="nearest") if times > 1 else features


def _accept_published_names(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
    """Give the weights of the published files our names. Each encoder is twice in them, whole and by stages."""
    given = {name.removeprefix("module."): state.pop(name) for name in list(state)}
    for name, value in nested_names(given).items():
        ours = re.sub(r"^fpn\.(inception|features)\.", "fpn.encoder.", name)
        statistic = name.rpartition(".")[2] in STATISTICS and not ours.startswith("fpn.encoder.")
        if not (statistic or re.match(UNUSED, name) or re.match(r"fpn\.enc\d\.", name)):
            state[ours] = value
