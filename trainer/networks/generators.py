"""Generators: networks from a blurred photograph to a restored one.

Each takes and returns floats (B, 3, H, W) in [-1, 1], and has an ``int`` attribute ``multiple``, of which H and W are multiples,
and ``least``, which neither goes below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from trainer.networks.build import build

#: The module and the class of each, imported only when it is asked for, so that one whose import fails harms no other.
GENERATORS = {"resnet": "trainer.networks.resnet:ResnetGenerator", "residual-unet": "trainer.networks.residual_unet:ResidualUnet"}


def build_generator(spec: Mapping[str, Any]) -> nn.Module:
    """A generator from its name and options: ``{"name": "resnet", "blocks": 9, "width": 64}``.

    Its weights are drawn from torch's global generator: seed that first. Raises :class:`blurkit.errors.UsageError`.
    """
    return build("generator", GENERATORS, spec)
