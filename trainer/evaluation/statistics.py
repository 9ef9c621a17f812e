"""Gives all tiles of a photograph the same statistics of normalisation.

Normalisation by instance uses the mean and the variance of its input. Those of a tile are not those of the photograph, so each
tile would be restored by another function: its brightness and its contrast would differ from those of its neighbours. Here the
statistics are measured once, on patches that are spread evenly over the photograph and normalised together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_Norm = nn.InstanceNorm2d | nn.GroupNorm


class Statistics:
    """The mean and the variance of the input of each normalisation of ``network``, per channel.

    Within :meth:`measured` the network normalises a batch (B, C, H, W) as one image and its statistics are kept. Within
    :meth:`used` it normalises by these. Without normalisation by instance both change nothing.
    """

    def __init__(self, network: nn.Module) -> None:
        self._norms = [module for module in network.modules() if _by_instance(module)]
        self._kept: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def __bool__(self) -> bool:
        return bool(self._norms)

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Within the block the statistics are those of the batch."""

        def measure(norm: nn.Module, given: tuple[Tensor, ...], _: Any) -> Tensor:
            variance, mean = torch.var_mean(given[0].float(), dim=(0, 2, 3), correction=0, keepdim=True)
            self._kept[norm] = mean, variance
            return self._normalised(norm, given[0])

        with self._hooked(measure):
            yield

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Within the block the measured statistics are used."""
        with self._hooked(lambda norm, given, _: self._normalised(norm, given[0])):
            yield

    def _normalised(self, norm: nn.Module, given: Tensor) -> Tensor:
        assert isinstance(norm, _Norm)
        mean, variance = self._kept[norm]
        scale = torch.rsqrt(variance + norm.eps)
        normal = (given.float() - mean) * scale
        if norm.affine:
            normal = normal * norm.weight[:, None, None] + norm.bias[:, None, None]
        return normal.to(given.dtype)

    @contextlib.contextmanager
    def _hooked(self, hook: Any) -> Iterator[None]:
        handles = [norm.register_forward_hook(hook) for norm in self._norms]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _by_instance(module: nn.Module) -> bool:
    """Whether a module normalises each channel of each image by itself. The second form is that of ``channels_last``."""
    if isinstance(module, nn.InstanceNorm2d):
        return not module.track_running_stats
    return isinstance(module, nn.GroupNorm) and module.num_groups == module.num_channels
