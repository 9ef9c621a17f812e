"""Critics: networks that score how sharp each patch of a photograph looks.

Source: the PatchGAN of Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, as in the
code of DeblurGAN (2018), whose order of modules is kept; DeblurGAN-v2 adds the deeper one, which sees the full frame.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from blurkit.program.checks import within
from trainer.networks.build import accept_published_names, build, initialise


class PatchCritic(nn.Module):
    """Float (B, 3, H, W) in [-1, 1] -> unbounded scores (B, 1, h, w), one for each of the overlapping patches.

    ``layers`` convolutions that halve the size, with ``width`` channels after the first and at most eight times as many later,
    then two that keep it. At 256x256, 3 layers answer with 35x35 scores, 5 with 11x11. A sample's scores depend on it alone.
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
        """Scores: higher is sharper."""
        return self.model(photographs)


CRITICS: dict[str, Callable[..., nn.Module]] = {"patch": PatchCritic, "full": functools.partial(PatchCritic, layers=5)}


def build_critic(spec: Mapping[str, Any]) -> nn.Module:
    """A critic from its name and options: ``{"name": "patch", "width": 64}``; "full" is "patch" with 5 layers.

    Its weights are drawn from torch's global generator: seed that first. Raises :class:`blurkit.errors.UsageError`.
    """
    return build("critic", CRITICS, spec)
