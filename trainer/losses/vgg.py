"""VGG-19 up to conv3_3, frozen, with the weights that torchvision publishes.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from blurkit.errors import UsageError
from trainer.networks.weights import read_state

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"

#: Channels of the convolutions, each followed by a ReLU but the last; 0 is a halving of the size.
LAYERS = (64, 64, 0, 128, 128, 0, 256, 256, 256)


def layers() -> nn.Sequential:
    """Float (B, 3, H, W) -> (B, 256, H / 4, W / 4): torchvision's ``vgg19().features[:15]``, its names and its order."""
    modules: list[nn.Module] = []
    channels = 3
    for width in LAYERS:
        modules += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)] if width else [nn.MaxPool2d(2)]
        channels = width or channels
    return nn.Sequential(*modules[:-1])


def features(weights: str = "") -> nn.Sequential:
    """:func:`layers` with the weights of a file (a state dictionary of VGG-19), or torchvision's where it is empty."""
    try:
        state = read_state(Path(weights)) if weights else _download()
        with torch.random.fork_rng(devices=[]):  # what is drawn only to be overwritten changes no later draw
            network = layers()
        wanted = {name: state[name if name in state else f"features.{name}"] for name in network.state_dict()}
        network.load_state_dict(wanted)
    except UsageError as error:
        raise UsageError(f"{error}; {_ways()}") from error
    except KeyError as error:
        raise UsageError(f"{weights or URL}: no weights of VGG-19, {error} is missing; {_ways()}") from error
    except RuntimeError as error:
        raise UsageError(f"{weights or URL}: no weights of VGG-19, {str(error).splitlines()[-1].strip()}; {_ways()}") from error
    return network.eval().requires_grad_(False)


def _download() -> dict[str, Any]:
    try:
        return torch.hub.load_state_dict_from_url(URL, map_location="cpu", check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # no network, a full disk, another digest
        raise UsageError(f"the perceptual loss needs the weights of VGG-19, and {URL} cannot be had ({error})") from error


def _ways() -> str:
    cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(URL).name
    return (
        f"give the path of a copy of {Path(URL).name} with --set content.vgg_weights=PATH, or put it at {cache}, "
        "or train without this term with --set content.perceptual=0 and another one, such as content.l1=100"
    )
