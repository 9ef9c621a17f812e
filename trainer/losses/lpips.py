"""LPIPS: a learned distance between photographs, the weighted difference of features of a classifier.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018. The weights of
layers are version 0.1 of the authors, which torchmetrics contains.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from blurkit.errors import UsageError
from trainer.losses.features import Features, features
from trainer.networks.build import full_precision
from trainer.networks.weights import read_weights

#: The name of each network in torchmetrics, and its layers.
NETWORKS = {"alexnet": ("alex", (1, 4, 7, 9, 11)), "vgg16": ("vgg", (3, 8, 15, 22, 29))}


class Lpips(nn.Module):
    """``heads``: for each layer of ``network`` the weights of its channels, float (C,)."""

    def __init__(self, network: Features, heads: Sequence[Tensor]) -> None:
        super().__init__()
        self.network, self._count = network, len(heads)
        for number, head in enumerate(heads):
            self.register_buffer(f"head{number}", head.view(-1, 1, 1), persistent=False)

    def forward(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """Returns the distance of each pair, float (B,), of photographs, float (B, 3, H, W) in [-1, 1]. Only ``restored`` gets a
        gradient."""
        with torch.no_grad():
            targets = self.network(sharp)
        distances = []
        for number, (found, target) in enumerate(zip(self.network(restored), targets, strict=True)):
            squares = (_unit(found) - _unit(target)).square()
            distances.append((squares * self.get_buffer(f"head{number}")).sum(1).mean((1, 2)))
        return torch.stack(distances).sum(0)


def build_lpips(name: str, weights: str = "", *, remedy: str) -> Lpips:
    """Returns LPIPS with "alexnet" or "vgg16". ``weights``, ``remedy``: see :func:`trainer.losses.features.features`."""
    short, numbers = NETWORKS[name]
    library = importlib.util.find_spec("torchmetrics")  # the package is not imported, which would take seconds
    if library is None or library.origin is None:
        raise UsageError("LPIPS needs the weights that torchmetrics contains: pip install torchmetrics")
    state, _ = read_weights(Path(library.origin).parent / "functional" / "image" / "lpips_models" / f"{short}.pth")
    heads = [state[f"lin{number}.model.1.weight"].flatten() for number in range(len(numbers))]
    return Lpips(features(name, numbers, weights, "imagenet", remedy=remedy), heads)


def _unit(found: Tensor) -> Tensor:
    """Features of which each place has the length 1."""
    found = full_precision(found)
    return found / (found.square().sum(1, keepdim=True) + 1e-8).sqrt()
