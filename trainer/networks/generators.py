"""Generators: networks that map a blurred photograph to a restored photograph.

Each maps float (B, 3, H, W) in [-1, 1] to the same shape and range. It has two ``int`` attributes: H and W must be multiples of
``multiple`` and at least ``least``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from trainer.specs import GENERATORS, build


def build_generator(spec: Mapping[str, Any]) -> nn.Module:
    """Returns a generator from its name and options, such as ``{"name": "resnet", "blocks": 9, "width": 64}``.

    The weights are drawn from torch's global random generator, so seed it first. Raises :class:`blurkit.errors.UsageError`.
    """
    return build("generator", GENERATORS, spec)
