"""Classifiers of timm as critics: MobileNetV3, EfficientNet, SE-ResNeXt and others, with one output for the whole photograph.

In NoGAN such a network first learns to tell blurred photographs (1) from sharp ones (0), and then judges what is restored. Its
logit is that of "blurred", so the score, which is higher for sharper photographs, is minus the logit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainer.networks.backbone import load_weights, normalise_by, open_network
from trainer.networks.critics import Critic
from trainer.networks.weights import read_weights


class ClassifierCritic(Critic):
    """Scores whole photographs.

    ``backbone``: a network of timm (published: "mobilenetv3_large_100", "efficientnet_b0", "seresnext50_32x4d"). ``pretrained``:
    start from the weights of ImageNet, unless ``weights`` names a file, of such weights or of this critic. ``statistics``: see
    :func:`trainer.networks.backbone.normalise_by`. ``conditional``, ``frozen``: see :class:`trainer.networks.critics.Critic`.
    """

    def __init__(
        self,
        *,
        backbone: str = "mobilenetv3_large_100",
        pretrained: bool = False,
        weights: str = "",
        statistics: str = "stored",
        conditional: bool = False,
        frozen: bool = False,
    ) -> None:
        super().__init__(conditional=conditional, frozen=frozen)
        channels = 6 if conditional else 3
        self.network = open_network(backbone, pretrained=pretrained and not weights, num_classes=1, in_chans=channels)
        _differentiable_twice(self.network)
        normalise_by(statistics, self.network)
        about: dict[str, Any] = self.network.default_cfg  # type: ignore[assignment]
        levels = (torch.tensor(about[name]).repeat(channels // 3).view(-1, 1, 1) for name in ("mean", "std"))
        self.mean, self.std = (nn.Buffer(values, persistent=False) for values in levels)
        if weights:
            given, own = read_weights(Path(weights))[0], self.network.state_dict()
            given = {name.removeprefix("network."): value for name, value in given.items()}
            head = f"{about['classifier']}."  # that of ImageNet has a thousand outputs
            kept = [name for name in own if name.startswith(head) and getattr(given.get(name), "shape", None) != own[name].shape]
            load_weights(self.network, weights, given | {name: own[name] for name in kept})
        self._started("")

    def scores(self, images: Tensor) -> tuple[Tensor, ...]:
        """Returns one score per sample, (B, 1)."""
        return (-self.network(((images + 1) / 2 - self.mean) / self.std),)


def _differentiable_twice(network: nn.Module) -> None:
    """Replace the activations that torch cannot differentiate twice, as a gradient penalty needs, by the same functions."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child).__name__.lower() == "hardsigmoid":
                setattr(parent, name, Ramp())


class Ramp(nn.Module):
    """The activation "hard sigmoid"."""

    def forward(self, values: Tensor) -> Tensor:
        """Maps values to [0, 1]."""
        return (values / 6 + 0.5).clamp(0, 1)
