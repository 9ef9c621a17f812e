"""The layers of VGG-19 up to conv3_3, frozen, with the weights that torchvision publishes.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from blurkit.errors import UsageError
from trainer.networks.weights import read_weights

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"


def layers() -> nn.Sequential:
    """Returns ``vgg19().features[:15]`` of torchvision. It maps float (B, 3, H, W) to (B, 256, H / 4, W / 4)."""
    from torchvision.models.vgg import make_layers  # imported here: it takes a second, and only the perceptual loss needs it

    return make_layers([64, 64, "M", 128, 128, "M", 256, 256, 256])[:-1]


def features(weights: str = "") -> nn.Sequential:
    """Returns :func:`layers` with weights of VGG-19 from a file. If ``weights`` is empty, torchvision's are downloaded once."""
    try:
        state = read_weights(Path(weights))[0] if weights else _download()
        with torch.random.fork_rng(devices=[]):  # the initial weights are overwritten, so their draw must not affect later draws
            network = layers()
        network.load_state_dict({name: state[name if name in state else f"features.{name}"] for name in network.state_dict()})
    except (UsageError, KeyError, RuntimeError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[-1].strip()
        if not isinstance(error, UsageError):
            problem = f"{weights or URL}: no weights of VGG-19, {problem}"
        cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(URL).name
        raise UsageError(
            f"{problem}; name a copy of {Path(URL).name} with --set content.vgg_weights=PATH, or put a copy at {cache}, "
            "or train without the perceptual loss: --set content.perceptual=0 and another loss, for example content.l1=100"
        ) from error
    return network.eval().requires_grad_(False)


def _download() -> dict[str, Any]:
    try:
        return torch.hub.load_state_dict_from_url(URL, map_location="cpu", check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # no network, a full disk, another digest
        raise UsageError(f"the perceptual loss needs the weights of VGG-19, and {URL} cannot be downloaded ({error})") from error
