"""Critics: networks that score how sharp a photograph looks, patch by patch or as a whole.

Source: the PatchGAN of Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, with the
order of modules of the code of DeblurGAN (2018). The deeper critic, which sees the full frame, and the pair of both are from
DeblurGAN-v2 (Kupyn et al., ICCV 2019).
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from blurkit.program.checks import require, within
from trainer.networks.backbone import keep_statistics, load_weights
from trainer.networks.build import accept_published_names, initialise
from trainer.specs import CRITICS, build


class Critic(nn.Module, abc.ABC):
    """What all critics share.

    ``conditional``: the critic also sees the blurred photographs. ``frozen``: it is not trained. Layers of BatchNorm use their
    stored statistics, so the scores of a sample depend on this sample only.
    """

    def __init__(self, *, conditional: bool, frozen: bool) -> None:
        super().__init__()
        self.conditional, self.frozen = conditional, frozen

    def forward(self, images: Tensor, blurred: Tensor | None = None) -> tuple[Tensor, ...]:
        """Returns one map of unbounded scores per network, (B, 1, h, w) or (B, 1). A higher score means sharper.

        ``images``: restored or sharp photographs, float (B, 3, H, W) in [-1, 1]. ``blurred``: what they were restored from, of
        the same shape. Only a conditional critic uses it, and needs it.
        """
        if self.conditional:
            require(blurred is not None, "a conditional critic scores photographs together with the blurred photographs")
            images = torch.cat([images, cast(Tensor, blurred)], dim=1)
        return self.scores(images)

    @abc.abstractmethod
    def scores(self, images: Tensor) -> tuple[Tensor, ...]:
        """Returns the scores of all channels that the critic sees: 3, or 6 if it is conditional."""

    def train(self, mode: bool = True) -> Critic:
        """Set training or evaluation mode. A frozen critic stays in evaluation mode, and so does BatchNorm."""
        super().train(mode and not self.frozen)
        keep_statistics(self)
        return self

    def _started(self, weights: str) -> None:
        """Read the weights of a file, if any is named, and freeze them if the critic is frozen."""
        if weights:
            load_weights(self, weights)
        self.requires_grad_(not self.frozen)


class PatchCritic(Critic):
    """Scores overlapping patches.

    ``layers`` convolutions halve the size; the first has ``width`` channels, later ones at most eight times as many. Two more
    keep the size. 0 layers means the published number, 3. At 256x256, 3 layers give 35x35 scores and 5 layers 11x11. ``weights``:
    a file to start from. ``conditional``, ``frozen``: see :class:`Critic`.
    """

    published_layers = 3

    def __init__(
        self, *, layers: int = 0, width: int = 64, conditional: bool = False, weights: str = "", frozen: bool = False
    ) -> None:
        within("critic.layers", [layers], 0, 8)
        within("critic.width", [width], 1, 1024)
        super().__init__(conditional=conditional, frozen=frozen)
        layers = layers or self.published_layers
        channels = [width * min(2**layer, 8) for layer in range(layers + 1)]
        modules = [nn.Conv2d(6 if conditional else 3, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2, inplace=True)]
        for layer in range(1, layers + 1):
            stride = 2 if layer < layers else 1
            modules += [
                nn.Conv2d(channels[layer - 1], channels[layer], 4, stride=stride, padding=2),
                nn.InstanceNorm2d(channels[layer]),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.model = nn.Sequential(*modules, nn.Conv2d(channels[-1], 1, 4, padding=2))
        initialise(self)
        self.register_load_state_dict_pre_hook(accept_published_names)
        self._started(weights)

    def scores(self, images: Tensor) -> tuple[Tensor, ...]:
        """Returns one map of scores."""
        return (self.model(images),)


class FullCritic(PatchCritic):
    """A :class:`PatchCritic` whose published number of layers is 5, so that a patch covers most of the photograph."""

    published_layers = 5


class DoubleCritic(Critic):
    """A :class:`PatchCritic` and a :class:`FullCritic`. Each has its own loss, and the mean of both losses counts."""

    def __init__(self, *, width: int = 64, conditional: bool = False, weights: str = "", frozen: bool = False) -> None:
        super().__init__(conditional=conditional, frozen=frozen)
        self.patch = PatchCritic(width=width, conditional=conditional)
        self.full = FullCritic(width=width, conditional=conditional)
        self._started(weights)

    def scores(self, images: Tensor) -> tuple[Tensor, ...]:
        """Returns the scores of the patches, then those of the full frame."""
        return *self.patch.scores(images), *self.full.scores(images)


def build_critic(spec: Mapping[str, Any]) -> Critic:
    """Returns a critic from its name and options, such as ``{"name": "patch", "width": 64}``. "full" is "patch" with 5 layers.

    The weights are drawn from torch's global random generator, so seed it first. Raises :class:`blurkit.errors.UsageError`.
    """
    return build("critic", CRITICS, spec)
