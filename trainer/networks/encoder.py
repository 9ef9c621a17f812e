"""The encoders of the feature pyramids: features of a photograph at 1/2, 1/4, 1/8, 1/16 and 1/32 of its size.

Inception-ResNet-v2 (Szegedy et al., AAAI 2017) and MobileNetV2 (Sandler et al., CVPR 2018) are divided as in the code of
DeblurGAN-v2, which uses neither their last stages nor the normalisation of colours that they were trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from blurkit.program.checks import require
from trainer.networks.backbone import keep_statistics, load_weights, normalise_by, open_network

Pad = tuple[int, int, int, int]


class Plan(NamedTuple):
    """The children of a network that form each of five stages; the channels of the five features; the pads, in the order of
    ``torch.nn.functional.pad``, which replace the pixels that a feature lacks; the least side of a photograph; and the published
    number of channels of a pyramid."""

    stages: tuple[str, ...]
    channels: tuple[int, ...]
    pads: tuple[Pad, ...] = ((0, 0, 0, 0),) * 5
    least: int = 64
    width: int = 128


INCEPTION = Plan(
    (
        *("conv2d_1a", "conv2d_2a conv2d_2b maxpool_3a", "conv2d_3b conv2d_4a maxpool_5a"),
        *("mixed_5b repeat mixed_6a", "repeat_1 mixed_7a"),
    ),
    (32, 64, 192, 1088, 2080),
    ((0, 1, 0, 1), (1, 1, 1, 1), (1, 2, 1, 2), (1, 1, 1, 1), (1, 1, 1, 1)),
    least=128,
    width=256,
)
MOBILENET = Plan(("0 1", "2 3", "4 5 6", "7 8 9 10", "11 12 13 14 15"), (16, 24, 32, 64, 160))
PLANS = {"inception_resnet_v2": INCEPTION, "mobilenetv2": MOBILENET}

#: The numbers of layers of a block of MobileNetV2 in torchvision, by their numbers elsewhere. The first block has fewer layers.
BLOCK = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
FIRST_BLOCK = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}


class Encoder(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1] to five features, the largest first. H and W are multiples of 32.

    ``backbone``: one of :data:`PLANS`, or a network of timm with features at these five sizes. ``pretrained``: download the
    weights of ImageNet, unless ``weights`` names a file of them. ``statistics``: see
    :func:`trainer.networks.backbone.normalise_by`. Raises :class:`UsageError`.
    """

    def __init__(self, backbone: str, *, pretrained: bool, weights: str, statistics: str) -> None:
        super().__init__()
        pretrained = pretrained and not weights
        if backbone in PLANS:
            self.plan, network = PLANS[backbone], open_network(backbone, pretrained=pretrained)
            for name in " ".join(self.plan.stages).split():
                self.add_module(name, getattr(getattr(network, "features", network), name))
        else:
            self.plan = Plan((), self._open_features(backbone, pretrained=pretrained))
        if weights:
            load_weights(self if self.plan.stages else self.network, weights)
        normalise_by(statistics, self)

    def _open_features(self, backbone: str, *, pretrained: bool) -> tuple[int, ...]:
        found: Any = "none"
        try:
            self.network = open_network(backbone, pretrained=pretrained, features_only=True)
            about: Any = self.network.feature_info
            found = about.reduction()
        except (AttributeError, RuntimeError):
            pass  # timm gives features of most networks only
        require(found == [2, 4, 8, 16, 32], f"{backbone} has no features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size: {found}")
        return tuple(about.channels())

    def forward(self, photographs: Tensor) -> list[Tensor]:
        """Returns the features."""
        if not self.plan.stages:
            return self.network(photographs)
        found, features = [], photographs
        for names in self.plan.stages:
            for name in names.split():
                features = getattr(self, name)(features)
            found.append(features)
        return found

    def train(self, mode: bool = True) -> Encoder:
        """Set training or evaluation mode, but never of BatchNorm layers; see :func:`trainer.networks.backbone.normalise_by`."""
        super().train(mode)
        keep_statistics(self)
        return self


def nested_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the weights of MobileNetV2 under the names of torchvision. Others number the layers of a block from 0 to 7."""
    if any(".conv.0.0." in name for name in state):
        return dict(state)
    renamed = {}
    for name, value in state.items():
        start, found, rest = name.partition(".conv.")
        layer, _, kind = rest.partition(".")
        inner = FIRST_BLOCK if start.rpartition(".")[2] == "1" else BLOCK
        renamed[f"{start}.conv.{inner[layer]}.{kind}" if found and layer in inner else name] = value
    return renamed
