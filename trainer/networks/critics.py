"""Critics: networks that score how sharp each patch of a photograph looks.

Source: the PatchGAN of Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, with the
order of modules of the code of DeblurGAN (2018). The deeper critic, which sees the full frame, is from DeblurGAN-v2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from blurkit.program.checks import within
from trainer.networks.build import accept_published_names, build, initialise


class PatchCritic(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1] to unbounded scores (B, 1, h, w), one per overlapping patch.

    ``layers`` convolutions halve the size; the first has ``width`` channels, later ones at most eight times as many. Two more
    keep the size. At 256x256, 3 layers give 35x35 scores and 5 layers 11x11. The scores of a sample depend on this sample only.
    """

    def __init__(self, *, layers: int = 3, width: int = 64) -> None:
        within("critic.layers", [layers], 1, 8)
        within("critic.width", [width], 1, 1024)
        super().__init__()
        channels = [width * min(2**layer, 8) for layer in range(layers + 1)]
        modules = [nn.Conv2d(3, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2, inplace=True)]
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

    def forward(self, photographs: Tensor) -> Tensor:
        """Returns the scores. A higher score means sharper."""
        return self.model(photographs)


CRITICS: dict[str, Callable[..., nn.Module]] = {"patch": PatchCritic, "full": functools.partial(PatchCritic, layers=5)}


def build_critic(spec: Mapping[str, Any]) -> nn.Module:
    """Returns a critic from its name and options, such as ``{"name": "patch", "width": 64}``. "full" is "patch" with 5 layers.

    The weights are drawn from torch's global random generator, so seed it first. Raises :class:`blurkit.errors.UsageError`.
    """
    return build("critic", CRITICS, spec)
