"""The encoders of the feature pyramids: features of a photograph at 1/2, 1/4, 1/8, 1/16 and 1/32 of its size.

Inception-ResNet-v2 (Szegedy et al., AAAI 2017) and MobileNetV2 (Sandler et al., CVPR 2018) are divided as in the code of
DeblurGAN-v2, which uses neither their last stages nor the normalisation of colours that they were trained with.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from blurkit.program.checks import require
from trainer.networks.backbone import keep_statistics, load_weights, normalise_by, open_backbone, timm_network
from trainer.networks.weights import read_weights

#: The children of the network that form each of the five stages.
INCEPTION = (
    "conv2d_1a",
    "conv2d_2a conv2d_2b maxpool_3a",
    "conv2d_3b conv2d_4a maxpool_5a",
    "mixed_5b repeat mixed_6a",
    "repeat_1 mixed_7a",
)
MOBILENET = ("0 1", "2 3", "4 5 6", "7 8 9 10", "11 12 13 14 15")
#: The numbers of layers of a block of MobileNetV2 in torchvision, by their numbers elsewhere. The first block has fewer layers.
BLOCK = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
FIRST_BLOCK = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}


class Encoder(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1] to five features. ``channels``: of the features. ``pads``: the pixels, in the order of
    ``torch.nn.functional.pad``, by which each has to be padded so that its size is the photograph's over a power of two.
    ``width``: the published number of channels of a pyramid on it."""

    multiple, least, width = 32, 64, 128
    pads: tuple[tuple[int, int, int, int] | None, ...] = (None,) * 5
    channels: tuple[int, ...]

    def __init__(self, network: nn.Module, stages: tuple[str, ...]) -> None:
        super().__init__()
        self.stages = [names.split() for names in stages]
        for name in itertools.chain(*self.stages):
            self.add_module(name, getattr(network, name))

    def forward(self, photographs: Tensor) -> list[Tensor]:
        """Returns the features, the largest first."""
        found = [photographs]
        for names in self.stages:
            features = found[-1]
            for name in names:
                features = getattr(self, name)(features)
            found.append(features)
        return found[1:]

    def train(self, mode: bool = True) -> Encoder:
        """Set training or evaluation mode, but never of BatchNorm layers; see :func:`trainer.networks.backbone.normalise_by`."""
        super().train(mode)
        keep_statistics(self.modules())
        return self


class Inception(Encoder):
    """Inception-ResNet-v2. Its convolutions lose pixels at the borders."""

    least, width, channels = 128, 256, (32, 64, 192, 1088, 2080)
    pads = ((0, 1, 0, 1), (1, 1, 1, 1), (1, 2, 1, 2), (1, 1, 1, 1), (1, 1, 1, 1))

    def __init__(self, *, pretrained: bool, weights: str) -> None:
        network = open_backbone(timm_network, "inception_resnet_v2", pretrained=pretrained, weights=weights)
        super().__init__(network, INCEPTION)
        if weights:
            load_weights(self, weights)


class Mobilenet(Encoder):
    """MobileNetV2."""

    channels = (16, 24, 32, 64, 160)

    def __init__(self, *, pretrained: bool, weights: str) -> None:
        network = open_backbone(_torchvision_mobilenet, "mobilenet_v2", pretrained=pretrained, weights=weights)
        super().__init__(network.features, MOBILENET)  # type: ignore[arg-type]
        if weights:
            state = {name.removeprefix("features."): value for name, value in read_weights(Path(weights))[0].items()}
            load_weights(self, weights, nested_names(state))


class Features(Encoder):
    """The features of a network of timm, by its name there."""

    def __init__(self, name: str, *, pretrained: bool, weights: str) -> None:
        nn.Module.__init__(self)
        try:
            network = open_backbone(timm_network, name, pretrained=pretrained, weights=weights, features_only=True)
            found = network.feature_info.reduction()  # type: ignore[union-attr,operator]
        except (AttributeError, RuntimeError) as error:
            found = error
        require(found == [2, 4, 8, 16, 32], f"{name} has no features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size, but {found}")
        self.network = network
        self.channels = tuple(network.feature_info.channels())  # type: ignore[union-attr,operator]
        if weights:
            load_weights(network, weights)

    def forward(self, photographs: Tensor) -> list[Tensor]:
        """Returns the features, the largest first."""
        return self.network(photographs)


def open_encoder(backbone: str, *, pretrained: bool, weights: str, statistics: str) -> Encoder:
    """Returns an encoder by name: "inception_resnet_v2", "mobilenetv2", or a network of timm with features at five sizes.

    ``pretrained``: download the weights of ImageNet. ``weights``: read them from a file. ``statistics``: see
    :func:`trainer.networks.backbone.normalise_by`. Raises :class:`UsageError`.
    """
    named: dict[str, Callable[..., Encoder]] = {"inception_resnet_v2": Inception, "mobilenetv2": Mobilenet}
    make = named.get(backbone, functools.partial(Features, backbone))
    encoder = make(pretrained=pretrained, weights=weights)
    normalise_by(statistics, encoder)
    return encoder


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


def _torchvision_mobilenet(name: str, *, pretrained: bool) -> nn.Module:
    from torchvision.models import get_model  # imported here: it takes a second, and few networks need it

    return get_model(name, weights="IMAGENET1K_V1" if pretrained else None)
