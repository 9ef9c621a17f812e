"""Layers of frozen classifiers of torchvision, whose outputs are compared by losses and metrics.

Sources: VGG, Simonyan and Zisserman, ICLR 2015; AlexNet, Krizhevsky 2014; MobileNetV2, Sandler et al., CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blurkit.errors import UsageError
from blurkit.program.checks import require
from trainer.networks.weights import read_weights

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, on a scale from 0 to 1

_REMEDY = (
    "--set content.vgg_weights=PATH, or train without the perceptual loss: --set content.perceptual=0 and another loss, for "
    "example --set content.l1=100"
)


class Imagenet(nn.Module):
    """Scales photographs from [-1, 1] to the mean and deviation of ImageNet."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", 2 * torch.tensor(MEAN).view(3, 1, 1) - 1, persistent=False)
        self.register_buffer("deviation", 2 * torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, photographs: Tensor) -> Tensor:
        """Returns the scaled photographs, (B, 3, H, W) as given."""
        return (photographs - self.mean) / self.deviation


class Features(nn.Module):
    """Maps photographs, float (B, 3, H, W) in [-1, 1], to the outputs of ``layers``, which are numbers within ``network``."""

    def __init__(self, network: nn.Sequential, layers: Sequence[int], scale: nn.Module | None = None) -> None:
        super().__init__()
        self.scale, self.network, self.layers = scale or nn.Identity(), network, tuple(layers)
        for layer in self.layers:  # an activation in place would change the output that was taken just before it
            for activation in network[layer + 1 : layer + 2]:
                if isinstance(activation, nn.ReLU):
                    activation.inplace = False

    def forward(self, photographs: Tensor) -> tuple[Tensor, ...]:
        """Returns one tensor per layer, in the order of the network."""
        found, images = [], self.scale(photographs)
        for number, layer in enumerate(self.network):
            images = layer(images)
            if number in self.layers:
                found.append(images)
        return tuple(found)


def layers(name: str, last: int) -> nn.Sequential:
    """Returns ``features[: last + 1]`` of a network of torchvision. The weights have no values yet."""
    import torchvision  # imported here: it takes a second, and only losses and metrics of features need it

    with torch.device("meta"):  # takes no time, no memory and no random numbers
        network = torchvision.models.get_model(name, weights=None).features
    valid = 0 <= last < len(network)
    require(valid, f"the layers of {name} are numbers from 0 to {len(network) - 1}, got {last}")
    return network[: last + 1].to_empty(device="cpu")


def features(name: str, numbers: Sequence[int], weights: str = "", scaling: str = "raw", *, remedy: str = _REMEDY) -> Features:
    """Returns frozen layers of "vgg19", "vgg16", "alexnet" or "mobilenet_v2", with the weights of torchvision.

    ``numbers``: of the layers within ``features`` of torchvision. ``weights``: a file; if it is empty, the weights are downloaded
    once. ``scaling``: "raw" photographs, or "imagenet". ``remedy``: how else to give weights, for the :class:`UsageError` that is
    raised if there are none.
    """
    require(len(numbers) > 0 and min(numbers) >= 0, f"name layers of {name} by numbers from 0 on, got {list(numbers)}")
    import torchvision  # as in :func:`layers`

    network, url = layers(name, max(numbers)), str(torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url)
    try:
        state = read_weights(Path(weights))[0] if weights else _download(url)
        network.load_state_dict({name: state[name if name in state else f"features.{name}"] for name in network.state_dict()})
    except (UsageError, KeyError, RuntimeError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[-1].strip()
        if not isinstance(error, UsageError):
            problem = f"{weights or url}: no weights of {name}, {problem}"
        file = Path(url).name
        cache = Path(torch.hub.get_dir()) / "checkpoints" / file
        raise UsageError(f"{problem}; put a copy of {file} at {cache}, or name one with {remedy}") from error
    return Features(network.eval().requires_grad_(False), numbers, Imagenet() if scaling == "imagenet" else None)


def _download(url: str) -> dict[str, Any]:
    try:
        return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # no network, a full disk, another digest
        raise UsageError(f"{url} cannot be downloaded ({error})") from error
